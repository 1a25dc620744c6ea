"""Quality metrics as per-row contributions.

The mean of the contributions is the metric's value. Their standard error, and that of the paired
difference between two models, is the metric's: exactly for a mean (accuracy, log loss, mae), to
first order for the others, whose contributions are value + centred influence of the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.core.metrics import Metric, Sample
from tunewright.errors import TrialFailed
from tunewright.workloads.tabular.data import Evaluation, Floats, Task

_TINY = 1e-15  # the least probability that a log loss believes

METRICS: dict[Task, tuple[Metric, ...]] = {
    "binary": (
        Metric("roc_auc", "higher", "compile", scale="difference", margin=0.005, evidence="rows"),
        Metric("accuracy", "higher", "compile", scale="difference", margin=0.005, evidence="rows"),
        Metric("log_loss", "lower", "compile", evidence="rows"),
    ),
    "multiclass": (
        Metric("accuracy", "higher", "compile", scale="difference", margin=0.005, evidence="rows"),
        Metric("log_loss", "lower", "compile", evidence="rows"),
    ),
    "regression": (
        Metric("rmse", "lower", "compile", evidence="rows"),
        Metric("mae", "lower", "compile", evidence="rows"),
        Metric("r2", "higher", "compile", scale="difference", margin=0.005, evidence="rows"),
    ),
}


def contributions(metric: str, y: NDArray[Any], prediction: Floats) -> Floats:
    """One number a row whose mean is the metric.

    prediction: (n,) values or probabilities of the positive class, or (n, classes) probabilities.
    """
    return _OF[metric](y, prediction)


def samples_of(own: dict[str, Floats], baseline: dict[str, Floats] | None) -> dict[str, Sample]:
    """Each metric with its standard error, and its paired change against the baseline."""
    samples = {}
    for name, values in own.items():
        samples[name] = _mean(values)
        if baseline is not None and name in baseline:
            samples[f"{name}_change"] = _mean(values - baseline[name])
    return samples


def every_row(
    own: dict[str, Floats], evaluation: Evaluation, classes: Sequence[str]
) -> dict[str, Sample]:
    """What a verdict reads of each row: its contributions, its class and its group."""
    samples = {f"{name}_rows": Sample(tuple(values.tolist())) for name, values in own.items()}
    if classes:
        samples["class"] = Sample(tuple(evaluation.y.astype(float).tolist()))
    if evaluation.groups is not None:
        samples["group"] = Sample(tuple(evaluation.groups.astype(float).tolist()))
    return samples


def _mean(values: Floats) -> Sample:
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return Sample((float(values.mean()),), error=error)


def _accuracy(y: NDArray[Any], prediction: Floats) -> Floats:
    guess = prediction.argmax(axis=1) if prediction.ndim == 2 else prediction >= 0.5
    return np.asarray(guess == y, np.float64)


def _log_loss(y: NDArray[Any], prediction: Floats) -> Floats:
    if prediction.ndim == 2:
        right = prediction[np.arange(len(y)), y]
    else:
        right = np.where(y == 1, prediction, 1 - prediction)
    return np.asarray(-np.log(np.clip(right, _TINY, 1.0)))


def _roc_auc(y: NDArray[Any], prediction: Floats) -> Floats:
    """DeLong's structural components (DeLong, DeLong & Clarke-Pearson 1988) in n log n.

    After Sun & Xu 2014: a row's component is the share of the rows of the other class that it is
    ranked rightly against, ties counting half.
    """
    positive = y == 1
    above, below = prediction[positive], prediction[~positive]
    if not len(above) or not len(below):
        raise TrialFailed("expected evaluation rows of both classes; got one")
    components = np.empty(len(y))
    components[positive] = _share_below(above, below)
    components[~positive] = 1 - _share_below(below, above)
    value = components[positive].mean()
    weight = np.where(positive, len(y) / len(above), len(y) / len(below))
    return np.asarray(value + weight * (components - value))


def _share_below(values: Floats, others: Floats) -> Floats:
    """For each value the share of the others below it, ties counting half."""
    ranked = np.sort(others)
    low, high = (np.searchsorted(ranked, values, side=side) for side in ("left", "right"))
    return np.asarray((low + high) / (2 * len(ranked)))


def _rmse(y: NDArray[Any], prediction: Floats) -> Floats:
    squared = (y - prediction) ** 2
    value = np.sqrt(squared.mean())
    return np.asarray(value + (squared - value**2) / (2 * max(value, 1e-300)))


def _mae(y: NDArray[Any], prediction: Floats) -> Floats:
    return np.asarray(np.abs(y - prediction))


def _r2(y: NDArray[Any], prediction: Floats) -> Floats:
    squared, spread = (y - prediction) ** 2, (y - y.mean()) ** 2
    error, variance = squared.mean(), max(spread.mean(), 1e-300)
    influence = (error * (spread - variance) / variance - (squared - error)) / variance
    return np.asarray(1 - error / variance + influence)


_OF: dict[str, Callable[[NDArray[Any], Floats], Floats]] = {
    "accuracy": _accuracy,
    "log_loss": _log_loss,
    "roc_auc": _roc_auc,
    "rmse": _rmse,
    "mae": _mae,
    "r2": _r2,
}
