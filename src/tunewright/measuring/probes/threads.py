"""Threads and processes: who runs, who waits and for what, and what each process used."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import final

from tunewright.core.recording import Program, Task
from tunewright.measuring.probes.files import after, content, target
from tunewright.measuring.probes.tree import fields
from tunewright.measuring.probes.waits import Waits, interpreter

_AGAIN_S = 0.3  # a process may become another program, or load its interpreter late
_PAGE = os.sysconf("SC_PAGE_SIZE")
_HERTZ = os.sysconf("SC_CLK_TCK")
_IO = ("rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes")


@final
@dataclass
class Process:
    """One process between looks: what was read of it the last time."""

    pid: int
    parent: int
    first_s: float
    fresh: bool  # it began since the last look, so that all it used is news
    last_s: float = 0.0
    name: str = ""
    executable: str | None = None
    python: bool = False
    library: int = 0
    rss_bytes: int = 0
    peak_mapped: int = 0
    counters: tuple[float, ...] = ()
    io: tuple[int, ...] = ()
    schedule: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    _waits: Waits | None = None
    _identified_s: float = -1.0

    def look(self, now_s: float) -> Moment | None:
        """What came to it since the last look; None where it is gone."""
        text = content(f"/proc/{self.pid}/stat", 1024)
        if text is None:
            return None
        values = fields(text)
        if values[0] in (b"Z", b"X"):
            return None
        self._identify(text, now_s)
        old, io_old = self.counters, self.io
        self.counters = (
            int(values[11]) / _HERTZ, int(values[12]) / _HERTZ, int(values[7]), int(values[9]),
        )  # fmt: skip
        self.rss_bytes = int(values[21]) * _PAGE
        self.peak_mapped = max(self.peak_mapped, int(values[20]))
        io = content(f"/proc/{self.pid}/io")
        self.io = tuple(after(io, f"{name}: ".encode()) or 0 for name in _IO) if io else ()
        library = after(content(f"/proc/{self.pid}/status", 4096), b"VmLib:") or 0
        loads, self.library = library > self.library, library
        self.last_s = now_s
        zero = old or ((0,) * len(self.counters) if self.fresh else self.counters)
        gained = [new - before for new, before in zip(self.counters, zero, strict=True)]
        moved = [a - b for a, b in zip(self.io, io_old or self.io, strict=True)]
        return Moment(
            self.pid, tuple(self._tasks()), gained, dict(zip(_IO, moved, strict=False)), loads
        )

    def _tasks(self) -> list[Task]:
        assert self._waits is not None
        found, seen = [], {}
        try:
            names = os.listdir(f"/proc/{self.pid}/task")  # noqa: PTH208 - no Paths are needed
        except OSError:
            return []
        for name in names:
            tid = int(name)
            text = content(f"/proc/{self.pid}/task/{name}/stat", 512)
            if text is None:
                continue
            state = fields(text)[0].decode()
            if state in "ZX":
                continue
            if tid not in self.names:
                self.names[tid] = text[text.index(b"(") + 1 : text.rindex(b")")].decode(
                    errors="replace"
                )
            wait = None if state == "R" else self._waits.of(tid, state)
            words = (content(f"/proc/{self.pid}/task/{name}/schedstat", 128) or b"0 0 0").split()
            seen[tid] = (int(words[0]), int(words[1]), int(words[2]))
            began = self.fresh or self.schedule  # since the last look, where it was not seen then
            old = self.schedule.get(tid, (0, 0, 0) if began else seen[tid])
            ran, queued, slices = (max(a - b, 0) for a, b in zip(seen[tid], old, strict=True))
            found.append(
                Task(self.pid, tid, self.names[tid], wait, ran / 1e9, queued / 1e9, slices)
            )
        self.schedule = seen
        return found

    def _identify(self, text: bytes, now_s: float) -> None:
        executable = target(f"/proc/{self.pid}/exe")
        late = self._identified_s < _AGAIN_S <= now_s - self.first_s
        if executable == self.executable and self._waits is not None and not late:
            return
        self._identified_s = now_s - self.first_s
        self.executable = executable
        self.name = text[text.index(b"(") + 1 : text.rindex(b")")].decode(errors="replace")
        self.python, ranges = interpreter(self.pid)
        if self._waits is None:
            self._waits = Waits(self.pid)
        self._waits.gil = ranges if self.python else ()

    @property
    def program(self) -> Program:
        """What is told of it afterwards."""
        return Program(
            self.pid,
            self.parent,
            self.name,
            self.executable,
            self.python,
            self.first_s,
            self.last_s,
        )


@final
@dataclass(frozen=True)
class Moment:
    """One process at one look: its threads, and what came to its counters."""

    pid: int
    tasks: tuple[Task, ...]
    gained: list[float]
    io: dict[str, int]
    loads: bool
