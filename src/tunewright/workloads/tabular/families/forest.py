"""Random forests and extremely randomised trees (Breiman 2001; Geurts, Ernst & Wehenkel 2006).

Where it says one number it is text for LightGBM's library, for three or more classes arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Choice, Integer, Knob, Real
from tunewright.core.registry import resolve
from tunewright.core.trial import Need
from tunewright.knobs import threads, tuned
from tunewright.workloads.tabular import forest_arrays, lightgbm_native
from tunewright.workloads.tabular.data import Learned, Runtime, Schema, Training
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.trees import Tree, keep, keep_first, single, to_text

GROWN = {"random": "RandomForest", "extra": "ExtraTrees"}
# Of all trees, some 40 bytes each in a model. What has one class is split no more, so that of the
# leaves that there might be of classes a half or less are there.
_LEAVES, _LEAVES_OF_CLASSES = 1_000_000, 3_000_000
_SHARES = 100_000_000  # of all leaves: what scikit-learn keeps of each class in memory
_TREES_TIMES_ROWS = 1_500_000  # of the portfolio


def _knobs(cores: int) -> tuple[Knob, ...]:
    return (
        Knob("forest_kind", Choice(tuple(GROWN)), "random", "hyperparameter", "fit"),
        tuned("forest_trees", Integer(20, 300, log=True), 100),
        tuned("forest_leaf", Integer(1, 50, log=True), 2),
        tuned("forest_features", Real(0.1, 1.0), 0.4),
        threads("forest_threads", "fit", 1, cores, exact=True),
        keep("forest_keep"),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The forest's text: each leaf says a mean, or the share of each class.

    Leaves are larger than `forest_leaf` where so many rows would make a model too large.
    """
    schema = training.schema
    leaf = max(int(config["forest_leaf"]), least_leaf(training, int(config["forest_trees"])))
    kind = GROWN[str(config["forest_kind"])] + ("Classifier" if schema.classes else "Regressor")
    forest = resolve(f"sklearn.ensemble:{kind}")(
        n_estimators=config["forest_trees"], min_samples_leaf=leaf,
        max_features=config["forest_features"], n_jobs=config["forest_threads"],
        random_state=seed % 2**32,
    ).fit(single(training.x), training.y, training.weights)  # fmt: skip
    if len(schema.classes) > 2:
        return Learned(forest_arrays.to_text(forest.estimators_, forest.classes_))
    return Learned(written(forest, forest.estimators_, schema))


def least_leaf(training: Training, trees: int) -> int:
    """The rows that a leaf must hold so that so many trees stay in bounds, whatever they ask."""
    classes, most = len(training.schema.classes), _LEAVES
    if classes:
        most = min(_LEAVES_OF_CLASSES, _SHARES // classes)
    return -(-trees * len(training.y) // most)


def written(model: Any, grown: Sequence[Any], schema: Schema) -> str:
    """scikit-learn's trees as text that says their mean. model: it knows what classes they saw."""
    columns = [0]
    if len(schema.classes) > 2:
        columns = list(range(len(schema.classes)))
    elif schema.classes:
        columns = [1]
    # not those of its trees, which number the classes that there were
    classes = model.classes_ if schema.classes else None
    trees = [_tree(one.tree_, classes, column) for one in grown for column in columns]
    return to_text(trees, schema, mean=True)


def _tree(tree: Any, classes: NDArray[Any] | None, column: int) -> Tree:
    """One output of scikit-learn's tree; a class that no training row has gets nothing."""
    values, at = tree.value[:, 0, :], np.array([column])
    if classes is not None:
        at = np.flatnonzero(classes == column)
    value = values[:, at[0]] if len(at) else np.zeros(len(values))
    if classes is not None and len(at):
        value = value / values.sum(axis=1)
    return Tree(
        np.where(tree.children_left < 0, -1, tree.feature), tree.threshold, tree.children_left,
        tree.children_right, tree.missing_go_to_left, value,
    )  # fmt: skip


def simplify(text: str, config: Config) -> str:
    """The first trees."""
    share = float(config["forest_keep"])
    if share == 1.0:
        return text
    return (keep_first if text.startswith("tree\n") else forest_arrays.keep_first)(text, share)


def native(files: Mapping[str, bytes], schema: Schema, threads: int) -> Runtime:
    """LightGBM's library, or numpy alone for three or more classes."""
    if len(schema.classes) > 2:
        return forest_arrays.native(files, schema, threads)
    return lightgbm_native.native(files, schema, threads)


def _needs(config: Config) -> Need:
    return Need(cores=int(config["forest_threads"]))


def _portfolio(rows: int, _outputs: int) -> tuple[Mapping[str, Value], ...]:
    """Deep trees, in a few seconds: many rows get fewer ones with larger leaves."""
    size: dict[str, Value] = {
        "forest_trees": min(max(_TREES_TIMES_ROWS // rows, 20), 200),
        "forest_leaf": min(max(rows // 5000, 1), 50),
        "forest_features": 0.5,
    }
    return tuple({"forest_kind": kind, **size} for kind in ("extra", "random"))


_HERE = "tunewright.workloads.tabular.families.forest"
FAMILY = Family(
    name="forest",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    needs=_needs,
    fit=f"{_HERE}:fit",
    simplify=f"{_HERE}:simplify",
    runtimes={"native": Backend(f"{_HERE}:native")},
    runtime="forest_runtime",
    default_runtime="native",
    file="model.txt",
    calibrated=True,
    portfolio=_portfolio,
)
