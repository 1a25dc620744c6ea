"""Random forests and extremely randomised trees (Breiman 2001; Geurts, Ernst & Wehenkel 2006)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.core.config import Config
from tunewright.core.knobs import Choice, Integer, Knob, Real
from tunewright.core.registry import resolve
from tunewright.core.trial import Need
from tunewright.knobs import threads, tuned
from tunewright.workloads.tabular.data import Learned, Schema, Training
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.trees import Tree, keep, keep_first, single, to_text

_GROWN = {"random": "RandomForest", "extra": "ExtraTrees"}


def _knobs(cores: int) -> tuple[Knob, ...]:
    return (
        Knob("forest_kind", Choice(tuple(_GROWN)), "random", "hyperparameter", "fit"),
        tuned("forest_trees", Integer(20, 300, log=True), 100),
        tuned("forest_leaf", Integer(1, 50, log=True), 2),
        tuned("forest_features", Real(0.1, 1.0), 0.4),
        threads("forest_threads", "fit", 1, cores, exact=True),
        keep("forest_keep"),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The forest's text: each leaf says a mean, or the share of each class."""
    schema = training.schema
    kind = _GROWN[str(config["forest_kind"])] + ("Classifier" if schema.classes else "Regressor")
    forest = resolve(f"sklearn.ensemble:{kind}")(
        n_estimators=config["forest_trees"], min_samples_leaf=config["forest_leaf"],
        max_features=config["forest_features"], n_jobs=config["forest_threads"],
        random_state=seed % 2**32,
    ).fit(single(training.x), training.y)  # fmt: skip
    return Learned(written(forest.estimators_, schema))


def written(grown: Sequence[Any], schema: Schema) -> str:
    """scikit-learn's trees as text that says their mean."""
    columns = [0]
    if len(schema.classes) > 2:
        columns = list(range(len(schema.classes)))
    elif schema.classes:
        columns = [1]
    # the trees of a forest know their classes by number, a tree alone as they are: the same here
    trees = [
        _tree(one.tree_, one.classes_.astype(int) if schema.classes else None, column)
        for one in grown
        for column in columns
    ]
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
    return keep_first(text, float(config["forest_keep"]))


def _needs(config: Config) -> Need:
    return Need(cores=int(config["forest_threads"]))


_HERE = "tunewright.workloads.tabular.families.forest"
FAMILY = Family(
    name="forest",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    needs=_needs,
    fit=f"{_HERE}:fit",
    simplify=f"{_HERE}:simplify",
    runtimes={"native": Backend("tunewright.workloads.tabular.lightgbm_native:native")},
    runtime="forest_runtime",
    default_runtime="native",
    file="model.txt",
)
