"""Transforms: the scale on which a skewed target is learned, whatever the family of the model.

Roots and logarithms keep a few large answers from drowning the others; whether that pays is for the
folds to say. The mean of roots is not the root of the mean, which a factor makes good (Duan 1983).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.core.conditions import Condition
from tunewright.core.knobs import Choice, Knob
from tunewright.workloads.tabular.data import Floats, Runtime, Table, Transform
from tunewright.workloads.tabular.weighing import picked

KNOB = "target_transform"
SKEWED, VERY_SKEWED = 0.5, 1.0  # moderately and highly, by the common rule of Bulmer (1979)
_THERE: dict[str, Callable[[Any], Any]] = {"sqrt": np.sqrt, "log": np.log}
_BACK: dict[str, Callable[[Any], Any]] = {"sqrt": np.square, "log": np.exp}
_ONE_BACK: dict[str, Callable[[float], float]] = {"sqrt": lambda z: z * z, "log": math.exp}


def skewness(table: Table) -> float:
    """That of the answers to learn from; 0 for classes, and where an answer has no root."""
    if table.facts.task != "regression" or table.y.min() < 0:
        return 0.0
    y = table.y[table.train] / table.y.max()  # so that no sum overflows
    weights = picked(table.weights, table.train)
    deviations = y - np.average(y, weights=weights)
    spread = float(np.average(deviations**2, weights=weights))
    return float(np.average(deviations**3, weights=weights)) / spread**1.5 if spread > 0 else 0.0


def names_of(table: Table) -> tuple[str, ...]:
    """The transforms that may help: none where the answers are not skewed enough."""
    if skewness(table) <= SKEWED:
        return ()
    return ("sqrt", *(("log",) if table.y.min() > 0 else ()))


def knobs_of(table: Table, when: Condition | None) -> tuple[Knob, ...]:
    """The knob, where there is something to choose from."""
    names = names_of(table)
    every = Choice(("none", *names))
    return (Knob(KNOB, every, "none", "hyperparameter", "fit", when=when),) if names else ()


def transform_of(name: str, y: NDArray[Any]) -> Transform | None:
    """The transform with this name for a model that learns from these answers; None for "none"."""
    if name == "none":
        return None
    z = _THERE[name](y)
    return Transform(name, float(z.min()), float(z.max()))


def transformed(y: NDArray[Any], transform: Transform | None) -> NDArray[Any]:
    """The answers on the scale on which they are learned."""
    return y if transform is None else np.asarray(_THERE[transform.name](y))


def smeared(
    transform: Transform, y: NDArray[Any], said: Floats, weights: Floats | None
) -> Transform:
    """The transform with the factor that makes what is said of learned rows right in the mean."""
    most = float(y.max())  # so that no sum overflows
    right, total = (float(np.average(each / most, weights=weights)) for each in (y, said))
    return replace(transform, factor=right / total) if total > 0 else transform


def told(runtime: Runtime, transform: Transform | None) -> Runtime:
    """The runtime of what was learned, its answers on the target's own scale.

    Before the factor none lies beyond those that were learned from: what is a small step on the one
    scale may be an endless one on the other.
    """
    if transform is None:
        return runtime
    low, high, factor = transform.low, transform.high, transform.factor
    answer, back = runtime.row, _ONE_BACK[transform.name]

    def row(values: Any) -> Sequence[float]:
        return (factor * back(min(max(answer(values)[0], low), high)),)

    def batch(x: Any) -> Floats:
        return np.asarray(factor * _BACK[transform.name](np.clip(runtime.batch(x), low, high)))

    return Runtime(row, batch)
