"""Leaks: columns that know the answer, most likely because they were written down after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Column, Floats, Ints
from tunewright.workloads.tabular.splitting import Keys

SHARE = 0.99  # of what there is to explain, which no honest column alone explains
TRIED = 4_000  # training rows
BINS = 64  # of a column of numbers
COPIED = 0.5  # of the rows hold a value, or it is no copy of the target


def is_copy(column: Column, target: Column, keep: NDArray[np.bool_]) -> bool:
    """Whether a column holds the target itself, in every one of these rows where it holds anything.

    That is certain to be a leak, whatever else may be known of the data.
    """
    if (column.categories is None) != (target.categories is None):
        return False
    values, answers = column.values[keep], target.values[keep]
    if column.categories is not None and target.categories is not None:
        names = {name: code for code, name in enumerate(target.categories)}
        lookup = np.array([*(names.get(name, -2) for name in column.categories), -1])
        values = lookup[values]
        there = values != -1
    else:
        there = ~np.isnan(values)
    return bool(
        there.mean() >= COPIED
        and (values[there] == answers[there]).all()
        and len(np.unique(values[there])) > 1
    )


def telling(
    columns: Sequence[Column], y: NDArray[Any], rows: Ints, keys: Keys, *, classes: bool
) -> Iterator[tuple[str, float]]:
    """The columns that tell nearly all of the answer by themselves, and which share of it.

    rows: to learn from; no others are read. The share is of the wrong guesses without the column,
    or of the variance: judged on half of the rows after learning from the other half. keys: rows
    with the same one stay together, or a column would tell each row's copy.
    """
    some = rows[np.unique(np.linspace(0, len(rows) - 1, TRIED, dtype=np.int64))]
    answers = y[some]
    learned = np.unique(keys[some], return_inverse=True)[1] % 2 == 0
    for column in columns:
        with np.errstate(all="ignore"):  # of what overflows nothing is told
            share = _share(column, column.values[some], answers, learned, classes=classes)
        if share >= SHARE:
            yield column.name, share


def _share(
    column: Column,
    values: NDArray[Any],
    answers: NDArray[Any],
    learned: NDArray[np.bool_],
    *,
    classes: bool,
) -> float:
    code = _coded(column, values, learned, classes=classes)
    share = _told(code, answers, learned, classes=classes)
    if classes or column.categories is not None:
        return share
    return max(share, _aligned(values, answers), _aligned(_ranks(values), _ranks(answers)))


def _coded(
    column: Column, values: NDArray[Any], learned: NDArray[np.bool_], *, classes: bool
) -> Ints:
    """A code for each value; what is missing has one of its own.

    Numbers that tell classes are coded by the nearest one that is learned from, else by quantiles.
    """
    if column.categories is not None or len(np.unique(values)) <= BINS:
        return np.unique(values, return_inverse=True)[1].astype(np.int64)
    if not classes:
        edges = np.nanquantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
        return np.searchsorted(edges, values).astype(np.int64)
    known = np.unique(values[learned])
    known = known[np.isfinite(known)]
    if not len(known):
        return np.zeros(len(values), np.int64)
    between = known[:-1] / 2 + known[1:] / 2
    return np.where(np.isnan(values), len(known), np.searchsorted(between, values))


def _told(code: Ints, answers: NDArray[Any], learned: NDArray[np.bool_], *, classes: bool) -> float:
    """The share that the commonest class, or the mean, of a code's other rows explains."""
    judged = ~learned
    if not judged.any():  # all rows are one cluster
        return 0.0
    if classes:
        counts = np.zeros((int(code.max()) + 1, int(answers.max()) + 1))
        np.add.at(counts, (code[learned], answers[learned]), 1)
        commonest = counts.sum(axis=0).argmax()
        guess = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), commonest)
        without = np.count_nonzero(answers[judged] != commonest)
        wrong = np.count_nonzero(answers[judged] != guess[code[judged]])
        return 1 - int(wrong) / max(int(without), 1)
    count = np.bincount(code[learned], minlength=int(code.max()) + 1)
    sums = np.bincount(code[learned], answers[learned], len(count))
    mean = answers[learned].mean()
    guess = np.where(count > 0, sums / np.maximum(count, 1), mean)
    rest = ((answers[judged] - guess[code[judged]]) ** 2).sum()
    spread = ((answers[judged] - mean) ** 2).sum()
    return 1 - float(rest) / float(spread) if spread else 0.0


def _aligned(values: Floats, answers: Floats) -> float:
    """The share of the variance that a straight line explains, where both are there."""
    there = np.isfinite(values) & np.isfinite(answers)
    x, y = values[there], answers[there]
    if there.mean() < SHARE or x.std() == 0 or y.std() == 0:
        return 0.0
    scaled = (x - x.mean()) / np.abs(x - x.mean()).max()
    return float(np.corrcoef(scaled, y)[0, 1] ** 2)


def _ranks(values: Floats) -> Floats:
    """Places in order; equal values share one, missing ones have none."""
    found = np.unique(values, return_inverse=True)[1].astype(np.float64)
    return np.where(np.isnan(values), np.nan, found)
