"""Predictor: arrays in, answers out, with nothing imported but numpy and one runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tunewright.core.registry import resolve
from tunewright.errors import InputError
from tunewright.workloads.inference.data import Arrays, Compiled, Input, Runner, answered
from tunewright.workloads.inference.runtimes import runtime_of


def load_runner(model: Compiled) -> Runner:
    """The model in memory. Raises InputError where its runtime is not installed."""
    runtime = runtime_of(model.runtime)
    try:
        runner: Runner = resolve(runtime.load)(model)
    except ImportError as error:
        raise InputError(
            f"expected {runtime.library} to answer with this model; got none "
            f"({error.name or error}); type {runtime.install}"
        ) from error
    return runner


@final
class ModelPredictor:
    """Answers arrays as the model does that it was made from, in the runtime that was chosen.

    x: an array, or a tuple or a mapping of several, whose first axis are rows. The answer is an
    array, or a tuple of several outputs. Any number of rows will do. Raises InputError for
    another shape or type.
    """

    def __init__(self, model: Compiled, classes: tuple[Any, ...] = ()) -> None:
        self.signature = model.signature
        self.runtime = model.runtime
        self.classes = classes
        self._run = load_runner(model)

    def predict(self, x: Any) -> Any:
        """The answer to these rows."""
        inputs = self._inputs(x)
        batch = self.signature.batch
        said = self._run(inputs) if batch in {None, len(inputs[0])} else answered(
            self._run, inputs, batch or len(inputs[0])
        )  # fmt: skip
        return said[0] if len(said) == 1 else said

    def _inputs(self, x: Any) -> Arrays:
        wanted = self.signature.inputs
        if isinstance(x, Mapping):
            if missing := [one.name for one in wanted if one.name not in x]:
                raise InputError(f"expected the input {missing[0]!r}; got {', '.join(map(str, x))}")
            x = tuple(x[one.name] for one in wanted)
        given = x if isinstance(x, tuple) else (x,)
        if len(given) != len(wanted):
            names = ", ".join(one.name for one in wanted)
            raise InputError(f"expected {len(wanted)} inputs ({names}); got {len(given)}")
        return tuple(_checked(one, of) for one, of in zip(given, wanted, strict=True))


def _checked(given: Any, wanted: Input) -> NDArray[Any]:
    array = given if isinstance(given, np.ndarray) else np.asarray(
        given.detach().cpu() if hasattr(given, "detach") else given
    )  # fmt: skip
    if array.shape[1:] != wanted.shape or not len(array):
        raise InputError(
            f"expected rows of the shape {wanted.shape} for {wanted.name!r}; got {array.shape}, "
            "whose first axis must be rows"
        )
    if array.dtype.name == wanted.dtype:
        return array
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and "int" in wanted.dtype):
        raise InputError(f"expected {wanted.dtype} for {wanted.name!r}; got {array.dtype}")
    return array.astype(wanted.dtype)
