"""Weighing: mean, spread and quantiles of values that count differently.

A row that counts twice says here what two equal rows do. weights: None where all count the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunewright.workloads.tabular.data import Floats


def picked(weights: Floats | None, rows: Any) -> Floats | None:
    """The weights of these rows."""
    return None if weights is None else weights[rows]


def weighed(values: Floats, weights: Floats | None) -> Floats:
    """Each row's values, as often as it counts: their sum is what the rows add up to."""
    if weights is None:
        return values
    return np.asarray(values * (weights if values.ndim == 1 else weights[:, np.newaxis]))


def mean_and_spread(values: Floats, weights: Floats | None) -> tuple[float, float]:
    """The mean, and the standard deviation around it."""
    return float(np.average(values, weights=weights)), float(np.sqrt(variance(values, weights)))


def variance(values: Floats, weights: Floats | None) -> Floats:
    """That of each column."""
    if weights is None:
        return np.asarray(values.var(axis=0))
    deviations = values - np.average(values, axis=0, weights=weights)
    return np.asarray(np.average(np.square(deviations), axis=0, weights=weights))


def quantiles(values: Floats, shares: Sequence[float], weights: Floats | None) -> Floats:
    """What so many of the values are at most; with weights one of the values themselves."""
    if weights is None:
        return np.quantile(values, shares)
    return np.quantile(values, shares, weights=weights, method="inverted_cdf")
