"""LightGBM through its Python package: training, and the two ways that users predict one row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightgbm
import numpy as np

from tunewright.core.config import Config
from tunewright.workloads.tabular.data import (
    Floats,
    Learned,
    Runtime,
    Schema,
    Training,
    one_by_one,
)
from tunewright.workloads.tabular.families.lightgbm import LEAST_TREES

RANKING = 1_000  # trees, at most, by which features are ranked
EXPLAINED, MOST_EXPLAINED = 5_000_000, 500  # numbers and rows, at most, that tell how far they move
PATIENCE = 50  # rounds without a better loss on the judged rows


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The model's text. Does not depend on `fit_threads`: LightGBM is told to be deterministic.

    Early stopping chooses the round with the least loss, but none before the least `n_trees`.
    """
    schema, judged = training.schema, training.judged
    parameters: dict[str, Any] = {
        "learning_rate": config["learning_rate"],
        "num_leaves": config["num_leaves"],
        "min_child_samples": config["min_child_samples"],
        "colsample_bytree": config["colsample"],
        "bagging_fraction": config["subsample"],
        "bagging_freq": int(float(config["subsample"]) < 1.0),
        "reg_lambda": config["l2"],
        "extra_trees": config["extra_trees"] == "yes",
        "num_threads": config["fit_threads"],
        "objective": schema.task,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    if schema.task == "multiclass":
        parameters["num_class"] = len(schema.classes)
    data = lightgbm.Dataset(
        training.x, training.y, weight=training.weights, categorical_feature=schema.nominal,
        params=parameters,
    )  # fmt: skip
    rounds = int(config["n_trees"])
    if judged is None or config["early_stopping"] == "no":
        return Learned(_text(lightgbm.train(parameters, data, rounds)))
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    grown = lightgbm.train(
        parameters,
        data,
        rounds,
        valid_sets=[
            lightgbm.Dataset(
                *judged, weight=training.judged_weights, reference=data, params=parameters
            )
        ],
        callbacks=[stop],
    )
    best = min(max(grown.best_iteration, LEAST_TREES), grown.current_iteration())
    return Learned(_text(grown, best), {"n_trees": float(best)})


def moved(training: Training, seed: int) -> Floats:
    """How far each feature moves the answers of a few boosted trees of these rows, on average.

    By SHAP values (Lundberg & Lee 2017), which are taken of some of the rows.
    """
    schema, x = training.schema, training.x
    outputs = len(schema.classes) if schema.task == "multiclass" else 1
    parameters: dict[str, Any] = {
        "objective": schema.task, "num_class": outputs, "feature_fraction": 0.5,
        "bagging_fraction": 0.8, "bagging_freq": 1, "seed": seed, "num_threads": 1,
        "deterministic": True, "force_row_wise": True, "verbosity": -1,
    }  # fmt: skip
    data = lightgbm.Dataset(
        x, training.y, weight=training.weights, categorical_feature=schema.nominal,
        params=parameters,
    )  # fmt: skip
    grown = lightgbm.train(parameters, data, min(max(RANKING // outputs, 10), 100))
    width = x.shape[1] + 1  # the last one is what all answers begin with
    rows = min(max(EXPLAINED // (width * outputs), 1), MOST_EXPLAINED)
    asked = x[:: -(-len(x) // rows)]
    values = np.abs(np.asarray(grown.predict(asked, pred_contrib=True, num_threads=1)))
    return np.asarray(values.reshape(-1, width).mean(axis=0)[:-1])


def truncate(text: str, config: Config) -> str:
    """The model with the share `keep_trees` of its iterations, the first ones, at least one."""
    share = float(config["keep_trees"])
    if share == 1.0:
        return text
    booster = lightgbm.Booster(model_str=text)
    keep = max(round(share * booster.current_iteration()), 1)
    return _text(booster, keep)


def _text(booster: lightgbm.Booster, iterations: int | None = None) -> str:
    """The model's text up to its parameters, which name the thread count and are not needed."""
    text: str = booster.model_to_string(num_iteration=iterations)
    return text.partition("\nparameters:")[0] + "\n"


def booster(files: Mapping[str, bytes], _schema: Schema, threads: int) -> Runtime:
    """lightgbm.Booster.predict."""
    model = lightgbm.Booster(model_str=files["model.txt"].decode())
    return one_by_one(lambda x: np.asarray(model.predict(x, num_threads=threads)))


def estimator(files: Mapping[str, bytes], schema: Schema, threads: int) -> Runtime:
    """What users have today: the scikit-learn estimator's own predict or predict_proba."""
    kind = lightgbm.LGBMClassifier if schema.classes else lightgbm.LGBMRegressor
    model: Any = kind(n_jobs=threads, verbosity=-1)
    # An estimator can be made only by `fit`; these are the attributes that `fit` leaves.
    model._Booster = lightgbm.Booster(model_str=files["model.txt"].decode())
    model._n_features = model._n_features_in = len(schema.features)
    model._objective = schema.task
    model._classes = np.arange(len(schema.classes))
    model._n_classes = len(schema.classes)
    model.fitted_ = True
    if schema.task == "binary":
        return one_by_one(lambda x: np.asarray(model.predict_proba(x)[:, 1]))
    return one_by_one(model.predict_proba if schema.classes else model.predict)
