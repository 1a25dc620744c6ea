"""Options of CPython: its collector, its allocator, and what it keeps for error messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tunewright.core.knobs import Choice, Knob
from tunewright.knobs.offers import Family, Offer

START = Path(__file__).with_name("python_start")  # holds a sitecustomize


def offers(stage: str, _cores: int) -> Iterator[Offer]:
    """The cyclic collector, where small objects live, and positions in tracebacks."""
    yield Offer(
        Knob("gc", Choice(("default", "10000", "100000", "off")), "default", "resource", stage),
        "how many objects may be made before Python looks for cycles; pays where many live long "
        "(off: cycles are never freed)",
        (("PYTHONPATH", f"{START}"), ("TUNEWRIGHT_GC", "{}")),
        spelled={"default": ""},
    )
    yield Offer(
        Knob("python_malloc", Choice(("default", "malloc")), "default", "resource", stage),
        "whether small objects come from Python's own pools or from malloc",
        (("PYTHONMALLOC", "{}"),),
        spelled={"default": ""},
    )
    yield Offer(
        Knob("positions", Choice(("default", "none")), "default", "resource", stage),
        "columns in tracebacks: without them code takes less memory and loads sooner",
        (("PYTHONNODEBUGRANGES", "{}"),),
        spelled={"default": "", "none": "1"},
    )


FAMILY = Family("python", "CPython's collector, pools and tables; for programs in Python", offers)
