"""scikit-learn's histogram-based gradient boosting."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.core.config import Config
from tunewright.core.knobs import Integer, Knob, Real
from tunewright.core.registry import resolve
from tunewright.errors import TrialFailed
from tunewright.knobs import tuned
from tunewright.workloads.tabular.data import Learned, Training
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.trees import Tree, keep, keep_first, shifted, to_text


def _knobs(_cores: int) -> tuple[Knob, ...]:
    """The defaults are scikit-learn's own."""
    return (
        tuned("hist_trees", Integer(20, 500, log=True), 100),
        tuned("hist_rate", Real(0.01, 0.3, log=True), 0.1),
        tuned("hist_leaves", Integer(4, 255, log=True), 31),
        tuned("hist_rows", Integer(5, 100, log=True), 20),
        tuned("hist_l2", Real(0.0, 10.0), 0.0),
        tuned("hist_features", Real(0.4, 1.0), 1.0),
        keep("hist_keep"),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The model's text. Uses one thread: sums over more would change the last digits."""
    schema = training.schema
    kind = "Classifier" if schema.classes else "Regressor"
    limit, make = (
        resolve("threadpoolctl:threadpool_limits"),
        resolve(f"sklearn.ensemble:HistGradientBoosting{kind}"),
    )
    with limit(1):
        model = make(
            learning_rate=config["hist_rate"], max_iter=config["hist_trees"],
            max_leaf_nodes=config["hist_leaves"], min_samples_leaf=config["hist_rows"],
            l2_regularization=config["hist_l2"], max_features=config["hist_features"],
            early_stopping=False, random_state=seed % 2**32,
        ).fit(training.x, training.y)  # fmt: skip
    count = len(schema.classes)
    if count and len(model.classes_) < count:
        raise TrialFailed("expected training rows of every class; some have none")
    start = np.atleast_2d(model._baseline_prediction)[0]
    trees = [
        shifted(_tree(one.nodes), float(start[turn]) if not round_ else 0.0)
        for round_, turns in enumerate(model._predictors)
        for turn, one in enumerate(turns)
    ]
    objective = {"binary": "binary sigmoid:1", "multiclass": f"multiclass num_class:{count}"}
    return Learned(to_text(trees, schema, objective=objective.get(schema.task, "")))


def _tree(nodes: NDArray[Any]) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        np.where(leaf, -1, nodes["feature_idx"]), nodes["num_threshold"], nodes["left"],
        nodes["right"], nodes["missing_go_to_left"].astype(bool), nodes["value"],
    )  # fmt: skip


def simplify(text: str, config: Config) -> str:
    """The first trees."""
    return keep_first(text, float(config["hist_keep"]))


_HERE = "tunewright.workloads.tabular.families.histogram"
FAMILY = Family(
    name="histogram",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit=f"{_HERE}:fit",
    simplify=f"{_HERE}:simplify",
    runtimes={"native": Backend("tunewright.workloads.tabular.lightgbm_native:native")},
    runtime="hist_runtime",
    default_runtime="native",
    file="model.txt",
)
