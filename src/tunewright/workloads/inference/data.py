"""What the stages hand down: a model in a form that some runtimes take, and what it answers.

Imports numpy alone: a process that only predicts reads these values too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]
Reads = Literal["probabilities", "scores", "values"]


@final
@dataclass(frozen=True)
class Input:
    """An input of a model: its name, its type as numpy names it, and the shape of one row of it."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@final
@dataclass(frozen=True)
class Signature:
    """What a model is called with. batch: the rows of a call, where any other number is refused.

    outputs: the shape of each answer to one row.
    """

    inputs: tuple[Input, ...]
    batch: int | None = None
    outputs: tuple[tuple[int, ...], ...] = ()


@final
@dataclass(frozen=True)
class Model:
    """A model in one form. exact: whether it must still answer as the original does."""

    form: str
    files: Mapping[str, bytes]
    exact: bool = True


@final
@dataclass(frozen=True)
class Compiled:
    """A model as a runtime reads it, with the settings that belong to it."""

    runtime: str
    files: Mapping[str, bytes]
    settings: Mapping[str, Any]
    signature: Signature


@final
@dataclass(frozen=True)
class Runner:
    """A model in memory. call: from what the runtime takes as it is to what it gives.

    native: makes that of arrays, and arrays the arrays of what it gave: neither is timed, since
    whoever uses a framework holds its tensors.
    """

    call: Callable[[Any], Any]
    native: Callable[[Arrays], Any]
    arrays: Callable[[Any], Arrays]

    def __call__(self, inputs: Arrays) -> Arrays:
        """Arrays to arrays."""
        return self.arrays(self.call(self.native(inputs)))


@final
@dataclass(frozen=True)
class Answers:
    """What a model said: of the judged rows, of real rows and of odd ones, output by output.

    contributions: by metric, one number a row whose mean is the metric.
    """

    real: Arrays
    odd: Arrays
    contributions: Mapping[str, NDArray[np.float64]]


def shaped(said: Arrays, signature: Signature) -> Arrays:
    """The answers in the shape of the original's: some runtimes add or drop an axis of one."""
    if len(said) != len(signature.outputs):
        return said
    return tuple(
        one.reshape(len(one), *shape) if one[:1].size == math.prod(shape) else one
        for one, shape in zip(said, signature.outputs, strict=True)
    )


def answered(call: Callable[[Arrays], Arrays], inputs: Arrays, batch: int) -> Arrays:
    """What a model says of rows, so many at a time; the last call is filled up with the last row.

    () for no rows.
    """
    parts: list[Arrays] = []
    rows = len(inputs[0])
    for begin in range(0, rows, batch):
        part = tuple(one[begin : begin + batch] for one in inputs)
        lacking = batch - len(part[0])
        if lacking:
            part = tuple(np.concatenate([p, np.repeat(p[-1:], lacking, axis=0)]) for p in part)
        said = call(part)
        parts.append(tuple(one[: batch - lacking] for one in said))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
