"""Quality metrics as per-row contributions.

The mean of the contributions is the metric's value. Their standard error, and that of the paired
difference between two models, is the metric's: exactly for a mean (accuracy, log loss, mae), to
first order for the others, whose contributions are value + centred influence of the row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.core.metrics import Metric, Sample
from tunewright.errors import TrialFailed
from tunewright.workloads.tabular.data import Floats, Ints, Judged, Task

_TINY = 1e-15  # the least probability that a log loss believes

_BALANCED = Metric(
    "balanced_accuracy", "higher", "blend", scale="difference", margin=0.005, evidence="rows",
    by_class=True,
)  # fmt: skip
METRICS: dict[Task, tuple[Metric, ...]] = {
    "binary": (
        Metric("roc_auc", "higher", "blend", scale="difference", margin=0.005, evidence="rows"),
        Metric("accuracy", "higher", "blend", scale="difference", margin=0.005, evidence="rows"),
        Metric("log_loss", "lower", "blend", evidence="rows"),
        _BALANCED,
        Metric("f1", "higher", "blend", scale="difference", margin=0.005, evidence="rows"),
    ),
    "multiclass": (
        Metric("accuracy", "higher", "blend", scale="difference", margin=0.005, evidence="rows"),
        Metric("log_loss", "lower", "blend", evidence="rows"),
        _BALANCED,
    ),
    "regression": (
        Metric("rmse", "lower", "blend", evidence="rows"),
        Metric("mae", "lower", "blend", evidence="rows"),
        Metric("r2", "higher", "blend", scale="difference", margin=0.005, evidence="rows"),
    ),
}

# what a table is tuned for where nobody says
AIMS: dict[Task, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


def read_by(goal: Sequence[str], task: Task) -> tuple[str, ...]:
    """Those of a goal's metrics that are of quality; where it names none, what is tuned for."""
    named = tuple(metric.name for metric in METRICS[task] if metric.name in goal)
    return named or (AIMS[task],)


def contributions(
    metric: str,
    y: NDArray[Any],
    prediction: Floats,
    weights: Floats | None = None,
    spread: float | None = None,
) -> Floats:
    """One number a row whose mean is the metric; with weights their mean by these.

    prediction: (n,) values or probabilities of the positive class, or (n, classes) probabilities.
    spread: the variance of all answers of which these are one part; None where they are all.
    """
    if metric == "r2" and spread is not None:
        return np.asarray(1 - (y - prediction) ** 2 / spread)
    return _OF[metric](y, prediction, np.ones(len(y)) if weights is None else weights)


def samples_of(
    own: Mapping[str, Floats],
    baseline: Mapping[str, Floats] | None,
    groups: Ints | None = None,
    weights: Floats | None = None,
) -> dict[str, Sample]:
    """Each metric with its standard error, and its paired change against the baseline.

    groups: rows of one are no independent evidence, so that an error is one of groups. weights: how
    much each row counts.
    """
    samples = {}
    for name, values in own.items():
        samples[name] = mean_of(values, groups, weights)
        if baseline is not None and name in baseline:
            samples[f"{name}_change"] = mean_of(values - baseline[name], groups, weights)
    return samples


def every_row(
    own: Mapping[str, Floats], judged: Judged, prediction: Floats, classes: Sequence[str]
) -> dict[str, Sample]:
    """What a verdict reads of each row: its contributions, its class, its group and its weight.

    For the report also what was said of it: a value, of two classes the probability of the second,
    of more the place of the likeliest.
    """
    samples = {f"{name}_rows": Sample(tuple(values.tolist())) for name, values in own.items()}
    y, groups, weights = judged.y, judged.groups, judged.weights
    said = prediction.argmax(axis=1).astype(float) if prediction.ndim > 1 else prediction
    samples["said"] = Sample(tuple(said.tolist()))
    if classes:
        samples["class"] = Sample(tuple(y.astype(float).tolist()), labels=tuple(classes))
    else:
        samples["answer"] = Sample(tuple(y.astype(float).tolist()))
    if groups is not None:
        samples["group"] = Sample(tuple(groups.astype(float).tolist()))
    if weights is not None:
        samples["weight"] = Sample(tuple(weights.tolist()))
    return samples


