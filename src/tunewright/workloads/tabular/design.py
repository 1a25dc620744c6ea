"""Encoded rows as columns of like size, for the models that add or compare columns.

Numbers are centred and scaled, what is missing of them is the centre and has a column that says so;
each frequent category has a column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Floats, Task, Training
from tunewright.workloads.tabular.weighing import mean_and_spread, picked, quantiles

MOST_CATEGORIES = 100  # rarer categories of a column have no column of their own
_LARGEST = 1e100  # larger numbers would overflow when they are squared
_REACH = 3.0  # how far robust numbers reach, as RealMLP has it (Holzmüller et al. 2024)


@final
@dataclass(frozen=True, eq=False)
class Design:
    """What turns encoded rows into columns.

    numbers, categories: positions of the features. centre, scale, low, high: one for each number; a
    number is clipped to low..high. gaps: places in `numbers` of those that had missing values.
    widths: columns for each category. reach: beyond it numbers are squeezed; 0 for nowhere.
    """

    numbers: NDArray[Any]
    categories: NDArray[Any]
    centre: Floats
    scale: Floats
    low: Floats
    high: Floats
    gaps: NDArray[Any]
    widths: NDArray[Any]
    reach: Floats

    @staticmethod
    def learn(training: Training, *, robust: bool = False) -> Design:
        """The design that these rows teach, by their weights.

        robust: by median and quartiles, for columns of any shape; else by mean and deviation.
        """
        x, schema, weights = training.x, training.schema, training.weights
        categories = schema.nominal
        numbers = [i for i in range(x.shape[1]) if i not in categories]
        # one column after the other: the rows may be a file larger than memory
        sizes = np.array([_measured(x[:, i], weights, robust=robust) for i in numbers]).reshape(
            -1, 5
        )
        return Design(
            np.array(numbers, np.int64),
            np.array(categories, np.int64),
            centre=sizes[:, 0],
            scale=sizes[:, 1],
            low=sizes[:, 2],
            high=sizes[:, 3],
            gaps=np.flatnonzero(sizes[:, 4]),
            widths=np.array(
                [min(len(schema.features[i].codes or ()), MOST_CATEGORIES) for i in categories],
                np.int64,
            ),
            reach=np.array(_REACH if robust else 0.0),
        )

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> Design:
        """The design whose `arrays` these are; others are ignored."""
        return Design(**{name: arrays[name] for name in Design.__dataclass_fields__})

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that it holds, by name."""
        return asdict(self)

    @property
    def width(self) -> int:
        """How many columns there are; those of the numbers come first."""
        return len(self.numbers) + len(self.gaps) + int(self.widths.sum())

    def __call__(self, x: Floats) -> Floats:
        """One row of columns for each row of `x`, all finite."""
        count, out = len(self.numbers), np.zeros((len(x), self.width))
        if count:
            numbers = x[:, self.numbers]
            numbers = (
                np.minimum(np.maximum(numbers, self.low), self.high) - self.centre
            ) / self.scale
            missing = np.isnan(numbers)
            numbers[missing] = 0.0
            if self.reach:
                numbers /= np.sqrt(1.0 + np.square(numbers / self.reach))
            out[:, :count] = numbers
            out[:, count : count + len(self.gaps)] = missing[:, self.gaps]
        if len(self.categories):
            codes = x[:, self.categories]
            offsets = count + len(self.gaps) + np.cumsum(self.widths) - self.widths
            rows, which = np.nonzero(codes < self.widths)  # false for NaN
            out[rows, offsets[which] + codes[rows, which].astype(int)] = 1.0
        return out


def _measured(
    column: Floats, weights: Floats | None, *, robust: bool
) -> tuple[float, float, float, float, bool]:
    """Centre, scale, least and largest value of what is finite, and whether any is missing.

    robust: the median, and the quartiles' distance; half the range where most are one value.
    """
    finite = np.isfinite(column)
    known = np.clip(column[finite], -_LARGEST, _LARGEST)
    counts = picked(weights, finite)
    known, counts = (known, counts) if len(known) else (np.zeros(1), None)
    low, high = float(known.min()), float(known.max())
    if robust:
        first, centre, third = quantiles(known, (0.25, 0.5, 0.75), counts)
        scale = (third - first) / 1.35 or (high - low) / 2
    else:
        centre, scale = mean_and_spread(known, counts)
    return float(centre), float(scale) or 1.0, low, high, bool(np.isnan(column).any())


def link(z: Floats, task: Task) -> Floats:
    """Scores as answers: (n, outputs) to what Runtime.batch promises."""
    if task == "regression":
        return z[:, 0]
    if task == "binary":
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * z[:, 0]))  # the logistic, without overflow
    weights = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
