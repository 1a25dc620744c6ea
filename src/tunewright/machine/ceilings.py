"""Ceilings: what this machine can do at most, measured in a fraction of a second."""

from __future__ import annotations

import mmap
import os
import re
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from tunewright.core.recording import Ceilings

_FALLBACK_CACHE = 2**25
_MOST_CACHE = 2**26  # a larger cache is shared with others, and no program has all of it
_PAGE = mmap.PAGESIZE


@cache
def memory_ceilings() -> Ceilings:
    """The best of a few tries each, in about a third of a second; the same for a whole process."""
    cache_bytes = _last_cache() or _FALLBACK_CACHE
    cache_bytes = min(cache_bytes, _MOST_CACHE)
    source = np.ones(3 * cache_bytes // 8)
    target = np.empty_like(source)
    target[:] = source
    copy_s = _best(lambda: np.copyto(target, source), 3)
    read_s = _best(lambda: float(source.sum()), 3)
    return Ceilings(
        read_bytes_s=source.nbytes / read_s,
        copy_bytes_s=2 * source.nbytes / copy_s,
        fault_s=_fault_s(huge=False),
        huge_fault_s=_fault_s(huge=True),
        cache_bytes=cache_bytes,
    )


def disk_ceilings(place: Path) -> tuple[float | None, float | None]:
    """Bytes a second that a file there gives without the page cache, and seconds for one sync."""
    try:
        with tempfile.NamedTemporaryFile(dir=place) as file:
            block = os.urandom(2**20)
            for _ in range(16):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            start_s = time.perf_counter()
            file.seek(0)
            while os.read(file.fileno(), 2**20):
                pass
            read_s = time.perf_counter() - start_s

            def synced() -> None:
                os.pwrite(file.fileno(), b"x", 0)
                os.fsync(file.fileno())

            return 2**24 / read_s, _best(synced, 5)
    except OSError:
        return None, None


def _best(call: Callable[[], object], tries: int) -> float:
    times = []
    for _ in range(tries):
        start_s = time.perf_counter()
        call()
        times.append(time.perf_counter() - start_s)
    return min(times)


def _fault_s(*, huge: bool) -> float | None:
    """Seconds of the processor for one new page: small ones, or 2 MiB each."""
    advice = getattr(mmap, "MADV_HUGEPAGE" if huge else "MADV_NOHUGEPAGE", None)
    if advice is None:
        return None
    size = 2**24
    step = 2**21 if huge else _PAGE
    times = []
    for _ in range(3):
        with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            try:
                memory.madvise(advice)
            except OSError:
                return None
            start_s = time.thread_time()
            view = np.frombuffer(memory, dtype=np.uint8)
            view[::step] = 1
            times.append((time.thread_time() - start_s) / (size // step))
            del view
    return min(times)


def _last_cache() -> int | None:
    paths = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    matches = [re.fullmatch(r"(\d+)([KM]?)", path.read_text().strip()) for path in paths]
    units = {"": 1, "K": 2**10, "M": 2**20}
    return max((int(match[1]) * units[match[2]] for match in matches if match), default=None)
