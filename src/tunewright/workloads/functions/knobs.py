"""Knobs of functions, as they are written in Python: `real`, `integer` and `choice`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from tunewright.core.conditions import Condition
from tunewright.core.config import Value
from tunewright.core.knobs import Choice, Domain, Family, Integer, Knob, Real
from tunewright.errors import InputError, check_type

STAGE = "run"  # the only stage of a function
LONGEST = 60  # characters of the label of an object
_FIRST = object()  # a default that was not given: None may be one of the values


@final
@dataclass(frozen=True)
class Unnamed:
    """A knob that has no name yet: that is what it stands under in a space.

    default: None for the middle of a range. objects: what the labels of a choice stand for.
    """

    domain: Domain
    default: Value | None = None
    when: Condition | None = None
    objects: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def named(self, name: str) -> Knob:
        """The knob of this name. Raises InputError where its parts do not fit together."""
        family: Family = "hyperparameter"
        if re.split("[-_]", name)[-1] in ("threads", "workers", "n_jobs"):
            family = "resource"
        domain = self.domain
        first = domain.values[0] if isinstance(domain, Choice) else domain.low
        if self.default is None:
            if not isinstance(domain, Choice):
                first = Knob(name, domain, first, family, STAGE).at(0.5)
            return Knob(name, domain, first, family, STAGE, when=self.when)
        return Knob(name, domain, self.default, family, STAGE, when=self.when)


def real(
    low: float, high: float, *, log: bool = False, default: float | None = None, when: str = ""
) -> Unnamed:
    """A knob of real numbers from `low` to `high`, both included.

    log: spaced by ratio. default: what you have today; the middle where you do not say. when: the
    condition under which the function reads it at all, over knobs above: "layers > 1".
    """
    for name, number in (("low", low), ("high", high)):
        check_type(name, number, (int, float), "0.1")
    return Unnamed(Real(float(low), float(high), log), _number(default), _condition(when))


def integer(
    low: int, high: int, *, log: bool = False, default: int | None = None, when: str = ""
) -> Unnamed:
    """A knob of whole numbers from `low` to `high`, both included; otherwise as `real`."""
    for name, number in (("low", low), ("high", high)):
        check_type(name, number, int, "3")
    return Unnamed(Integer(low, high, log), _number(default), _condition(when))


def choice(*values: Any, default: Any = _FIRST, when: str = "") -> Unnamed:
    """A knob that has one of these values; without a default the first is what you have today.

    Texts, numbers and truth values stand for themselves. Any other object (None, a tuple, a class)
    is named by its text, and the function gets the object itself.
    """
    labels = [_label(value) for value in values]
    if len(set(map(repr, labels))) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise InputError(f"expected different values; got {twice!r} twice; drop one of them")
    objects = {
        label: value
        for label, value in zip(labels, values, strict=True)
        if isinstance(label, str) and not isinstance(value, str)
    }
    chosen = None if default is _FIRST else _label(default)
    return Unnamed(Choice(tuple(labels)), chosen, _condition(when), objects)


def _label(value: Any) -> Value:
    """What stands for a value in a config."""
    if isinstance(value, str | int | float | bool):
        return value
    return str(getattr(value, "__qualname__", None) or repr(value))[:LONGEST]


def _number(default: float | None) -> Any:
    check_type("default", default, (int, float, type(None)), "0.5")
    return default


def _condition(when: str) -> Condition | None:
    check_type("when", when, str, "'layers > 1'")
    return Condition(when) if when else None
