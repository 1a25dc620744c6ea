"""A study on one screen of plain text."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.reporting.comparison import odd, render_comparison
from tunewright.reporting.configs import in_full, in_short
from tunewright.reporting.layout import WIDTH, labelled, table, wrapped
from tunewright.reporting.phrases import (
    change_of,
    headline,
    limit_of,
    quantity_of,
    verified_note,
)
from tunewright.reporting.sentences import in_language, label_of
from tunewright.reporting.summary import Sampled, Summary
from tunewright.reporting.words import Language, say

COLUMN = 8  # of the labels
SHOWN = 3  # configs of the search on this one screen


def render_text(summary: Summary, width: int = WIDTH) -> str:
    """The summary as plain text on a screen of this width: the verdict first, then the evidence.

    Only command lines, which are to be pasted, may be longer.
    """
    if summary.lines:
        return render_comparison(summary, width)
    verdict = summary.verdict
    lines = [*wrapped(headline(summary), width), ""]
    if verdict is not None and verdict.comparisons:
        lines += labelled("why", verdict.reason, width, COLUMN)
    lines += labelled("study", f"{summary.study} · {summary.workload}", width, COLUMN)
    lines += labelled("goal", summary.goal.text, width, COLUMN)
    if verdict is not None:
        config = in_full(summary.handed_over) or say("baseline kept", "en")
        unproven = verdict.decision.name != "ACCEPT" and summary.handed_over
        lines += labelled("config", config + (" (unproven)" if unproven else ""), width, COLUMN)
        lines += ["", *_compared(summary, width)]
    lines += ["", *_counted(summary, width)]
    for line in odd(summary) if summary.pairs else []:
        lines += labelled("noise", line, width, COLUMN)
    if summary.gain:
        lines += ["", say("steps", "en")]
        rows = [(f"  {step.label}", *_values(step, summary)) for step in summary.gain]
        lines += table(rows, width)
    if summary.best:
        lines += ["", say("best", "en")]
        rows = [
            (*_values(tried, summary), in_short(tried.config) or say("baseline", "en"))
            for tried in summary.best[:SHOWN]
        ]
        lines += [f"  {line}" for line in table(rows, width - 2)]
    if summary.commands:
        lines += ["", *command_lines(summary)]
    return "\n".join(lines) + "\n"


def understood(summary: Summary, language: Language = "en") -> list[tuple[str, str]]:
    """What was understood and asked for, labelled: the same as before the study began."""
    asked = {"goal": summary.goal.text, "budget": summary.budget, "date": summary.date}
    if summary.seed is not None:
        asked["seed"] = str(summary.seed)
    return [
        *((label_of(f, language), in_language(t, language)) for f, t, *_ in summary.facts),
        *((say(key, language), text) for key, text in asked.items() if text),
    ]


def command_lines(summary: Summary) -> list[str]:
    """The command lines that are handed over, ready to paste: never cut, never wrapped."""
    *_, last = summary.commands or ("",)
    return [
        f"{'run' if step == last else step:7} {line}" for step, line in summary.commands.items()
    ]


def _compared(summary: Summary, width: int) -> list[str]:
    verdict = summary.verdict
    if verdict is None or not verdict.comparisons:
        return []
    heads = ("metric", "baseline", "candidate", "change", "limit", "evidence")
    rows = [tuple(say(head, "en") for head in heads)]
    for c in verdict.comparisons:
        values = [
            quantity_of(value, c.metric, summary.units) for value in (c.baseline, c.candidate)
        ]
        evidence = say(c.evidence, "en", n=c.n)
        rows.append(
            (
                c.metric,
                *values,
                change_of(c, summary.units, "en"),
                limit_of(c, summary.units),
                evidence,
            )
        )
    return [*table(rows, width), *wrapped(verified_note(verdict, "en"), width)]


def _counted(summary: Summary, width: int) -> list[str]:
    trials = ", ".join(f"{count} {outcome}" for outcome, count in summary.outcomes.items())
    fits = f"{summary.fits} fits; " if summary.fits else ""
    measured = ", ".join(
        f"{name} on {count}" + (f" ({count / summary.fits:.1f} a fit)" if summary.fits else "")
        for name, count in summary.measured.items()
    )
    lines = labelled(
        "trials", f"{trials or 'none'}; {fits}configs measured: {measured}", width, COLUMN
    )
    parts = [
        f"{s.stage} {seconds(s.seconds)} ({s.runs} runs, {s.reused} reused)" for s in summary.stages
    ]
    own = f"own cost {seconds(summary.own_s)} ({summary.own_share:.1%})"
    proof = f"verification {seconds(summary.verification_s)} ({summary.verification_share:.0%})"
    total = seconds(summary.elapsed_s)
    return [*lines, *labelled("time", f"{total}: {'; '.join([*parts, own, proof])}", width, COLUMN)]


def seconds(value_s: float) -> str:
    """A wall time; short ones read 0 s."""
    return f"{value_s:.0f} s" if value_s >= 100 else f"{value_s:.1f} s"


def _values(tried: Sampled, summary: Summary) -> Sequence[str]:
    goal = summary.goal
    return [
        f"{m.name} {quantity_of(tried.values.get(m.name), m.name, summary.units)}"
        for m in goal.metrics
    ]
