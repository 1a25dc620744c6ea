"""Ready-made knobs: the same thing has the same name, family and domain in every workload."""

from __future__ import annotations

from tunewright.core.config import Value
from tunewright.core.knobs import Domain, Integer, Knob


def threads(name: str, stage: str, default: int, cores: int, *, exact: bool) -> Knob:
    """How many threads a stage uses, from one to every core."""
    return Knob(name, Integer(1, cores), default, "resource", stage, exact=exact)


def tuned(name: str, domain: Domain, default: Value) -> Knob:
    """A hyperparameter of a fit."""
    return Knob(name, domain, default, "hyperparameter", "fit")
