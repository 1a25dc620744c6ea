"""Claims: what the evidence of a look says about one metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import median
from typing import Literal, final

from tunewright.core.goal import Constraint, Goal
from tunewright.core.metrics import SAME_ANSWERS, SEED, Metric
from tunewright.core.trial import Arm, Measurement, Outcome
from tunewright.core.verdict import MIN_PAIRS, Comparison, Decision, alpha_of
from tunewright.stats.intervals import Interval
from tunewright.stats.pairs import EARLY_SHARE, detectable, early, last, unpaired
from tunewright.stats.rows import Rows, compare_rows
from tunewright.verifying.pairs import ARMS, Look, values_of

MORE = "a larger budget gives more"
EXCEEDANCES = 5  # values beyond a tail quantile that a run must have for it to be known


@final
@dataclass(frozen=True)
class Claim:
    """What is asked of one metric: to be better, to hold a constraint, or merely watched."""

    metric: Metric
    role: Literal["objective", "constraint", "watched"]
    constraint: Constraint | None = None


@final
@dataclass(frozen=True)
class Case:
    """Everything that a verdict is reached from.

    number: which look at the untouched rows this is, from 1; it sets the error.
    ended: whether no pair will follow, for a reason that the pairs have not chosen; a plain test
    holds then, and before it a sequential one. watched: metrics that are compared, of which
    nothing is asked. ignore_failures: failed runs are left out instead of making everything
    inconclusive. same_output: both arms must put out the same. saved: what a baseline gave earlier,
    by metric, as pairs (yardstick, value); the look's own baseline is then the yardstick. among:
    how many cases share the error.
    """

    look: Look
    number: int
    goal: Goal
    ended: bool = False
    watched: tuple[Metric, ...] = ()
    ignore_failures: bool = False
    same_output: bool = False
    saved: Mapping[str, Sequence[tuple[float | None, float]]] = field(default_factory=dict)
    among: int = 1

    @property
    def alpha(self) -> float:
        """The one-sided error that it may spend."""
        return alpha_of(self.number) / self.among


def compare(case: Case, claim: Claim, alpha: float) -> Comparison:
    """What the look's evidence says about a claim at this one-sided error."""
    if case.saved:
        return _by_saved(case, claim, alpha)
    match claim.metric.evidence:
        case "rows":
            return _by_rows(case, claim, alpha)
        case "fixed":
            return _by_value(case, claim)
        case _:
            return _by_pairs(case, claim, alpha)


def _by_value(case: Case, claim: Claim) -> Comparison:
    """By the one value that each config has: of the first refit, where there is one."""
    metric, constraint = claim.metric, claim.constraint
    values: dict[Arm, set[float | None]] = {}
    for index, arm in enumerate(ARMS):
        refit = case.look.refits.get(arm, {}).get(0)
        runs = [refit] if refit else [pair[index] for pair in case.look.complete()]
        values[arm] = {metric.of(run.samples) for run in runs}
    if any(None in runs_of or not runs_of for runs_of in values.values()):
        return _nothing(claim, "not measured")
    if any(len(runs_of) > 1 for runs_of in values.values()):
        return _nothing(claim, "declared to be fixed, but its runs gave different values")
    base, cand = (next(value for value in values[arm] if value is not None) for arm in ARMS)
    added = constraint is not None and constraint.offset != 0
    ratio = metric.scale == "ratio" and base > 0 and cand > 0 and not added
    change = _change(base, cand, ratio=ratio)
    interval = Interval(change, change, change)
    comparison = _comparison(claim, interval, (base, cand), 1, ratio=ratio)
    return _exponentiated(comparison) if ratio else comparison


def _by_rows(case: Case, claim: Claim, alpha: float) -> Comparison:
    """By the same untouched rows under both models."""
    metric, constraint = claim.metric, claim.constraint
    rows = rows_of(case.look, metric)
    if rows is None:
        # Only the clock ends a look of which no part was refitted for both.
        late = not folds_of(case.look)
        why = f"the refits had not ended when the time was over; {MORE}"
        return _nothing(claim, why if late else "not measured")
    base, cand = rows.means
    absolute = constraint is not None and not constraint.factor  # only the candidate's rows count
    offset = constraint is not None and constraint.offset != 0
    ratio = metric.scale == "ratio" and base > 0 and cand > 0 and not absolute and not offset
    if not absolute and _same_answers(case.look):
        change = cand / base if ratio else cand - base
        if constraint is None:  # what rounding does is no gain
            change = 1.0 if ratio else 0.0
        interval = Interval(change, change, change)
    else:
        interval = _by_test(rows, 2 * alpha, factor=0.0 if absolute else 1.0, ratio=ratio)
    if absolute:
        interval = _moved(interval, lambda end: end - base)
    if ratio:
        interval = _moved(interval, lambda end: math.log(end) if end > 0 else -math.inf)
    comparison = _comparison(claim, interval, (base, cand), rows.count, ratio=ratio)
    if ratio:
        return _exponentiated(comparison)
    return _as_ratio(comparison) if metric.scale == "ratio" and base > 0 else comparison


