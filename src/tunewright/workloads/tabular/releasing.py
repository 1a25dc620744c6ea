"""Releasing: memory that was used and is free again goes back to the machine.

Allocators keep what large tables leave free, and other processes need it.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

import pyarrow as pa

LARGE = 50_000_000  # cells; less is not worth the time that it takes to look


def release(cells: int) -> None:
    """Give back what the allocators keep, after so many cells were read or copied."""
    if cells < LARGE:
        return
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
