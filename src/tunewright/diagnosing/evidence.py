"""Evidence: where the time of a recording went, in shares, folded once and read by every rule."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import final

from tunewright.core.recording import Look, Recording, Task

# Programs that start another one and wait for it: what limits them is what limits that one.
STARTERS = frozenset({
    "sh", "bash", "dash", "zsh", "ksh", "fish", "busybox", "timeout", "nice", "ionice", "env",
    "sudo", "su", "time", "setsid", "taskset", "numactl", "nohup", "stdbuf", "strace", "make",
    "xargs", "uv", "poetry", "conda", "mpirun", "mpiexec", "torchrun", "xvfb-run", "tini",
    "docker-init", "catchsegv", "script", "flock", "chrt", "prlimit", "npm", "npx", "go", "cargo",
})  # fmt: skip
OUTSIDE = (
    "sync",
    "write",
    "read",
    "fault",
    "network",
    "device",
    "timer",
)  # waits that end from outside
HANDED = ("lock", "pipe")  # waits for another thread or process of the same program
MEMBER = 0.03  # of the time: a thread that waits less at a lock is not one of those who share it


@final
@dataclass(frozen=True)
class Evidence:
    """A recording, and what it says when read by looks, threads and locks."""

    recording: Recording

    @cached_property
    def wall_s(self) -> float:
        """The time that the looks stand for."""
        return sum(look.span_s for look in self.looks)

    @cached_property
    def looks(self) -> tuple[Look, ...]:
        """The looks that have something to be told from: the first one only starts the counters."""
        return tuple(look for look in self.recording.looks[1:] if look.span_s > 0)

    @property
    def cores(self) -> float:
        """Cores that the program may use."""
        return self.recording.cores

    @cached_property
    def programs(self) -> dict[int, str]:
        """Process → name."""
        return {each.pid: each.name for each in self.recording.programs}

    @cached_property
    def _parents(self) -> dict[int, int]:
        return {each.pid: each.parent for each in self.recording.programs}

    def share(self, holds: Callable[[Look], bool]) -> float:
        """The share of the time in which something holds."""
        if not self.wall_s:
            return 0.0
        return sum(look.span_s for look in self.looks if holds(look)) / self.wall_s

    def total(self, of: Callable[[Look], float]) -> float:
        """What a counter came to."""
        return sum(of(look) for look in self.looks)

    @cached_property
    def user_s(self) -> float:
        """Processor time in the program itself."""
        return self.total(lambda look: look.user_s)

    @cached_property
    def system_s(self) -> float:
        """Processor time in the kernel."""
        return self.total(lambda look: look.system_s)

    @cached_property
    def ran_s(self) -> float:
        """Processor time by the scheduler's clock, which is finer than ticks."""
        return self.total(lambda look: sum(task.ran_s for task in look.tasks))

    @cached_property
    def cpu_s(self) -> float:
        """Processor time of the tree, by whichever clock saw more of it."""
        return max(self.user_s + self.system_s, self.ran_s)

    @cached_property
    def system_share(self) -> float:
        """The kernel's part of the processor time."""
        ticks = self.user_s + self.system_s
        return self.system_s / ticks if ticks > 0 else 0.0

    @cached_property
    def busy(self) -> float:
        """Cores that were busy with it on average."""
        return self.cpu_s / self.wall_s if self.wall_s else 0.0

    @cached_property
    def queued(self) -> float:
        """Of the time in which threads could run, the share in which they had no core."""
        queued_s = self.total(lambda look: sum(task.queued_s for task in look.tasks))
        return queued_s / (self.ran_s + queued_s) if self.ran_s + queued_s > 0 else 0.0

    @cached_property
    def slices(self) -> float:
        """How often a second a thread was put on a core."""
        count = self.total(lambda look: sum(task.slices for task in look.tasks))
        return count / self.wall_s if self.wall_s else 0.0

    @cached_property
    def slice_s(self) -> float:
        """How long a thread ran at a time, on average."""
        return self.busy / self.slices if self.slices else float("inf")

    def machine(self, name: str) -> float | None:
        """What a counter of the whole machine came to; None where it is not shown."""
        if not any(name in look.machine for look in self.looks):
            return None
        return self.total(lambda look: look.machine.get(name, 0.0))

    def io(self, name: str) -> int:
        """What a counter of reading and writing came to."""
        return round(self.total(lambda look: look.io.get(name, 0)))

    def lead(self, look: Look) -> Task | None:
        """The thread that everything waits for in the end: the first of the program itself."""
        mains = {task.pid: task for task in look.tasks if task.tid == task.pid}
        pid = self.recording.root
        while self.programs.get(pid, "") in STARTERS:
            below = [one for one in mains if self._parents.get(one) == pid]
            if not below:
                break
            pid = min(below)
        return mains.get(pid)

    @cached_property
    def kinds(self) -> dict[str, float]:
        """Where the wall time goes: "cpu" while anything can run, else what is waited for."""
        counted: Counter[str] = Counter()
        for look in self.looks:
            counted[self._kind(look)] += look.span_s  # type: ignore[assignment]  # seconds
        return self._corrected({k: span_s / self.wall_s for k, span_s in counted.items()}, "cpu")

    def _corrected(self, kinds: dict[str, float], runs: str) -> dict[str, float]:
        """The shares, with no more for running than the scheduler says was possible.

        A thread that is woken thousands of times a second is seen as ready more often than it is.
        """
        seen = kinds.get(runs, 0.0)
        queued_s = self.total(lambda look: sum(task.queued_s for task in look.tasks))
        possible = (self.cpu_s + queued_s) / self.wall_s
        if not self.ran_s or seen <= possible or seen >= 1:
            return kinds
        return {
            kind: possible if kind == runs else share * (1 - possible) / (1 - seen)
            for kind, share in kinds.items()
        }

    def _kind(self, look: Look) -> str:
        if active(look):
            return "cpu"
        lead = self.lead(look)
        if lead is not None and lead.wait is not None and lead.wait.kind in (*OUTSIDE, "child"):
            return lead.wait.kind
        waits = {task.wait.kind for task in look.tasks if task.wait is not None}
        return next((kind for kind in OUTSIDE if kind in waits), "lock" if waits else "other")

    @cached_property
    def lead_waits(self) -> dict[str, float]:
        """What the leading thread waits for, in shares of the wall time; "" while it can run."""
        counted: Counter[str] = Counter()
        for look in self.looks:
            lead = self.lead(look)
            kind = "gone" if lead is None else lead.wait.kind if lead.wait else ""
            counted[kind] += look.span_s  # type: ignore[assignment]  # seconds
        return self._corrected({k: span_s / self.wall_s for k, span_s in counted.items()}, "")

    @cached_property
    def lead_ran(self) -> float:
        """The share of the time in which the leading thread had a core."""
        ran_s = self.total(lambda look: lead.ran_s if (lead := self.lead(look)) else 0.0)
        return min(ran_s / self.wall_s, 1.0) if self.wall_s else 0.0

    @cached_property
    def runs(self) -> dict[int, float]:
        """Thread → its part of all processor time."""
        counted: dict[int, float] = {}
        for look in self.looks:
            for task in look.tasks:
                counted[task.tid] = counted.get(task.tid, 0.0) + task.ran_s
        return {tid: ran_s / self.ran_s for tid, ran_s in counted.items()} if self.ran_s else {}

    @cached_property
    def single(self) -> float:
        """The share of the time in which exactly one thread could run."""
        return self.share(lambda look: len(active(look)) == 1)

    @cached_property
    def parallel(self) -> float:
        """The share of the time in which several threads could run, once the code was loaded."""
        begin_s = self.loading * self.recording.wall_s
        return self.share(lambda look: look.at_s > begin_s and len(active(look)) > 1)

    @cached_property
    def gil(self) -> float:
        """The share of the time in which a thread held Python's lock and another waited for it."""

        def held(look: Look) -> bool:
            waiting = {task.pid for task in look.tasks if task.wait and task.wait.kind == "gil"}
            return any(task.pid in waiting for task in active(look))

        return self.share(held)

    @cached_property
    def lock(self) -> tuple[float, int]:
        """The share of the time in which one thread kept others from what they share, and how many.

        A lock is known by its turns: those who wait at it are at other times the one who does not.
        A pool that waits for work looks alike but for this: who works then is always another.
        """
        waits: dict[str, dict[int, float]] = {}
        for look in self.looks:
            for task in look.tasks:
                if task.wait is not None and task.wait.kind == "lock":
                    at = waits.setdefault(task.wait.key, {})
                    at[task.tid] = at.get(task.tid, 0.0) + look.span_s
        best = (0.0, 0)
        for key, spans in waits.items():
            members = {tid for tid, span_s in spans.items() if span_s >= MEMBER * self.wall_s}
            if len(members) >= 2:
                share = self._turns(members, functools.partial(at_key, key))
                best = max(best, (share, len(members)))
        by_process: dict[int, dict[int, float]] = {}
        for look in self.looks:
            for task in look.tasks:
                if task.wait is not None and task.wait.kind == "lock":
                    spans = by_process.setdefault(task.pid, {})
                    spans[task.tid] = spans.get(task.tid, 0.0) + look.span_s
        for spans in by_process.values():
            # Some languages let each thread wait at a place of its own: then turns alone tell.
            members = {
                tid for tid, span_s in spans.items()
                if span_s >= 0.2 * self.wall_s and self.runs.get(tid, 0.0) > 0.1
            }  # fmt: skip
            if len(members) >= 2:
                share = self._turns(
                    members, lambda t: bool(t.wait and t.wait.kind == "lock"), alone=True
                )
                best = max(best, (share, len(members)))
        return best

    def _turns(
        self, members: set[int], waits: Callable[[Task], bool], *, alone: bool = False
    ) -> float:
        """The share of the time in which somebody waits and somebody works, if they take turns.

        A lock need not be fair: who has it may keep it to the end, and then never waits itself.
        alone: several of those who work at once are no turns, but a pool.
        """
        span_s, members_s, several_s, turns = 0.0, 0.0, 0.0, Counter[int]()
        for look in self.looks:
            waiting = {task.pid for task in look.tasks if task.tid in members and waits(task)}
            free = [t for t in look.tasks if t.pid in waiting and not waits(t) and _holds(t)]
            if free:
                span_s += look.span_s
                several_s += look.span_s * (len(free) > 1)
                members_s += look.span_s * any(task.tid in members for task in free)
                turns.update(task.tid for task in free)
        total = sum(turns.values())
        if total < 4 or members_s < TURNS * span_s or turns.most_common(1)[0][1] > 0.8 * total:
            return 0.0
        if alone and several_s > 0.1 * span_s:
            return 0.0
        return span_s / self.wall_s

    @cached_property
    def starved(self) -> tuple[float, float]:
        """How long the thread that works waits to be handed something, and the cores busy then.

        It waits while one other thread or process makes what it needs, and that one hardly ever
        waits for it; nor is it a command that it started, nor one pool that answers a call.
        """
        # Of the leading thread alone: another one that waits for the leading one is a pool at rest.
        lead = self.lead(self.looks[-1]) if self.looks else None
        if lead is None or self.runs.get(lead.tid, 0.0) * self.busy < MEMBER:
            return 0.0, 0.0
        return self._starved(lead.tid)

    def _starved(self, tid: int) -> tuple[float, float]:
        waiting_s = working_s = overlap_s = busy_s = 0.0
        makers: Counter[int] = Counter()
        begins, worked = 0, True
        for look in self.looks:
            mine = next((task for task in look.tasks if task.tid == tid), None)
            if mine is None:
                continue
            begins, worked = begins + (mine.wait is None and not worked), mine.wait is None
            others = [t for t in look.tasks if t.tid != tid and _holds(t)]
            if mine.wait is None:
                working_s += look.span_s
                overlap_s += look.span_s if others else 0.0
            elif mine.wait.kind in HANDED and others:
                waiting_s += look.span_s
                busy_s += look.span_s * len(active(look))
                makers.update(t.tid for t in others)
        if not waiting_s or begins < BEGINS:
            return 0.0, 0.0
        one = makers.most_common(1)[0][1] > 0.9 * sum(makers.values())
        ahead = working_s > 0 and overlap_s > 0.3 * working_s
        busy = busy_s / waiting_s
        if not (one or ahead) or busy > 0.9 * self.cores:
            return 0.0, busy
        return waiting_s / self.wall_s, busy

    @cached_property
    def child(self) -> float:
        """The share of the time in which the leading thread waits for a command that it started.

        A pool of processes that work side by side is none; the same program forked is a pool, too.
        """
        programs = {each.pid: each for each in self.recording.programs}

        def waits(look: Look) -> bool:
            lead = self.lead(look)
            if lead is None or lead.wait is None:
                return False
            below = {task.pid for task in look.tasks if task.pid != lead.pid}
            if lead.wait.kind == "child":
                return len({task.pid for task in active(look)}) <= 1
            if lead.wait.kind != "pipe" or lead.pid not in programs:
                return False
            brief = [p for p in below if p in programs and self._brief(programs[p].pid)]
            other = [
                p for p in below
                if p in programs and programs[p].executable != programs[lead.pid].executable
            ]  # fmt: skip
            return bool(brief or other) and len({task.pid for task in active(look)}) <= 1

        return self.share(waits)

    def _brief(self, pid: int) -> bool:
        each = next(one for one in self.recording.programs if one.pid == pid)
        return each.last_s - each.first_s < 0.5 * self.wall_s

    @cached_property
    def loading(self) -> float:
        """The share of the time until the program had loaded its code, where its start was seen."""
        if not self.recording.whole or not self.looks:
            return 0.0
        until_s = before_s = 0.0
        for look in self.looks:
            lead = self.lead(look)
            if before_s - until_s > max(PAUSE_S, PAUSE_SHARE * until_s):
                break
            if lead is not None and lead.pid in look.loads:
                until_s = look.at_s
            before_s = look.at_s  # what was loaded since then may have been at any moment
        return min(until_s / self.recording.wall_s, 1.0)

    @cached_property
    def faulted_s(self) -> float | None:
        """What new pages cost that did not make the program larger, by the cost of one measured."""
        c = self.recording.ceilings
        if c.fault_s is None:
            return None
        page, grown = 4096, max((look.rss_bytes for look in self.looks), default=0)
        faults = self.total(lambda look: look.minor_faults)
        huge = self.machine("huge") or 0.0
        huge = min(huge, faults)
        small = max(faults - huge - grown / page * (huge < grown / 2**21), 0.0)
        huge = max(huge - grown / 2**21, 0.0)
        return small * c.fault_s + huge * (c.huge_fault_s or 0.0)

    @cached_property
    def streaming(self) -> tuple[float, float, int]:
        """Of the windows in which memory was watched: the share at the ceiling, the rate, how many.

        The rate is the median, in bytes a second of each core that was busy then.
        """
        c = self.recording.ceilings
        rates = [
            touch.touched_bytes / touch.span_s / max(min(touch.ran_s / touch.span_s, self.cores), 1)
            for touch in self.recording.touches
            if touch.span_s > 0
            if touch.touched_bytes > BEYOND * (c.cache_bytes or 0)
        ]
        watched = len(self.recording.touches)
        if not rates or not c.read_bytes_s:
            return 0.0, 0.0, watched
        full = sum(rate >= STREAMS * c.read_bytes_s for rate in rates)
        return full / watched, sorted(rates)[len(rates) // 2], watched


TURNS = 0.25  # of the waiting: so much of it must be for one who waits at other times
BEGINS = 5  # how often a thread must begin to work anew: less is a pool that was started once
PAUSE_S = 0.3  # a program that loads nothing for so long has begun its work …
PAUSE_SHARE = 0.5  # … or for so much of the time that it had been loading: code runs meanwhile
STREAMS = 0.4  # of one core's reading: what also computes, or writes, reaches about half of it
BEYOND = 1.25  # of the cache: what touches less in a moment may find it there


def active(look: Look) -> list[Task]:
    """The threads that can run."""
    return [task for task in look.tasks if task.wait is None]


def at_key(key: str, task: Task) -> bool:
    """Whether a thread waits at this lock."""
    return task.wait is not None and task.wait.kind == "lock" and task.wait.key == key


def _holds(task: Task) -> bool:
    """Whether a thread does something that others may have to wait for."""
    return task.wait is None or task.wait.kind in (*OUTSIDE, "gil")


def shares(kinds: dict[str, float], names: Iterable[str]) -> float:
    """Several kinds together."""
    return sum(kinds.get(name, 0.0) for name in names)
