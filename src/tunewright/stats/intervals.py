"""Confidence intervals for means of paired values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import final

# Prior variance of the standardised effect in the t confidence sequence. Wide, since the effects
# worth tuning for are many standard deviations of a pair; the width at many pairs hardly changes.
EFFECT_VARIANCE = 25.0


@final
@dataclass(frozen=True)
class Interval:
    """An estimate with the interval around it; infinite where too little is known.

    check: the interval of a second test that must agree before anything is claimed.
    note: why nothing can be said, "" where something is.
    """

    estimate: float
    low: float
    high: float
    check: tuple[float, float] | None = None
    note: str = ""

    @property
    def hull(self) -> tuple[float, float]:
        """The least and the most that either test allows: what lies outside, both exclude."""
        low, high = self.check or (self.low, self.high)
        return min(self.low, low), max(self.high, high)


def nothing(note: str) -> Interval:
    """An interval that says nothing, and why."""
    return Interval(math.nan, -math.inf, math.inf, note=note)


def t_confidence_sequence(values: Sequence[float], alpha: float) -> tuple[float, float]:
    """An interval for the mean that may be looked at after every value, at level 1 - `alpha`.

    For independent normal values of unknown variance the chance that any of the intervals misses
    the mean, ever, is at most `alpha`. It inverts the Bayes factor of the t statistic with a normal
    prior on the standardised effect and the right Haar prior on the scale, which is a test
    martingale (Lai 1976; Wang and Ramdas, "Anytime-valid t-tests and confidence sequences for
    Gaussian means with unknown variance", 2025). Infinite while there is too little to say.
    """
    n = len(values)
    if n < 2:
        return -math.inf, math.inf
    mean = min(max(fmean(values), min(values)), max(values))  # of constants exactly their value
    spread = math.sqrt(math.fsum((x - mean) * (x - mean) for x in values) / (n - 1))
    shrink = 1.0 + n * EFFECT_VARIANCE
    bound = (shrink / alpha**2) ** (1.0 / n)
    if bound >= shrink:
        return -math.inf, math.inf
    t_squared = (n - 1) * (bound - 1.0) / (1.0 - bound / shrink)
    half = spread * math.sqrt(t_squared / n)
    return mean - half, mean + half


def smallest_margin(spread: float, n: int, alpha: float, power: float = 0.8) -> float:
    """The margin at which an equal candidate is shown to be no worse with this power.

    spread: the standard deviation of the per-row differences; n: rows.
    """
    normal = NormalDist()
    return (normal.inv_cdf(1.0 - alpha) + normal.inv_cdf(power)) * spread / math.sqrt(n)
