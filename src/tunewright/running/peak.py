"""The most memory that this process held since it was last asked to forget, from Linux's /proc."""

from __future__ import annotations

import contextlib
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_PEAK = "5"  # what to write to clear_refs, see proc(5)


def reset_peak() -> None:
    """Let the high-water mark begin at what is held now; elsewhere than on Linux do nothing."""
    with contextlib.suppress(OSError):
        _CLEAR.write_text(_PEAK)


def peak_mib() -> float | None:
    """The high-water mark of resident memory, None where the kernel does not tell."""
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None
