"""XGBoost's boosted trees (Chen & Guestrin 2016), where it is installed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Choice, Integer, Knob, Real
from tunewright.core.registry import resolve
from tunewright.knobs import tuned
from tunewright.workloads.tabular.data import Learned, Schema, Training
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.monotone import directions
from tunewright.workloads.tabular.trees import (
    Tree,
    as_singles,
    keep,
    keep_first,
    shifted,
    single,
    to_text,
)

PATIENCE = 50  # rounds without a better loss on the judged rows
LEAST_TREES = 10
_OBJECTIVE = {
    "binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror",
}  # fmt: skip


def _knobs(_cores: int) -> tuple[Knob, ...]:
    return (
        tuned("xgboost_trees", Integer(LEAST_TREES, 3000, log=True), 100),
        tuned("xgboost_stopping", Choice(("no", "yes")), "no"),
        tuned("xgboost_rate", Real(0.01, 0.3, log=True), 0.1),
        tuned("xgboost_depth", Integer(3, 10), 6),
        tuned("xgboost_child", Real(0.1, 20.0, log=True), 1.0),
        tuned("xgboost_subsample", Real(0.5, 1.0), 1.0),
        tuned("xgboost_colsample", Real(0.3, 1.0), 1.0),
        tuned("xgboost_l2", Real(0.01, 30.0, log=True), 1.0),
        keep("xgboost_keep"),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The model's text. Uses one thread: sums over more would change the last digits."""
    schema, make = training.schema, resolve("xgboost:DMatrix")
    parameters: dict[str, Any] = {
        "objective": _OBJECTIVE[schema.task], "eta": config["xgboost_rate"],
        "max_depth": config["xgboost_depth"], "min_child_weight": config["xgboost_child"],
        "subsample": config["xgboost_subsample"], "colsample_bytree": config["xgboost_colsample"],
        "lambda": config["xgboost_l2"], "seed": seed % 2**31, "nthread": 1, "verbosity": 0,
    }  # fmt: skip
    if schema.task == "multiclass":
        parameters |= {"num_class": len(schema.classes)}
    if schema.classes:
        parameters |= {"base_score": 0.5}
    if any(ways := directions(schema)):
        parameters |= {"monotone_constraints": f"({','.join(map(str, ways))})"}
    more: dict[str, Any] = {}
    stopping = training.judged is not None and config["xgboost_stopping"] == "yes"
    if training.judged is not None and stopping:
        x, y = training.judged
        judged = make(single(x), y, weight=training.judged_weights, nthread=1)
        more = {
            "evals": [(judged, "judged")], "early_stopping_rounds": PATIENCE, "verbose_eval": False,
        }  # fmt: skip
    rows = make(single(training.x), training.y, weight=training.weights, nthread=1)
    grown = resolve("xgboost:train")(parameters, rows, int(config["xgboost_trees"]), **more)
    if not stopping:
        return Learned(to_trees(json.loads(grown.save_raw("json")), schema))
    best = min(max(grown.best_iteration + 1, LEAST_TREES), grown.num_boosted_rounds())
    text = to_trees(json.loads(grown[:best].save_raw("json")), schema)
    return Learned(text, {"xgboost_trees": float(best)})


def to_trees(model: Mapping[str, Any], schema: Schema) -> str:
    """The text of a model that XGBoost wrote as JSON."""
    learner = model["learner"]
    grown = [_tree(one) for one in learner["gradient_booster"]["model"]["trees"]]
    base = float(learner["learner_model_param"]["base_score"].strip("[]").split(",")[0])
    if schema.task == "regression":
        grown[0] = shifted(grown[0], base)
    elif schema.task == "binary":
        grown[0] = shifted(grown[0], math.log(base / (1.0 - base)))
    objective = {
        "binary": "binary sigmoid:1", "multiclass": f"multiclass num_class:{len(schema.classes)}",
    }  # fmt: skip
    return to_text(grown, schema, objective=objective.get(schema.task, ""))


def _tree(one: Mapping[str, Any]) -> Tree:
    """One tree: a row goes left where its number in single precision is less than the condition."""
    left, conditions = np.array(one["left_children"]), np.array(one["split_conditions"], np.float32)
    below = np.nextafter(conditions, np.float32(-np.inf))
    return Tree(
        np.where(left < 0, -1, np.array(one["split_indices"])), as_singles(below), left,
        np.array(one["right_children"]), np.array(one["default_left"], bool),
        conditions.astype(np.float64),
    )  # fmt: skip


def simplify(text: str, config: Config) -> str:
    """The first trees."""
    return keep_first(text, float(config["xgboost_keep"]))


_STOPPED: dict[str, Value] = {
    "xgboost_stopping": "yes", "xgboost_trees": 3000, "xgboost_rate": 0.05,
}  # fmt: skip
_HERE = "tunewright.workloads.tabular.families.xgboost"
FAMILY = Family(
    name="xgboost",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit=f"{_HERE}:fit",
    simplify=f"{_HERE}:simplify",
    runtimes={"native": Backend("tunewright.workloads.tabular.lightgbm_native:native")},
    runtime="xgboost_runtime",
    default_runtime="native",
    file="model.txt",
    monotone=True,
    library="xgboost",
    portfolio=lambda _rows, _outputs: (
        {**_STOPPED, "xgboost_subsample": 0.8, "xgboost_colsample": 0.7},
    ),
)
