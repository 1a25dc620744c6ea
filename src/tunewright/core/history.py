"""History: all trials so far, read-only; applying an event costs O(1) amortised."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Generic, TypeVar, assert_never, final

from tunewright.core.events import (
    Ended,
    Event,
    Finished,
    Opened,
    Refitted,
    Reported,
    Started,
    Stopped,
)
from tunewright.core.trial import Measurement, Outcome, Span, Trial
from tunewright.core.verdict import Verdict
from tunewright.errors import InvalidTransition

DRIVER_RESTART = "the driver that ran it is gone"  # consumes no retry
_STOPPED = {
    "budget": "the budget was over",
    "halted": "the search had seen enough of it",
    "limit": "it ran longer than a trial may",
}
STOPPED = "stopped"  # in the place of a stage: where the time of a stopped trial went
RETRIES = 1  # a trial whose worker vanished is tried once more: a second time it is its own fault


@final
class _Log:
    """What histories share: it only grows, and only from its end."""

    def __init__(self, ended: list[tuple[Trial, Measurement]], reports: list[Reported]) -> None:
        self.ended, self.reports = ended, reports


@final
class History:
    """All trials so far. Immutable: `applied` returns another History that shares the log."""

    __slots__ = (
        "_count",
        "_log",
        "_reports",
        "elapsed_s",
        "finished",
        "finished_s",
        "last_number",
        "losses",
        "lost",
        "opened",
        "refitted",
        "running",
        "started_s",
    )  # fmt: skip

    def __init__(self) -> None:
        self._log = _Log([], [])
        self._count = 0
        self._reports = 0
        self.elapsed_s = 0.0
        self.last_number = 0
        self.opened: Opened | None = None
        self.finished: Verdict | None = None
        self.finished_s: float | None = None  # when
        self.refitted: Refitted | None = None
        self.running: tuple[Trial, ...] = ()
        self.started_s: tuple[float, ...] = ()  # when each of `running` started
        self.lost: tuple[Trial, ...] = ()  # to be tried again, with the attempt that was lost
        self.losses: tuple[int, ...] = ()  # the numbers lost so far, once for each loss of a worker

    def __len__(self) -> int:
        """How many attempts have ended."""
        return self._count

    def ended(self, after: int = 0) -> Iterator[tuple[Trial, Measurement]]:
        """The attempts that ended, in order, leaving out the first `after`."""
        log = self._log.ended
        return (log[i] for i in range(after, self._count))

    def reports(self, after: int = 0) -> Iterator[Reported]:
        """What trials told of themselves, in order, leaving out the first `after`."""
        log = self._log.reports
        return (log[i] for i in range(after, self._reports))

    @property
    def reported(self) -> int:
        """How many reports there are."""
        return self._reports

    @property
    def log(self) -> object:
        """What prefixes of the same history share; for memoising, see Fold."""
        return self._log

    def applied(self, event: Event) -> History:
        """The history after this event. Raises InvalidTransition where the event cannot follow.

        What a fenced attempt still sends (late, doubled, of an earlier attempt) changes nothing.
        """
        after = self._copy()
        after.elapsed_s = max(self.elapsed_s, event.elapsed_s)
        match event:
            case Opened():
                first = self.opened or event
                after.opened = replace(first, looks_before=event.looks_before)
            case Started(_, trial):
                self._check_start(trial)
                after.last_number = max(self.last_number, trial.number)
                after.running = (*self.running, trial)
                after.started_s = (*self.started_s, event.elapsed_s)
                after.lost = tuple(t for t in self.lost if t.number != trial.number)
            case Reported(_, number, attempt):
                self._check_known(number, event)
                if any((t.number, t.attempt) == (number, attempt) for t in self.running):
                    after._own_log().reports.append(event)
                    after._reports += 1
            case Ended(_, number, attempt, measurement):
                self._check_known(number, event)
                after._end(number, attempt, measurement)
            case Stopped(_, number, attempt, reason):
                self._check_known(number, event)
                outcome = Outcome.TIMEOUT if reason == "limit" else Outcome.STOPPED
                ran = self._ran(number, attempt, event.elapsed_s)
                own = self._last_report(number, attempt) if reason == "halted" else None
                samples = own.samples if own else {}
                after._end(number, attempt, Measurement(outcome, samples, ran, _STOPPED[reason]))
            case Finished(_, verdict):
                if self.finished is not None or self.running:
                    raise InvalidTransition(f"Finished while {self._story()}")
                after.finished, after.finished_s = verdict, event.elapsed_s
            case Refitted():
                if self.finished is None or self.refitted is not None:
                    raise InvalidTransition(f"Refitted while {self._story()}")
                after.refitted = event
            case _ as never:
                assert_never(never)
        return after

    def _end(self, number: int, attempt: int, measurement: Measurement) -> None:
        where = [
            i for i, t in enumerate(self.running) if (t.number, t.attempt) == (number, attempt)
        ]
        if not where:
            return
        trial = self.running[where[0]]
        # A trial that was queued behind this one, for the machine alone, begins now.
        starts = zip(self.running, self.started_s, strict=True)
        self.started_s = tuple(
            self.elapsed_s if t.need.alone else s for t, s in starts if t is not trial
        )
        self.running = tuple(t for t in self.running if t is not trial)
        if measurement.outcome is Outcome.LOST:
            if measurement.detail != DRIVER_RESTART:
                self.losses = (*self.losses, number)
            if self.losses.count(number) <= RETRIES:
                self.lost = (*self.lost, trial)
                return
            measurement = replace(measurement, outcome=Outcome.CRASHED)
        self._own_log().ended.append((trial, measurement))
        self._count += 1

    def _own_log(self) -> _Log:
        """The log, to be added to; another one where another history went on from here."""
        log = self._log
        if (self._count, self._reports) != (len(log.ended), len(log.reports)):
            self._log = _Log(log.ended[: self._count], log.reports[: self._reports])
        return self._log

    def _ran(self, number: int, attempt: int, until_s: float) -> tuple[Span, ...]:
        """The time that a running attempt has taken, whatever stage it was in; () for another."""
        starts = zip(self.running, self.started_s, strict=True)
        return tuple(
            Span(STOPPED, start_s, until_s)
            for trial, start_s in starts
            if (trial.number, trial.attempt) == (number, attempt)
        )

    def _last_report(self, number: int, attempt: int) -> Reported | None:
        """The last report of an attempt: of one that is halted it is among the last of all."""
        own = (self._log.reports[i] for i in range(self._reports - 1, -1, -1))
        return next((r for r in own if (r.number, r.attempt) == (number, attempt)), None)

    def _check_start(self, trial: Trial) -> None:
        lost = next((t for t in self.lost if t.number == trial.number), None)
        fresh = trial.number == self.last_number + 1 and trial.attempt == 1
        again = lost is not None and trial.attempt == lost.attempt + 1
        if self.finished is not None or not (fresh or again):
            raise InvalidTransition(
                f"Started trial {trial.number}, attempt {trial.attempt}, while {self._story()}"
            )

    def _check_known(self, number: int, event: Event) -> None:
        if not 1 <= number <= self.last_number:
            raise InvalidTransition(
                f"{type(event).__name__} for trial {number} while {self._story()}"
            )

    def _story(self) -> str:
        running = [(t.number, t.attempt) for t in self.running]
        lost = [(t.number, t.attempt) for t in self.lost]
        finished = "finished" if self.finished else "unfinished"
        return f"last number {self.last_number}, running {running}, lost {lost}, {finished}"

    def _copy(self) -> History:
        after = History.__new__(History)
        for name in History.__slots__:
            setattr(after, name, getattr(self, name))
        return after


S = TypeVar("S")


@final
class Fold(Generic[S]):
    """A running summary of the ended trials: a pure function of the history that is quick to ask.

    `step` changes the state in place for one more ended trial. The state belongs to the fold:
    callers read it and never change it. Asked about a history that is no continuation of the last
    one, the fold starts over, so its answers depend on the history alone.
    """

    def __init__(
        self, start: Callable[[], S], step: Callable[[S, Trial, Measurement], None]
    ) -> None:
        self._start = start
        self._step = step
        self._log: weakref.ref[object] | None = None
        self._position = 0
        self._state = start()

    def __call__(self, history: History) -> S:
        """The summary of this history."""
        same = self._log is not None and self._log() is history.log
        if not same or self._position > len(history):
            self._log = weakref.ref(history.log)
            self._position = 0
            self._state = self._start()
        for trial, measurement in history.ended(self._position):
            self._step(self._state, trial, measurement)
        self._position = len(history)
        return self._state