def _same_answers(look: Look) -> bool:
    """Whether the candidate is the baseline's model by construction, and answered as it does.

    Then there is no other row on which it could be worse, and nothing to be estimated from these.
    """
    both = folds_of(look)
    return bool(both) and all(
        values_of(look.refits["candidate"][fold], SAME_ANSWERS) == (1.0,) for fold in both
    )


@lru_cache(maxsize=64)
def _by_test(rows: Rows, alpha: float, *, factor: float, ratio: bool) -> Interval:
    """The interval, remembered: the rows stay as they are while the pairs come in."""
    return compare_rows(rows, alpha, factor=factor, ratio=ratio)


def rows_of(look: Look, metric: Metric) -> Rows | None:
    """What both refits gave for the same untouched rows, of the folds that both have, or None.

    Where the clock ended a look, the folds are judged that were over by then: it cannot know what
    they say.
    """
    both = folds_of(look)
    columns = {
        arm: [values_of(look.refits[arm][fold], f"{metric.name}_rows") for fold in both]
        for arm in ARMS
    }
    base, cand = (sum(columns[arm], ()) for arm in ARMS)
    if not base or not cand:
        return None
    folds = [look.refits["baseline"][fold] for fold in both]
    runs = tuple(
        seed
        for m in folds
        for seed in values_of(m, SEED) * len(values_of(m, f"{metric.name}_rows"))
    )
    classes, groups, weights = (
        sum((values_of(m, name) for m in folds), ()) for name in ("class", "group", "weight")
    )
    labels = next((m.samples["class"].labels for m in folds if "class" in m.samples), ())
    return Rows(base, cand, classes, groups, labels, weights, metric.by_class, runs)


def folds_of(look: Look) -> list[int]:
    """The parts of the untouched rows for which both arms were refitted, and not stopped."""
    made = (
        {fold for fold, refit in look.refits.get(arm, {}).items() if refit.outcome is Outcome.OK}
        for arm in ARMS
    )
    return sorted(set.intersection(*made))


def _by_pairs(case: Case, claim: Claim, alpha: float) -> Comparison:
    """By pairs of processes: log-ratios where the metric compares by ratio, else differences."""
    metric, constraint = claim.metric, claim.constraint
    complete = case.look.complete()
    values = [(metric.of(a.samples), metric.of(b.samples)) for a, b in complete]
    pairs = [(a, b) for a, b in values if a is not None and b is not None]
    note = _why_unusable(metric, complete, pairs)
    if not complete and any(case.look.failures(arm) for arm in ARMS):
        note = "no pair of runs ended well"
    elif len(pairs) < MIN_PAIRS and note and case.ended:
        arm = case.look.cut_off()
        note += f"; the {arm} had not ended when the time was over" if arm else ""
        note += f"; {MORE}"
    if note:
        return _nothing(claim, note, n=len(pairs))
    added = constraint is not None and constraint.factor and constraint.offset
    ratio = metric.scale == "ratio" and all(a > 0 and b > 0 for a, b in pairs) and not added
    base, cand = median([a for a, _ in pairs]), median([b for _, b in pairs])
    absolute = constraint is not None and not constraint.factor  # only the candidate's own count
    changes = [_change(base if absolute else a, b, ratio=ratio) for a, b in pairs]
    interval = (last if case.ended else early)(changes, 2 * alpha)
    comparison = _comparison(claim, interval, (base, cand), len(pairs), ratio=ratio)
    comparison = replace(comparison, detectable=detectable(changes, 2 * alpha))
    level = alpha if case.ended else EARLY_SHARE * alpha
    claimed = changes[0] != 0 or comparison.decision is Decision.ACCEPT or metric.unit == "s"
    alike = len(set(changes)) == 1 and claimed
    if alike and (note := _why_no_proof(metric, pairs, level)):
        comparison = replace(comparison, decision=Decision.INCONCLUSIVE, note=note)
    elif set(changes) == {0.0} and not case.ended and comparison.decision is Decision.REJECT:
        # what is better once in ten runs is not seen in five: nobody is refused for that
        comparison = replace(comparison, decision=Decision.INCONCLUSIVE)
    return _exponentiated(comparison) if ratio else comparison


