"""Spelling: what the placeholders of a config stand for, as the program reads it."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Knob


def spelled(knobs: Sequence[Knob], config: Config) -> dict[str, Value]:
    """The value of each of these knobs, numbers with their unit.

    One that is inactive is at its default: the program may need some value in its place.
    """
    places: dict[str, Value] = {}
    for knob in knobs:
        value = config.get(knob.name, knob.default)
        places[knob.name] = f"{value}{knob.unit}" if knob.unit else value
    return places
