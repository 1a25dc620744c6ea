"""Session: wires decisions to effects. Everything that happens is recorded before it is done."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Literal, final

from tunewright.core.budget import parse_budget
from tunewright.core.config import Config
from tunewright.core.events import Ended, Event, Opened, Refitted, Started, Stopped
from tunewright.core.goal import Goal, parse_goal
from tunewright.core.history import DRIVER_RESTART, History
from tunewright.core.registry import resolve
from tunewright.core.roles import Executor, Store, Workload, space_of
from tunewright.core.trial import Fidelity, Measurement, Outcome, Piece, Purpose
from tunewright.core.units import format_quantity
from tunewright.core.verdict import Decision, Verdict, comparison_text
from tunewright.errors import InputError, StoreError, TunewrightError, check_type
from tunewright.loop import apply, decide
from tunewright.loop.plan import Plan
from tunewright.loop.verification import conclude
from tunewright.machine import describe, probe
from tunewright.planning import (
    NO_LIMITS,
    Limits,
    Request,
    build_workload,
    check_recorded,
    from_json,
    kind_of,
    make_plan,
    refitted_on,
    to_json,
)
from tunewright.running.chain import SHARED
from tunewright.running.inline import InlineExecutor
from tunewright.running.processes import ProcessExecutor
from tunewright.running.reaping import kill_strays
from tunewright.searching import MODEL
from tunewright.stats.quantiles import STUDENT
from tunewright.storing.journal import FILE, Journal, Reader
from tunewright.storing.studies import ROOT, Studies
from tunewright.verifying.pairs import current_look

Watch = Callable[[Event, History], None]
CARD = "tunewright.reporting.notebook:card"
LOOK_EVENTS = 5000  # more than the looks of a study ever leave
WAIT_S = 0.25  # the budget is looked at this often while nothing happens
STEP_S = 1e-3  # where there is no clock, each look at it is so much later than the last
REFIT_OVER = 0.05  # of the budget: by so much a refit on every row may pass its end


def unwatched(event: Event, history: History) -> None:
    """Watch nothing."""


@final
@dataclass(frozen=True, repr=False)
class Result:
    """A study as far as it is: where it lives, what it was for, and everything that happened."""

    directory: Path
    goal: Goal
    history: History

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, None while the study is unfinished."""
        return self.history.finished

    def __repr__(self) -> str:
        """The decision, its reason, and the figures, a line for each metric."""
        if self.verdict is None:
            return f"{self.directory.name}: unfinished"
        first = f"{self.directory.name}: {self.verdict.decision.name}, {self.verdict.reason}"
        opened = self.history.opened
        known = (*self.goal.metrics, *(opened.metrics if opened else ()))
        units = {metric.name: metric.unit for metric in known}
        figures = [comparison_text(c, units.get(c.metric, "")) for c in self.verdict.comparisons]
        return "\n".join([first, *(f"  {figure}" for figure in figures)])

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        drawn: str = resolve(CARD)(self)
        return drawn

    @property
    def accepted(self) -> bool:
        """Whether the verdict is ACCEPT."""
        return self.verdict is not None and self.verdict.decision is Decision.ACCEPT

    @property
    def best(self) -> Config | None:
        """What the verdict hands over, None while there is none."""
        return self.verdict.config if self.verdict else None


@final
class Interrupted(TunewrightError):
    """Ctrl-C: the study can be resumed; `result` is what it has so far."""

    def __init__(self, result: Result) -> None:
        super().__init__(
            f"interrupted; go on with: tunewright study resume {result.directory.name}"
        )
        self.result = result


