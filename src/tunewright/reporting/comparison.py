"""A comparison on one screen of plain text, with a picture of its pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from tunewright.reporting.layout import WIDTH, labelled, table, wrapped
from tunewright.reporting.phrases import (
    change_of,
    headline,
    limit_of,
    quantity_of,
    unlike,
    verified_note,
)
from tunewright.reporting.reasons import note_of
from tunewright.reporting.sentences import in_language
from tunewright.reporting.summary import Pair, Summary
from tunewright.reporting.words import Language, say
from tunewright.verifying.findings import Finding

COLUMN = 10  # of the labels
PICTURE = 60  # columns, where there is room
BESIDE = 30  # columns beside the picture
BARS = " ▁▂▃▄▅▆▇█"


def render_comparison(summary: Summary, width: int = WIDTH) -> str:
    """The sentence, what was compared, the table, a picture of the pairs, and what was odd."""
    verdict = summary.verdict
    lines = [*wrapped(headline(summary), width), ""]
    for arm, line in summary.lines.items():
        lines += labelled(arm, line, width, COLUMN)
    if summary.goal.text:
        lines += labelled("asked", summary.goal.text, width, COLUMN)
    if verdict is not None and verdict.comparisons:
        lines += ["", *table(compared(summary), width)]
        lines += wrapped(verified_note(verdict, "en", compared=True), width)
    lines += ["", *picture(summary, width)]
    for line in odd(summary) or [say("nothing odd", "en")]:
        lines += labelled("noise", line, width, COLUMN)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def compared(summary: Summary, language: Language = "en") -> list[tuple[str, ...]]:
    """The table of the comparisons, its head first."""
    first, *_, second = summary.lines
    comparisons = summary.verdict.comparisons if summary.verdict else ()
    if any(c.evidence == "saved" for c in comparisons):
        first = say("saved arm", language)
    heads = [say(key, language) for key in ("metric", "change", "limit", "evidence")]
    rows = [(heads[0], first, second, *heads[1:], "")]
    for c in comparisons:
        values = [
            quantity_of(value, c.metric, summary.units) for value in (c.baseline, c.candidate)
        ]
        figures = [change_of(c, summary.units, language), limit_of(c, summary.units)]
        evidence = note_of(c, summary, language) or say(c.evidence, language, n=c.n)
        asked = "" if c.role == "watched" else c.decision.name
        rows.append((c.metric, *values, *figures, evidence, asked))
    return rows


def picture(summary: Summary, width: int = WIDTH) -> list[str]:
    """How the pairs' changes are spread, where the interval lies, and where no change would be."""
    pairs, metric = summary.pairs, summary.pair_metric
    if len(pairs) < 2 or metric is None or metric.scale != "ratio":
        return []
    changes = [math.log(pair.candidate / pair.baseline) for pair in pairs]
    columns = min(PICTURE, max(width - BESIDE, COLUMN))
    low, high = min(*changes, 0.0), max(*changes, 0.0)
    padding = 0.03 * (high - low) or 0.01
    low, high = low - padding, high + padding

    def column(change: float) -> int:
        return min(int((change - low) / (high - low) * columns), columns - 1)

    counts = [0] * columns
    for change in changes:
        counts[column(change)] += 1
    bars = [BARS[math.ceil(count / max(counts) * (len(BARS) - 1))] for count in counts]
    bars[column(0.0)] = "┊" if bars[column(0.0)] == " " else bars[column(0.0)]
    first, last = f"{math.exp(low):.3g}×", f"{math.exp(high):.3g}×"
    name = f"{list(summary.lines)[-1]} / {next(iter(summary.lines))}, {metric.name}"
    lines = labelled("pairs", f"{name}; ┊ is 1×", width, COLUMN)
    lines.append(f"{'':9} {first:>7} {''.join(bars)} {last}")
    shown = _interval(summary)
    if shown is not None:
        left, right = (column(min(max(math.log(end), low), high - 1e-9)) for end in shown)
        marks = [" "] * columns
        marks[left : right + 1] = ["─"] * (right - left + 1)
        marks[left], marks[right] = "├", "┤"
        if left == right:
            marks[left] = "┼"
        lines.append(f"{'interval':9} {'':>7} {''.join(marks)}")
    return lines


def _interval(summary: Summary) -> tuple[float, float] | None:
    """The interval of the metric whose pairs are drawn, where it has two ends."""
    comparisons = summary.verdict.comparisons if summary.verdict else ()
    for c in comparisons:
        named = summary.pair_metric is not None and c.metric == summary.pair_metric.name
        ends = c.scale == "ratio" and 0 < c.low <= c.high < math.inf
        if named and ends and c.evidence != "saved":
            return c.low, c.high
    return None


def odd(summary: Summary, language: Language = "en") -> list[str]:
    """What was noisy or odd, a sentence each."""
    lines = [*_spread(summary.pairs, summary, language), *unlike(summary, language)]
    return [*lines, *(_said(finding, summary, language) for finding in summary.findings)]


def arms_of(summary: Summary, language: Language) -> tuple[str, str]:
    """What the two sides of the pairs are called."""
    names = [*summary.lines] or [say(key, language) for key in ("baseline", "candidate")]
    return names[0], names[-1]


def _said(finding: Finding, summary: Summary, language: Language) -> str:
    first, second = arms_of(summary, language)
    arm = {"baseline": first, "candidate": second, "": ""}[finding.arm]
    figures = {
        k: in_language(str(v), language) if k == "how" else v for k, v in finding.values.items()
    }
    return say(finding.kind, language, arm=arm, **figures)


def _spread(pairs: Sequence[Pair], summary: Summary, language: Language) -> list[str]:
    """How much each arm varies from run to run, relative to its mean."""
    metric = summary.pair_metric
    if metric is None or len(pairs) < 3 or metric.scale != "ratio":
        return []
    shares = [stdev(values) / fmean(values) for values in zip(*_values(pairs), strict=True)]
    first, second = arms_of(summary, language)
    figures = {"a": first, "b": second, "base": shares[0], "cand": shares[1], "name": metric.name}
    return [say("spread", language, **figures)]


def _values(pairs: Sequence[Pair]) -> list[tuple[float, float]]:
    return [(pair.baseline, pair.candidate) for pair in pairs]
