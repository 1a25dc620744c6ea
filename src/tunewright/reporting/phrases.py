"""Phrases: what a summary says, in words and numbers, in both languages."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tunewright.core.goal import Goal
from tunewright.core.units import format_quantity
from tunewright.core.verdict import Comparison, Verdict
from tunewright.reporting.reasons import joined, note_of, reason_of
from tunewright.reporting.summary import Summary
from tunewright.reporting.words import Language, say

CLOSE = 0.1  # ratios this near to 1 read better in per cent
PER_CENT = 2.0  # an end beyond it reads better as a factor
ENDLESS = 1e6  # no interval that reaches so far says anything with that end
UNLIKE = 0.05  # of logarithms: pairs and medians that differ by more are told apart
Units = Mapping[str, str]  # by metric


def headline(summary: Summary, language: Language = "en") -> str:
    """The verdict in one sentence."""
    verdict = summary.verdict
    if verdict is None:
        return say("RUNNING", language)
    decision = say(verdict.decision.name, language) + say("colon", language)
    if summary.lines:
        return decision + sentence(summary, verdict, language)
    phrases = [_phrase(c, summary, language) for c in verdict.comparisons]
    reason = reason_of(summary, language)
    return decision + (joined(phrases, language) or reason)


def _phrase(comparison: Comparison, summary: Summary, language: Language) -> str:
    """A comparison in words; an objective that is not proven says so."""
    goal, units = summary.goal, summary.units
    if comparison.role == "objective" and comparison.decision.name == "ACCEPT":
        return change_of(comparison, units, language, comparison.metric)
    if math.isnan(comparison.estimate) and comparison.note:
        note = note_of(comparison, summary, language)
        return say("told", language, name=comparison.metric, note=note)
    if math.isnan(comparison.estimate):
        return change_of(comparison, units, language, comparison.metric)
    constraints = (c for c in goal.constraints if c.metric.name == comparison.metric)
    relative = any(c.factor for c in constraints)
    key = {"ACCEPT": "not worse" if relative else "within", "REJECT": "worse"}
    wording = key.get(comparison.decision.name, "unproven")
    if comparison.role != "constraint":
        wording = "is worse" if _is_worse(comparison, goal) else "unproven"
    return say(
        wording, language, name=comparison.metric, change=change_of(comparison, units, language)
    )


def _is_worse(comparison: Comparison, goal: Goal) -> bool:
    """Whether the whole interval lies on the bad side of no change."""
    neutral = 1.0 if comparison.scale == "ratio" else 0.0
    lower = any(m.better == "lower" for m in goal.metrics if m.name == comparison.metric)
    return comparison.low > neutral if lower else comparison.high < neutral


def sentence(summary: Summary, verdict: Verdict, language: Language = "en") -> str:
    """The verdict on a comparison as one sentence that needs no statistics to be read."""
    if not verdict.comparisons:
        return reason_of(summary, language)
    name = list(summary.lines)[-1]
    telling = [c for c in verdict.comparisons if c.role != "watched" or not c.note]
    phrases = [_plainly(c, summary, name, language) for c in telling]
    expected = ("not enough evidence", "everything that was asked")
    reasons = (*expected, *(c.metric for c in verdict.comparisons))
    if verdict.reason.startswith(reasons):
        return joined(phrases, language)
    if any(finding.kind == "failed" for finding in summary.findings):
        phrases = [say("of the others", language, told=phrases[0]), *phrases[1:]]
    return joined([reason_of(summary, language), *phrases], language)


def _plainly(c: Comparison, summary: Summary, name: str, language: Language) -> str:
    """What one comparison says about B: better, worse, not worse, or how little was to be seen."""
    if c.note or math.isnan(c.estimate):
        note = note_of(c, summary, language) or say("unmeasured", language)
        return say("told", language, name=c.metric, note=note)
    if c.role == "constraint":
        return _bounded(c, summary, language)
    neutral = 1.0 if c.scale == "ratio" else 0.0
    if c.decision.name != "INCONCLUSIVE" and (c.low > neutral or c.high < neutral):
        first = next((metric.name for metric in summary.metrics if metric.unit == "s"), "")
        if c.metric != first or c.scale != "ratio":
            return change_of(c, summary.units, language, c.metric)
        ends = (c.estimate, c.low, c.high)
        if abs(c.estimate - 1) < CLOSE or not all(1 / ENDLESS < end < ENDLESS for end in ends):
            return change_of(c, summary.units, language, c.metric)
        quick = c.high < 1
        ends = (c.estimate, c.high, c.low) if quick else (c.estimate, c.low, c.high)
        middle, low, high = (_factor(_inverse(end) if quick else end) for end in ends)
        key = "faster" if quick else "slower"
        return say(key, language, name=name, factor=middle, low=low, high=high)
    if c.decision.name == "ACCEPT":
        return say("kept", language, name=c.metric)
    if c.decision.name == "REJECT":
        return say("no better", language, name=c.metric)
    return _unseen(c, summary, language)


def _bounded(c: Comparison, summary: Summary, language: Language) -> str:
    """What a comparison says about a bound."""
    neutral = 1.0 if c.scale == "ratio" else 0.0
    bounds = [b for b in summary.goal.constraints if b.metric.name == c.metric]
    unit = summary.units.get(c.metric, "")
    size = abs(c.limit - neutral)
    values = {
        "name": c.metric,
        "change": change_of(c, summary.units, language),
        "base": next(iter(summary.lines), ""),
        "limit": f"{100 * size:.3g} %" if c.scale == "ratio" else signed(size, unit).lstrip("+"),
    }
    if c.decision.name == "REJECT":
        return say("worse", language, **values)
    if any(not bound.factor for bound in bounds):
        return say("within" if c.decision.name == "ACCEPT" else "open", language, **values)
    if c.decision.name == "ACCEPT":
        both = any(bound.op == "within" for bound in bounds)
        return say("alike" if both else "kept within", language, **values)
    if c.low > neutral or c.high < neutral:
        return say("open", language, **values)
    return _unseen(c, summary, language)


def _unseen(c: Comparison, summary: Summary, language: Language) -> str:
    """How small a change could not have been seen, where that is known."""
    neutral = 1.0 if c.scale == "ratio" else 0.0
    if not math.isfinite(c.detectable) or c.detectable <= neutral:
        return say("no evidence", language, name=c.metric)
    size = math.log(c.detectable) if c.scale == "ratio" else c.detectable
    least = _least(size, c.scale, summary.units.get(c.metric, ""))
    return say("unseen", language, name=c.metric, least=least)


def _least(size: float, scale: str, unit: str) -> str:
    """A size of a change: 8 % (its logarithm came), or a difference in the metric's unit."""
    if scale != "ratio":
        return signed(size, unit).lstrip("+−")
    factor = math.exp(size)
    return f"{100 * (factor - 1):.2g} %" if factor < 2 else f"{_factor(factor)}×"