def drive(  # noqa: PLR0913, PLR0917 - the session's own parts, each injected
    history: History,
    plan: Plan,
    workload: Workload,
    store: Store,
    executor: Executor,
    clock: Callable[[], float],
    watch: Watch = unwatched,
) -> History:
    """Run a study to its end: decide, record, perform, wait. Whatever is recorded stays.

    Raises StoreError when an event cannot be recorded; nothing unrecorded was begun or shown.
    """
    learned: list[tuple[Event, History]] = []  # and not recorded yet

    def learn(events: Sequence[Event]) -> None:
        nonlocal history
        for event in events:
            history = apply(history, event)
            learned.append((event, history))

    # An earlier driver died: its trials are fenced and tried again.
    fenced = Measurement(Outcome.LOST, detail=DRIVER_RESTART)
    learn([Ended(clock(), t.number, t.attempt, fenced) for t in history.running])
    while history.finished is None:
        events = decide(history, plan, executor.free(), clock())
        learn(events)
        if learned:  # what came and what follows from it, in one commit
            store.append([event for event, _ in learned])
        for recorded in learned:
            watch(*recorded)
        learned.clear()
        for event in events:
            match event:
                case Started(_, trial):
                    executor.submit(trial, workload)
                case Stopped(_, number, attempt):
                    executor.cancel(number, attempt)
        stopped = any(isinstance(event, Stopped) for event in events)
        over = history.finished is not None
        learn([] if over or stopped else executor.wait(timeout_s=WAIT_S))
    return history


def refit(  # noqa: PLR0913, PLR0917 - as above
    history: History,
    plan: Plan,
    workload: Workload,
    store: Store,
    executor: Executor,
    clock: Callable[[], float],
    watch: Watch = unwatched,
    split: Literal["test", "all"] = "all",
) -> History:
    """Fit what a finished study hands over on more rows, in what is left of the budget.

    Where that is too little, the fit fails, or what it made breaks a bound that the verified model
    holds, the event says so and what was verified remains.
    """
    verdict = history.finished
    if verdict is None or not verdict.key or history.refitted is not None:
        return history
    limit_s = plan.limit_s
    if plan.budget.seconds is not None:
        limit_s = min(limit_s, (1 + REFIT_OVER) * plan.budget.seconds - clock())
    piece = Piece(split, 0, plan.seed)
    number = history.last_number + 1
    fidelity, purpose = Fidelity(plan.cached, piece=piece), Purpose("refit", "candidate")
    measurement: Measurement | None = None
    if limit_s > 0:
        trial = plan.trial(number, verdict.config, fidelity, purpose, limit_s)
        executor.submit(trial, workload)
    else:
        measurement = Measurement(Outcome.STOPPED, detail="the budget was over")
    while measurement is None:
        for event in executor.wait(timeout_s=WAIT_S):
            if isinstance(event, Ended) and event.number == number:
                measurement = event.measurement
    if measurement.outcome is Outcome.TIMEOUT and limit_s < plan.limit_s:
        measurement = Measurement(Outcome.STOPPED, detail="the budget was over")
    why = _broken_bound(verdict, plan.goal, measurement)
    if measurement.outcome is not Outcome.OK:
        why = f"{measurement.outcome.value}: {measurement.detail}"
    told = Refitted(clock(), split, "" if why else measurement.key, why)
    store.append([told])
    history = apply(history, told)
    watch(told, history)
    return history


def _broken_bound(verdict: Verdict, goal: Goal, measurement: Measurement) -> str:
    """A bound on a fixed value that was proven to hold and does not for this model, or ""."""
    held = {c.metric: c for c in verdict.comparisons if c.decision is Decision.ACCEPT}
    for constraint in goal.constraints:
        metric = constraint.metric
        value, comparison = metric.of(measurement.samples), held.get(metric.name)
        if value is None or comparison is None or metric.evidence != "fixed":
            continue
        if constraint.slack(value, comparison.baseline) < 0:
            return f"{metric.name} would be {format_quantity(value, metric.unit)}"
    return ""


@final
@dataclass(frozen=True)
class Workspace:
    """Where a study runs: its directory, its executor, and its clock."""

    directory: Path
    executor: Executor
    clock: Callable[[], float]


@contextmanager
def prepare(
    name: str,
    kind: str,
    limits: Limits = NO_LIMITS,
    root: Path = ROOT,
    began_s: float | None = None,
) -> Iterator[Workspace]:
    """A workspace for a new study; its first worker starts while the caller reads the data.

    began_s: `time.monotonic()` when the user's waiting began, None for now: from then on the
    budget is spent.
    Where no study was begun, no directory is left. Raises StoreError where none can be
    made.
    """
    ours = not root.exists()
    directory = Studies(root).create(name)
    try:
        with _workspace(directory, kind, limits, 0.0, began_s) as workspace:
            yield workspace
    finally:
        if not _began(directory):
            shutil.rmtree(directory, ignore_errors=True)
            if ours:
                with suppress(OSError):  # there are other studies in it by now
                    root.rmdir()


