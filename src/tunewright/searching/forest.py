"""Extremely randomised trees that say a mean and how uncertain it is."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

TREES = 16
DEPTH = 14


@final
class Forest:
    """Trees over the rows of `x` for the targets `y`; equal `chance`, equal trees.

    Every tree sees all rows; chance is in the splits. All nodes of a level are split at once, so
    that the cost is that of a few passes of numpy a level, however many trees there are.
    Source: Geurts, Ernst and Wehenkel 2006; the spread between the trees and within their leaves
    as uncertainty: Hutter et al. 2014.
    """

    def __init__(self, x: Floats, y: Floats, chance: np.random.Generator) -> None:
        rows, width = x.shape
        self._feature: list[Whole] = []
        self._threshold: list[Floats] = []
        self._child: list[Whole] = []
        self._value: list[Floats] = []
        self._variance: list[Floats] = []
        sample = np.tile(np.arange(rows), TREES)
        starts = np.arange(TREES) * rows
        first = 0  # the number of the level's first node
        for level in range(DEPTH + 1):
            nodes = len(starts)
            counts = np.diff(np.append(starts, len(sample)))
            target = y[sample]
            sums = np.add.reduceat(target, starts)
            mean = sums / counts
            squares = np.add.reduceat(target * target, starts) / counts
            variance = np.maximum(squares - mean * mean, 0.0)
            open_ = (variance > 1e-18) & (counts > 1) & (level < DEPTH)
            feature, threshold = _splits(x, sample, target, starts, counts, open_, chance, width)
            divided = feature >= 0
            child = np.full(nodes, -1)
            child[divided] = first + nodes + 2 * np.arange(int(divided.sum()))
            self._feature.append(feature)
            self._threshold.append(threshold)
            self._child.append(child)
            self._value.append(mean)
            self._variance.append(variance)
            if not divided.any():
                break
            local = np.repeat(np.arange(nodes), counts)
            goes_on = divided[local]
            sample, local = sample[goes_on], local[goes_on]
            node = child[local] + (x[sample, feature[local]] > threshold[local])
            order = np.argsort(node, kind="stable")
            sample, node = sample[order], node[order]
            starts = np.flatnonzero(np.append(True, node[1:] != node[:-1]))
            first += nodes
        self._flat = (
            np.concatenate(self._feature), np.concatenate(self._threshold),
            np.concatenate(self._child), np.concatenate(self._value),
            np.concatenate(self._variance),
        )  # fmt: skip

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """The mean of each row of `x`, and its standard deviation."""
        feature, threshold, child, value, variance = self._flat
        at = np.repeat(np.arange(TREES), len(x))
        row = np.tile(np.arange(len(x)), TREES)
        moving = np.flatnonzero(feature[at] >= 0)
        while len(moving):
            node = at[moving]
            node = child[node] + (x[row[moving], feature[node]] > threshold[node])
            at[moving] = node
            moving = moving[feature[node] >= 0]
        leaves = value[at].reshape(TREES, -1)
        within = variance[at].reshape(TREES, -1).mean(axis=0)
        return leaves.mean(axis=0), np.sqrt(leaves.var(axis=0) + within)


def _splits(  # noqa: PLR0913, PLR0917 - one level's arrays, which only these two functions share
    x: Floats, sample: Whole, target: Floats, starts: Whole, counts: Whole,
    open_: NDArray[np.bool_], chance: np.random.Generator, width: int,
) -> tuple[Whole, Floats]:  # fmt: skip
    """The best of a few random splits of every open node: its feature (-1: none), its threshold."""
    nodes = len(starts)
    feature, threshold = np.full(nodes, -1), np.zeros(nodes)
    best = np.full(nodes, -np.inf)
    if not open_.any():
        return feature, threshold
    local = np.repeat(np.arange(nodes), counts)
    total = np.add.reduceat(target, starts)
    for _ in range(max(2, (width + 1) // 2)):
        tried = chance.integers(width, size=nodes)
        column = x[sample, tried[local]]
        low = np.minimum.reduceat(column, starts)
        high = np.maximum.reduceat(column, starts)
        cut = low + chance.random(nodes) * (high - low)
        left = column <= cut[local]
        n_left = np.add.reduceat(left.astype(float), starts)
        sum_left = np.add.reduceat(target * left, starts)
        n_right = counts - n_left
        score = sum_left**2 / np.maximum(n_left, 1) + (total - sum_left) ** 2 / np.maximum(
            n_right, 1
        )
        better = open_ & (n_left > 0) & (n_right > 0) & (score > best)
        best = np.where(better, score, best)
        feature = np.where(better, tried, feature)
        threshold = np.where(better, cut, threshold)
    return feature, threshold