def change_of(comparison: Comparison, units: Units, language: Language, name: str = "") -> str:
    """The change with its interval: "41× lower [38, 44]" or "−0.001 [−0.003, +0.001]"."""
    low, high, middle = comparison.low, comparison.high, comparison.estimate
    if math.isnan(middle):
        return say("not measured", language, name=name).strip()
    if comparison.scale == "difference":
        unit = units.get(comparison.metric, "")
        texts = [signed(x, unit) for x in (middle, low, high)]
        key = "changed"
    elif not 1 / ENDLESS < low <= high < ENDLESS:
        return _one_ended(comparison, language, name)
    elif low < 1 < high and _either_way(comparison):
        return say("either way", language, name=name, low=_side(low), high=_side(high)).strip()
    elif _in_per_cent(comparison):
        texts = [signed(100 * (x - 1), "") for x in (middle, low, high)]
        key = "percent"
    elif middle < 1:
        texts = [_factor(_inverse(x)) for x in (middle, high, low)]
        key = "lower"
    else:
        texts = [_factor(x) for x in (middle, low, high)]
        key = "higher"
    return say(key, language, name=name, factor=texts[0], low=texts[1], high=texts[2]).strip()


def _either_way(comparison: Comparison) -> bool:
    """Whether an interval about 1 has a middle that says nothing.

    It is too near to 1 for a factor, or the medians beside it point the other way, and it is open
    which of them is right.
    """
    change = comparison.estimate - 1
    near = abs(change) < CLOSE and not _in_per_cent(comparison)
    return near or change * (comparison.candidate - comparison.baseline) < 0


