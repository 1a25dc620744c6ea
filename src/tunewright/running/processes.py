"""The executor that runs trials in worker processes of this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, final

from tunewright.core.events import Ended, Event, Progressed
from tunewright.core.roles import Resources, Stage, Workload
from tunewright.core.trial import Measurement, Outcome, Span, Trial
from tunewright.errors import InputError, StoreError, TrialFailed, TunewrightError
from tunewright.running import reaping
from tunewright.running.cache import BUDGET_BYTES, ArtifactCache, dumps
from tunewright.running.chain import artifact_key, divide
from tunewright.running.worker import Done, Task

_PAIR_SPARES = 10  # lean workers made ready before the pairs: five pairs, of two arms each
_LANE_SPARES = 2  # the same for new lanes
_FAILED_STARTS = 3  # in a row, before we give up
_GROWTH_BYTES = 2**30  # since a worker's first trial, before it is replaced
_MEMORY_EVERY_S = 0.2
_MEMORY_SHARE = 0.02  # of one core is what the look at the memory of the trees may cost
_MIB = 2**20


@final
@dataclass(eq=False)
class _Worker:
    """One worker process, its end of the connection, and what it does."""

    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    pidfd: int | None
    warming: int = 1  # messages "ready" that are still to come
    program: object = None  # the workload that it was sent, or whose tail
    job: _Job | None = None
    queued: _Job | None = None  # sent already, and begun as soon as `job` is done
    first_bytes: int = 0
    fresh: bool = False  # to be used once


def _warmed(worker: _Worker, modules: Sequence[str]) -> _Worker:
    """The worker, told to import these modules before its first trial."""
    if modules:
        worker.warming += 1
        with contextlib.suppress(OSError):  # a worker that is dead already is found so later
            worker.connection.send(tuple(modules))
    return worker


@final
@dataclass(eq=False)
class _Job:
    """A trial on its way. `head`: what a general worker made of the stages above a lane's tail."""

    trial: Trial
    workload: Workload
    above: tuple[Stage, ...]
    lean: bool  # its tail runs in a lane
    key: str  # of the artifact above the tail
    head: Measurement | None = None
    carried: bytes | None = None
    missed: bool = False
    sent: bool = False


