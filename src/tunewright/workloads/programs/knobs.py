"""Knobs as they are typed: NAME=DEFAULT:LOW..HIGH or NAME=DEFAULT:A,B,C."""

from __future__ import annotations

import glob
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from tunewright import knobs as ready_made
from tunewright.core.conditions import Condition
from tunewright.core.config import Value
from tunewright.core.knobs import Choice, Family, Knob
from tunewright.errors import InputError
from tunewright.workloads.programs.placeholders import is_name
from tunewright.workloads.programs.ranges import WHOLE, read_range

KNOB_FORMAT = "NAME=DEFAULT:LOW..HIGH[:log|:STEP|:xFACTOR] or NAME=DEFAULT:A,B,C"
_WHEN = re.compile(r"(.*?\S)\s+when\s+(.+)", re.DOTALL)
_RANGE_LIKE = re.compile(r"[^,/]+\.\.[^,/]+")
_FLAG = re.compile(r"(on|off):flag")
SHOWN = 5  # files that an error names
ON_OFF: Mapping[str, bool] = {"on": True, "off": False}


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


def read_knob(text: str, stage: str, cores: int, where: str = ".") -> StatedKnob:
    """The knob that a text states. `threads` and names that end so may be given without a domain.

    Values of a choice reach the program as they were typed. "off:flag" is one that is present or
    absent, "a.txt:files:*.txt" one of the files there are `where` the program runs, and behind
    " when " stands a condition on knobs above. Raises InputError.
    """
    name = knob_name(text)
    conditional = _WHEN.fullmatch(text)
    if conditional is None:
        return _unconditional(name, text, stage, cores, where)
    stated = _unconditional(name, conditional[1], stage, cores, where)
    try:
        when = Condition(conditional[2])
    except InputError as error:
        raise InputError(f"knob {name!r}: {error}") from error
    return replace(stated, knob=replace(stated.knob, when=when))


def _unconditional(name: str, text: str, stage: str, cores: int, where: str) -> StatedKnob:
    resource = re.split("[-_]", name)[-1] == "threads"
    body = text.partition("=")[2]
    if resource and ":" not in body:
        default = int(body.replace(",", "")) if re.fullmatch(WHOLE, body) else cores
        if body and not re.fullmatch(WHOLE, body):
            raise InputError(f"knob {name!r}: expected a whole number of threads; got {text!r}")
        return StatedKnob(ready_made.threads(name, stage, default, cores, exact=False))
    family: Family = "resource" if resource else "hyperparameter"
    if flag := _FLAG.fullmatch(body):
        switch = Choice((False, True))
        return StatedKnob(Knob(name, switch, ON_OFF[flag[1]], family, stage))
    default_text, files, pattern = body.partition(":files:")
    if files:
        return StatedKnob(_files(name, default_text, pattern, stage, where))
    splits = [(body[:at], body[at + 1 :]) for at, char in enumerate(body) if char == ":"]
    for default_text, domain_text in splits:
        if stated := read_range(name, default_text, domain_text):
            unit = stated.unit
            knob = Knob(name, stated.domain, stated.default, family, stage, unit=unit)
            return StatedKnob(knob, stated.notes)
        if default_text in domain_text.split(",") and not _RANGE_LIKE.fullmatch(domain_text):
            values = dict(zip(domain_text.split(","), _values(domain_text.split(",")), strict=True))
            choice = Choice(tuple(dict.fromkeys(values.values())))
            return StatedKnob(
                Knob(name, choice, values[default_text], family, stage),
                tuple(_choice_notes(name, values)),
            )
    raise _unread(name, text, splits)


def _files(name: str, default: str, pattern: str, stage: str, where: str) -> Knob:
    """One of the files that a pattern finds, as it finds them."""
    found = sorted(
        path
        for path in glob.glob(pattern, root_dir=where, recursive=True)  # noqa: PTH207 - as typed
        if Path(where, path).is_file()
    )
    if default not in found:
        shown = ", ".join(found[:SHOWN]) + (" …" if len(found) > SHOWN else "")
        raise InputError(
            f"knob {name!r}: expected a default among the files that {pattern!r} finds in {where}; "
            f"got {default!r}; there {'are ' + shown if found else 'is none'}"
        )
    return Knob(name, Choice(tuple(found)), default, "hyperparameter", stage)


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
