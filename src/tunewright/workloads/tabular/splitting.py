"""Splitting: which rows train, validate and test; a pure function of the data and the seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Column, Ints

SMALL = 5_000  # rows below which the test part is doubled, so that a margin can be proven
VALID_SHARE = 0.2
_ONE, _TWO = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def split_rows(
    columns: Sequence[Column], rows: int, salt: int, folds: int
) -> tuple[Ints, Ints, tuple[Ints, ...]]:
    """Train and valid rows, and the test rows in so many parts; each sorted.

    Rows that are equal in `columns` stay together: the rows are ordered by a salted hash of their
    values and cut where the hash changes.
    """
    hashes = _hashes(columns, rows, salt)
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    held = test_share(rows)
    shares = [*(held * (fold + 1) / folds for fold in range(folds)), held + VALID_SHARE]
    cuts = [int(np.searchsorted(ordered, ordered[round(s * rows)], side="left")) for s in shares]
    *test, valid, train = (np.sort(part) for part in np.split(order, cuts))
    return train, valid, tuple(test)


def test_share(rows: int) -> float:
    """The share of the rows that only verification reads."""
    return 0.4 if rows < SMALL else 0.2


def subsample(rows: Ints, share: float, seed: int, least: int = 50) -> Ints:
    """A seeded share of the rows, sorted; a larger share holds a smaller one."""
    count = min(len(rows), max(round(share * len(rows)), least))
    if count == len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])


def _hashes(columns: Sequence[Column], rows: int, salt: int) -> NDArray[Any]:
    """One number a row, by the finaliser of splitmix64 (Steele et al. 2014) over its values."""
    mixed = np.full(rows, salt, np.uint64)
    for column in columns:
        numbers = column.categories is None
        values = column.values + 0.0 if numbers else column.values.astype(np.int64)  # -0.0 is 0.0
        mixed ^= values.view(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _ONE
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _TWO
        mixed ^= mixed >> np.uint64(31)
    return mixed
