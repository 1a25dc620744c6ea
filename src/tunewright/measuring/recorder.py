"""Looking at a running program as often as 2 % of one core allow, until it ends or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import final

from tunewright.core.recording import Ceilings, Limited, Look, Recording, Touch
from tunewright.measuring.probes import touched
from tunewright.measuring.probes.gpu import Gpu
from tunewright.measuring.probes.machine import Counters
from tunewright.measuring.probes.threads import Process
from tunewright.measuring.probes.tree import Tree

COST, CREDIT_S = 0.015, 0.015  # of one core: what looking may take, and may take in advance
SHORTEST_S, LONGEST_S = 0.01, 2.0  # between looks
KEPT = 2000  # looks until the pauses grow with the time that has passed: memory stays small
TOUCH_COST, TOUCH_FIRST_S, MOST_TOUCHES = 0.005, 0.15, 200
BUSY = 0.3  # of a core: a process that uses less of it moves little memory


@final
class Recorder:
    """Records one process tree.

    cookie: what marks the environment of all that descends from a program that was started to be
    watched, and is watched from its start; None for one that runs already.
    """

    def __init__(
        self, root: int, *, cookie: bytes | None, cores: float, ceilings: Ceilings
    ) -> None:
        self._root, self._cores, self._ceilings = root, cores, ceilings
        self._whole = cookie is not None
        self._tree = Tree(root, cookie)
        self._processes: dict[int, Process] = {}
        self._gone: list[Process] = []
        self._looks: list[Look] = []
        self._touches: list[Touch] = []
        self._limits: tuple[Limited, ...] = ()
        self._peak_bytes = 0
        self._missing: dict[str, str] = {}
        self._cost_s = 0.0
        self._touch_s = TOUCH_FIRST_S

    def until(self, over: Callable[[float], bool], limit_s: float | None) -> Recording:
        """Look until `over(pause_s)`, which waits so long at most, says so, or the limit is up."""
        gpu, counters = Gpu(), Counters(self._root)
        if gpu.missing:
            self._missing["gpu"] = gpu.missing
        self._began_s = last_s = time.monotonic()
        try:
            while True:
                start_s, cpu_s = time.monotonic(), time.thread_time()
                now_s = start_s - self._began_s
                if not self._look(now_s, start_s - last_s, counters, gpu) and self._looks:
                    over(SHORTEST_S)  # so that it is reaped
                    break
                last_s = start_s
                cost_s = time.thread_time() - cpu_s
                self._cost_s += cost_s
                due_s = (self._cost_s + cost_s - CREDIT_S) / COST - now_s
                pause_s = max(SHORTEST_S, min(due_s, 2 * cost_s / COST), now_s / KEPT)
                pause_s = min(pause_s, LONGEST_S)
                if limit_s is not None:
                    pause_s = min(pause_s, max(limit_s - now_s, 0.0))
                if over(pause_s) or (limit_s is not None and now_s >= limit_s):
                    break
                self._touch(time.monotonic() - self._began_s)
        finally:
            wall_s = time.monotonic() - self._began_s
            gpu.end()
        programs = [p.program for p in [*self._gone, *self._processes.values()] if p.counters]
        return Recording(
            self._root, wall_s, self._cores, self._whole, tuple(self._looks), tuple(programs),
            tuple(self._touches), self._limits, self._ceilings, self._missing, None,
            self._cost_s,
        )  # fmt: skip

    def pids(self) -> list[int]:
        """Everything of the tree that is still there."""
        return self._tree.pids(float("inf"))

    def _look(self, now_s: float, span_s: float, counters: Counters, gpu: Gpu) -> bool:
        pids = self._tree.pids(now_s)
        moments = []
        for pid in pids:
            if pid not in self._processes:
                parent = self._tree.parents.get(pid, 0)
                fresh = self._whole or bool(self._looks)
                self._processes[pid] = Process(pid, parent, now_s, fresh)
            moment = self._processes[pid].look(now_s)
            if moment is None:
                self._gone.append(self._processes.pop(pid))
                self._tree.parents.pop(pid, None)
            else:
                moments.append(moment)
        if not moments:
            return False
        gained = [sum(values) for values in zip(*(m.gained for m in moments), strict=True)]
        io: dict[str, int] = {}
        for moment in moments:
            for name, value in moment.io.items():
                io[name] = io.get(name, 0) + value
        rss_bytes = sum(self._processes[p].rss_bytes for p in pids if p in self._processes)
        self._looks.append(
            Look(
                now_s, span_s, tuple(task for m in moments for task in m.tasks), gained[0],
                gained[1], int(gained[2]), int(gained[3]), rss_bytes,
                tuple(m.pid for m in moments if m.loads), io, counters.since(), gpu.busy(),
            )
        )  # fmt: skip
        self._peak_bytes = max(self._peak_bytes, rss_bytes)
        if process := self._processes.get(self._root):
            limits = counters.limits(self._peak_bytes, self._root, process.peak_mapped)
            self._limits = _nearest(self._limits, limits)
        return True

    def _touch(self, now_s: float) -> None:
        """See how quickly the busiest process goes through its memory, where that is cheap."""
        c = self._ceilings
        if now_s < self._touch_s or len(self._touches) >= MOST_TOUCHES:
            return
        if not (c.read_bytes_s and c.cache_bytes) or not self._looks:
            return
        look = self._looks[-1]
        busy: dict[int, float] = {}
        for task in look.tasks:
            busy[task.pid] = busy.get(task.pid, 0.0) + task.ran_s
        pid = max(busy, key=lambda one: busy[one], default=None)
        window_s = min(max(2.5 * c.cache_bytes / c.read_bytes_s, 0.002), 0.02)
        if pid is None or busy[pid] < BUSY * look.span_s:
            return
        if self._processes[pid].rss_bytes < c.cache_bytes:  # what fits a cache asks for no memory
            return
        cpu_s = time.thread_time()
        touch = touched.touched(pid, window_s, self._began_s)
        cost_s = time.thread_time() - cpu_s
        self._cost_s += cost_s
        if touch is None:
            self._touch_s = float("inf")
            self._missing["memory touched"] = "the kernel does not show it for this process"
            return
        self._touches.append(touch)
        self._touch_s = now_s + max(cost_s / TOUCH_COST, window_s / 0.05, now_s / MOST_TOUCHES)


def _nearest(old: tuple[Limited, ...], new: tuple[Limited, ...]) -> tuple[Limited, ...]:
    """Each limit with the highest peak that was seen of it."""
    peaks = {each.what: each.peak_bytes for each in old}
    seen = {each.what for each in new}
    kept = tuple(each for each in old if each.what not in seen)
    return kept + tuple(
        replace(each, peak_bytes=max(each.peak_bytes, peaks.get(each.what, 0.0))) for each in new
    )
