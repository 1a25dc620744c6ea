"""The memory allocator: another one by preload, and how glibc's own behaves."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from functools import cache

from tunewright.core.conditions import Condition
from tunewright.core.knobs import Choice, Knob
from tunewright.knobs.offers import Family, Offer

GLIBC = "glibc"
LIBRARIES = {
    "jemalloc": "libjemalloc.so*",
    "tcmalloc": "libtcmalloc_minimal.so*",
    "mimalloc": "libmimalloc.so*",
}
PLACES = ("/usr/lib", "/usr/lib64", "/usr/lib/*-linux-gnu", "/usr/local/lib", "/opt/*/lib")
_KEPT = str(256 * 2**20)  # bytes: freed memory up to so much is not given back


@cache
def installed() -> dict[str, str]:
    """The allocators that can be preloaded here, by name, each with its library."""
    found = {}
    for name, pattern in LIBRARIES.items():
        paths = [path for place in PLACES for path in sorted(glob.glob(f"{place}/{pattern}"))]  # noqa: PTH207 - a pattern
        if paths:
            found[name] = paths[-1]
    return found


def offers(stage: str, _cores: int) -> Iterator[Offer]:
    """Those that are installed, then what glibc's own can be told."""
    libraries = installed()
    own = None
    if libraries:
        yield Offer(
            Knob("allocator", Choice((GLIBC, *libraries)), GLIBC, "resource", stage),
            "another malloc by LD_PRELOAD; pays where many small pieces come and go in threads",
            (("LD_PRELOAD", "{}"),),
            spelled={GLIBC: "", **libraries},
        )
        own = Condition.one_of("allocator", (GLIBC,))
    yield Offer(
        Knob("arenas", Choice(("default", "1", "2", "4")), "default", "resource", stage, when=own),
        "arenas of glibc's malloc: fewer save memory, more avoid waiting",
        (("MALLOC_ARENA_MAX", "{}"),),
        spelled={"default": ""},
    )
    yield Offer(
        Knob("freed", Choice(("default", "kept")), "default", "resource", stage, when=own),
        "whether glibc keeps freed memory (up to 256 MiB) instead of giving it back; "
        "pays where large arrays come and go",
        # No mapping at all: glibc takes no threshold for it beyond 32 MiB.
        (("MALLOC_TRIM_THRESHOLD_", "{}"), ("MALLOC_MMAP_MAX_", "0")),
        spelled={"default": "", "kept": _KEPT},
    )


FAMILY = Family("allocator", "how memory is taken from the system and given back", offers)
