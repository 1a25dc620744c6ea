"""Means: what is usually answered where a category is, for columns of many categories.

A model that saw in training what the means of its own rows are made of would believe them too much
(Micci-Barreca 2001; Prokhorenkova et al. 2018). So a training row gets the means of the rows of
other folds, and a new row those of all training rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Feature, Floats, Ints

MANY = 64  # categories from which a column is told by means; trees split fewer well by themselves
RARE = 10  # rows; categories with fewer are believed to be like each other, as are unseen ones
SMOOTHING = 10.0  # rows' worth of what is believed that each category's mean is mixed with
MISSING = ""  # has a code of its own: no category is called so


def mean_features(
    column: str, code: Ints, codes: dict[str, int], answers: Floats, fold: Ints
) -> Iterator[tuple[Feature, Floats]]:
    """Features, each with the training rows' own numbers: the mean answers, and how many rows.

    code: of each row, by the codes of the categories, where a missing one is the last. fold: of
    each training row; rows that belong together are in one.
    """
    tables, own = [], []
    for k in range(answers.shape[1]):
        tables.append(_table(code, answers[:, k], len(codes)))
        values = np.empty(len(code))
        for f in np.unique(fold):
            here = fold == f
            values[here] = _table(code[~here], answers[~here, k], len(codes))[code[here]]
        own.append(values)
    counts = np.bincount(code, minlength=len(codes) + 1)
    tables.append(np.log1p(counts))
    own.append(np.log1p(counts[code] - 1))  # of other rows, as for a new row
    names = [*(f"{column} mean {k}" for k in range(answers.shape[1])), f"{column} count"]
    for i, (name, table) in enumerate(zip(names, tables, strict=True)):
        first = codes if i == 0 else None
        yield Feature(name, column, "table", first, table=tuple(table.tolist())), own[i]


def _table(code: Ints, answers: Floats, known: int) -> Floats:
    """The smoothed mean of each category, and at the end what is believed of an unseen one."""
    counts = np.bincount(code, minlength=known)
    sums = np.bincount(code, answers, known)
    overall, few = answers.mean() if len(answers) else 0.0, counts < RARE
    rare = (sums[few].sum() + SMOOTHING * overall) / (counts[few].sum() + SMOOTHING)
    believed = np.where(few, rare, overall)
    return np.append((sums + SMOOTHING * believed) / (counts + SMOOTHING), rare)


def looked_up(table: tuple[float, ...], code: Any) -> Any:
    """The table's value for a code; for one that is missing, as unseen ones are, its last."""
    if isinstance(code, float):
        return table[int(code)] if code == code else table[-1]  # noqa: PLR0124 - NaN is not itself
    places: NDArray[Any] = np.where(np.isnan(code), len(table) - 1, code).astype(np.int64)
    return np.array(table)[places]
