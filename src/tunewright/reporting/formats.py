"""A comparison for machines and for reviews: JSON, Markdown and JUnit's XML."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from tunewright.core.verdict import Comparison
from tunewright.reporting.comparison import compared, odd
from tunewright.reporting.phrases import change_of, headline
from tunewright.reporting.reasons import note_of
from tunewright.reporting.summary import Summary

# What XML cannot hold, however it is escaped; a program may print anything.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ICONS = {"ACCEPT": "✅", "REJECT": "❌", "INCONCLUSIVE": "❔"}


def to_json(summary: Summary) -> str:
    """Everything that the verdict says, and each pair; what is not known is null."""
    return json.dumps(_body(summary), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_json_of(summaries: Sequence[Summary]) -> str:
    """The same of several comparisons, as a list."""
    bodies = [_body(summary) for summary in summaries]
    return json.dumps(bodies, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown_of(summaries: Sequence[Summary]) -> str:
    """Several comparisons, one below the other."""
    return "\n".join(map(to_markdown, summaries))


def to_junit_of(summaries: Sequence[Summary]) -> str:
    """A test suite for each comparison."""
    suites = ET.Element("testsuites")
    suites.extend(map(_suite, summaries))
    return _xml(suites)


def _body(summary: Summary) -> dict[str, Any]:
    verdict = summary.verdict
    return {
        "decision": verdict.decision.name if verdict else None,
        "sentence": headline(summary),
        "reason": verdict.reason if verdict else None,
        "programs": dict(summary.lines),
        "goal": summary.goal.text,
        "alpha": verdict.alpha if verdict else None,
        "comparisons": [_comparison(c) for c in verdict.comparisons] if verdict else [],
        "pair_metric": summary.pair_metric.name if summary.pair_metric else None,
        "pairs": [[_known(pair.baseline), _known(pair.candidate)] for pair in summary.pairs],
        "config": dict(verdict.config) if verdict else None,
        "members": [
            {"weight": weight, "config": dict(member)}
            for member, weight in (verdict.config.members if verdict else ())
        ],
        "findings": [
            {"kind": f.kind, "arm": f.arm or None, **{k: _known(v) for k, v in f.values.items()}}
            for f in summary.findings
        ],
        "study": summary.study,
    }


def to_markdown(summary: Summary) -> str:
    """The sentence, the table and what was odd, for a comment on a change."""
    verdict = summary.verdict
    icon = ICONS[verdict.decision.name] if verdict else ""
    head, *rows = compared(summary)
    table = [head, ["---"] * len(head), *rows]
    lines = [f"{icon} **{_escaped(headline(summary))}**".strip(), ""]
    lines += [f"- {arm}: `{line}`" for arm, line in summary.lines.items()]
    lines += ["", *("| " + " | ".join(map(_escaped, row)) + " |" for row in table), ""]
    lines += [f"- {_escaped(line)}" for line in odd(summary)]
    return "\n".join(lines) + "\n"


def to_junit(summary: Summary) -> str:
    """A test suite: a case for the verdict, and one for each thing that was asked.

    What is refuted fails; what could not be proven is an error, since nobody should take it for
    passed; what was merely told is left out.
    """
    return _xml(_suite(summary))


def _xml(element: ET.Element) -> str:
    ET.indent(element)
    text = ET.tostring(element, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(summary: Summary) -> ET.Element:
    verdict = summary.verdict
    decision = verdict.decision.name if verdict else "INCONCLUSIVE"
    cases = [("verdict", decision, headline(summary))]
    for c in verdict.comparisons if verdict else ():
        if c.role != "watched":
            text = f"{c.metric}: {note_of(c, summary, 'en') or change_of(c, summary.units, 'en')}"
            cases.append((f"{c.role} {c.metric}", c.decision.name, text))
    suite = ET.Element("testsuite", name=f"tunewright {summary.study}")
    for name, decided, said in cases:
        text = _NO_XML.sub("\N{REPLACEMENT CHARACTER}", said)
        case = ET.SubElement(suite, "testcase", classname="tunewright", name=name)
        kind = {"ACCEPT": "system-out", "REJECT": "failure", "INCONCLUSIVE": "error"}[decided]
        ET.SubElement(case, kind).text = text
        if kind != "system-out":
            case[0].set("message", text)
    counts = Counter(decided for _, decided, _ in cases)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(counts["REJECT"]))
    suite.set("errors", str(counts["INCONCLUSIVE"]))
    suite.set("time", f"{summary.elapsed_s:.3f}")
    return suite


def _comparison(c: Comparison) -> dict[str, Any]:
    names = ("metric", "role", "scale", "baseline", "candidate", "estimate", "low", "high", "limit")
    figures = {name: _known(getattr(c, name)) for name in (*names, "n", "evidence", "detectable")}
    return {**figures, "decision": c.decision.name, "note": c.note}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
