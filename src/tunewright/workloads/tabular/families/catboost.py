"""CatBoost's oblivious trees (Prokhorenkova et al. 2018), where it is installed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Choice, Integer, Knob, Real
from tunewright.core.registry import resolve
from tunewright.errors import TrialFailed
from tunewright.knobs import tuned
from tunewright.workloads.tabular.data import Learned, Schema, Training
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.monotone import directions
from tunewright.workloads.tabular.trees import (
    ABSENT,
    Tree,
    as_singles,
    keep,
    keep_first,
    leaf,
    shifted,
    single,
    to_text,
)

PATIENCE = 50  # rounds without a better loss on the judged rows
LEAST_TREES = 10
_LOSS = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}


def _knobs(_cores: int) -> tuple[Knob, ...]:
    return (
        tuned("catboost_trees", Integer(LEAST_TREES, 2000, log=True), 300),
        tuned("catboost_stopping", Choice(("no", "yes")), "no"),
        tuned("catboost_rate", Real(0.02, 0.3, log=True), 0.1),
        tuned("catboost_depth", Integer(3, 8), 6),
        tuned("catboost_l2", Real(0.5, 30.0, log=True), 3.0),
        tuned("catboost_colsample", Real(0.3, 1.0), 1.0),
        keep("catboost_keep"),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The model's text. Categories are numbers to it, so that its trees can be written down."""
    schema, y = training.schema, training.y
    stopping = config["catboost_stopping"] == "yes" and training.judged is not None
    parameters: dict[str, Any] = {
        "loss_function": _LOSS[schema.task], "iterations": int(config["catboost_trees"]),
        "learning_rate": config["catboost_rate"], "depth": config["catboost_depth"],
        "l2_leaf_reg": config["catboost_l2"], "rsm": config["catboost_colsample"],
        # by default these depend on the numbers of trees and rows, and a refit would differ
        "leaf_estimation_iterations": 10 if schema.task == "binary" else 1,
        "boosting_type": "Plain", "random_seed": seed % 2**31, "thread_count": 1,
        "verbose": False, "allow_writing_files": False,
    }  # fmt: skip
    if any(ways := directions(schema)):
        # by default earlier trees would then shrink with each further one, and a refit would differ
        parameters |= {"monotone_constraints": ways, "model_shrink_rate": 0.0}
    present = np.unique(y) if schema.classes else np.zeros(1, int)
    if len(np.unique(y)) < 2:
        if schema.classes:
            raise TrialFailed("expected training rows of at least two classes; got one")
        return Learned(to_text([leaf(float(y[0]))], schema))
    more: dict[str, Any] = {}
    if training.judged is not None and stopping:
        x, answers = training.judged
        known = np.isin(answers, present) if schema.classes else np.ones(len(answers), bool)
        weights = training.judged_weights
        weights = None if weights is None else weights[known]
        judged = resolve("catboost:Pool")(single(x[known]), answers[known], weight=weights)
        more = {
            "eval_set": judged, "use_best_model": False, "early_stopping_rounds": PATIENCE,
        }  # fmt: skip
    model = resolve("catboost:CatBoost")(parameters)
    try:
        model.fit(single(training.x), y, sample_weight=training.weights, **more)
    except resolve("catboost:CatBoostError") as error:
        reason = str(error).strip().splitlines()[0].rpartition(": ")[2]
        raise TrialFailed(f"expected rows that CatBoost can use; it says: {reason}") from None
    best = int(model.tree_count_)
    if stopping:
        best = min(max(int(model.get_best_iteration()) + 1, LEAST_TREES), best)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.json"
        model.save_model(str(path), format="json")
        text = to_trees(json.loads(path.read_text()), schema, present.tolist(), best)
    return Learned(text, {"catboost_trees": float(best)} if stopping else {})


def to_trees(model: Mapping[str, Any], schema: Schema, present: Sequence[int], rounds: int) -> str:
    """The text of the first rounds of a model that CatBoost wrote as JSON.

    present: the classes that training rows had, in order; others get next to nothing.
    """
    features = model["features_info"].get("float_features", [])
    missing_left = {
        one["feature_index"]: one["nan_value_treatment"] != "AsTrue" for one in features
    }
    places = {one["feature_index"]: one["flat_feature_index"] for one in features}
    classes = len(schema.classes)
    of = {column: turn for turn, column in enumerate(present)} if classes > 2 else {0: 0}
    scale, bias = model["scale_and_bias"]
    grown = []
    for round_, one in enumerate(model["oblivious_trees"][:rounds]):
        trees = list(_trees(one, len(of), places, missing_left, scale))
        for column in range(classes if classes > 2 else 1):
            if column not in of:
                grown.append(leaf(0.0 if round_ else ABSENT))
                continue
            tree = trees[of[column]]
            grown.append(tree if round_ else shifted(tree, bias[of[column]]))
    objective = {"binary": "binary sigmoid:1", "multiclass": f"multiclass num_class:{classes}"}
    return to_text(grown, schema, objective=objective.get(schema.task, ""))


def _trees(
    one: Mapping[str, Any], outputs: int, places: Mapping[int, int],
    missing_left: Mapping[int, bool], scale: float,
) -> Iterator[Tree]:  # fmt: skip
    """An oblivious tree as one binary tree for each output: every level asks one question.

    The first question is the lowest bit of a leaf's number, and so it is asked last here. A number
    in single precision goes right where it is above the border.
    """
    splits = (one.get("splits") or [])[::-1]
    depth = len(splits)
    inner = 2**depth - 1
    asked = [splits[int(np.log2(node + 1))] for node in range(inner)]
    at = [split["float_feature_index"] for split in asked]
    leaves = np.full(inner + 1, -1)
    values = np.array(one["leaf_values"], np.float64).reshape(inner + 1, outputs) * scale
    nodes = np.arange(inner)
    borders = np.array([split["border"] for split in asked], np.float32)
    for output in range(outputs):
        yield Tree(
            np.concatenate(([places[i] for i in at], leaves)).astype(np.int64),
            np.concatenate((as_singles(borders), np.zeros(inner + 1))),
            np.concatenate((2 * nodes + 1, leaves)), np.concatenate((2 * nodes + 2, leaves)),
            np.concatenate(([missing_left[i] for i in at], leaves)).astype(bool),
            np.concatenate((np.zeros(inner), values[:, output])),
        )  # fmt: skip


def simplify(text: str, config: Config) -> str:
    """The first trees."""
    return keep_first(text, float(config["catboost_keep"]))


_STOPPED: dict[str, Value] = {"catboost_stopping": "yes", "catboost_trees": 1000}
_HERE = "tunewright.workloads.tabular.families.catboost"
FAMILY = Family(
    name="catboost",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit=f"{_HERE}:fit",
    simplify=f"{_HERE}:simplify",
    runtimes={"native": Backend("tunewright.workloads.tabular.lightgbm_native:native")},
    runtime="catboost_runtime",
    default_runtime="native",
    file="model.txt",
    monotone=True,
    library="catboost",
    portfolio=lambda _rows, _outputs: ({**_STOPPED, "catboost_rate": 0.08},),
)
