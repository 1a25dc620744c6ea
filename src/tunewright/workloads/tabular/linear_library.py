"""The linear model through scikit-learn: training, and its own one-row predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from tunewright.core.config import Config
from tunewright.errors import TrialFailed
from tunewright.workloads.tabular.data import (
    Floats,
    Learned,
    Runtime,
    Schema,
    Training,
    one_by_one,
)
from tunewright.workloads.tabular.linear import Design, Linear, learn_design

ITERATIONS = 200
_ABSENT = -30.0  # the score of a class that no training row has


def fit(training: Training, config: Config, _seed: int) -> Learned:
    """The model's text; `linear_c` is the inverse of the L2 penalty. Uses one thread."""
    x, y, schema = training.x, training.y, training.schema
    strength = float(config["linear_c"])
    design = learn_design(x, schema)
    columns = Design(design)(x)
    with threadpool_limits(1):  # sums over more threads would change the last digits
        if not schema.classes:
            ridge = Ridge(alpha=1 / strength).fit(columns, y)
            return _learned(design, ridge.coef_[np.newaxis], np.array([ridge.intercept_]))
        present = np.unique(y)
        if len(present) < 2:
            raise TrialFailed("expected training rows of at least two classes; got one")
        model = LogisticRegression(C=strength, max_iter=ITERATIONS).fit(columns, y)
    if len(schema.classes) == 2:
        return _learned(design, model.coef_, model.intercept_)
    if len(present) == 2:  # scikit-learn keeps one row of weights for two classes
        model.coef_ = np.vstack([-model.coef_, model.coef_]) / 2
        model.intercept_ = np.hstack([-model.intercept_, model.intercept_]) / 2
    coef = np.zeros((len(schema.classes), columns.shape[1]))
    intercept = np.full(len(schema.classes), _ABSENT)
    coef[present], intercept[present] = model.coef_, model.intercept_
    return _learned(design, coef, intercept)


def _learned(design: Linear, coef: Floats, intercept: Floats) -> Learned:
    rows = tuple(tuple(row) for row in coef.tolist())
    return Learned(replace(design, coef=rows, intercept=tuple(intercept.tolist())).to_text())


def estimator(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """LogisticRegression.predict_proba or Ridge.predict."""
    weights = Linear.from_text(files["linear.json"])
    design, coef, intercept = Design(weights), np.array(weights.coef), np.array(weights.intercept)
    if not schema.classes:
        ridge = Ridge()
        ridge.coef_, ridge.intercept_ = coef[0], intercept[0]
        return one_by_one(lambda x: np.asarray(ridge.predict(design(x))))
    model = LogisticRegression()
    model.coef_, model.intercept_ = coef, intercept
    model.classes_ = np.arange(len(schema.classes))
    if schema.task == "binary":
        return one_by_one(lambda x: np.asarray(model.predict_proba(design(x))[:, 1]))
    return one_by_one(lambda x: np.asarray(model.predict_proba(design(x))))
