"""Forests that say the share of each of many classes, as arrays, and answered with numpy alone.

LightGBM's format has one number a leaf, so that a tree would have to be there once for each class.
Here it is there once, and a leaf holds the classes that it saw.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Floats, Runtime, Schema
from tunewright.workloads.tabular.packing import pack, unpack
from tunewright.workloads.tabular.trees import single

_LEVELS = 4  # to descend before those that arrived are left out of the next step
_ROWS, _CELLS = 4096, 2**20  # of a block: so its arrays stay in the cache, or at least in memory
_OF_INNER = ("feature", "threshold", "left", "right", "missing_left")


def to_text(grown: Sequence[Any], classes: NDArray[Any]) -> str:
    """The mean of scikit-learn's trees; `native` reads it. classes: the places of those they saw.

    Inner nodes and leaves are numbered through all trees; a child -1 - i is leaf i. A leaf holds
    `held` of the pairs of class and share, which follow each other. inner, leaves: how many nodes
    there are before each tree, and at last in all.
    """
    parts: list[dict[str, NDArray[Any]]] = []
    inner, leaves = [0], [0]
    for one in grown:
        parts.append(_arrays(one.tree_, classes, inner[-1], leaves[-1]))
        inner.append(inner[-1] + len(parts[-1]["feature"]))
        leaves.append(leaves[-1] + len(parts[-1]["held"]))
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    arrays |= {"inner": np.array(inner), "leaves": np.array(leaves)}
    return pack({name: _narrow(values) for name, values in arrays.items()})


def _arrays(tree: Any, classes: NDArray[Any], inner: int, leaves: int) -> dict[str, NDArray[Any]]:
    """One tree, with so many inner nodes and leaves before it."""
    is_leaf = tree.children_left < 0
    number = np.where(is_leaf, -leaves - np.cumsum(is_leaf), inner - 1 + np.cumsum(~is_leaf))
    shares = tree.value[is_leaf, 0, :]
    leaf, place = np.nonzero(shares)
    share = shares[leaf, place] / shares.sum(axis=1)[leaf]
    limit = tree.threshold[~is_leaf]
    below = limit.astype(np.float32)  # the largest single float that is not above the limit
    below = np.where(below > limit, np.nextafter(below, np.float32(-np.inf)), below)
    return {
        "feature": tree.feature[~is_leaf], "threshold": below,
        "left": number[tree.children_left[~is_leaf]],
        "right": number[tree.children_right[~is_leaf]],
        "missing_left": tree.missing_go_to_left[~is_leaf].astype(bool),
        "held": np.bincount(leaf, minlength=len(shares)),
        "class": classes[place], "share": share.astype(np.float32),
    }  # fmt: skip


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """The same whole numbers in as few bytes as hold them; others as they are."""
    if values.dtype.kind != "i" or not len(values):
        return values
    ends = (np.min_scalar_type(int(values.min())), np.min_scalar_type(int(values.max())))
    return values.astype(np.promote_types(*ends))


def keep_first(text: str, share: float) -> str:
    """The forest with this share of its trees, the first ones, at least one."""
    arrays = unpack(text)
    trees = max(round(share * (len(arrays["inner"]) - 1)), 1)
    inner, leaves = int(arrays["inner"][trees]), int(arrays["leaves"][trees])
    pairs = int(arrays["held"][:leaves].sum())
    kept = {name: arrays[name][:inner] for name in _OF_INNER}
    kept |= {"held": arrays["held"][:leaves]}
    kept |= {name: arrays[name][:pairs] for name in ("class", "share")}
    return pack({**kept, **{name: arrays[name][: trees + 1] for name in ("inner", "leaves")}})


def native(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """Numpy alone: all trees at once for a row, a block of rows at once for a tree."""
    forest = _Forest(unpack(files["model.txt"]), len(schema.classes))
    return Runtime(forest.row, forest.batch)


@final
class _Forest:
    """A forest unpacked: its leaves are numbered on after its inner nodes, and lead to themselves.

    So a step from any node needs no question whether it has arrived.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], classes: int) -> None:
        inner = self._inner = len(arrays["feature"])
        leaves = len(arrays["held"])
        itself = np.arange(inner, inner + leaves)
        self._feature = np.concatenate((arrays["feature"].astype(np.intp), np.zeros(leaves, int)))
        self._threshold = np.concatenate((arrays["threshold"], np.zeros(leaves, np.float32)))
        self._missing_left = np.concatenate((arrays["missing_left"], np.zeros(leaves, bool)))
        self._children = np.empty(2 * (inner + leaves), np.intp)  # right and left of each node
        for side, name in enumerate(("right", "left")):
            child = arrays[name].astype(np.intp)
            self._children[side::2] = np.concatenate(
                (np.where(child < 0, inner - 1 - child, child), itself)
            )
        first, first_leaf = arrays["inner"].astype(np.intp), arrays["leaves"].astype(np.intp)
        self._roots = np.where(first[:-1] < first[1:], first[:-1], inner + first_leaf[:-1])
        self._held = arrays["held"].astype(np.intp)
        self._begin = np.cumsum(self._held) - self._held
        self._class, self._share = arrays["class"].astype(np.intp), arrays["share"].astype(float)
        self._classes = classes

    def row(self, values: array[float]) -> Sequence[float]:
        """See Runtime."""
        x = single(np.frombuffer(values))
        leaves = self._leaves(
            self._roots, np.zeros_like(self._roots), x, missing=bool(np.isnan(x).any())
        )
        _, classes, shares = self._pairs(leaves)
        out: list[float] = (np.bincount(classes, shares, self._classes) / len(self._roots)).tolist()
        return out

    def batch(self, x: Floats) -> Floats:
        """See Runtime. The same additions in the same order as for one row."""
        step = max(min(_ROWS, _CELLS // self._classes), 1)
        blocks = [self._block(single(x[i : i + step])) for i in range(0, len(x), step)]
        return np.concatenate(blocks) if blocks else np.empty((0, self._classes))

    def _block(self, x: NDArray[np.float32]) -> Floats:
        rows, width = x.shape
        begin, flat, missing = np.arange(rows) * width, x.ravel(), bool(np.isnan(x).any())
        total = np.zeros(rows * self._classes)
        for root in self._roots:
            leaves = self._leaves(np.full(rows, root), begin, flat, missing=missing)
            row, classes, shares = self._pairs(leaves)
            total[row * self._classes + classes] += shares  # a leaf names a class but once
        return total.reshape(rows, self._classes) / len(self._roots)

    def _leaves(
        self, at: NDArray[Any], begin: NDArray[Any], x: NDArray[np.float32], *, missing: bool
    ) -> NDArray[Any]:
        """The leaf that each of these nodes leads to. begin: where in x the row of each begins."""
        found = at.copy()
        live = np.flatnonzero(at < self._inner)
        at, begin = at[live], begin[live]
        while len(live):
            for _ in range(_LEVELS):
                value = x.take(begin + self._feature.take(at))
                left = value <= self._threshold.take(at)
                if missing:
                    left |= np.isnan(value) & self._missing_left.take(at)
                at = self._children.take(2 * at + left)
            found[live] = at
            inside = np.flatnonzero(at < self._inner)
            live, at, begin = live[inside], at[inside], begin[inside]
        return found - self._inner

    def _pairs(self, leaves: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], Floats]:
        """Whose leaf it is, the class and the share, for each class of these leaves."""
        held, begin = self._held.take(leaves), self._begin.take(leaves)
        whose = np.repeat(np.arange(len(leaves)), held)
        pairs = np.arange(len(whose)) + np.repeat(begin - np.cumsum(held) + held, held)
        return whose, self._class.take(pairs), self._share.take(pairs)
