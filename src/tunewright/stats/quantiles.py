"""Quantiles of the distributions that intervals need. SciPy is imported when the first is asked."""

from __future__ import annotations

from tunewright.core.registry import resolve

STUDENT = "scipy.special:stdtrit"


def student(share: float, freedom: float) -> float:
    """The quantile of Student's distribution: `share` of it lies below."""
    return float(resolve(STUDENT)(freedom, share))
