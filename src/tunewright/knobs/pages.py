"""Huge pages for the heap, through glibc's tunables."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from tunewright.core.knobs import Choice, Knob
from tunewright.knobs.offers import Family, Offer

STATE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
SINCE = (2, 35)  # glibc that knows the tunable


def offers(stage: str, _cores: int) -> Iterator[Offer]:
    """Where both the kernel and the library have them."""
    try:
        state = STATE.read_text(encoding="utf-8")
    except OSError:
        return
    name, version = platform.libc_ver()
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if "[never]" in state or name != "glibc" or numbers < SINCE:
        return
    yield Offer(
        Knob("pages", Choice(("default", "huge")), "default", "resource", stage),
        "transparent huge pages for malloc; pays where large arrays are read in no order",
        (("GLIBC_TUNABLES", "glibc.malloc.hugetlb={}"),),
        spelled={"default": "", "huge": "1"},
    )


FAMILY = Family(
    "pages", "huge pages for the heap", offers,
    "transparent huge pages are switched off, or glibc is older than 2.35",
)  # fmt: skip
