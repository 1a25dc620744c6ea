"""Splitting: which rows train, validate and test; a pure function of the data and the seed.

Rows that are equal, or of one group, are a cluster: no part shares one with another, and no test
takes its rows for independent evidence.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.stats.kish import effective_size
from tunewright.stats.rows import pooled, units_by_class
from tunewright.workloads.tabular.data import Column, Floats, Ints

SMALL = 5_000  # rows below which the test part is doubled, so that a margin can be proven
VALID_SHARE = 0.2  # of the rows, by time; and a part that is judged has no more of them
STRATA = 20  # ranges of a number, each of which is dealt out evenly
BLOCKS = 6, 20  # of time, at least and at most, in which what is judged is dealt out
LONG = 2.0  # times as long as answers remember each other a block should be
WINDOW = 5.0  # times its sum, beyond which an autocorrelation is noise (Sokal 1997)
LEAST_CLUSTERS = 10  # that are left to be dealt out when the large ones are only learned from
_ONE, _TWO = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

Keys = NDArray[np.uint64]
Parts = tuple[Ints, ...]


def keys_of(columns: Sequence[Column], rows: int, salt: int) -> Keys:
    """One number a row, equal where all values are: splitmix64's finaliser (Steele et al. 2014)."""
    mixed = np.full(rows, salt, np.uint64)
    for column in columns:
        numbers = column.categories is None
        values = column.values + 0.0 if numbers else column.values.astype(np.int64)  # -0.0 is 0.0
        mixed ^= values.view(np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _ONE
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _TWO
        mixed ^= mixed >> np.uint64(31)
    return mixed


def remixed(keys: Keys) -> Keys:
    """Keys in another order, equal where these are."""
    return (keys ^ (keys >> np.uint64(31))) * _TWO


def grouped(keys: Keys, group: Column, salt: int) -> Keys:
    """The keys of the groups; a row without one keeps its own."""
    known = group.values >= 0 if group.categories is not None else ~np.isnan(group.values)
    return np.where(known, keys_of([group], len(keys), salt + 1), keys)


def hold_out(keys: Keys, parts: int) -> tuple[Ints, Parts]:
    """The rows that a search may read, and the untouched ones in so many parts; each sorted.

    Clusters are ordered by their key and cut where their rows reach the share. One that is too
    large to be judged is left to the search.
    """
    _, cluster, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    large = _too_large(sizes)
    order = np.argsort(large, kind="stable")
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    test_rows = test_share(len(keys)) * sizes[~large].sum()
    cuts = [int(np.searchsorted(middle, test_rows * (part + 1) / parts)) for part in range(parts)]
    for i in range(parts):  # a cluster for each part, as long as there are some
        cuts[i] = max(cuts[i], cuts[i - 1] + 1 if i else 1)
    for i in reversed(range(parts)):  # and two for the search, to learn from and to judge on
        cuts[i] = max(min(cuts[i], len(sizes) - (parts - i) - 1), 0)
    of_cluster = np.empty(len(sizes), np.int64)
    of_cluster[order] = np.searchsorted(cuts, np.arange(len(sizes)), side="right")
    of_row = of_cluster[cluster]
    *tests, rest = (np.flatnonzero(of_row == part) for part in range(parts + 1))
    return rest, tuple(tests)


def deal(rows: Ints, keys: Keys, y: NDArray[Any], folds: int) -> Parts:
    """The rows in so many parts of about one size, in each of which the target is much the same.

    Clusters are ordered by what their first row answers (its class, or where its value ranks), then
    by key, and dealt out in turn. One that is too large for a part is in none.
    """
    _, first, cluster, sizes = np.unique(
        keys[rows], return_index=True, return_inverse=True, return_counts=True
    )
    dealt = np.flatnonzero(~_too_large(sizes))
    answers = y[rows][first[dealt]]
    if answers.dtype.kind == "f":
        ranks = np.argsort(np.argsort(answers, kind="stable"), kind="stable")
        answers = ranks * STRATA // len(ranks)
    ordered = dealt[np.lexsort((np.arange(len(dealt)), answers))]
    part = np.full(len(sizes), -1)
    part[ordered] = _in_turn(sizes[ordered], folds)
    of_row = part[cluster]
    return tuple(rows[of_row == fold] for fold in range(folds) if (of_row == fold).any())


def _in_turn(sizes: NDArray[Any], folds: int) -> NDArray[Any]:
    """The part of each cluster: always the one that has the fewest rows."""
    if (sizes == 1).all():
        return np.arange(len(sizes)) % folds
    filled = [(0, part) for part in range(folds)]
    parts = []
    for size in sizes.tolist():
        rows, part = filled[0]
        heapq.heapreplace(filled, (rows + size, part))
        parts.append(part)
    return np.array(parts, np.int64)


def split_by_time(times: Floats, keys: Keys | None) -> tuple[Ints, Ints, Ints]:
    """The past to learn from, what came then to compare candidates, the future for the verdict.

    Rows of one moment stay together. keys: of groups, each of which goes where its last row does.
    A row without a time counts as past.
    """
    rows = len(times)
    when = np.where(np.isnan(times), -np.inf, times)
    if keys is not None:
        _, cluster = np.unique(keys, return_inverse=True)
        last = np.full(cluster.max() + 1, -np.inf)
        np.maximum.at(last, cluster, when)
        when = last[cluster]
    ordered = np.sort(when)
    test_part = test_share(rows)
    starts = [ordered[round((1 - share) * rows)] for share in (test_part + VALID_SHARE, test_part)]
    of_row = np.searchsorted(starts, when, side="right")
    past, then, future = (np.flatnonzero(of_row == part) for part in range(3))
    return past, then, future


def in_blocks(times: Floats, keys: Keys, parts: Sequence[Ints], memory: float) -> Keys:
    """Keys that are equal for rows of one part that are near in time: its blocks of about one size.

    What follows each other is alike, so that single rows are no independent evidence; the means of
    blocks are, where these are longer than the answers' memory, in rows (Carlstein 1986).
    """
    blocks = keys.copy()
    for number, part in enumerate(parts):
        least, most = BLOCKS
        count = min(max(int(len(part) / (LONG * memory)), least), most)
        ordered = np.sort(times[part])
        starts = ordered[np.arange(1, count) * len(part) // count]
        of_row = np.searchsorted(starts, times[part], side="right")
        blocks[part] = (number * most + of_row + 1).astype(np.uint64)
    return blocks


def memory_of(times: Floats, y: NDArray[Any]) -> float:
    """For how many rows, in the order of time, answers remember each other; 1 where they do not.

    The sum of their autocorrelation: of values by their ranks, of classes whether it is the most
    frequent one.
    """
    ordered = y[np.argsort(times, kind="stable")]
    if ordered.dtype.kind == "f":
        series = np.unique(ordered, return_inverse=True)[1].astype(np.float64)
    else:
        series = (ordered == np.bincount(ordered).argmax()).astype(np.float64)
    series -= series.mean()
    spectrum = np.abs(np.fft.rfft(series, 2 * len(series))) ** 2
    shared = np.fft.irfft(spectrum)[: len(series)]
    if not shared[0] > 0:
        return 1.0
    sums = 2 * np.cumsum(shared / shared[0]) - 1
    settled = np.flatnonzero(np.arange(len(sums)) >= WINDOW * sums)
    return max(float(sums[settled[0] if len(settled) else -1]), 1.0)


def groups_of(keys: Keys) -> Ints | None:
    """The number of each row's cluster, or None where each row is its own."""
    distinct, numbers = np.unique(keys, return_inverse=True)
    return numbers.astype(np.int64) if len(distinct) < len(keys) else None


def only_learned(keys: Keys) -> Ints:
    """The rows of the clusters that are too large to be judged."""
    _, cluster, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    return np.flatnonzero(_too_large(sizes)[cluster])


def rarest(keys: Keys, y: NDArray[Any], classes: int) -> int:
    """How many clusters of these rows hold the class that fewest do; 0 without classes.

    Those that very few do are taken as one, as in a verdict.
    """
    if not classes or not len(y):
        return 0
    unit = np.unique(keys, return_inverse=True)[1]
    counts = units_by_class(y, unit)
    if counts.size < classes or not counts.all():
        return 0
    return int(min(count for count in units_by_class(pooled(y, counts), unit) if count))


def worth(keys: Keys, weights: Floats | None) -> float:
    """As many clusters of one weight as these rows' tell as much."""
    distinct, cluster = np.unique(keys, return_inverse=True)
    if weights is None:
        return float(len(distinct))
    return effective_size(np.bincount(cluster, weights).astype(np.float64))


def test_share(rows: int) -> float:
    """The share of the rows that only verification reads."""
    return 0.4 if rows < SMALL else 0.2


def subsample(rows: Ints, share: float, seed: int, least: int = 50) -> Ints:
    """A seeded share of the rows, sorted; a larger share holds a smaller one."""
    count = min(len(rows), max(round(share * len(rows)), least))
    if count == len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])


def _too_large(sizes: NDArray[Any]) -> NDArray[np.bool_]:
    """Clusters with more rows than the validation part may have, as long as enough others are."""
    large = np.zeros(len(sizes), bool)
    while True:
        also = ~large & (sizes > VALID_SHARE * sizes[~large].sum())
        if not also.any() or (~large & ~also).sum() < LEAST_CLUSTERS:
            return large
        large |= also
