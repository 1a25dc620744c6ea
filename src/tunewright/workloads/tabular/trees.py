"""Ensembles of decision trees, whoever grew them, as text that LightGBM's C library reads.

So every family of trees answers one row as quickly as LightGBM does, and none needs the library
that grew it. The format is that of LightGBM's model files, version 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tunewright.core.knobs import Knob, Real
from tunewright.workloads.tabular.data import Floats, Schema

_LEFT, _NAN = 2, 8  # of a node's decision type: a missing value goes left; NaN is a missing value
ABSENT = -30.0  # the score of a class that no training row has
_LARGEST = 1e30  # so that single precision can hold the sum of a column


@final
@dataclass(frozen=True, eq=False)
class Tree:
    """One tree, root first. feature: -1 for a leaf. A row goes left where x <= threshold.

    left, right: indices of the children. missing_left: where a missing value goes. value: a leaf's.
    """

    feature: NDArray[Any]
    threshold: Floats
    left: NDArray[Any]
    right: NDArray[Any]
    missing_left: NDArray[Any]
    value: Floats


def to_text(
    trees: Sequence[Tree], schema: Schema, *, objective: str = "", mean: bool = False
) -> str:
    """The model that sums these trees, or takes their mean; of many classes they take turns.

    objective: what turns sums into answers, in LightGBM's words; "" for nothing.
    """
    features, outputs = len(schema.features), len(schema.classes) if len(schema.classes) > 2 else 1
    head = [
        "tree", "version=v4", f"num_class={outputs}", f"num_tree_per_iteration={outputs}",
        "label_index=0", f"max_feature_idx={features - 1}",
        *([f"objective={objective}"] if objective else []), *(["average_output"] if mean else []),
        "feature_names=" + " ".join(f"f{i}" for i in range(features)),
        "feature_infos=" + " ".join(["[-1e308:1e308]"] * features),
    ]  # fmt: skip
    return "\n".join([*head, "", *map(_tree, range(len(trees)), trees), "end of trees", ""])


def _tree(number: int, tree: Tree) -> str:
    inner = np.flatnonzero(tree.feature >= 0)
    leaves = np.flatnonzero(tree.feature < 0)
    position = np.empty(len(tree.feature), np.int64)
    position[inner], position[leaves] = np.arange(len(inner)), -1 - np.arange(len(leaves))
    lines = [f"Tree={number}", f"num_leaves={len(leaves)}", "num_cat=0"]
    if len(inner):
        kinds = np.where(tree.missing_left[inner], _NAN + _LEFT, _NAN)
        lines += [
            _line("split_feature", tree.feature[inner]),
            _line("threshold", tree.threshold[inner]),
            _line("decision_type", kinds),
            _line("left_child", position[tree.left[inner]]),
            _line("right_child", position[tree.right[inner]]),
        ]
    lines += [_line("leaf_value", tree.value[leaves]), "is_linear=0", "shrinkage=1", ""]
    return "\n".join([*lines, ""])


def _line(name: str, values: Iterable[Any]) -> str:
    return f"{name}=" + " ".join(map(repr, np.asarray(values).tolist()))


def keep_first(text: str, share: float) -> str:
    """The model with this share of its rounds of trees, the first ones, at least one."""
    head, *trees = text.removesuffix("end of trees\n").split("Tree=")
    turns = int(head.partition("num_tree_per_iteration=")[2].partition("\n")[0])
    rounds = max(round(share * len(trees) / turns), 1)
    return "Tree=".join([head, *trees[: rounds * turns]]) + "end of trees\n"


def keep(name: str) -> Knob:
    """The knob that says which share of a family's trees is kept."""
    return Knob(name, Real(0.05, 1.0, log=True), 1.0, "simplification", "simplify")


def single(x: Floats) -> NDArray[np.float32]:
    """The rows in single precision, as scikit-learn's trees want them; nothing lies beyond 1e30."""
    return np.clip(x, -_LARGEST, _LARGEST).astype(np.float32)


def as_singles(limit: NDArray[np.float32]) -> Floats:
    """The largest numbers that are at most these once they are rounded to single precision.

    So a tree whose library rounds a row before it asks goes the same way without rounding it.
    """
    above = np.nextafter(limit, np.float32(np.inf)).astype(np.float64)
    middle = (limit.astype(np.float64) + above) / 2
    return np.where(middle.astype(np.float32) <= limit, middle, np.nextafter(middle, -np.inf))


def leaf(value: float) -> Tree:
    """The tree that says the same of every row."""
    none = np.array([-1])
    return Tree(none, np.zeros(1), none, none, np.zeros(1, bool), np.array([value]))


def shifted(tree: Tree, by: float) -> Tree:
    """The tree with a constant added to what it says."""
    return replace(tree, value=tree.value + by)
