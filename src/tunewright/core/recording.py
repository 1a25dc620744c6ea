"""Recordings: what a profile saw of a process tree, look by look. What was not measured is None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True)
class Wait:
    """What keeps a thread from running.

    kind: child, timer, network, pipe, read, write, sync, fault, lock, gil, device or other.
    key: what it waits at, where that can be told: an address, a descriptor.
    timed: whether it would give up by itself.
    """

    kind: str
    key: str = ""
    timed: bool = False


@final
@dataclass(frozen=True)
class Task:
    """One thread at one moment: ready to run (`wait` is None), or what it waits for.

    ran_s, queued_s: time on a core, and ready without one, since the look before. slices: how often
    it was put on a core since then.
    """

    pid: int
    tid: int
    name: str
    wait: Wait | None
    ran_s: float = 0.0
    queued_s: float = 0.0
    slices: int = 0


@final
@dataclass(frozen=True)
class Look:
    """The tree at one moment; counters count since the look before, `span_s` ago.

    loads: processes that mapped more code of libraries, or began. io: bytes and calls by the
    kernel's names. machine: seconds that somebody anywhere waited (cpu, memory, io), that were
    stolen or throttled, and huge pages that were made.
    """

    at_s: float
    span_s: float
    tasks: tuple[Task, ...]
    user_s: float = 0.0
    system_s: float = 0.0
    minor_faults: int = 0
    major_faults: int = 0
    rss_bytes: int = 0
    loads: tuple[int, ...] = ()
    io: Mapping[str, int] = field(default_factory=dict)
    machine: Mapping[str, float] = field(default_factory=dict)
    gpu: float | None = None


@final
@dataclass(frozen=True)
class Program:
    """One process that was seen: what it runs, who started it, and from when to when."""

    pid: int
    parent: int
    name: str
    executable: str | None
    python: bool
    first_s: float
    last_s: float


@final
@dataclass(frozen=True)
class Touch:
    """How many bytes of its memory a process touched in a moment, by the page tables' own marks."""

    at_s: float
    span_s: float
    touched_bytes: int
    rss_bytes: int
    ran_s: float


@final
@dataclass(frozen=True)
class Ceilings:
    """What this machine can do at most, measured: None where that was not possible or not asked.

    copy_bytes_s: read and written by one core. fault_s: for one page of memory that is new.
    """

    read_bytes_s: float | None = None
    copy_bytes_s: float | None = None
    fault_s: float | None = None
    huge_fault_s: float | None = None
    disk_read_bytes_s: float | None = None
    sync_s: float | None = None
    cache_bytes: int | None = None


@final
@dataclass(frozen=True)
class Limited:
    """A limit of memory, and how near the tree came to it; hits: refusals."""

    what: str
    limit_bytes: float
    peak_bytes: float
    hits: int = 0


@final
@dataclass(frozen=True)
class Recording:
    """Everything that was seen of a program. root: its first process.

    whole: it was watched from its start. missing: what could not be measured, and why.
    """

    root: int
    wall_s: float
    cores: float
    whole: bool
    looks: tuple[Look, ...]
    programs: tuple[Program, ...] = ()
    touches: tuple[Touch, ...] = ()
    limits: tuple[Limited, ...] = ()
    ceilings: Ceilings = Ceilings()
    missing: Mapping[str, str] = field(default_factory=dict)
    returncode: int | None = None
    cost_s: float = 0.0