def _began(directory: Path) -> bool:
    """Whether a study stands there: a journal with an event, or one that cannot be read."""
    try:
        with Reader(directory) as journal:
            return journal.count() > 0
    except StoreError:
        return (directory / FILE).exists()


@contextmanager
def _workspace(
    directory: Path, kind: str, limits: Limits, elapsed_s: float, began_s: float | None
) -> Iterator[Workspace]:
    """The workspace whose clock stood there when the user's waiting began."""
    origin_s = (time.monotonic() if began_s is None else began_s) - elapsed_s
    steps = itertools.count()

    def clock() -> float:
        return next(steps) * STEP_S if limits.workers == 0 else time.monotonic() - origin_s

    try:
        executor = _executor(directory, kind, limits, clock)
    except OSError as error:
        raise StoreError(
            f"cannot start a study in {directory}: {error.strerror}; "
            "free some space, or make it writable, or choose another directory"
        ) from error
    with closing(executor):
        yield Workspace(directory, executor, clock)


def _executor(
    directory: Path, kind: str, limits: Limits, clock: Callable[[], float]
) -> ProcessExecutor | InlineExecutor:
    """Worker processes, or none at all. Raises OSError where none can be started."""
    if limits.workers == 0:
        return InlineExecutor(directory, clock)
    workers = limits.workers or max(int(probe().cores_usable), 1)
    warm, memory = kind_of(kind).warm, limits.memory_mib
    return ProcessExecutor(directory, workers, clock, warm=warm, memory_limit_mib=memory)


def begin(  # noqa: PLR0913 - what a caller may have already, and who listens
    request: Request,
    *,
    workload: Workload | None = None,
    workspace: Workspace | None = None,
    root: Path = ROOT,
    watch: Watch = unwatched,
    began_s: float | None = None,
) -> Result:
    """Run a study to its end in a fresh directory below `root`.

    workload, workspace: what `build_workload(request)` and `prepare(…)` gave, where the caller
    has them already. began_s: as for `prepare`, which is asked here where there is no workspace.
    Raises InputError for a request that cannot be run, StoreError where nothing can be written,
    Interrupted (with the result so far) on Ctrl-C.
    """
    parse_budget(request.budget)
    made = prepare(request.name, request.kind, request.limits, root, began_s)
    with made if workspace is None else nullcontext(workspace) as used:
        workload = workload or build_workload(request)
        directory = used.directory
        before = looks_at(workload.untouched.rows, directory.parent)
        plan = make_plan(workload, request, before, directory.name)  # complain before it begins
        check_recorded(request)
        with Journal(directory) as journal:
            return _run(request, workload, plan, journal, History(), used, watch)


def resume(
    directory: str | os.PathLike[str], *, watch: Watch = unwatched, began_s: float | None = None
) -> Result:
    """Take an unfinished study up again; a finished one comes back as it is.

    Raises InputError where data, program or knobs are not those that the study began with.
    """
    check_type("directory", directory, (str, os.PathLike), "'.tunewright/adult-1'")
    directory = Path(directory)
    with Journal(directory) as journal:
        kill_strays(directory)
        history = replay(journal)
        request = request_of(history, directory)
        if history.finished is not None:
            return Result(directory, goal_of(history), history)
        workload = build_workload(request)
        _check_same(history, workload)
        before = history.opened.looks_before if history.opened else 0
        if not current_look(history):  # other studies may have looked since
            before = looks_at(workload.untouched.rows, directory.parent, directory.name)
        plan = make_plan(workload, request, before, directory.name)
        limits, elapsed_s = request.limits, history.elapsed_s
        with _workspace(directory, request.kind, limits, elapsed_s, began_s) as used:
            return _run(request, workload, plan, journal, history, used, watch)


def replay(store: Store | Reader) -> History:
    """The history that a store keeps."""
    history = History()
    for event in store.read():
        history = apply(history, event)
    return history


def request_of(history: History, directory: Path) -> Request:
    """What the user had asked for. Raises InputError where an older version wrote it."""
    if history.opened is None:
        raise InputError(
            f"expected a study in {directory}; got one that ended before it began; tune again"
        )
    return from_json(history.opened.request)


