"""Offers: ready-made knobs with what they do to a program, and how a value takes effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Knob

# What one variable may be told by several: the mark between them.
JOINED = {"LD_PRELOAD": ":", "GLIBC_TUNABLES": ":", "JAVA_TOOL_OPTIONS": " "}


@final
@dataclass(frozen=True)
class Offer:
    """A ready-made knob. about: what it does, and when that pays.

    env: variables that it sets, with {} for the value. before: words that stand before the program.
    spelled: what a value is written as; "" leaves variables unset and the words out.
    """

    knob: Knob
    about: str
    env: tuple[tuple[str, str], ...] = ()
    before: tuple[str, ...] = ()
    spelled: Mapping[str, str] = field(default_factory=dict)

    def text(self, value: Value) -> str:
        """What a value is written as."""
        return self.spelled.get(str(value), str(value))


@final
@dataclass(frozen=True)
class Family:
    """Ready-made knobs that are offered by one name.

    offers: those that this machine has, at a stage and for so many cores. missing: why there are
    none, for whoever asks for them.
    """

    name: str
    about: str
    offers: Callable[[str, int], Iterable[Offer]]
    missing: str = "this machine has none of them"


def settled(
    offers: Sequence[Offer], config: Mapping[str, Value] | Config, env: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """The variables and the words before the program that a config means.

    env: what the variables are without it. A variable that can be told by several is told by all.
    """
    variables: dict[str, str] = {}
    words: list[str] = []
    for offer in offers:
        if offer.knob.name not in config:
            continue
        text = offer.text(config[offer.knob.name])
        if not text:
            continue
        words += [word.replace("{}", text) for word in offer.before]
        for name, pattern in offer.env:
            value, mark = pattern.replace("{}", text), JOINED.get(name)
            known = variables.get(name, env.get(name, ""))
            variables[name] = f"{known}{mark}{value}" if mark and known else value
    return variables, words
