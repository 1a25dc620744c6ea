"""A diagnosis as text in a terminal, and as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from tunewright.core.diagnosis import Bottleneck, Diagnosis, Fact
from tunewright.core.units import format_quantity
from tunewright.reporting.layout import WIDTH, labelled, wrapped
from tunewright.reporting.words import Language, say

COLUMN = 11
SHOWN = 3  # bottlenecks told in full; what weighs less than a half of the first is told in a line
SLIGHT = 0.02


def render_diagnosis(
    diagnosis: Diagnosis, target: str, width: int = WIDTH, language: Language = "en"
) -> str:
    """The answer in a sentence, each bottleneck with what speaks for it, and the whole run."""
    lines = [*wrapped(answer_of(diagnosis, language), width), ""]
    lines += labelled("program", target, width, COLUMN)
    for each in diagnosis.bottlenecks[:SHOWN]:
        lines += ["", *wrapped(headline_of(each, language), width)]
        lines += labelled("evidence", facts_of(each.facts, language), width, COLUMN)
        if each.gain is not None and each.gain >= 1 + SLIGHT:
            lines += labelled("gain", gain_of(each, language), width, COLUMN)
        lines += labelled("knobs", ", ".join(each.knobs), width, COLUMN)
    lines += ["", *labelled("the run", facts_of(diagnosis.facts, language), width, COLUMN)]
    for name, why in diagnosis.missing:
        lines += labelled("missing", f"{name}: {why}", width, COLUMN)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def answer_of(diagnosis: Diagnosis, language: Language = "en") -> str:
    """What limits the program, in a sentence."""
    if diagnosis.bottlenecks:
        first = diagnosis.bottlenecks[0]
        name = say(f"is {first.kind}", language)
        return say("limited", language, name=name, share=first.share)
    return say(f"answer {diagnosis.reason or diagnosis.answer}", language)


def headline_of(each: Bottleneck, language: Language = "en") -> str:
    """One bottleneck: its name, its share of the time, how sure that is, and what it means."""
    name, meaning = say(f"is {each.kind}", language), say(f"why {each.kind}", language)
    trust = say(f"confidence {each.confidence}", language)
    return say("bottleneck", language, name=name, share=each.share, trust=trust, meaning=meaning)


def gain_of(each: Bottleneck, language: Language = "en") -> str:
    """What could be gained at most."""
    assert each.gain is not None
    return say("gain at most", language, factor=each.gain)


def facts_of(facts: tuple[Fact, ...], language: Language = "en") -> str:
    """Figures in a row."""
    return say("semicolon", language).join(f"{fact.name} {figure(fact)}" for fact in facts)


def figure(fact: Fact) -> str:
    """A fact's value with its unit."""
    if not math.isfinite(fact.value):
        return "?"
    match fact.unit:
        case "%":
            return f"{fact.value:.0%}"
        case "s" | "B":
            return format_quantity(fact.value, fact.unit)
        case "B/s":
            return f"{format_quantity(fact.value, 'B')}/s"
        case "1/s":
            return f"{fact.value:,.0f}/s"
        case "cores":
            return f"{fact.value:.2f} cores"
        case _:
            return f"{fact.value:.3g}"


def to_json(diagnosis: Diagnosis, target: str) -> str:
    """Everything that the diagnosis says; what is not known is null."""
    body = {"program": target, "sentence": answer_of(diagnosis), **asdict(diagnosis)}
    body["missing"] = dict(diagnosis.missing)
    body["knobs"] = list(diagnosis.knobs)
    for one in body["bottlenecks"]:
        one["title"] = say(f"is {one['kind']}", "en")
    return json.dumps(_known(body), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _known(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _known(each) for key, each in value.items()}
        case list() | tuple():
            return [_known(each) for each in value]
        case _:
            return value