def mean_of(values: Floats, groups: Ints | None = None, weights: Floats | None = None) -> Sample:
    """The mean and its error, from what each group's rows deviate from it together."""
    mean = float(np.average(values, weights=weights))
    sums = values - mean if weights is None else (values - mean) * weights / weights.mean()
    if groups is not None:
        sums = np.bincount(np.unique(groups, return_inverse=True)[1], sums)
    count = max(len(sums), 2)
    error = math.sqrt(count / (count - 1) * float(sums @ sums)) / len(values)
    return Sample((mean,), error=error)


def _accuracy(y: NDArray[Any], prediction: Floats, _weights: Floats) -> Floats:
    return np.asarray(_likeliest(prediction) == y, np.float64)


def _likeliest(prediction: Floats) -> NDArray[Any]:
    return np.asarray(prediction.argmax(axis=1) if prediction.ndim == 2 else prediction >= 0.5)


def _balanced_accuracy(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    """The mean over the classes that are there of the share of their rows that are right."""
    right = _accuracy(y, prediction, weights)
    sums = np.bincount(y, weights)
    recalls = np.bincount(y, weights * right) / np.where(sums > 0, sums, 1.0)
    there = np.count_nonzero(sums)
    value = recalls.sum() / there
    return np.asarray(value + weights.sum() * (right - recalls[y]) / (there * sums[y]))


def _f1(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    """Twice the hits over the positive rows and those that are told to be; 0 without either."""
    told = np.asarray(_likeliest(prediction), np.float64)
    hits, either = 2.0 * told * y, told + y
    share = max(np.average(either, weights=weights), 1e-300)
    value = np.average(hits, weights=weights) / share
    return np.asarray(value + (hits - value * either) / share)


def _log_loss(y: NDArray[Any], prediction: Floats, _weights: Floats) -> Floats:
    if prediction.ndim == 2:
        right = prediction[np.arange(len(y)), y]
    else:
        right = np.where(y == 1, prediction, 1 - prediction)
    return np.asarray(-np.log(np.clip(right, _TINY, 1.0)))


def _roc_auc(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    """DeLong's structural components (DeLong, DeLong & Clarke-Pearson 1988) in n log n.

    After Sun & Xu 2014: a row's component is the share of the rows of the other class that it is
    ranked rightly against, ties counting half.
    """
    positive = y == 1
    above, below = prediction[positive], prediction[~positive]
    if not len(above) or not len(below):
        raise TrialFailed("expected evaluation rows of both classes; got one")
    components = np.empty(len(y))
    of_above, of_below = weights[positive], weights[~positive]
    components[positive] = _share_below(above, below, of_below)
    components[~positive] = 1 - _share_below(below, above, of_above)
    value = np.average(components[positive], weights=of_above)
    scale = weights.sum() / np.where(positive, of_above.sum(), of_below.sum())
    return np.asarray(value + scale * (components - value))


def _share_below(values: Floats, others: Floats, weights: Floats) -> Floats:
    """For each value the share of the others below it, by their weights, ties counting half."""
    order = np.argsort(others)
    ranked, sums = others[order], np.concatenate(([0.0], np.cumsum(weights[order])))
    low, high = (sums[np.searchsorted(ranked, values, side=side)] for side in ("left", "right"))
    return np.asarray((low + high) / (2 * sums[-1]))


def _rmse(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    squared = (y - prediction) ** 2
    value = np.sqrt(np.average(squared, weights=weights))
    return np.asarray(value + (squared - value**2) / (2 * max(value, 1e-300)))


def _mae(y: NDArray[Any], prediction: Floats, _weights: Floats) -> Floats:
    return np.asarray(np.abs(y - prediction))


def _r2(y: NDArray[Any], prediction: Floats, weights: Floats) -> Floats:
    """By the variance of these rows.

    Parts must be given that of all: judged by its own each, what errs in wild parts counts less.
    """
    squared, spread = (y - prediction) ** 2, (y - np.average(y, weights=weights)) ** 2
    error = np.average(squared, weights=weights)
    variance = max(np.average(spread, weights=weights), 1e-300)
    influence = (error * (spread - variance) / variance - (squared - error)) / variance
    return np.asarray(1 - error / variance + influence)


_OF: dict[str, Callable[[NDArray[Any], Floats, Floats], Floats]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "log_loss": _log_loss,
    "roc_auc": _roc_auc,
    "rmse": _rmse,
    "mae": _mae,
    "r2": _r2,
}
