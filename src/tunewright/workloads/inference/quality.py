"""The quality of a model's answers, row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tunewright.core.metrics import Metric
from tunewright.errors import InputError, TrialFailed, nearest
from tunewright.workloads.inference.data import Arrays, Reads
from tunewright.workloads.tabular import quality

STAGE = "compile"
CLASSES = ("accuracy", "log_loss", "roc_auc")  # metrics of answers that name a class
NUMBERS = ("rmse", "mae", "r2")
BLOCKS = 200  # of rows, for a metric that says one number of many (jackknife)
_SUM = 1e-3  # by so much the probabilities of a row may miss 1
Own = Callable[[Any, Any], Any]


def metric_of(name: str, better: Literal["lower", "higher"], *, own: bool) -> Metric:
    """The metric of this name, judged where a model is compiled. Raises InputError for none."""
    if own:
        return Metric(name, better, STAGE, scale="difference", margin=0.005, evidence="rows")
    known = {metric.name: metric for task in quality.METRICS.values() for metric in task}
    if name not in (*CLASSES, *NUMBERS):
        hint = nearest(name, (*CLASSES, *NUMBERS))
        raise InputError(f"unknown metric {name!r}: {hint}; or give a function of (y, answers)")
    return replace(known[name], stage=STAGE)


def reads_of(metric: str, outputs: Arrays) -> Reads:
    """What the first output of a model holds, by what it said of real rows."""
    first = outputs[0]
    if metric not in CLASSES:
        return "values"
    if first.ndim == 2 and first.shape[1] > 1:
        sums = np.abs(first.sum(axis=1) - 1).max() < _SUM
        return "probabilities" if sums and first.min() >= -_SUM else "scores"
    within = first.min() >= 0 and first.max() <= 1
    return "probabilities" if within else "scores"


def why_unreadable(metric: str, outputs: Arrays, y: NDArray[Any]) -> str:
    """Why a metric cannot be taken of such answers and labels; "" where it can."""
    first = outputs[0]
    flat = first.ndim == 1 or (first.ndim == 2 and first.shape[1] == 1)
    if metric in NUMBERS:
        if not flat or y.ndim != 1:
            return (
                f"expected one number a row for {metric}; got answers of the shape "
                f"{first.shape[1:]} and labels of {y.shape[1:]}; give a function of (y, answers)"
            )
        return "" if np.issubdtype(y.dtype, np.number) else f"expected numbers as y; got {y.dtype}"
    if first.ndim > 2 or y.ndim != 1:
        return (
            f"expected a class a row for {metric}; got answers of the shape {first.shape[1:]} and "
            f"labels of {y.shape[1:]}; give a function of (y, answers)"
        )
    if not np.issubdtype(y.dtype, np.integer):
        return f"expected whole numbers as labels, the places of classes; got {y.dtype} in y"
    count = 2 if flat else first.shape[1]
    if metric == "roc_auc" and count != 2:
        return f"expected two classes for roc_auc; got {count}; ask for accuracy or log_loss"
    if len(y) and (y.min() < 0 or y.max() >= count):
        return (
            f"expected labels from 0 to {count - 1}, the model's {count} classes; got "
            f"{int(y.min())} to {int(y.max())} in y; number them as the model does"
        )
    return ""


def contributions(
    metric: str, reads: Reads, outputs: Arrays, y: NDArray[Any], own: Own | None = None
) -> NDArray[np.float64]:
    """One number a row (or a block of rows) whose mean is the metric."""
    if own is not None:
        return _of_own(own, outputs if len(outputs) > 1 else outputs[0], y)
    first = np.asarray(outputs[0], np.float64)
    if not np.isfinite(first).all():
        raise TrialFailed("expected finite answers; got NaN or infinite ones")
    if first.ndim == 2 and first.shape[1] == 1:
        first = first[:, 0]
    if metric in CLASSES:
        first = _probabilities(first, reads)
        if metric == "roc_auc" and first.ndim == 2:
            first = first[:, 1]
    return quality.contributions(metric, np.asarray(y), first)


def _probabilities(said: NDArray[np.float64], reads: Reads) -> NDArray[np.float64]:
    if reads == "probabilities":
        return said
    if said.ndim == 1:
        return 1 / (1 + np.exp(-np.clip(said, -500, 500)))
    shifted = np.exp(said - said.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _of_own(own: Own, answers: Any, y: NDArray[Any]) -> NDArray[np.float64]:
    """What a function of the user's gives for each row; else its jackknife over blocks of rows."""
    value = np.asarray(own(y, answers), np.float64)
    if value.shape == (len(y),):
        return value
    if value.ndim:
        raise TrialFailed(
            f"expected one number, or one a row ({len(y)}), of the metric; got the shape "
            f"{value.shape}"
        )
    many = answers if isinstance(answers, tuple) else (answers,)
    blocks = np.arange(len(y)) % min(BLOCKS, len(y))
    count = int(blocks.max()) + 1

    def without(block: int) -> float:
        kept = blocks != block
        left = tuple(one[kept] for one in many)
        return float(own(y[kept], left if isinstance(answers, tuple) else left[0]))

    left_out = np.array([without(block) for block in range(count)])
    return np.asarray(count * float(value) - (count - 1) * left_out)


def places(y: NDArray[Any], classes: Sequence[Any]) -> NDArray[Any]:
    """Labels as places in a model's classes. Raises InputError for one that it does not know."""
    if not classes:
        return y
    known = np.asarray(classes)
    order = np.argsort(known)
    try:
        at = np.searchsorted(known[order], y)
    except TypeError as error:
        raise InputError(f"expected labels such as {classes[0]!r}; got {y.dtype}") from error
    at = np.clip(at, 0, len(known) - 1)
    found = order[at]
    unknown = known[found] != y
    if np.any(unknown):
        odd = np.asarray(y)[unknown][0]
        raise InputError(
            f"expected labels that the model knows ({', '.join(map(str, classes[:5]))} …); got "
            f"{odd!s} in y; give the labels that it was trained on"
        )
    return np.asarray(found, np.int64)
