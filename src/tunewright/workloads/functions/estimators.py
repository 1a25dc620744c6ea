"""Estimators of scikit-learn as functions: each run is a cross-validation with folds of its own."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from tunewright.core.goal import stated_directions
from tunewright.errors import InputError, nearest
from tunewright.workloads.function import MEASURED
from tunewright.workloads.functions.declared import Function
from tunewright.workloads.functions.knobs import Unnamed
from tunewright.workloads.functions.runs import Run

FOLDS = 5
_SHORT = {
    "auc": "roc_auc", "rmse": "root_mean_squared_error", "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
}  # fmt: skip


@final
@dataclass(frozen=True)
class CrossValidation:
    """The mean scores of an estimator over folds, which the run's seed draws.

    scorers: by the goal's word, the name of scikit-learn's scorer and the sign that it has there.
    """

    estimator: Any
    scorers: Mapping[str, tuple[str, float]]

    def __call__(self, config: Mapping[str, Any], run: Run, data: Any) -> dict[str, float]:
        """The mean of each score; after each fold the mean so far is reported."""
        x, y = data
        base, metrics, selection = map(
            importlib.import_module, ("sklearn.base", "sklearn.metrics", "sklearn.model_selection")
        )
        classes = base.is_classifier(self.estimator)
        folds = (selection.StratifiedKFold if classes else selection.KFold)(
            FOLDS, shuffle=True, random_state=run.seed
        )
        scores: dict[str, list[float]] = {word: [] for word in self.scorers}
        means: dict[str, float] = {}
        for learn, judge in folds.split(np.zeros(len(y)), y if classes else None):
            model = base.clone(self.estimator).set_params(**config)
            model.fit(_rows(x, learn), _rows(y, learn))
            for word, (name, sign) in self.scorers.items():
                score = metrics.get_scorer(name)(model, _rows(x, judge), _rows(y, judge))
                scores[word].append(sign * float(score))
            means = {word: float(np.mean(values)) for word, values in scores.items()}
            run.report(**means)
        return means


def _rows(data: Any, rows: Any) -> Any:
    """These rows of an array, a frame or a list."""
    if hasattr(data, "iloc"):
        return data.iloc[rows]
    return data[rows] if hasattr(data, "shape") else [data[row] for row in rows]


def cross_validated(
    estimator: Any, space: Mapping[str, Unnamed] | None, data: Any, goal: str
) -> Function:
    """The function that tunes an estimator's parameters by cross-validation of `data`, (X, y).

    Raises InputError for data, parameters and metrics that it does not have.
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise InputError(f"expected data=(X, y) for an estimator; got {type(data).__name__}")
    if len(data[0] if not hasattr(data[0], "shape") else range(data[0].shape[0])) != len(data[1]):
        raise InputError("expected as many rows in X as in y; got others; give data=(X, y)")
    known = estimator.get_params()
    for name in space or {}:
        if name not in known:
            raise InputError(
                f"unknown parameter {name!r} of {type(estimator).__name__}: {nearest(name, known)}"
            )
    scorers = {w: _scorer(w) for w in stated_directions(goal) if w not in MEASURED}
    return Function(
        CrossValidation(estimator, scorers), space or {}, label=type(estimator).__name__
    )


def _scorer(word: str) -> tuple[str, float]:
    """The scorer that a goal's word names, and its sign. Raises InputError for none."""
    names = importlib.import_module("sklearn.metrics").get_scorer_names()
    name = _SHORT.get(word, word)
    if name in names:
        return name, 1.0
    if f"neg_{name}" in names:
        return f"neg_{name}", -1.0
    plain = [*_SHORT, *(each.removeprefix("neg_") for each in names)]
    raise InputError(f"unknown metric {word!r} of an estimator: {nearest(word, plain)}")
