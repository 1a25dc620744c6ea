"""The linear model through scikit-learn: training, and its own one-row predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
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
from tunewright.workloads.tabular.design import Design
from tunewright.workloads.tabular.linear import Linear

ITERATIONS = 200
_ABSENT = -30.0  # the score of a class that no training row has


def fit(training: Training, config: Config, _seed: int) -> Learned:
    """The model's text; `linear_c` is the inverse of the L2 penalty. Uses one thread."""
    design, strength = Design.learn(training), float(config["linear_c"])
    with threadpool_limits(1):  # sums over more threads would change the last digits
        columns = design(training.x)
        coef, intercept = weigh(columns, training.y, training.schema, strength, training.weights)
    return Learned(Linear(design, coef, intercept).to_text())


def weigh(
    columns: Floats, y: NDArray[Any], schema: Schema, strength: float, weights: Floats | None
) -> tuple[Floats, Floats]:
    """The weights, (outputs, columns), and intercepts that fit these columns.

    strength: the inverse of the L2 penalty. weights: as in Training.
    """
    if not schema.classes:
        ridge = Ridge(alpha=1 / strength).fit(columns, y, weights)
        return ridge.coef_[np.newaxis], np.array([ridge.intercept_])
    present = np.unique(y)
    if len(present) < 2:
        raise TrialFailed("expected training rows of at least two classes; got one")
    model = LogisticRegression(C=strength, max_iter=ITERATIONS).fit(columns, y, weights)
    if len(schema.classes) == 2:
        return model.coef_, model.intercept_
    if len(present) == 2:  # scikit-learn keeps one row of weights for two classes
        model.coef_ = np.vstack([-model.coef_, model.coef_]) / 2
        model.intercept_ = np.hstack([-model.intercept_, model.intercept_]) / 2
    coef = np.zeros((len(schema.classes), columns.shape[1]))
    intercept = np.full(len(schema.classes), _ABSENT)
    coef[present], intercept[present] = model.coef_, model.intercept_
    return coef, intercept


def estimator(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """LogisticRegression.predict_proba or Ridge.predict."""
    linear = Linear.from_text(files["linear.json"])
    design, coef, intercept = linear.design, linear.coef, linear.intercept
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
