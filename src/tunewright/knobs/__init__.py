"""Ready-made knobs: the same thing has the same name, family and domain in every workload."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.core.config import Value
from tunewright.core.knobs import Domain, Integer, Knob
from tunewright.core.registry import resolve
from tunewright.errors import InputError, nearest
from tunewright.knobs.offers import Family, Offer

FAMILIES = {
    "threads": "tunewright.knobs.threading:FAMILY",
    "allocator": "tunewright.knobs.allocator:FAMILY",
    "pages": "tunewright.knobs.pages:FAMILY",
    "python": "tunewright.knobs.python:FAMILY",
    "jvm": "tunewright.knobs.jvm:FAMILY",
    "priority": "tunewright.knobs.priority:FAMILY",
}


def threads(name: str, stage: str, default: int, cores: int, *, exact: bool) -> Knob:
    """How many threads a stage uses, from one to every core."""
    return Knob(name, Integer(1, cores), default, "resource", stage, exact=exact)


def tuned(name: str, domain: Domain, default: Value) -> Knob:
    """A hyperparameter of a fit."""
    return Knob(name, domain, default, "hyperparameter", "fit")


def family(name: str) -> Family:
    """The ready-made knobs of this name. Raises InputError for none."""
    if name not in FAMILIES:
        raise InputError(f"unknown knobs {name!r}: {nearest(name, FAMILIES)}")
    found: Family = resolve(FAMILIES[name])
    return found


def offered(name: str, stage: str, cores: int) -> Sequence[Offer]:
    """What a family offers on this machine. Raises InputError where that is nothing."""
    own = family(name)
    offers = tuple(own.offers(stage, cores))
    if not offers:
        raise InputError(f"expected knobs that this machine has; got {name!r}: {own.missing}")
    return offers
