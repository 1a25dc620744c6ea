"""Blending: the weights with which models answer best together.

Greedy selection with replacement (Caruana et al. 2004): models are added one after the other, each
time the one with which the mean of all that were added has the least loss. The share of the
additions that a model got is its weight, so few get any, and none a negative one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Floats, Task

ADDITIONS = 40
_TINY = 1e-6  # the least probability that a blend is asked to believe
ROWS = 20_000  # weights are known well enough from so many


def weights_of(
    predictions: Sequence[Floats], y: NDArray[Any], task: Task, rows: Floats | None = None
) -> Floats:
    """One weight a model, their sum 1: those of the least log loss or squared error on these rows.

    predictions: one array a model; (n,) values or probabilities, or (n, classes) probabilities.
    rows: how much each row counts, None where all count the same.
    """
    step = -(-len(y) // ROWS)
    right = np.array([_right(prediction[::step], y[::step], task) for prediction in predictions])
    answers = y[::step].astype(float) if task == "regression" else None
    counts, total = np.zeros(len(right)), np.zeros(right.shape[1])
    best, found = np.inf, counts
    for added in range(1, ADDITIONS + 1):
        means = (total + right) / added
        each = -np.log(np.maximum(means, _TINY)) if answers is None else (means - answers) ** 2
        losses = np.average(each, axis=1, weights=None if rows is None else rows[::step])
        chosen = int(losses.argmin())
        total, counts = total + right[chosen], counts + (np.arange(len(right)) == chosen)
        if losses[chosen] < best:
            best, found = float(losses[chosen]), counts
    return np.asarray(found / found.sum())


def _right(prediction: Floats, y: NDArray[Any], task: Task) -> Floats:
    """What a model says of the right class; of a number, what it says."""
    if task == "regression":
        return prediction
    if prediction.ndim == 2:
        return np.asarray(prediction[np.arange(len(y)), y])
    return np.where(y == 1, prediction, 1 - prediction)