def _side(ratio: float) -> str:
    """A ratio as a change in per cent, or as a multiple where that reads better."""
    return f"{signed(100 * (ratio - 1), '')} %" if ratio < PER_CENT else f"{_factor(ratio)}×"


def _one_ended(comparison: Comparison, language: Language, name: str) -> str:
    """A change of which only one end is known, or none: never an endless number."""
    low, high = comparison.low, comparison.high
    if low > 1:
        return say(
            "at least higher", language, name=name, factor=f"{min(low, ENDLESS):.3g}"
        ).strip()
    if high < 1:
        return say(
            "at least lower", language, name=name, factor=f"{min(_inverse(high), ENDLESS):.3g}"
        ).strip()
    return say("unclear", language, name=name).strip()


def unlike(summary: Summary, language: Language) -> list[str]:
    """Where the change by pairs is not that of the medians beside it, a line each."""
    lines = []
    for c in summary.verdict.comparisons if summary.verdict else ():
        known = c.scale == "ratio" and c.evidence in {"pairs", "same data", "fresh data"}
        if not known or not all(0 < x < math.inf for x in (c.baseline, c.candidate, c.estimate)):
            continue
        medians = c.candidate / c.baseline
        if abs(math.log(c.estimate / medians)) > UNLIKE:
            values = {"pairs": f"{c.estimate:.3g}", "medians": f"{medians:.3g}"}
            lines.append(say("unlike", language, name=c.metric, **values))
    return lines


def _in_per_cent(comparison: Comparison) -> bool:
    """Whether a ratio reads better as a change in per cent."""
    return abs(comparison.estimate - 1) < CLOSE and comparison.high < PER_CENT


def limit_of(comparison: Comparison, units: Units) -> str:
    """What the interval was held against, as the change beside it is told."""
    if math.isnan(comparison.limit):
        return "—"
    if comparison.scale == "ratio" and _in_per_cent(comparison):
        return f"{100 * (comparison.limit - 1):+.3g} %".replace("-", "−").replace("+0 ", "0 ")
    if comparison.scale == "ratio":
        return f"{_factor(comparison.limit)}×"
    return signed(comparison.limit, units.get(comparison.metric, ""))


def verified_note(verdict: Verdict, language: Language, *, compared: bool = False) -> str:
    """What the verdict rests on: which rows and processes, how many looks, at which error level."""
    fresh = any(c.evidence == "fresh data" for c in verdict.comparisons)
    key = "fresh data note" if fresh else "same data note"
    key = "verified note" if verdict.looks else key
    if compared:
        saved = any(c.evidence == "saved" for c in verdict.comparisons)
        key = "saved note" if saved else "compared note"
    note = say(key, language, pairs=verdict.pairs, looks=verdict.looks, alpha=verdict.alpha)
    if verdict.seeds and verdict.parts:
        note = say("seeds note", language, note=note, count=verdict.parts)
    if verdict.seeds or not 0 < verdict.parts < verdict.of_parts:
        return note
    parts = {"parts": verdict.parts, "of_parts": verdict.of_parts}
    return say("fewer parts", language, note=note, **parts)


def quantity_of(value: float | None, metric: str, units: Units) -> str:
    """A value of a metric of the goal, with its unit; "—" where there is none."""
    if value is None or math.isnan(value):
        return "—"
    return format_quantity(value, units.get(metric, ""))


def signed(value: float, unit: str) -> str:
    """A difference with its sign, in two digits, or three from 1 on."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "?"
    digits = 3 if abs(value) >= 1 else 2
    text = format_quantity(abs(value), unit) if unit else f"{abs(value):.{digits}g}"
    return ("−" if value < 0 else "+" if value > 0 else "") + text


def _inverse(ratio: float) -> float:
    return 1 / ratio if ratio > 0 else math.inf


def _factor(value: float) -> str:
    if not value < 1e6:
        return "∞"
    return f"{value:.0f}" if value >= 10 else f"{value:.3g}"
