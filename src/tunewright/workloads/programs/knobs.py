"""Knobs as they are typed: NAME=DEFAULT:LOW..HIGH or NAME=DEFAULT:A,B,C."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from tunewright import knobs as ready_made
from tunewright.core.config import Value
from tunewright.core.knobs import Choice, Family, Integer, Knob, Real
from tunewright.core.units import THOUSANDS
from tunewright.errors import InputError
from tunewright.workloads.programs.placeholders import is_name

KNOB_FORMAT = "NAME=DEFAULT:LOW..HIGH[:log] or NAME=DEFAULT:A,B,C"
_DIGITS = rf"(?:{THOUSANDS}|[0-9]+)"
_WHOLE = rf"[-+]?{_DIGITS}"
_REAL = rf"[-+]?(?:{_DIGITS}\.(?!\.)[0-9]*|[0-9]*\.[0-9]+|{_DIGITS})(?:[eE][-+]?[0-9]+)?"
_RANGE = re.compile(rf"({_REAL})\.\.({_REAL})(:log)?")
_RANGE_LIKE = re.compile(r"[^,/]+\.\.[^,/]+")


@final
@dataclass(frozen=True)
class StatedKnob:
    """A knob, and what should be said about how its text was read."""

    knob: Knob
    notes: tuple[str, ...] = ()


def knob_name(text: str) -> str:
    """The name that a knob's text begins with. Raises InputError where that is no name."""
    name = text.partition("=")[0]
    if not is_name(name):
        raise InputError(
            f"expected {KNOB_FORMAT}; got {text!r}; a name has letters, digits, - and _, "
            "and begins with a letter"
        )
    return name


def read_knob(text: str, stage: str, cores: int) -> StatedKnob:
    """The knob that a text states. `threads` and names that end so may be given without a domain.

    Values of a choice reach the program as they were typed. Raises InputError.
    """
    name = knob_name(text)
    resource = re.split("[-_]", name)[-1] == "threads"
    body = text.partition("=")[2]
    if resource and ":" not in body:
        default = int(body.replace(",", "")) if re.fullmatch(_WHOLE, body) else cores
        if body and not re.fullmatch(_WHOLE, body):
            raise InputError(f"knob {name!r}: expected a whole number of threads; got {text!r}")
        return StatedKnob(ready_made.threads(name, stage, default, cores, exact=False))
    family: Family = "resource" if resource else "hyperparameter"
    splits = [(body[:at], body[at + 1 :]) for at, char in enumerate(body) if char == ":"]
    for default_text, domain_text in splits:
        span = _RANGE.fullmatch(domain_text)
        if span and re.fullmatch(_REAL, default_text):
            domain, default_value, notes = _range(name, default_text, span)
            return StatedKnob(Knob(name, domain, default_value, family, stage), notes)
        if default_text in domain_text.split(",") and not _RANGE_LIKE.fullmatch(domain_text):
            values = dict(zip(domain_text.split(","), _values(domain_text.split(",")), strict=True))
            choice = Choice(tuple(dict.fromkeys(values.values())))
            return StatedKnob(
                Knob(name, choice, values[default_text], family, stage),
                tuple(_choice_notes(name, values)),
            )
    raise _unread(name, text, splits)


def _range(
    name: str, default_text: str, span: re.Match[str]
) -> tuple[Integer | Real, Value, tuple[str, ...]]:
    stated, log = (default_text, span[1], span[2]), bool(span[3])
    texts = [text.replace(",", "") for text in stated]
    numbers = [float(text) for text in texts]
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"knob {name!r}: expected finite numbers; got {span[0]!r}")
    default, low, high = numbers
    tail = span[3] or ""
    if all(re.fullmatch(_WHOLE, text) for text in texts):
        whole = [int(text) for text in texts]
        reals = f"{name}={whole[0]}.0:{whole[1]}.0..{whole[2]}.0{tail}"
        note = f"{name} takes whole numbers from {whole[1]} to {whole[2]}; for reals: {reals}"
        return Integer(whole[1], whole[2], log), whole[0], (note,)
    notes: tuple[str, ...] = ()
    if all(number.is_integer() and abs(number) < 2**53 for number in numbers):
        wholes = f"{name}={default:.0f}:{low:.0f}..{high:.0f}{tail}"
        notes = (f"{name} takes reals from {low:g} to {high:g}; for whole numbers: {wholes}",)
    return Real(low, high, log), default, notes


def _values(texts: list[str]) -> list[Value]:
    """Numbers where all are numbers that are written as they were typed, else the texts."""
    for kind in (int, float):
        if all(_written_as(kind, text) for text in texts):
            return [kind(text) for text in texts]
    return list(texts)


def _written_as(kind: type[int | float], text: str) -> bool:
    try:
        return str(kind(text)) == text and math.isfinite(kind(text))
    except ValueError:
        return False


def _choice_notes(name: str, values: dict[str, Value]) -> Iterator[str]:
    for text in values:
        if text.split() and len(text.split()) > 1:
            yield (
                f"{name}: {text!r} is one word wherever {{{name}}} stands; for several words: "
                f"--env X={{{name}}} and sh -c '… $X …'"
            )
            return


def _unread(name: str, text: str, splits: list[tuple[str, str]]) -> InputError:
    if not splits:
        return InputError(f"knob {name!r}: expected {KNOB_FORMAT}; got {text!r}")
    default, domain = splits[0]
    if _RANGE_LIKE.fullmatch(domain):
        return InputError(
            f"knob {name!r}: expected numbers in {KNOB_FORMAT}; got {text!r}; "
            "for texts put commas between them"
        )
    if "," in domain:
        return InputError(
            f"knob {name!r}: the default does not fit: expected one of {domain.split(',')}; "
            f"got {default!r}"
        )
    return InputError(f"knob {name!r}: expected {KNOB_FORMAT}; got {text!r}")
