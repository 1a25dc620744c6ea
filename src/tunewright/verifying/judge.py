"""The verdict: a fold over a look's trials. Anything unexpected is INCONCLUSIVE."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median
from typing import Literal

from tunewright.core.goal import Constraint, Goal
from tunewright.core.metrics import Metric
from tunewright.core.verdict import Comparison, Decision
from tunewright.stats.intervals import normal_interval, paired_difference, t_confidence_sequence
from tunewright.verifying.pairs import Look, values_of

ALPHA = 0.05
MIN_PAIRS = 5  # the sequence is valid from 2; fewer than 5 say little about odd processes


def alpha_of(look: int) -> float:
    """The error that this look may spend: α/2, α/4, …, together less than α."""
    return ALPHA / float(2**look)


def judge(look: Look, number: int, goal: Goal) -> tuple[Decision, str, tuple[Comparison, ...]]:
    """What a look proves so far: ACCEPT, REJECT or INCONCLUSIVE, why, and the comparisons.

    ACCEPT: better on at least one objective, no worse than its margin on all others, and every
    constraint holds. REJECT: a constraint is broken, or no objective can be better.
    """
    if failure := look.failed():
        arm, measurement = failure
        reason = f"the {arm} ended as {measurement.outcome.value}: {measurement.detail}"
        return (Decision.REJECT if arm == "candidate" else Decision.INCONCLUSIVE), reason, ()
    alpha = alpha_of(number)
    # Holm over the objectives comes to Bonferroni while the first rejection decides.
    shared = alpha / len(goal.objectives)
    comparisons = [_compare(look, metric, None, shared) for metric in goal.objectives]
    comparisons += [_compare(look, c.metric, c, alpha) for c in goal.constraints]
    objectives = comparisons[: len(goal.objectives)]
    constraints = comparisons[len(goal.objectives) :]
    if broken := [c for c in constraints if c.decision is Decision.REJECT]:
        return Decision.REJECT, f"{broken[0].metric} breaks its constraint", tuple(comparisons)
    worse = [c for c, m in zip(objectives, goal.objectives, strict=True) if not _not_worse(c, m)]
    better = [c for c in objectives if c.decision is Decision.ACCEPT]
    if objectives and all(c.decision is Decision.REJECT for c in objectives):
        return Decision.REJECT, f"{objectives[0].metric} is not better", tuple(comparisons)
    open_ = [c.metric for c in constraints if c.decision is not Decision.ACCEPT]
    if better and not worse and not open_:
        return Decision.ACCEPT, f"{better[0].metric} is better", tuple(comparisons)
    unproven = open_ or [c.metric for c in worse] or [goal.objectives[0].name]
    reason = f"not enough evidence on {', '.join(dict.fromkeys(unproven))}"
    return Decision.INCONCLUSIVE, reason, tuple(comparisons)


def _compare(look: Look, metric: Metric, constraint: Constraint | None, alpha: float) -> Comparison:
    """Candidate against baseline on one metric, as an objective or under a constraint."""
    return (
        _compare_rows(look, metric, constraint, alpha)
        if metric.evidence == "rows"
        else _compare_pairs(look, metric, constraint, alpha)
    )


def _compare_rows(
    look: Look, metric: Metric, constraint: Constraint | None, alpha: float
) -> Comparison:
    """By the same untouched rows under both models: paired differences, normal interval."""
    values, rows = values_of(look, metric.name), values_of(look, metric.name + "_rows")
    if values is None or rows is None or len({len(sample.values) for sample in rows}) != 1:
        return _nothing(metric, constraint)
    if not all(math.isfinite(x) for sample in (*values, *rows) for x in sample.values):
        return _nothing(metric, constraint)
    base, cand = values[0].values[0], values[1].values[0]
    difference, error = paired_difference(rows[0].values, rows[1].values)
    low, high = normal_interval(difference, error, alpha)
    limit = constraint.bound(base) - base if constraint else 0.0
    if constraint and not constraint.factor:  # a fixed bound: only the candidate's rows count
        own, error = paired_difference([0.0] * len(rows[1].values), rows[1].values)
        low, high = (end - base for end in normal_interval(own, error, alpha))
    comparison = Comparison(
        metric.name, "constraint" if constraint else "objective", "difference", base, cand,
        difference, low, high, limit, _decide(metric, low, high, limit, strict=constraint is None),
        len(rows[0].values), "rows",
    )  # fmt: skip
    return _as_ratio(comparison) if metric.scale == "ratio" and base > 0 else comparison


def _compare_pairs(
    look: Look, metric: Metric, constraint: Constraint | None, alpha: float
) -> Comparison:
    """By pairs of processes: log-ratios where the metric compares by ratio, else differences."""
    found = [(metric.of(a.samples), metric.of(b.samples)) for a, b in look.complete()]
    pairs = [(a, b) for a, b in found if a is not None and b is not None]
    usable = all(math.isfinite(x) and (x > 0 or not metric.unit) for pair in pairs for x in pair)
    if len(pairs) < MIN_PAIRS or len(pairs) < len(found) or not usable:
        return _nothing(metric, constraint, n=len(pairs))  # no time and no size is 0
    ratio = metric.scale == "ratio" and all(a > 0 and b > 0 for a, b in pairs)
    base, cand = median([a for a, _ in pairs]), median([b for _, b in pairs])
    fixed = constraint is not None and not constraint.factor  # only the candidate's own count
    changes = [_change(base if fixed else a, b, ratio=ratio) for a, b in pairs]
    limit = _change(base, constraint.bound(base), ratio=ratio) if constraint else 0.0
    low, high = t_confidence_sequence(changes, 2 * alpha)
    estimate = sum(changes) / len(changes)
    decision = _decide(metric, low, high, limit, strict=constraint is None)
    if len(set(changes)) == 1 and metric.unit == "s":  # a clock that coarse proves nothing
        decision = Decision.INCONCLUSIVE
    scale: Literal["ratio", "difference"] = "ratio" if ratio else "difference"
    shown = [math.exp(min(x, 700.0)) if ratio else x for x in (estimate, low, high, limit)]
    return Comparison(
        metric.name, "constraint" if constraint else "objective", scale, base, cand,
        shown[0], shown[1], shown[2], shown[3], decision, len(pairs), metric.evidence,
    )  # fmt: skip


def _change(a: float, b: float, *, ratio: bool) -> float:
    """From a to b: b - a, or the logarithm of the ratio (-inf for a bound of 0 or less)."""
    if not ratio:
        return b - a
    return math.log(b) - math.log(a) if b > 0 else -math.inf


def _decide(metric: Metric, low: float, high: float, limit: float, *, strict: bool) -> Decision:
    """ACCEPT when the whole interval is on the good side of the limit, REJECT when none is."""
    if metric.better == "higher":
        low, high, limit = -high, -low, -limit
    if high < limit or (high == limit and not strict):
        return Decision.ACCEPT
    if low > limit or (strict and low == high == limit):
        return Decision.REJECT
    return Decision.INCONCLUSIVE


def _not_worse(comparison: Comparison, metric: Metric) -> bool:
    """Whether an objective that is not proven better is at least proven within its margin."""
    if comparison.scale == "ratio":
        worst = comparison.high if metric.better == "lower" else 1 / max(comparison.low, 1e-300)
        return worst <= 1.0 + metric.margin
    worst = comparison.high if metric.better == "lower" else -comparison.low
    return worst <= metric.margin


def _as_ratio(comparison: Comparison) -> Comparison:
    """A difference shown relative to the baseline (its decision stands)."""
    base = comparison.baseline
    return replace(
        comparison, scale="ratio", estimate=1 + comparison.estimate / base,
        low=1 + comparison.low / base, high=1 + comparison.high / base,
        limit=1 + comparison.limit / base,
    )  # fmt: skip


def _nothing(metric: Metric, constraint: Constraint | None, n: int = 0) -> Comparison:
    nan = math.nan
    return Comparison(
        metric.name, "constraint" if constraint else "objective", metric.scale, nan, nan, nan,
        nan, nan, nan, Decision.INCONCLUSIVE, n, metric.evidence,
    )  # fmt: skip
