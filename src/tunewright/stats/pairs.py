"""Pairs: what the changes within pairs say about their mean, while they come and at the end.

Looking early and looking last share one error: a small part of it pays for looking after each pair,
the rest for one plain test at the end. So a large effect ends after a handful of pairs, and a small
one costs hardly more of them than a test whose number of pairs was fixed beforehand (Haybittle 1971
and Peto et al. 1976 split the error of clinical trials in the same way).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from statistics import NormalDist, fmean, median, stdev, variance

from tunewright.stats.intervals import Interval, t_confidence_sequence
from tunewright.stats.quantiles import student

EARLY_SHARE = 0.05  # of the error, for all the looks before the last one
ENDLESS = (-math.inf, math.inf)
MOST_RANKED = 200  # beyond them no odd pair decides, and ranking them after each would take long
_EXACT = 60  # pairs up to which the distribution of the rank sum is computed
POWER = 0.8


def early(changes: Sequence[float], alpha: float) -> Interval:
    """The interval for the centre of the changes, to be looked at after every pair.

    alpha: the error of all looks, early and last, for both ends together. A confidence sequence for
    normal changes of unknown variance. The interval of the ranks at the plain level must agree, so
    that one odd pair cannot decide; nor can so few pairs that ranks say nothing about them: where
    the order alone makes the changes, five drawn orders agree too often.
    """
    low, high = t_confidence_sequence(changes, EARLY_SHARE * alpha)
    if len(changes) > MOST_RANKED or not math.isfinite(low):
        return Interval(fmean(changes or [math.nan]), low, high)
    return Interval(hodges_lehmann(changes), low, high, rank_interval(changes, alpha))


def last(changes: Sequence[float], alpha: float) -> Interval:
    """The interval for the centre of the changes at an end that the changes have not chosen.

    It is that of the ranks (Hodges & Lehmann 1963), which keeps its level under outliers and heavy
    tails; the paired t interval must agree. It is the t interval alone where so few pairs cannot be
    ranked at this level.
    """
    level = (1 - EARLY_SHARE) * alpha
    plain, ranked = t_interval(changes, level), rank_interval(changes, level)
    if ranked == ENDLESS:
        return Interval(fmean(changes) if changes else math.nan, *plain)
    return Interval(hodges_lehmann(changes), *ranked, check=plain)


def t_interval(values: Sequence[float], alpha: float) -> tuple[float, float]:
    """Student's interval for the mean at level 1 - `alpha`; infinite for fewer than two values."""
    n = len(values)
    if n < 2:
        return ENDLESS
    mean = fmean(values)
    half = student(1 - alpha / 2, n - 1) * stdev(values, mean) / math.sqrt(n)
    return mean - half, mean + half


def rank_interval(values: Sequence[float], alpha: float) -> tuple[float, float]:
    """Wilcoxon's interval for the centre of symmetry at level 1 - `alpha`, or a little above.

    From the order statistics of the Walsh averages (Hollander, Wolfe & Chicken, "Nonparametric
    Statistical Methods", 3rd ed., 3.7). Infinite where so few values cannot reach the level.
    """
    n = len(values)
    k = _rank_quantile(n, alpha)
    if k < 0:
        return ENDLESS
    averages = _walsh(values)
    return averages[k], averages[-1 - k]


def hodges_lehmann(values: Sequence[float]) -> float:
    """The median of the averages of all pairs of values, each with itself too."""
    return median(_walsh(values))


def unpaired(a: Sequence[float], b: Sequence[float], alpha: float) -> Interval:
    """The interval for the shift from `a` to `b`, two samples that were not taken together.

    Welch's t interval; that of the ranks (Hodges & Lehmann's for two samples, normal approximation)
    must agree. Both know the spread within the samples only, not what changed between them.
    """
    n, m = len(a), len(b)
    shift, va, vb = fmean(b) - fmean(a), variance(a) / n, variance(b) / m
    if va + vb == 0:
        return Interval(shift, shift, shift)
    freedom = (va + vb) ** 2 / (va**2 / (n - 1) + vb**2 / (m - 1))
    half = student(1 - alpha / 2, freedom) * math.sqrt(va + vb)
    between = sorted(y - x for y in b for x in a)
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    k = math.floor(n * m / 2 - NormalDist().inv_cdf(1 - alpha / 2) * spread)
    ranked = None if k < 0 else (between[k], between[-1 - k])
    return Interval(shift, shift - half, shift + half, check=ranked)


def detectable(changes: Sequence[float], alpha: float) -> float:
    """The smallest change that so many pairs with this spread find with 80 % power at the end."""
    n = len(changes)
    if n < 2:
        return math.inf
    level = (1 - EARLY_SHARE) * alpha
    wanted = student(1 - level / 2, n - 1) + student(POWER, n - 1)
    return wanted * stdev(changes) / math.sqrt(n)


def _walsh(values: Sequence[float]) -> list[float]:
    """The averages of all pairs of values, each with itself too, in order."""
    return sorted((a + b) / 2 for i, a in enumerate(values) for b in values[i:])


@cache
def _rank_quantile(n: int, alpha: float) -> int:
    """How many Walsh averages to leave out at either end; -1 where none may be."""
    if n > _EXACT:
        mean, spread = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return math.floor(mean + NormalDist().inv_cdf(alpha / 2) * spread - 0.5)
    counts = [1, *[0] * (n * (n + 1) // 2)]  # of the subsets of the ranks, by their sum
    for rank in range(1, n + 1):
        counts = [c + (counts[i - rank] if i >= rank else 0) for i, c in enumerate(counts)]
    below = accumulate(counts)
    return sum(total <= alpha / 2 * 2.0**n for total in below) - 1
