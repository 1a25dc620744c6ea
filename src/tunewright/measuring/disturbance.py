"""Disturbance: what else the machine did while something was timed. Unknown is left out."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from tunewright.core.metrics import Sample

STAT, PRESSURE, LOAD = Path("/proc/stat"), Path("/proc/pressure/cpu"), Path("/proc/loadavg")
_BUSY = (0, 1, 2, 5, 6)  # of the columns in the first line of /proc/stat: user to softirq
_STOLEN = 7
_TOTAL = re.compile(rb"some .*total=(\d+)")


@final
@dataclass(frozen=True)
class Snapshot:
    """Seconds since the machine started: busy and stolen, over all cores, and of pressure.

    queue: programs that are ready to run now, this one left out.
    """

    at_s: float
    busy_s: float | None
    stolen_s: float | None
    pressed_s: float | None
    queue: int | None

    @classmethod
    def now(cls) -> Self:
        """The counters as they are now; None for one that this machine does not show."""
        busy_s = stolen_s = pressed_s = queue = None
        with contextlib.suppress(OSError, ValueError, IndexError):
            ticks = [int(word) for word in STAT.read_bytes().split(b"\n", 1)[0].split()[1:]]
            hertz = os.sysconf("SC_CLK_TCK")
            busy_s, stolen_s = sum(ticks[i] for i in _BUSY) / hertz, ticks[_STOLEN] / hertz
        with contextlib.suppress(OSError):
            match = _TOTAL.search(PRESSURE.read_bytes())
            pressed_s = int(match[1]) / 1e6 if match else None
        with contextlib.suppress(OSError, ValueError, IndexError):
            queue = int(LOAD.read_bytes().split()[3].split(b"/")[0]) - 1
        return cls(time.monotonic(), busy_s, stolen_s, pressed_s, queue)


def own_cpu_s() -> float:
    """Processor time of this process and of all below it that have ended, launchers among them."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def disturbance(before: Snapshot, after: Snapshot, own_cpu_s: float) -> dict[str, Sample]:
    """What happened between two snapshots beside work that used `own_cpu_s`.

    others_cores: cores that other programs kept busy, on average. stolen_cores: the same for the
    hypervisor. cpu_pressure: share of the time in which somebody waited for a core. run_queue:
    programs that were ready to run at either end, on average. The kernel counts in hundredths of a
    second: of a shorter run little is known.
    """
    samples: dict[str, float] = {}
    if before.queue is not None and after.queue is not None:
        samples["run_queue"] = (before.queue + after.queue) / 2
    wall_s = after.at_s - before.at_s
    if wall_s < 5 / os.sysconf("SC_CLK_TCK"):
        return {name: Sample((value,)) for name, value in samples.items()}
    if before.busy_s is not None and after.busy_s is not None:
        samples["others_cores"] = max(after.busy_s - before.busy_s - own_cpu_s, 0.0) / wall_s
    if before.stolen_s is not None and after.stolen_s is not None:
        samples["stolen_cores"] = max(after.stolen_s - before.stolen_s, 0.0) / wall_s
    if before.pressed_s is not None and after.pressed_s is not None:
        samples["cpu_pressure"] = min((after.pressed_s - before.pressed_s) / wall_s, 1.0)
    return {name: Sample((value,)) for name, value in samples.items()}
