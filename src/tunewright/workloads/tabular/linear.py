"""A linear model in numpy: standardised numbers, one column for each frequent category."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from tunewright.workloads.tabular.data import Floats, Runtime, Schema, Task, one_by_one

MOST_CATEGORIES = 100  # rarer categories of a column have no weight of their own


@final
@dataclass(frozen=True)
class Linear:
    """The weights, and what turns encoded rows into the columns that they weigh.

    numbers, categories: positions of the fields. mean, scale, low, high: one for each number; a
    number is clipped to low..high, a missing one is its mean. widths: weights for each category.
    coef: one row for each output.
    """

    numbers: tuple[int, ...]
    categories: tuple[int, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    widths: tuple[int, ...]
    coef: tuple[tuple[float, ...], ...] = ()
    intercept: tuple[float, ...] = ()

    def to_text(self) -> str:
        """JSON that `from_text` reads."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_text(text: str | bytes) -> Linear:
        """The model that `to_text` wrote."""
        body: dict[str, Any] = json.loads(text)
        coef = tuple(tuple(row) for row in body.pop("coef"))
        return Linear(**{name: tuple(values) for name, values in body.items()}, coef=coef)


def learn_design(x: Floats, schema: Schema) -> Linear:
    """The design, still without weights, that these rows teach."""
    categories = schema.nominal
    numbers = [i for i in range(x.shape[1]) if i not in categories]
    known = [column[np.isfinite(column)] for column in x.T[numbers]]
    known = [column if len(column) else np.zeros(1) for column in known]
    widths = [min(len(schema.features[i].codes or ()), MOST_CATEGORIES) for i in categories]
    return Linear(
        tuple(numbers),
        tuple(categories),
        mean=tuple(float(column.mean()) for column in known),
        scale=tuple(float(column.std()) or 1.0 for column in known),
        low=tuple(float(column.min()) for column in known),
        high=tuple(float(column.max()) for column in known),
        widths=tuple(widths),
    )


@final
class Design:
    """Expands encoded rows into the columns that the weights belong to."""

    def __init__(self, linear: Linear) -> None:
        self._numbers = np.array(linear.numbers, int)
        self._categories = np.array(linear.categories, int)
        self._mean, self._scale = np.array(linear.mean), np.array(linear.scale)
        self._low, self._high = np.array(linear.low), np.array(linear.high)
        self._widths = np.array(linear.widths, int)
        self._offsets = len(linear.numbers) + np.cumsum([0, *linear.widths])[:-1]
        self._width = len(linear.numbers) + sum(linear.widths)

    def __call__(self, x: Floats) -> Floats:
        """One row of columns for each row of `x`."""
        out = np.zeros((len(x), self._width))
        if len(self._numbers):
            numbers = np.minimum(np.maximum(x[:, self._numbers], self._low), self._high)
            numbers = (numbers - self._mean) / self._scale
            numbers[np.isnan(numbers)] = 0.0
            out[:, : len(self._numbers)] = numbers
        if len(self._categories):
            codes = x[:, self._categories]
            rows, which = np.nonzero(codes < self._widths)  # false for NaN
            out[rows, self._offsets[which] + codes[rows, which].astype(int)] = 1.0
        return out


def link(z: Floats, task: Task) -> Floats:
    """Scores as answers: (n, outputs) to what Runtime.batch promises."""
    if task == "regression":
        return z[:, 0]
    if task == "binary":
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * z[:, 0]))  # the logistic, without overflow
    weights = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def native(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """Numpy alone."""
    linear = Linear.from_text(files["linear.json"])
    design, intercept = Design(linear), np.array(linear.intercept)
    coef = np.array(linear.coef).T.copy()
    return one_by_one(lambda x: link(design(x) @ coef + intercept, schema.task))