def _why_no_proof(metric: Metric, pairs: Sequence[tuple[float, float]], level: float) -> str:
    """Why pairs that all changed alike prove nothing, "" where they do.

    A t interval of no width is no proof. Of a program's own figures the exact test of signs is: of
    all ways to draw the orders of the arms one alone looks like this. Times vary, or the clock is
    too coarse to say so.
    """
    if metric.unit == "s":
        return "every run took equally long: the clock is too coarse for it"
    if metric.evidence not in ("same data", "fresh data"):
        return "every pair changed alike, which proves nothing; is the metric's evidence 'fixed'?"
    n = len(pairs)
    return "" if 0.5**n <= level else f"{n} pairs that changed alike are too few"


def _by_saved(case: Case, claim: Claim, alpha: float) -> Comparison:
    """Against what a baseline gave on another day: once, at the end, and not in pairs.

    Times are held against a yardstick that ran beside them on both days, so that a machine that is
    slower today changes nothing; other metrics are compared as they are.
    """
    metric = claim.metric
    current = [(metric.of(a.samples), metric.of(b.samples)) for a, b in case.look.complete()]
    saved = case.saved.get(metric.name, ())
    timed, ratio = metric.unit == "s", metric.scale == "ratio"
    old = [_on_scale(a, b, timed=timed, ratio=ratio) for a, b in saved]
    new = [_on_scale(a, b, timed=timed, ratio=ratio) for a, b in current]
    values = [x for x in (*old, *new) if x is not None]
    if not case.ended:
        return _nothing(claim, "held against the saved baseline at the end", n=len(new))
    if not old:
        return _nothing(claim, "not in the saved baseline", n=len(new))
    if len(values) < len(old) + len(new) or min(len(old), len(new)) < MIN_PAIRS:
        return _nothing(claim, f"at least {MIN_PAIRS} runs on both days are needed", n=len(new))
    interval = unpaired(values[: len(old)], values[len(old) :], 2 * alpha)
    base = median([b for _, b in saved])
    # What the baseline would have given today, as far as the yardstick knows.
    base *= math.exp(_drift(saved, case.look, metric)) if timed else 1.0
    cand = median([b for _, b in current if b is not None])
    comparison = replace(
        _comparison(claim, interval, (base, cand), len(new), ratio=ratio), evidence="saved"
    )
    return _exponentiated(comparison) if ratio else comparison


def _on_scale(a: float | None, b: float | None, *, timed: bool, ratio: bool) -> float | None:
    """A run on the scale of changes, a time as a multiple of the yardstick's; None for none."""
    if b is None or not ratio:
        return b
    beside = (a or 0.0) if timed else 1.0
    return math.log(b / beside) if b > 0 and beside > 0 else None


def _drift(saved: Sequence[tuple[float | None, float]], look: Look, metric: Metric) -> float:
    """The logarithm of how much slower the yardstick is than on the day of the saved baseline."""
    current = [a for pair in look.complete() if (a := metric.of(pair[0].samples)) is not None]
    return math.log(median(current) / median([a for a, _ in saved if a is not None]))


def _why_unusable(
    metric: Metric,
    complete: Sequence[tuple[Measurement, Measurement]],
    pairs: Sequence[tuple[float, float]],
) -> str:
    """Why these pairs say nothing about the metric, "" where they do."""
    if len(pairs) < len(complete):
        return f"missing in {len(complete) - len(pairs)} of {len(complete)} pairs"
    if not all(math.isfinite(x) for pair in pairs for x in pair):
        return "some values are not finite"
    if metric.unit and any(x <= 0 for pair in pairs for x in pair):
        return "some values are 0, so there is no ratio"
    if len(pairs) < MIN_PAIRS:
        return f"{len(pairs)} of at least {MIN_PAIRS} pairs"
    if metric.share > 0.5:
        counts = [
            len(values_of(m, metric.sample or metric.name)) for pair in complete for m in pair
        ]
        wanted = math.ceil(EXCEEDANCES / (1 - metric.share) - 1e-9)
        named = not metric.sample and max(counts) == 1  # the program gives the quantile itself
        if min(counts) < wanted and not named:
            return f"{wanted} values a run are needed to know this quantile; got {min(counts)}"
    return ""


