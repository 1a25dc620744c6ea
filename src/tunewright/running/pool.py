"""The worker processes of one study: started ahead of need, replaced when worn, killed as trees."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, final

from tunewright.errors import TunewrightError
from tunewright.running import reaping
from tunewright.running.cache import ArtifactCache

_FAILED_STARTS = 3  # in a row, before we give up


class State(Enum):
    """What a worker is doing. STARTING → IDLE ⇄ BUSY, and from each to GONE."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    GONE = "gone"


class Use(Enum):
    """What a worker is for: any trial, those of one lane, one trial alone, or none of them yet."""

    GENERAL = "general"
    LANE = "lane"
    ONCE = "once"
    SPARE = "spare"


@final
@dataclass(eq=False)
class Worker:
    """One worker process and our end of the connection to it.

    messages: what it still has to answer before it is ready. imports: what it loads before its
    first trial. program: what it was sent last.
    """

    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    pidfd: int | None
    use: Use
    lane: str = ""
    state: State = State.STARTING
    messages: int = 1
    imports: frozenset[str] = frozenset()
    program: object = None
    first_bytes: int = 0

    @property
    def pid(self) -> int:
        """Its process, the root of its own tree."""
        return self.process.pid

    @property
    def handles(self) -> list[Any]:
        """What to wait for: a message, or its end."""
        return [self.connection] if self.pidfd is None else [self.connection, self.pidfd]

    def warm(self, modules: Sequence[str]) -> None:
        """Let it import these modules before its first trial."""
        if modules:
            self.messages += 1
            self.imports |= frozenset(modules)
            with contextlib.suppress(OSError):  # one that is dead already is found so later
                self.connection.send(tuple(modules))

    def ready(self) -> None:
        """It has answered one message."""
        self.messages -= 1
        if not self.messages and self.state is State.STARTING:
            self.state = State.IDLE

    @property
    def how_it_ended(self) -> str:
        """How a process that is gone came to its end."""
        code = self.process.returncode
        return f"killed ({signal.strsignal(-code)})" if code < 0 else f"gone with status {code}"


@final
@dataclass
class Pool:
    """Worker processes, each the root of its own tree; none outlives the pool.

    General workers import `warm` before their first trial; at least `least` of them are kept.
    Lean ones load nothing but what they run: kept for a lane, or used once.
    """

    directory: Path
    cache: ArtifactCache
    warm: tuple[str, ...]
    least: int
    workers: list[Worker] = field(default_factory=list)
    _sessions: set[int] = field(default_factory=set)  # of all workers ever
    _failed_starts: int = 0
    _closed: bool = False
    _adopted_before: bool = field(default_factory=reaping.adopt_orphans)

    def of(self, use: Use) -> list[Worker]:
        """The workers for this use."""
        return [worker for worker in self.workers if worker.use is use]

    @property
    def starting(self) -> bool:
        """Whether some worker is not ready yet: nothing is timed beside it."""
        return any(worker.state is State.STARTING for worker in self.workers)

    def fill(self, count: int) -> None:
        """Start the general workers that are missing to this number."""
        for _ in range(count - len(self.of(Use.GENERAL))):
            self._start(Use.GENERAL).warm(self.warm)

    def general(self) -> Worker | None:
        """A general worker without work, a ready one if there is one."""
        free = [worker for worker in self.of(Use.GENERAL) if worker.state is not State.BUSY]
        return min(free, key=lambda worker: worker.messages, default=None)

    def lean(self, lane: str, modules: Sequence[str] = (), *, once: bool) -> Worker | None:
        """A worker that has done nothing else, or the lane's; None while that has other work.

        It loads these modules first, and has loaded no others. Asked again before it was sent
        anything, it gives the same one.
        """
        wanted = frozenset(modules)
        if not once:
            for worker in self.of(Use.LANE):
                if worker.lane == lane:
                    return None if worker.state is State.BUSY else worker
        for worker in self.of(Use.ONCE) if once else ():
            if worker.state is not State.BUSY and worker.imports == wanted:
                return worker
        spares = [worker for worker in self.of(Use.SPARE) if worker.imports <= wanted]
        most = max(spares, key=lambda spare: len(spare.imports), default=None)
        worker = most or self._start(Use.SPARE)
        worker.warm([name for name in modules if name not in worker.imports])
        worker.use, worker.lane = (Use.ONCE, "") if once else (Use.LANE, lane)
        return worker

    def spares(self, modules: Sequence[str]) -> list[Worker]:
        """The spares that load these modules and no others."""
        return [worker for worker in self.of(Use.SPARE) if worker.imports == frozenset(modules)]

    def prepare(self, count: int, modules: Sequence[str]) -> None:
        """Start spares that load these modules until there are so many of them."""
        for _ in range(count - len(self.spares(modules))):
            self._start(Use.SPARE).warm(modules)

    def answered(self) -> None:
        """Some worker has started well."""
        self._failed_starts = 0

    def discard(self, worker: Worker, *, clean: bool = False) -> None:
        """Kill a worker and everything below it, and fill the gap that it leaves.

        clean: it has ended its work, and has killed itself what it started.
        """
        if worker not in self.workers:
            return
        if clean:
            worker.process.kill()
        else:
            reaping.kill_tree(worker.pid)
        worker.process.wait()
        worker.connection.close()
        if worker.pidfd is not None:
            os.close(worker.pidfd)
        self.workers.remove(worker)
        busy, worker.state = worker.state is State.BUSY, State.GONE
        if not self._closed:
            if busy and not clean:
                self._kill_adopted(kept.pid for kept in self.workers)
            self.fill(self.least)

    def died(self, worker: Worker) -> None:
        """Take a dead worker away. Raises TunewrightError when too many die as they start."""
        if worker.state is State.STARTING:
            self._failed_starts += 1
        self.discard(worker)
        if self._failed_starts >= _FAILED_STARTS:
            last = (self._log.read_text(errors="replace").strip().splitlines() or [""])[-1]
            how = worker.how_it_ended
            raise TunewrightError(f"worker processes cannot start ({how}); {self._log}: {last}")

    def close(self) -> None:
        """Kill everything; no process is left. May be called twice."""
        if self._closed:
            return
        self._closed = True
        for worker in [*self.workers]:
            self.discard(worker)
        self._kill_adopted(())
        reaping.adopt_orphans(self._adopted_before)

    @property
    def _log(self) -> Path:
        """Where workers print."""
        return self.directory / "workers.log"

    def _kill_adopted(self, keep: Iterable[int]) -> None:
        reaping.kill_adopted(self.directory, self._sessions, [*keep])

    def _start(self, use: Use) -> Worker:
        """A bare worker: interpreter and core, nothing of the workload."""
        ours, theirs = socket.socketpair()
        cache = self.cache
        arguments = (theirs.fileno(), os.getpid(), str(cache.directory), cache.budget_bytes)
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from {reaping.WORKER} import main; main{arguments!r}"
        )
        with theirs, self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, reaping.COOKIE: reaping.cookie(self.directory)},
                start_new_session=True,  # Ctrl-C goes to the driver alone
            )
        self._sessions.add(process.pid)
        pidfd = None
        with contextlib.suppress(AttributeError, OSError):  # Linux; elsewhere its end of file tells
            pidfd = os.pidfd_open(process.pid)
        worker = Worker(process, Connection(ours.detach()), pidfd, use)
        self.workers.append(worker)
        return worker
