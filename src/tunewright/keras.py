"""Training of models with Keras: `tunewright.tune(tunewright.keras.Training(build, (x, y)))`."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tunewright.core.registry import resolve
from tunewright.errors import InputError, check_type
from tunewright.workloads.functions.knobs import Unnamed
from tunewright.workloads.training.arrays import arrays_of
from tunewright.workloads.training.declared import Parts, defaults_of, leave, own_space
from tunewright.workloads.training.keras.kind import FRAMEWORK
from tunewright.workloads.training.knobs import knobs_of
from tunewright.workloads.training.workload import TrainingSpec

__all__ = ["Training"]
TASK = "tunewright.workloads.training.keras.fitting:task_of"


@final
@dataclass(frozen=True, eq=False)
class Training:
    """The training of a Keras model from arrays.

    build: a function that returns a compiled model, anew for each training. It takes nothing, or
    its knobs by name (`build(units=64)`), or all of them as one mapping (`build(hp)`). Knobs are
    those of `space`, else parameters with a default that is a size or a share of dropout.
    data: (x_train, y_train). test: the rows for the verdict, where they were divided already.
    epochs, batch: what you give to `fit` today. seeds: trainings of each config for the verdict.
    Raises InputError for what cannot be trained.
    """

    build: Callable[..., Any]
    data: Any
    test: Any = None
    space: Mapping[str, Unnamed] | None = None
    epochs: int = 10
    batch: int = 128
    seeds: int = 5

    def __post_init__(self) -> None:
        for library in ("keras", "safetensors"):
            if importlib.util.find_spec(library) is None:
                raise InputError(
                    f"expected {library}, which a training with Keras needs; it is not there: "
                    'pip install "tunewright[keras]"'
                )
        if not callable(self.build) or hasattr(self.build, "fit"):
            raise InputError(
                "expected a function that builds a compiled model anew for each training; got "
                f"{type(self.build).__name__}; give lambda: … around it"
            )
        for name, least in (("epochs", 1), ("batch", 1), ("seeds", 3)):
            check_type(name, getattr(self, name), int, str(max(least, 5)))
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected at least {least}; got {getattr(self, name)}")

    @property
    def kind(self) -> str:
        """The kind of workload."""
        return FRAMEWORK.name

    @property
    def label(self) -> str:
        """What it is called."""
        return str(getattr(self.build, "__name__", "model")).strip("<>")

    def left(self, directory: Path, *, in_process: bool) -> TrainingSpec:
        """Its spec, where what travels is left in the directory of a study."""
        space, inferred = own_space(self.build, self.space)
        build = _by_name(self.build, space)
        task, optimizer, lr = resolve(TASK)(build, defaults_of(space))
        arrays = arrays_of(self.data, task=task, test=self.test)
        rows = len(arrays.learned)
        knobs = knobs_of(
            epochs=self.epochs, batch=min(self.batch, rows), rows=rows, optimizer=optimizer, lr=lr
        )
        parts = Parts(
            FRAMEWORK, build, arrays, knobs, space, "", self.label, self.seeds, "cpu", inferred
        )
        return leave(parts, directory, in_process=in_process)


def _by_name(build: Callable[..., Any], space: Mapping[str, Unnamed]) -> Callable[..., Any]:
    """The function as one that takes its knobs by name: another may take them all as a mapping."""
    needed = [p for p in inspect.signature(build).parameters.values() if p.default is p.empty]
    if len(needed) == 1 and needed[0].name not in space and space:
        return lambda **hp: build(hp)
    return build
