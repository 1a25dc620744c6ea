"""Phrases: what a summary says, in words and numbers, in both languages."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tunewright.core.units import format_quantity
from tunewright.core.verdict import Comparison, Verdict
from tunewright.reporting.summary import Summary
from tunewright.reporting.words import Language, say

CLOSE = 0.1  # ratios this near to 1 read better in per cent
Units = Mapping[str, str]  # by metric


def headline(summary: Summary, language: Language = "en") -> str:
    """The verdict in one sentence."""
    verdict = summary.verdict
    if verdict is None:
        return say("RUNNING", language)
    if summary.lines:
        return f"{say(verdict.decision.name, language)}: {sentence(summary, verdict, language)}"
    told = [_told(c, summary, language) for c in verdict.comparisons]
    return f"{say(verdict.decision.name, language)}: " + ("; ".join(told) or verdict.reason)


def _told(comparison: Comparison, summary: Summary, language: Language) -> str:
    """A comparison in words; an objective that is not proven says so."""
    goal, units = summary.goal, summary.units
    if comparison.role == "objective" and comparison.decision.name == "ACCEPT":
        return change_of(comparison, units, language, comparison.metric)
    if math.isnan(comparison.estimate) and comparison.note:
        return say("told", language, name=comparison.metric, note=comparison.note)
    if math.isnan(comparison.estimate):
        return change_of(comparison, units, language, comparison.metric)
    constraints = (c for c in goal.constraints if c.metric.name == comparison.metric)
    relative = any(c.factor for c in constraints)
    key = {"ACCEPT": "not worse" if relative else "within", "REJECT": "worse"}
    told = (
        key.get(comparison.decision.name, "unproven")
        if comparison.role == "constraint"
        else "unproven"
    )
    return say(
        told, language, name=comparison.metric, change=change_of(comparison, units, language)
    )


def sentence(summary: Summary, verdict: Verdict, language: Language = "en") -> str:
    """The verdict on a comparison as one sentence that needs no statistics to be read."""
    if not verdict.comparisons:
        return verdict.reason
    name = list(summary.lines)[-1]
    told = [_plainly(c, summary, name, language) for c in verdict.comparisons]
    if not any(verdict.reason.startswith(c.metric) for c in verdict.comparisons):
        expected = ("not enough evidence", "everything that was asked")
        told = [verdict.reason] * (not verdict.reason.startswith(expected)) + told
    return "; ".join(told)


def _plainly(c: Comparison, summary: Summary, name: str, language: Language) -> str:
    """What one comparison says about B: better, worse, not worse, or how little was to be seen."""
    if c.note or math.isnan(c.estimate):
        return say("told", language, name=c.metric, note=c.note)
    metric = next(m for m in summary.metrics if m.name == c.metric)
    neutral = 1.0 if c.scale == "ratio" else 0.0
    if c.role != "constraint" and (c.low > neutral or c.high < neutral):
        decided = c.decision.name != "INCONCLUSIVE"
        if decided and metric.unit == "s" and c.scale == "ratio" and c.role == "objective":
            quick = c.high < 1
            ends = (1 / c.estimate, 1 / c.high, 1 / c.low) if quick else (c.estimate, c.low, c.high)
            middle, low, high = (_factor(end) for end in ends)
            key = "faster" if quick else "slower"
            return say(key, language, name=name, factor=middle, low=low, high=high)
        if decided:
            return change_of(c, summary.units, language, c.metric)
    if c.decision.name == "ACCEPT":
        both = c.role == "constraint" and any(
            bound.op == "within" and bound.metric.name == c.metric
            for bound in summary.goal.constraints
        )
        key = "alike" if both else "kept"
        return say(key, language, name=c.metric, limit=_least(c.limit, c.scale, metric.unit))
    if c.decision.name == "REJECT" and c.role != "constraint":
        return say("no better", language, name=c.metric)
    if c.decision.name == "REJECT":
        change = change_of(c, summary.units, language)
        return say("worse", language, name=c.metric, change=change)
    if not math.isfinite(c.detectable) or c.detectable <= neutral:
        return say("no evidence", language, name=c.metric)
    least = _least(c.detectable, c.scale, metric.unit)
    return say("unseen", language, name=c.metric, least=least)


def _least(value: float, scale: str, unit: str) -> str:
    """A size of a change: 8 %, or a difference in the metric's unit."""
    if scale != "ratio":
        return signed(value, unit).lstrip("+−")
    return f"{100 * (value - 1):.2g} %" if value < 2 else f"{_factor(value)}×"


def change_of(comparison: Comparison, units: Units, language: Language, name: str = "") -> str:
    """The change with its interval: "41× lower [38, 44]" or "−0.001 [−0.003, +0.001]"."""
    low, high, middle = comparison.low, comparison.high, comparison.estimate
    if math.isnan(middle):
        return say("not measured", language, name=name).strip()
    if comparison.scale == "difference":
        unit = units.get(comparison.metric, "")
        texts = [signed(x, unit) for x in (middle, low, high)]
        key = "changed"
    elif all(abs(x - 1) < CLOSE for x in (low, middle, high)):
        texts = [signed(100 * (x - 1), "") for x in (middle, low, high)]
        key = "percent"
    elif middle < 1:
        texts = [_factor(1 / x if x > 0 else math.inf) for x in (middle, high, low)]
        key = "lower"
    else:
        texts = [_factor(x) for x in (middle, low, high)]
        key = "higher"
    return say(key, language, name=name, factor=texts[0], low=texts[1], high=texts[2]).strip()


def limit_of(comparison: Comparison, units: Units) -> str:
    """What the interval was held against."""
    if math.isnan(comparison.limit):
        return "—"
    if comparison.scale == "ratio":
        return f"{_factor(comparison.limit)}×"
    return signed(comparison.limit, units.get(comparison.metric, ""))


def verified_note(verdict: Verdict, language: Language, *, compared: bool = False) -> str:
    """What the verdict rests on: which rows and processes, how many looks, at which error level."""
    key = "verified note" if verdict.looks else "same data note"
    if compared:
        saved = any(c.evidence == "saved" for c in verdict.comparisons)
        key = "saved note" if saved else "compared note"
    return say(key, language, pairs=verdict.pairs, looks=verdict.looks, alpha=verdict.alpha)


def quantity_of(value: float | None, metric: str, units: Units) -> str:
    """A value of a metric of the goal, with its unit; "—" where there is none."""
    if value is None or math.isnan(value):
        return "—"
    return format_quantity(value, units.get(metric, ""))


def signed(value: float, unit: str) -> str:
    """A difference with its sign, in two digits."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞" if value < 0 else "?"
    text = format_quantity(abs(value), unit) if unit else f"{abs(value):.2g}"
    return ("−" if value < 0 else "+" if value > 0 else "") + text


def _factor(value: float) -> str:
    if not value < 1e6:
        return "∞"
    return f"{value:.0f}" if value >= 10 else f"{value:.3g}"
