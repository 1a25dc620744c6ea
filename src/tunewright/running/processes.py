"""The executor that runs trials in worker processes of this machine."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from multiprocessing.connection import wait
from pathlib import Path
from typing import final

from tunewright.core.events import Ended, Event, Reported
from tunewright.core.history import STOPPED
from tunewright.core.roles import Resources, Stage, Workload
from tunewright.core.trial import Measurement, Outcome, Span, Trial
from tunewright.errors import InputError, StoreError, TrialFailed
from tunewright.running import reaping
from tunewright.running.cache import BUDGET_BYTES, ArtifactCache, dumps
from tunewright.running.chain import divide, keys_of
from tunewright.running.pool import Pool, State, Use, Worker
from tunewright.running.worker import BEGUN, Done, News, Task

_SPARES = 2  # lean workers made ready for new lanes and for further pairs …
_PAIR_SPARES = 5  # … and of each arm before its first pair
_GROWTH_BYTES = 2**30  # since a worker's first trial, before it is replaced
_MEMORY_EVERY_S = 0.2
_MEMORY_SHARE = 0.02  # of one core is what the look at the memory of the trees may cost
_CANCEL_GRACE_S = 0.5  # for a worker to say that what it had started was killed
_LIMIT_GRACE_S = 1.0  # a stage that keeps the limit itself, as programs do, may say so
_MIB = 2**20


class Stand(Enum):
    """How far a job is. Only `_Job.moves` says what may follow what."""

    WAITING = "waiting"  # for a worker
    HEAD = "head"  # its cached stages are being made, for another process to go on from
    QUEUED = "queued"  # sent to its lane's worker, behind another
    RUNNING = "running"
    OVER = "over"


_MOVES = {
    Stand.WAITING: {Stand.HEAD, Stand.QUEUED, Stand.RUNNING, Stand.OVER},
    Stand.HEAD: {Stand.WAITING, Stand.OVER},
    Stand.QUEUED: {Stand.WAITING, Stand.RUNNING, Stand.OVER},
    Stand.RUNNING: {Stand.WAITING, Stand.OVER},
    Stand.OVER: set[Stand](),
}


@final
@dataclass(eq=False)
class _Job:
    """A trial on its way.

    above: its stages that may come from the cache, by key. lean: what runs anew does so in a lean
    worker. head: what a general worker said of the stages above. missed: the cache has lost them.
    """

    trial: Trial
    workload: Workload
    above: Mapping[str, str]
    lean: bool
    stand: Stand = Stand.WAITING
    worker: Worker | None = None
    head: Measurement | None = None
    missed: bool = False
    begun_s: float | None = None

    def moves(self, stand: Stand, worker: Worker | None = None) -> None:
        """Take the next step. A step that cannot follow is a defect of ours."""
        assert stand in _MOVES[self.stand], (self.stand, stand)
        self.stand, self.worker = stand, worker

    @property
    def key(self) -> str:
        """The artifact that its lean worker goes on from, "" for none."""
        return ["", *self.above.values()][-1]

    @property
    def under_way(self) -> bool:
        """Whether a worker works on it now."""
        return self.stand in (Stand.HEAD, Stand.RUNNING)

    @property
    def overdue_s(self) -> float:
        """When it has run for too long."""
        grace_s = self.trial.limit_s + _LIMIT_GRACE_S
        return math.inf if self.begun_s is None else self.begun_s + grace_s


@final
class ProcessExecutor:
    """Runs trials in worker processes, each the root of its own tree; none outlives the executor.

    Workers start in the background. What a trial runs anew in a lane, or in a fresh process, runs
    in a lean worker that loads nothing but those stages. A trial that asks for the machine alone is
    not begun while a worker is still starting.

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
        self._limit_bytes = memory_limit_mib and memory_limit_mib * _MIB
        self._look_s = 0.0  # when to look at the memory again
        self._jobs: list[_Job] = []
        self._events: list[Event] = []
        # Those with much to import start while the first trial runs: before, it would wait.
        least = 1 if warm else workers
        self._pool = Pool(self._directory, self._cache, tuple(warm), least)
        try:
            self._pool.fill(least)
        except BaseException:  # Ctrl-C, a full disk: nobody else could close what was started
            self.close()
            raise

    def free(self) -> Resources:
        """As many trials as workers, and as many cores, less those under way."""
        cores = self._size - sum(job.trial.need.cores for job in self._jobs)
        return Resources(max(0, self._size - len(self._jobs)), max(0, cores))

    def submit(self, trial: Trial, workload: Workload) -> None:
        """Start a trial as soon as a worker is free."""
        try:
            above, tail = divide(workload.stages, trial.fidelity)
        except InputError as error:
            self._end(trial, Measurement(Outcome.REJECTED, detail=str(error)))
            return
        keys = keys_of(workload, above, trial.subject, trial.fidelity)
        lean = bool(tail) and trial.need.process in ("lane", "fresh")
        waits = lean or trial.need.alone  # the others need not wait until spares were started
        if waits:
            self._prepare_spares(trial, workload)
        self._jobs.append(_Job(trial, workload, keys, lean))
        self._dispatch()
        if not waits:
            self._prepare_spares(trial, workload)

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Events since the last call, waiting at most `timeout_s` for the first."""
        deadline_s = time.monotonic() + timeout_s
        while self._jobs and not self._events:
            remaining_s = max(0.0, deadline_s - time.monotonic())
            due_s = min(job.overdue_s for job in self._jobs) - self._clock()
            pause_s = max(0.0, min(remaining_s, due_s))
            pause_s = min(pause_s, _MEMORY_EVERY_S) if self._limit_bytes else pause_s
            by_handle = {handle: w for w in self._pool.workers for handle in w.handles}
            for worker in {by_handle[handle] for handle in wait(list(by_handle), pause_s)}:
                self._listen(worker)
            self._check_limits()
            self._check_memory()
            self._dispatch()
            if remaining_s == 0:
                break
        events, self._events = self._events, []
        return events

    def cancel(self, number: int, attempt: int) -> None:
        """Kill a trial with all its processes; a worker that ran it itself is replaced."""
        gone = (number, attempt)
        for job in [j for j in self._jobs if (j.trial.number, j.trial.attempt) == gone]:
            if self._ends_below(job):
                self._drop(job)
            else:
                self._kill(job)
        self._events = [
            event
            for event in self._events
            if not isinstance(event, Ended) or (event.number, event.attempt) != gone
        ]

    def close(self) -> None:
        """Kill everything; no process is left. May be called twice."""
        self._jobs.clear()
        self._events.clear()
        self._pool.close()
        shutil.rmtree(self._trials, ignore_errors=True)

    # Sending

    def _prepare_spares(self, trial: Trial, workload: Workload) -> None:
        """Start lean workers ahead of need, while nothing is timed."""
        if not _may_need_spares(workload):
            return
        alone, fresh = trial.need.alone, trial.need.process == "fresh"
        modules = _loaded(workload, trial.need.imports if fresh else ())
        timed = any(job.trial.need.alone for job in self._jobs)
        if not timed and (not alone or (fresh and not self._pool.spares(modules))):
            self._pool.prepare(_SPARES, modules)

    def _dispatch(self) -> None:
        """Send every trial that can begin."""
        for job in [job for job in self._jobs if job.stand is Stand.WAITING]:
            if job.trial.need.alone and any(
                other.under_way and other.trial.need.alone for other in self._jobs
            ):
                self._queue(job)
                continue
            ready = (
                job.head is not None or not job.key or (job.key in self._cache and not job.missed)
            )
            if job.lean and ready:
                need = job.trial.need
                modules = _loaded(job.workload, need.imports)
                worker = self._pool.lean(need.lane, modules, once=need.process == "fresh")
            else:
                worker = self._pool.general()
            head = job.lean and not ready
            loud = job.trial.need.alone and not head and self._pool.starting
            if worker is not None and not loud:
                self._send(worker, job, Stand.HEAD if head else Stand.RUNNING)
        general = self._pool.of(Use.GENERAL)
        if general[0].state is not State.STARTING and any(
            not job.trial.need.alone for job in self._jobs
        ):
            self._pool.fill(self._size)

    def _queue(self, job: _Job) -> None:
        """Send a trial ahead to the worker of its lane, which then need not ask for it."""
        if job.trial.need.process != "lane" or not job.lean:
            return
        ahead = [j for j in self._jobs if j.stand is Stand.RUNNING and j.lean and j.worker]
        same = [j.worker for j in ahead if j.trial.need.lane == job.trial.need.lane]
        full = any(j.stand is Stand.QUEUED for j in self._jobs)
        if same and not full and job.key in self._cache and not job.missed:
            assert same[0] is not None
            self._send(same[0], job, Stand.QUEUED)

    def _send(self, worker: Worker, job: _Job, stand: Stand) -> None:
        trial, program = job.trial, None
        whole = worker.use is Use.GENERAL
        try:
            if worker.program is not job.workload:
                program = dumps(job.workload if whole else self._tail(job))
        except TrialFailed as error:
            self._finish(job, Measurement(Outcome.CRASHED, detail=f"the workload {error}"))
            return
        sent = trial
        if stand is Stand.HEAD:  # another process goes on from what it makes
            last = list(job.above)[-1]
            fidelity = replace(trial.fidelity, through=last, since="")
            sent = replace(trial, fidelity=fidelity, need=replace(trial.need, keep=True))
        origin_s = time.monotonic() - self._clock()
        task = Task(
            sent, program, self._trial_directory(trial), origin_s, None if whole else job.above
        )
        try:
            worker.connection.send(task)
        except OSError:  # it died: no attempt was made yet, and of what it ran we hear soon
            if stand is not Stand.QUEUED:
                self._pool.discard(worker)
            return
        worker.program, worker.state = job.workload, State.BUSY
        job.moves(stand, worker)

    def _tail(self, job: _Job) -> tuple[Stage, ...]:
        _, tail = divide(job.workload.stages, job.trial.fidelity)
        return tail

    # Listening

    def _listen(self, worker: Worker) -> None:
        """Take in what a worker has sent, or its death."""
        try:
            while worker.connection.poll(0):
                self._take(worker, worker.connection.recv())
                if worker.state is State.GONE:
                    return
            if worker.process.poll() is None:
                return
        except (EOFError, OSError):
            pass
        self._died(worker)

    def _take(self, worker: Worker, message: object) -> None:
        job = self._job_of(worker)
        match message:
            case None:
                worker.ready()
                self._pool.answered()
            case Done():
                self._done(worker, message)
            case StoreError():
                raise message
            case News(step, samples) if job:
                now_s = self._clock()
                self._events.append(
                    Reported(now_s, job.trial.number, job.trial.attempt, step, samples)
                )
            case str() if message == BEGUN:
                self._pool.answered()
                if job and job.begun_s is None:
                    job.begun_s = self._clock()

    def _job_of(self, worker: Worker) -> _Job | None:
        return next((job for job in self._jobs if job.worker is worker and job.under_way), None)

    def _done(self, worker: Worker, done: Done) -> None:
        job = self._job_of(worker)
        if job is None:  # unreachable: a worker whose trial was cancelled is killed
            return
        worker.first_bytes = worker.first_bytes or done.rss_bytes
        grown = done.rss_bytes - worker.first_bytes > _GROWTH_BYTES
        measurement, head = done.measurement, job.stand is Stand.HEAD
        behind = next(
            (j for j in self._jobs if j.stand is Stand.QUEUED and j.worker is worker), None
        )
        worker.state = State.BUSY if behind else State.IDLE
        if measurement is None:  # evicted or corrupt: make it again, and do not go by the cache
            job.missed, job.head = True, None
            job.moves(Stand.WAITING)
        elif head and measurement.outcome is Outcome.OK:
            job.head = measurement
            job.moves(Stand.WAITING)
        else:
            self._finish(job, self._merged(job, measurement, worker))
            if job.trial.need.keep and _may_need_spares(job.workload):  # a core is free for them
                imports = job.workload.stages[-1].needs(job.trial.config).imports
                self._pool.prepare(_PAIR_SPARES, _loaded(job.workload, imports))
        exhausted = measurement is not None and measurement.outcome is Outcome.OUT_OF_MEMORY
        if behind:
            behind.moves(Stand.RUNNING, worker)
        elif worker.use is Use.ONCE or grown or exhausted:
            self._pool.discard(worker, clean=True)

    def _merged(self, job: _Job, measurement: Measurement, worker: Worker) -> Measurement:
        """The measurement of a tail, completed by what happened above it."""
        if worker.use is Use.GENERAL:
            return measurement
        start_s = measurement.spans[0].start_s if measurement.spans else self._clock()
        cached = tuple(Span(name, start_s, start_s, cached=True) for name in job.above)
        above = job.head.spans if job.head else cached
        return replace(measurement, spans=(*above, *measurement.spans), key=job.key)

    def _died(self, worker: Worker) -> None:
        job, behind = self._job_of(worker), [j for j in self._jobs if j.worker is worker]
        for waiting in behind:
            if waiting.stand is Stand.QUEUED:
                waiting.moves(Stand.WAITING)
        self._pool.died(worker)
        if job:
            detail = f"its worker process {worker.pid} was {worker.how_it_ended}"
            self._finish(job, Measurement(Outcome.LOST, detail=detail))

    # Ending

    def _check_limits(self) -> None:
        """Kill the trials that have run for too long."""
        now_s = self._clock()
        for job in [job for job in self._jobs if job.overdue_s <= now_s]:
            ran = (Span(STOPPED, job.begun_s or now_s, now_s),)
            detail = f"it ran longer than {job.trial.limit_s:.3g} s, which is what a trial may"
            self._kill(job)
            self._end(job.trial, Measurement(Outcome.TIMEOUT, {}, ran, detail))

    def _check_memory(self) -> None:
        """Kill the trials whose process tree is beyond the limit."""
        if not self._limit_bytes or time.monotonic() < self._look_s:
            return
        start_s = time.monotonic()
        for job in [job for job in self._jobs if job.under_way]:
            used = reaping.tree_bytes(job.worker.pid) if job.worker else 0
            if used > self._limit_bytes:
                self._kill(job)
                limit = f"the limit is {self._limit_bytes / _MIB:.0f} MiB"
                detail = f"used {used / _MIB:.0f} MiB; {limit}"
                self._end(job.trial, Measurement(Outcome.OUT_OF_MEMORY, detail=detail))
        now_s = time.monotonic()
        self._look_s = now_s + max(_MEMORY_EVERY_S, (now_s - start_s) / _MEMORY_SHARE)

    def _kill(self, job: _Job) -> None:
        """End a job with its worker; others that were sent there wait again, as if never begun."""
        worker = job.worker
        if worker is not None:
            self._pool.discard(worker)
            for other in [j for j in self._jobs if j.worker is worker and j is not job]:
                other.moves(Stand.WAITING)
                other.begun_s = None
                shutil.rmtree(self._trial_directory(other.trial), ignore_errors=True)
        self._drop(job)

    def _ends_below(self, job: _Job) -> bool:
        """Whether a trial has ended because the processes below its worker were killed.

        What ran in a process of its own ends with that, and its worker need not start anew.
        """
        worker = job.worker
        if job.stand is not Stand.RUNNING or worker is None or worker.use is not Use.GENERAL:
            return False
        if not reaping.kill_below(worker.pid):
            return False
        deadline_s = time.monotonic() + _CANCEL_GRACE_S
        with contextlib.suppress(EOFError, OSError):
            while worker.connection.poll(max(0.0, deadline_s - time.monotonic())):
                message = worker.connection.recv()
                if isinstance(message, StoreError):
                    raise message
                if isinstance(message, Done):
                    worker.state = State.IDLE
                    return True
        return False

    def _finish(self, job: _Job, measurement: Measurement) -> None:
        self._drop(job)
        self._end(job.trial, measurement)

    def _drop(self, job: _Job) -> None:
        job.moves(Stand.OVER)
        self._jobs.remove(job)
        shutil.rmtree(self._trial_directory(job.trial), ignore_errors=True)

    def _trial_directory(self, trial: Trial) -> Path:
        return self._trials / f"{trial.number}-{trial.attempt}"

    def _end(self, trial: Trial, measurement: Measurement) -> None:
        self._events.append(Ended(self._clock(), trial.number, trial.attempt, measurement))


def _may_need_spares(workload: Workload) -> bool:
    return any(knob.own_process for stage in workload.stages for knob in stage.knobs)


def _loaded(workload: Workload, imports: Sequence[str]) -> tuple[str, ...]:
    """What a lean worker loads: the module of the last stage, and what the trial asks for."""
    return (*{type(workload.stages[-1]).__module__} - {"__main__"}, *imports)