def _limits(constraint: Constraint | None, base: float, *, ratio: bool) -> tuple[float, float]:
    """Between which limits the change must lie; for one bound the other end is infinite.

    An objective is held against no change at all.
    """
    if constraint is None:
        return 0.0, 0.0
    bound = _change(base, constraint.bound(base), ratio=ratio)
    if constraint.op == "within":
        return _change(base, constraint.other_bound(base), ratio=ratio), bound
    return (-math.inf, bound) if constraint.op == "<=" else (bound, math.inf)


def _comparison(
    claim: Claim, interval: Interval, values: tuple[float, float], n: int, *, ratio: bool
) -> Comparison:
    """The comparison that an interval gives, on the scale of the interval.

    values: the metric of the baseline and of the candidate. ratio: the scale is that of logarithms.
    """
    base, _ = values
    limits = lower, upper = _limits(claim.constraint, base, ratio=ratio)
    margin = _margin(claim.metric, base, ratio=ratio)
    decision, note = _decide(claim, interval, limits, margin), interval.note
    if not note and decision is not _decide(claim, replace(interval, check=None), limits, margin):
        note = "its tests by ranks and by means disagree: odd values"
    return Comparison(
        claim.metric.name, claim.role, "ratio" if ratio else "difference", *values,
        interval.estimate, interval.low, interval.high,
        upper if math.isfinite(upper) else lower, decision, n, claim.metric.evidence,
        note=note,
    )  # fmt: skip


def _decide(
    claim: Claim, interval: Interval, limits: tuple[float, float], margin: float
) -> Decision:
    """By the whole hull: ACCEPT on the good side of the limits, REJECT on the bad one."""
    low, high = interval.hull
    if interval.note or math.isnan(low) or math.isnan(high):
        return Decision.INCONCLUSIVE
    if claim.constraint is not None:
        lower, upper = limits
        if lower <= low and high <= upper:
            return Decision.ACCEPT
        outside = high < lower or low > upper
        return Decision.REJECT if outside else Decision.INCONCLUSIVE
    if claim.metric.better == "higher":
        low, high = -high, -low
    if high < 0 or (claim.role == "watched" and high <= margin):
        return Decision.ACCEPT
    if low > 0 or (claim.role == "objective" and low == high == 0):
        return Decision.REJECT
    return Decision.INCONCLUSIVE


def _margin(metric: Metric, base: float, *, ratio: bool) -> float:
    """How much worse a metric may get and still count as not worse, on the scale of changes."""
    if ratio:
        return math.log1p(metric.margin)
    return metric.margin * (abs(base) if metric.scale == "ratio" else 1.0)


def _change(a: float, b: float, *, ratio: bool) -> float:
    """From a to b: b - a, or the logarithm of the ratio (-inf for a bound of 0 or less)."""
    if not ratio:
        return b - a
    return math.log(b) - math.log(a) if b > 0 else -math.inf


def _exponentiated(comparison: Comparison) -> Comparison:
    """Changes of logarithms as ratios."""
    return _rescaled(comparison, lambda change: math.exp(min(change, 700.0)))


def _as_ratio(comparison: Comparison) -> Comparison:
    """A difference shown relative to the baseline (its decision stands)."""
    return _rescaled(comparison, lambda change: 1 + change / comparison.baseline)


def _rescaled(c: Comparison, on: Callable[[float], float]) -> Comparison:
    return replace(
        c, scale="ratio", estimate=on(c.estimate), low=on(c.low), high=on(c.high),
        limit=on(c.limit), detectable=on(c.detectable),
    )  # fmt: skip


def _moved(interval: Interval, end: Callable[[float], float]) -> Interval:
    """The interval on another scale: each of its ends through an increasing function."""
    check = interval.check and (end(interval.check[0]), end(interval.check[1]))
    ends = (end(interval.estimate), end(interval.low), end(interval.high))
    return Interval(*ends, check=check, note=interval.note)


def _nothing(claim: Claim, note: str, n: int = 0) -> Comparison:
    metric, nan = claim.metric, math.nan
    return Comparison(
        metric.name, claim.role, metric.scale, nan, nan, nan, nan, nan, nan, Decision.INCONCLUSIVE,
        n, metric.evidence, note=note,
    )  # fmt: skip
