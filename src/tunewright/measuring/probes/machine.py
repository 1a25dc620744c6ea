"""What the machine as a whole went through: pressure, stolen and throttled time, huge pages."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import final

from tunewright.core.recording import Limited
from tunewright.measuring.probes.files import after, content

_TOTAL = re.compile(rb"some .*total=(\d+)")
_STOLEN = 8  # of the columns in the first line of /proc/stat
_UNLIMITED = 2**60


@final
class Counters:
    """Reads the machine's counters and tells what came to them since the last time."""

    def __init__(self, pid: int) -> None:
        self._cpu, self._memory = (cgroup(pid, name) for name in ("cpu", "memory"))
        self._hertz = os.sysconf("SC_CLK_TCK")
        self._before = self._now()
        self._first_hits = self._hits()

    def since(self) -> dict[str, float]:
        """What came to each counter since the last call; one that cannot be read is left out."""
        now, before = self._now(), self._before
        self._before = now
        return {name: value - before[name] for name, value in now.items() if name in before}

    def limits(self, peak_bytes: float, pid: int, mapped_bytes: float) -> tuple[Limited, ...]:
        """The limits of memory that hold for a process, and how near it came to them."""
        found = []
        limit, peak = self._bytes("limit_in_bytes", "max"), self._bytes("usage_in_bytes", "current")
        if limit and limit < _UNLIMITED:
            hits = self._hits() - self._first_hits
            found.append(Limited("cgroup", limit, max(peak_bytes, peak or 0), hits))
        text = content(f"/proc/{pid}/limits") or b""
        for label, what in ((b"Max address space", "address space"), (b"Max data size", "data")):
            if size := after(text, label):
                found.append(Limited(what, size, mapped_bytes))
        return tuple(found)

    def _now(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for what in ("cpu", "memory", "io"):
            if match := _TOTAL.search(content(f"/proc/pressure/{what}") or b""):
                found[what] = int(match[1]) / 1e6
        words = (content("/proc/stat", 256) or b"").split(b"\n", 1)[0].split()
        if len(words) > _STOLEN:
            found["stolen"] = int(words[_STOLEN]) / self._hertz
        huge = after(content("/proc/vmstat"), b"thp_fault_alloc ")
        if huge is not None:
            found["huge"] = huge
        if self._cpu is not None:
            text = content(f"{self._cpu}/cpu.stat")
            micro, nano = after(text, b"throttled_usec "), after(text, b"throttled_time ")
            if micro is not None or nano is not None:
                found["throttled"] = (micro or 0) / 1e6 + (nano or 0) / 1e9
        return found

    def _bytes(self, first: str, second: str) -> float | None:
        for name in (first, second):
            text = content(f"{self._memory}/memory.{name}") if self._memory else None
            if text and text.strip().isdigit():
                return float(text)
        return None

    def _hits(self) -> int:
        if not self._memory:
            return 0
        old = content(f"{self._memory}/memory.failcnt")
        return int(old) if old else after(content(f"{self._memory}/memory.events"), b"\nmax ") or 0


def cgroup(pid: int, controller: str) -> Path | None:
    """The directory of the cgroup, of either version, that holds a process."""
    for line in (content(f"/proc/{pid}/cgroup") or b"").decode().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = Path("/sys/fs/cgroup") / (controller if controllers else "")
        place = mount / path.lstrip("/")
        if (place / "cgroup.procs").exists() and (controllers or (place / "cpu.stat").exists()):
            return place
    return None
