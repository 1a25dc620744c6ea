"""Ready-made knobs: the same thing has the same name, family and domain in every workload."""

from __future__ import annotations

from tunewright.core.knobs import Integer, Knob, When


def threads(  # noqa: PLR0913 - the knob's own fields
    name: str, stage: str, default: int, cores: int, *, exact: bool, when: When | None = None
) -> Knob:
    """How many threads a stage uses, from one to every core."""
    return Knob(name, Integer(1, cores), default, "resource", stage, exact=exact, when=when)


def workers(stage: str, cores: int) -> Knob:
    """How many trials share the machine; the stage itself does not read it."""
    return Knob("workers", Integer(1, cores), cores, "parallelism", stage, exact=True)