@final
class ProcessExecutor:
    """Runs trials in worker processes, each the root of its own tree; none outlives the executor.

    Workers start in the background and import `warm` before their first trial. The tail of a trial
    with a lane runs in a lean worker of that lane, which loads nothing but the tail's stages: kept
    for a search, fresh for each arm of a pair. A trial that asks for the machine alone is not
    begun while a worker is still starting.

    clock: seconds of the study. memory_limit_mib: resident memory of a trial's process tree.
    """

    def __init__(  # noqa: PLR0913 - where, how many, whose clock, and three limits
        self,
        directory: Path,
        workers: int,
        clock: Callable[[], float],
        *,
        warm: Sequence[str] = (),
        memory_limit_mib: float | None = None,
        cache_bytes: int = BUDGET_BYTES,
    ) -> None:
        self._directory = directory.resolve()
        self._trials = self._directory / "trials"
        self._cache = ArtifactCache(self._directory / "artifacts", cache_bytes)
        self._size = workers
        self._clock = clock
        self._warm = tuple(warm)
        # Those with much to import start while the first trial runs: before, it would wait.
        self._least = 1 if self._warm else workers
        self._limit_bytes = memory_limit_mib and memory_limit_mib * _MIB
        self._look_s = 0.0  # when to look at the memory again
        self._lanes: dict[str, _Worker] = {}
        self._spares: list[_Worker] = []
        self._once: list[_Worker] = []
        self._jobs: list[_Job] = []
        self._events: list[Event] = []
        self._sessions: set[int] = set()  # of all workers ever
        self._failed_starts = 0
        self._closed = False
        self._adopted_before = reaping.adopt_orphans()
        self._general: list[_Worker] = []
        try:
            self._fill(self._least)
        except BaseException:  # Ctrl-C, a full disk: nobody else could close what was started
            self.close()
            raise

    def free(self) -> Resources:
        """As many trials as workers, less those under way."""
        return Resources(max(0, self._size - len(self._jobs)), self._size)

    def submit(self, trial: Trial, workload: Workload) -> None:
        """Start a trial as soon as a worker is free."""
        try:
            above, tail = divide(workload.stages, trial.fidelity.through)
        except InputError as error:
            self._end(trial, Measurement(Outcome.REJECTED, detail=str(error)))
            return
        self._prepare_spares(trial, workload)
        key = artifact_key(workload, above, trial.config, trial.fidelity)
        self._jobs.append(_Job(trial, workload, above, bool(trial.lane and tail), key))
        self._dispatch()

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Events since the last call, waiting at most `timeout_s` for the first."""
        deadline_s = time.monotonic() + timeout_s
        while self._jobs and not self._events:
            remaining_s = max(0.0, deadline_s - time.monotonic())
            pause_s = min(remaining_s, _MEMORY_EVERY_S) if self._limit_bytes else remaining_s
            by_handle: dict[Any, _Worker] = {}
            for worker in self._workers():
                by_handle[worker.connection] = worker
                if worker.pidfd is not None:
                    by_handle[worker.pidfd] = worker
            for worker in {by_handle[handle] for handle in wait(list(by_handle), pause_s)}:
                self._listen(worker)
            self._check_memory()
            self._dispatch()
            if remaining_s == 0:
                break
        events, self._events = self._events, []
        return events

    def cancel(self, number: int, attempt: int) -> None:
        """Kill a trial with all its processes; its worker is replaced."""
        gone = (number, attempt)
        for job in [j for j in self._jobs if (j.trial.number, j.trial.attempt) == gone]:
            if worker := self._worker_of(job):
                self._discard(worker)
            self._drop(job)
        self._events = [
            event
            for event in self._events
            if not isinstance(event, Ended) or (event.number, event.attempt) != gone
        ]

    def close(self) -> None:
        """Kill everything; no process is left. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._jobs.clear()
        self._events.clear()
        for worker in self._workers():
            self._discard(worker)
        reaping.kill_adopted(self._directory, self._sessions, ())
        reaping.adopt_orphans(self._adopted_before)
        shutil.rmtree(self._trials, ignore_errors=True)

    # Workers

    def _workers(self) -> list[_Worker]:
        return [*self._general, *self._lanes.values(), *self._spares, *self._once]

    def _worker_of(self, job: _Job) -> _Worker | None:
        return next((worker for worker in self._workers() if worker.job is job), None)

    def _start(self) -> _Worker:
        """A bare worker: interpreter and core, nothing of the workload."""
        ours, theirs = socket.socketpair()
        cache = self._cache
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
                env={**os.environ, reaping.COOKIE: reaping.cookie(self._directory)},
                start_new_session=True,  # Ctrl-C goes to the driver alone
            )
        self._sessions.add(process.pid)
        pidfd = None
        with contextlib.suppress(AttributeError, OSError):  # Linux; elsewhere its end of file tells
            pidfd = os.pidfd_open(process.pid)
        return _Worker(process, Connection(ours.detach()), pidfd)

    def _start_general(self) -> _Worker:
        return _warmed(self._start(), self._warm)

    def _prepare_spares(self, trial: Trial, workload: Workload) -> None:
        """Start lean workers ahead of need, while nothing is timed."""
        if not any(knob.own_process for stage in workload.stages for knob in stage.knobs):
            return
        timed = any(job.trial.exclusive for job in self._jobs)
        if timed or (trial.exclusive and (self._spares or trial.purpose.kind == "search")):
            return
        first = trial.purpose.kind == "refit"  # they start beside it; later ones keep pairs waiting
        wanted = _PAIR_SPARES if first else _LANE_SPARES
        _, tail = divide(workload.stages, workload.stages[-1].name)
        modules = tuple({type(stage).__module__ for stage in tail} - {"__main__"})
        for _ in range(wanted - len(self._spares)):
            self._spares.append(_warmed(self._start(), modules))

    @property
    def _log(self) -> Path:
        """Where workers print."""
        return self._directory / "workers.log"

    def _lean(self, trial: Trial) -> _Worker | None:
        """The lean worker for this trial's tail, or None while it has other work."""
        fresh = trial.purpose.kind == "pair"
        if not fresh and trial.lane in self._lanes:
            worker = self._lanes[trial.lane]
            return None if worker.job else worker
        worker = self._spares.pop(0) if self._spares else self._start()
        worker.fresh = fresh
        if fresh:
            self._once.append(worker)
        else:
            self._lanes[trial.lane] = worker
        return worker

    def _discard(self, worker: _Worker) -> None:
        """Kill a worker and everything below it; start another where it leaves a gap."""
        if worker.fresh and not worker.job:
            worker.process.kill()  # it has killed what it started, and the next pair is waiting
        else:
            reaping.kill_tree(worker.process.pid)
        worker.process.wait()
        worker.connection.close()
        if worker.pidfd is not None:
            os.close(worker.pidfd)
        for workers in (self._general, self._spares, self._once):
            if worker in workers:
                workers.remove(worker)
        self._lanes = {lane: kept for lane, kept in self._lanes.items() if kept is not worker}
        if worker.queued:
            worker.queued.sent = False
        if self._closed:
            return
        if worker.job:
            alive = [kept.process.pid for kept in self._workers()]
            reaping.kill_adopted(self._directory, self._sessions, alive)
        self._fill(self._least)

    def _fill(self, count: int) -> None:
        """Start the general workers that are missing to this number."""
        while len(self._general) < count:
            self._general.append(self._start_general())

    # Trials

    def _dispatch(self) -> None:
        """Send every trial that can begin."""
        for job in [job for job in self._jobs if not job.sent]:
            if job.trial.exclusive and any(j.sent and j.trial.exclusive for j in self._jobs):
                self._queue(job)
                continue
            worker = self._worker_of(job) or self._assign(job)
            if worker is None:
                continue
            general = worker in self._general
            quiet = job.trial.exclusive and not (general and job.lean)
            if quiet and any(other.warming for other in self._workers()):
                continue
            self._send(worker, job, tail_only=not general)
        if not self._general[0].warming and any(not job.trial.exclusive for job in self._jobs):
            self._fill(self._size)

    def _queue(self, job: _Job) -> None:
        """Send a trial ahead to the worker of its lane, which then need not ask for it."""
        worker = self._lanes.get(job.trial.lane) if job.lean else None
        if (
            worker is None
            or worker.job is None
            or worker.queued
            or job.trial.purpose.kind == "pair"
        ):
            return
        if worker.job.sent and job.key in self._cache and not job.missed:
            worker.queued = job
            self._send(worker, job, tail_only=True)

    def _assign(self, job: _Job) -> _Worker | None:
        """Find a worker for the next part of a trial, or None while all have other work."""
        available = job.head or not job.key or (job.key in self._cache and not job.missed)
        if job.lean and available:
            worker = self._lean(job.trial)
        else:
            idle = [worker for worker in self._general if worker.job is None]
            worker = min(idle, key=lambda worker: worker.warming, default=None)
        if worker:
            worker.job = job
        return worker

    def _send(self, worker: _Worker, job: _Job, *, tail_only: bool) -> None:
        trial, program = job.trial, None
        try:
            if worker.program is not job.workload:
                _, tail = divide(job.workload.stages, job.workload.stages[-1].name)
                program = dumps(tail if tail_only else job.workload)
        except TrialFailed as error:
            worker.job, worker.queued = (worker.job, None) if worker.queued is job else (None, None)
            self._drop(job)
            self._end(trial, Measurement(Outcome.CRASHED, detail=f"the workload {error}"))
            return
        task = Task(trial, "chain", program, self._place(trial), time.monotonic() - self._clock())
        if tail_only:
            task = replace(task, part="tail", upstream=job.key, carried=job.carried)
        elif job.lean and job.above:
            fidelity = replace(trial.fidelity, through=job.above[-1].name)
            task = replace(task, trial=replace(trial, fidelity=fidelity))
            task = replace(task, carry="always" if job.missed else "uncached")
        try:
            worker.connection.send(task)
        except OSError:  # it died: no attempt was made yet, and of what it ran we hear soon
            if worker.queued is job:
                worker.queued = None
                return
            worker.job = None
            self._discard(worker)
            return
        worker.program = job.workload
        job.sent = True

    def _listen(self, worker: _Worker) -> None:
        """Take in what a worker has sent, or its death."""
        try:
            while worker.connection.poll(0):
                message = worker.connection.recv()
                if message is None:
                    worker.warming -= 1
                    self._failed_starts = 0
                elif isinstance(message, Done):
                    self._done(worker, message)
                    return
                elif isinstance(message, StoreError):
                    raise message
                elif isinstance(message, str) and worker.job:
                    trial = worker.job.trial
                    self._events.append(
                        Progressed(self._clock(), trial.number, trial.attempt, message)
                    )
            if worker.process.poll() is None:
                return
        except (EOFError, OSError):
            pass
        self._died(worker)

    def _done(self, worker: _Worker, done: Done) -> None:
        job = worker.job
        if job is None:  # unreachable: a worker whose trial was cancelled is killed
            return
        worker.first_bytes = worker.first_bytes or done.rss_bytes
        grown = done.rss_bytes - worker.first_bytes > _GROWTH_BYTES
        measurement = done.measurement
        if done.missing:  # evicted or corrupt: make it again, and do not go by the cache
            job.sent, job.missed, job.head = False, True, None
        elif job.lean and worker in self._general and measurement.outcome is Outcome.OK:
            job.sent, job.head, job.carried = False, measurement, done.carried
            job.key = measurement.key
        else:
            self._drop(job)
            self._end(job.trial, self._merged(job, measurement, worker))
        cancelled = worker.queued is not None and worker.queued not in self._jobs
        worker.job = None
        if worker.fresh or grown or cancelled or measurement.outcome is Outcome.OUT_OF_MEMORY:
            self._discard(worker)
        else:
            worker.job, worker.queued = worker.queued, None

    def _merged(self, job: _Job, measurement: Measurement, worker: _Worker) -> Measurement:
        """The measurement of a tail, completed by what happened above it."""
        if worker in self._general:
            return measurement
        start_s = measurement.spans[0].start_s if measurement.spans else self._clock()
        cached = tuple(Span(stage.name, start_s, start_s, cached=True) for stage in job.above)
        above = job.head.spans if job.head else cached
        return replace(measurement, spans=(*above, *measurement.spans), key=job.key)

    def _died(self, worker: _Worker) -> None:
        job, pid = worker.job, worker.process.pid
        if worker.warming:
            self._failed_starts += 1
        self._discard(worker)
        code = worker.process.returncode
        how = f"killed ({signal.strsignal(-code)})" if code < 0 else f"gone with status {code}"
        if self._failed_starts >= _FAILED_STARTS:
            last = (self._log.read_text(errors="replace").strip().splitlines() or [""])[-1]
            raise TunewrightError(f"worker processes cannot start ({how}); {self._log}: {last}")
        if job:
            self._drop(job)
            detail = f"its worker process {pid} was {how}"
            self._end(job.trial, Measurement(Outcome.LOST, detail=detail))

    def _check_memory(self) -> None:
        """Kill the trials whose process tree is beyond the limit."""
        if not self._limit_bytes or time.monotonic() < self._look_s:
            return
        start_s = time.monotonic()
        for worker in [worker for worker in self._workers() if worker.job]:
            job, used = worker.job, reaping.tree_bytes(worker.process.pid)
            if job and used > self._limit_bytes:
                self._discard(worker)
                self._drop(job)
                text = (
                    f"used {used / _MIB:.0f} MiB; the limit is {self._limit_bytes / _MIB:.0f} MiB"
                )
                self._end(job.trial, Measurement(Outcome.OUT_OF_MEMORY, detail=text))
        now_s = time.monotonic()
        self._look_s = now_s + max(_MEMORY_EVERY_S, (now_s - start_s) / _MEMORY_SHARE)

    def _drop(self, job: _Job) -> None:
        self._jobs.remove(job)
        shutil.rmtree(self._place(job.trial), ignore_errors=True)

    def _place(self, trial: Trial) -> Path:
        return self._trials / f"{trial.number}-{trial.attempt}"

    def _end(self, trial: Trial, measurement: Measurement) -> None:
        self._events.append(Ended(self._clock(), trial.number, trial.attempt, measurement))
