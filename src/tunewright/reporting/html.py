"""A study as one self-contained page: no script, nothing fetched, every text escaped."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from tunewright.reporting.comparison import odd
from tunewright.reporting.configs import blend_of, in_short, in_words
from tunewright.reporting.phrases import (
    change_of,
    headline,
    limit_of,
    quantity_of,
    verified_note,
)
from tunewright.reporting.reasons import named, note_of
from tunewright.reporting.sentences import in_language, label_of, stage_of
from tunewright.reporting.summary import Summary
from tunewright.reporting.text import seconds, understood
from tunewright.reporting.words import Language, say

TEMPLATE = Path(__file__).with_name("report.html")
FIGURES = "tunewright.reporting.figures"  # matplotlib costs more to import than all the rest


def render_html(summary: Summary, language: Language = "en") -> str:
    """The page, in English or Chinese; it needs no network and no other file."""
    drawn: list[tuple[str, str]] = importlib.import_module(FIGURES).figures(summary, language)
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )

    def words(key: str, **values: Any) -> str:
        return say(key, language, **values)

    def quantity(value: float | None, metric: str) -> str:
        return quantity_of(value, metric, summary.units)

    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return page.render(
        s=summary, language="en" if language == "en" else "zh-CN", say=words, seconds=seconds,
        headline=headline(summary, language),
        note=(
            verified_note(summary.verdict, language, compared=bool(summary.lines))
            if summary.verdict
            else ""
        ),
        arms=[*summary.lines] or [words("baseline"), words("candidate")],
        odd=odd(summary, language) if summary.lines or summary.pairs else [],
        quantity=quantity, in_words=in_words,
        told=lambda config: in_short(config, language),
        blend=blend_of(summary.handed_over, language),
        change=lambda comparison: change_of(comparison, summary.units, language),
        limit=lambda comparison: limit_of(comparison, summary.units),
        noted=lambda comparison: note_of(comparison, summary, language),
        facts=understood(summary, language), stage=lambda name: stage_of(name, language),
        sentence=lambda text: named(text, summary, language),
        environment=[
            (label_of(name, language), in_language(text, language))
            for name, text in summary.environment.items()
        ],
        active=lambda changes: {k: v for k, v in changes.items() if v is not None},
        sampled_alone={name for part in summary.handed_over.members for name in part.values},
        figures=[(words(key), Markup(svg)) for key, svg in drawn],  # noqa: S704 - matplotlib escapes
    )  # fmt: skip