def goal_of(history: History) -> Goal:
    """The goal that the study began with."""
    if history.opened is None:
        raise InputError("expected a study; got one that ended before it began; tune again")
    return parse_goal(history.opened.goal, history.opened.metrics)


def looks_at(rows: str, root: Path, leave_out: str = "") -> int:
    """How often the studies below `root` have looked at untouched rows of the same data.

    Of a journal that breaks off, what can be read counts.
    """
    studies, count = Studies(root), 0
    for name in studies.names() if rows else ():
        if name == leave_out:
            continue
        with suppress(StoreError), Reader(studies.root / name) as reader:
            first = next(reader.read(), None)
            if isinstance(first, Opened) and first.rows == rows:
                count += _looks_in(reader)
    return count


def _looks_in(reader: Reader) -> int:
    """The highest look that was begun; they stand at the end of a journal."""
    latest = 0
    with suppress(StoreError):
        for event in reader.read(max(reader.count() - LOOK_EVENTS, 0)):
            if isinstance(event, Started):
                latest = max(latest, event.trial.purpose.look)
    return latest


def _check_same(history: History, workload: Workload) -> None:
    opened = history.opened
    assert opened is not None
    space = space_of(workload)
    if opened.knobs != space.knobs:
        current, began = ({k.name: k for k in knobs} for knobs in (space.knobs, opened.knobs))
        names = sorted({*current, *began})
        changed = [name for name in names if current.get(name) != began.get(name)]
        raise InputError(
            f"expected the knobs that {opened.study} began with; {', '.join(changed)} changed; "
            "tune again to start another study"
        )
    if opened.workload != workload.digest or opened.rows != workload.untouched.rows:
        raise InputError(
            f"expected the data and program that {opened.study} began with; they changed; "
            "tune again to start another study"
        )


def _run(  # noqa: PLR0913, PLR0917 - one study's own parts
    request: Request,
    workload: Workload,
    plan: Plan,
    journal: Journal,
    history: History,
    workspace: Workspace,
    watch: Watch,
) -> Result:
    directory, clock, latest = workspace.directory, workspace.clock, history

    # A heavy import, on the core that the first worker leaves free while it starts.
    heavy = Thread(target=resolve, args=(MODEL if plan.candidate is None else STUDENT,))
    heavy.daemon = True
    heavy.start()

    def remember(event: Event, after: History) -> None:
        nonlocal latest
        latest = after
        if any(trial.need.alone for trial in after.running):
            heavy.join()  # nothing is timed beside it
        watch(event, after)

    try:
        opened = opened_by(request, workload, plan, history.elapsed_s)
        journal.append([opened])
        latest = apply(history, opened)
        latest = drive(latest, plan, workload, journal, workspace.executor, clock, remember)
        looks = latest.finished.looks if latest.finished else 0
        if split := refitted_on(request, workload, looks):
            executor = workspace.executor
            latest = refit(latest, plan, workload, journal, executor, clock, remember, split)
        shutil.rmtree(directory / SHARED, ignore_errors=True)
        return Result(directory, plan.goal, latest)
    except KeyboardInterrupt:
        if latest.opened is None:  # there is nothing to go on from
            raise
        raise Interrupted(Result(directory, goal_of(latest), latest)) from None


def opened_by(request: Request, workload: Workload, plan: Plan, elapsed_s: float) -> Opened:
    """The event that begins a study, or goes on with it."""
    kind, before = kind_of(request.kind), plan.proof.looks_before
    return Opened(
        elapsed_s=elapsed_s,
        study=plan.study,
        goal=plan.goal.text,
        workload=workload.digest,
        request=to_json(request),
        metrics=workload.metrics,
        knobs=plan.space.knobs,
        stages=tuple(stage.name for stage in workload.stages),
        arms=kind.arms(request.workload),
        facts=tuple(kind.describe(workload, plan.goal, before)),
        environment=dict(describe(probe())),
        rows=workload.untouched.rows,
        looks_before=before,
        folds=plan.proof.folds,
    )


def verdict_so_far(result: Result) -> Verdict:
    """What the pairs of an interrupted study say so far; no claim, since nothing has ended."""
    history = result.history
    assert history.opened is not None
    request = request_of(history, result.directory)
    workload = build_workload(request)
    plan = make_plan(workload, request, history.opened.looks_before, history.opened.study)
    return conclude(history, plan, current_look(history), history.elapsed_s)
