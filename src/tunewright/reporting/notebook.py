"""A study as a few lines of HTML, for a notebook: the verdict, its figures, what is handed over."""

from __future__ import annotations

from html import escape

from tunewright.reporting.configs import in_full
from tunewright.reporting.phrases import change_of, headline, limit_of, quantity_of
from tunewright.reporting.summary import summary
from tunewright.reporting.words import say
from tunewright.session import Result


def card(result: Result) -> str:
    """The fragment; every text in it is escaped, and it needs no style of its own."""
    found = summary(result.history, result.goal)
    parts = [f"<p><strong>{escape(headline(found))}</strong></p>"]
    verdict = found.verdict
    if verdict is not None and verdict.comparisons:
        heads = ("metric", "baseline", "candidate", "change", "limit", "evidence")
        rows = ["".join(f"<th>{escape(say(head, 'en'))}</th>" for head in heads)]
        for c in verdict.comparisons:
            cells = (
                c.metric,
                *(quantity_of(v, c.metric, found.units) for v in (c.baseline, c.candidate)),
                change_of(c, found.units, "en"),
                limit_of(c, found.units),
                say(c.evidence, "en", n=c.n),
            )
            rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
        parts.append(f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>")
    if verdict is not None:
        config = in_full(found.handed_over) or say("baseline kept", "en")
        parts.append(f"<p>{escape(say('handed over', 'en'))}: <code>{escape(config)}</code></p>")
    where = f"{found.study} · {found.goal.text}"
    return f"<div>{''.join(parts)}<p><small>{escape(where)}</small></p></div>"
