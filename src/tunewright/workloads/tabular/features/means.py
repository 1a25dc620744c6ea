"""Means: what is usually answered where a category is, or on a day, for columns with many of them.

A model that saw in training what the means of its own rows are made of would believe them too much
(Micci-Barreca 2001; Prokhorenkova et al. 2018). So a training row gets the means of the rows of
other folds, and a new row those of all training rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Feature, Floats, Ints
from tunewright.workloads.tabular.features.dates import DAY_S
from tunewright.workloads.tabular.weighing import picked, weighed

MANY = 64  # categories from which a column is told by means; trees split fewer well by themselves
RARE = 10  # rows; categories with fewer are believed to be like each other, as are unseen ones
MOST_DAYS = 20_000  # from the first to the last: each has a place in the tables
SAME = 0.9  # of the rows to be judged on must be of days that were learned from
SMOOTHING = 10.0  # rows' worth of what is believed that each category's mean is mixed with
MISSING = ""  # has a code of its own: no category is called so


@final
@dataclass(frozen=True, eq=False)
class Answers:
    """What the training rows answer: numbers, a column for each kind of answer.

    fold: of each row; rows that belong together are in one. weights: as in Training.
    """

    values: Floats
    fold: Ints
    weights: Floats | None = None


def mean_features(
    column: str, code: Ints, known: int, answers: Answers
) -> Iterator[tuple[Feature, Floats]]:
    """Features, each with the training rows' own numbers: the mean answers, and how many rows.

    code: of each row, below `known`, where a missing value has the last one.
    """
    tables, own, weights = [], [], answers.weights
    for answer in answers.values.T:
        tables.append(_table(code, answer, known, weights))
        values = np.empty(len(code))
        for f in np.unique(answers.fold):
            here = answers.fold == f
            others = picked(weights, ~here)
            values[here] = _table(code[~here], answer[~here], known, others)[code[here]]
        own.append(values)
    counts = np.bincount(code, weights, known + 1)
    tables.append(np.log1p(counts))
    # of other rows, as for a new row
    own.append(np.log1p(counts[code] - (1 if weights is None else weights)))
    names = [*(f"{column} mean {k}" for k in range(answers.values.shape[1])), f"{column} count"]
    for name, table, numbers in zip(names, tables, own, strict=True):
        yield Feature(name, column, "table", table=tuple(table.tolist())), numbers


def day_means(column: str, seconds: Floats, answers: Answers) -> Iterator[tuple[Feature, Floats]]:
    """As `mean_features`, by the day of each moment; the first one is the features' place."""
    days, known = seconds // DAY_S, np.isfinite(seconds)
    first = int(days[known].min())
    count = int(days[known].max()) - first + 2  # the last one for what has no day
    code = np.where(known, days - first, count - 1).astype(np.int64)
    for feature, own in mean_features(column, code, count, answers):
        yield replace(feature, part="same day", place=first), own


def repeat(days: Floats, asked: Floats) -> bool:
    """Whether rows of these days tell of others: they come in many, and `asked` has the same ones.

    days, asked: whole days since 1970 of the rows to learn from and of those to be judged on.
    """
    days, asked = days[np.isfinite(days)], asked[np.isfinite(asked)]
    known = np.unique(days)
    if len(known) < MANY or len(days) < RARE * len(known) or not len(asked):
        return False
    return known[-1] - known[0] < MOST_DAYS and float(np.isin(asked, known).mean()) > SAME


def _table(code: Ints, answers: Floats, known: int, weights: Floats | None) -> Floats:
    """The smoothed mean of each category, and at the end what is believed of an unseen one."""
    counts = np.bincount(code, weights, known)
    sums = np.bincount(code, weighed(answers, weights), known)
    overall = np.average(answers, weights=weights) if len(answers) else 0.0
    few = counts < RARE
    rare = (sums[few].sum() + SMOOTHING * overall) / (counts[few].sum() + SMOOTHING)
    believed = np.where(few, rare, overall)
    return np.append((sums + SMOOTHING * believed) / (counts + SMOOTHING), rare)


def day_looked_up(table: tuple[float, ...], first: int, seconds: Any) -> Any:
    """The table's value for the day of a moment; its last for one that was not there."""
    days, unknown = seconds // DAY_S - first, len(table) - 2
    if isinstance(days, float):
        inside, missing = 0 <= days < unknown, days != days  # noqa: PLR0124 - NaN is not itself
        return looked_up(table, float(unknown) if missing else days if inside else math.nan)
    known = np.where((days >= 0) & (days < unknown), days, np.nan)
    return looked_up(table, np.where(np.isnan(days), unknown, known))


def looked_up(table: tuple[float, ...], code: Any) -> Any:
    """The table's value for a code; for one that is missing, as unseen ones are, its last."""
    if isinstance(code, float):
        return table[int(code)] if code == code else table[-1]  # noqa: PLR0124 - NaN is not itself
    places: NDArray[Any] = np.where(np.isnan(code), len(table) - 1, code).astype(np.int64)
    return np.array(table)[places]
