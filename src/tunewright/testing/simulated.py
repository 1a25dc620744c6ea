"""A study in simulated time: a clock, an executor and a workload that cost nothing."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from tunewright.core.config import Config
from tunewright.core.events import Ended, Event
from tunewright.core.history import STOPPED
from tunewright.core.knobs import Knob
from tunewright.core.metrics import Metric
from tunewright.core.roles import (
    NO_PORTFOLIO,
    NO_ROWS,
    Artifact,
    Context,
    Effort,
    Portfolio,
    Resources,
    Untouched,
    Workload,
)
from tunewright.core.trial import Measurement, Need, Outcome, Span, Trial

Model = Callable[[Trial], Measurement]


@final
class SimulatedClock:
    """Elapsed seconds that only move when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """The elapsed seconds."""
        return self.now_s


@final
class SimulatedExecutor:
    """An Executor whose trials end after the time that their spans say, with what `model` says."""

    def __init__(self, clock: SimulatedClock, model: Model, workers: int = 2) -> None:
        self._clock, self._model, self._workers = clock, model, workers
        self._ends: list[tuple[float, int, int, Measurement]] = []
        self._cores: dict[tuple[int, int], int] = {}
        self._queue: list[tuple[Trial, Workload]] = []  # behind one that has the machine alone

    def free(self) -> Resources:
        """As many trials as are not running, and as many cores."""
        slots = self._workers - len(self._ends) - len(self._queue)
        used = sum(self._cores[number, attempt] for _, number, attempt, _ in self._ends)
        return Resources(slots, max(0, self._workers - used))

    def submit(self, trial: Trial, workload: Workload) -> None:
        """Plan the end of a trial; those that want to be alone run one after the other."""
        if trial.need.alone and self._ends:
            self._queue.append((trial, workload))
            return
        measurement = self._model(trial)
        took_s = max((span.end_s for span in measurement.spans), default=0.0)
        if took_s > trial.limit_s:
            took_s = trial.limit_s
            spans = (Span(STOPPED, 0.0, took_s),)
            measurement = Measurement(Outcome.TIMEOUT, {}, spans, "it ran longer than a trial may")
        end_s = self._clock.now_s + took_s
        self._cores[trial.number, trial.attempt] = trial.need.cores
        heapq.heappush(self._ends, (end_s, trial.number, trial.attempt, measurement))

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Move the clock to the next end, or by the timeout."""
        until_s = self._clock.now_s + timeout_s
        if not self._ends or self._ends[0][0] > until_s:
            self._clock.now_s = until_s
            return ()
        end_s, number, attempt, measurement = heapq.heappop(self._ends)
        self._clock.now_s = max(self._clock.now_s, end_s)
        self._go_on()
        return (Ended(self._clock.now_s, number, attempt, measurement),)

    def cancel(self, number: int, attempt: int) -> None:
        """Forget a trial."""
        self._ends = [end for end in self._ends if end[1:3] != (number, attempt)]
        self._queue = [
            (trial, workload)
            for trial, workload in self._queue
            if (trial.number, trial.attempt) != (number, attempt)
        ]
        heapq.heapify(self._ends)
        self._go_on()

    def _go_on(self) -> None:
        if self._queue and not self._ends:
            self.submit(*self._queue.pop(0))

    def close(self) -> None:
        """Forget everything."""
        self._ends.clear()
        self._queue.clear()


@final
@dataclass(frozen=True)
class SimulatedStage:
    """A stage that has knobs and runs nowhere."""

    name: str
    knobs: tuple[Knob, ...] = ()

    def needs(self, config: Config) -> Need:
        """As many cores as `NAME_threads` says, and the lane of its runtime."""
        cores = config.get(f"{self.name}_threads", 1)
        lane = str(config.get("runtime", "")) if self.name == "predict" else ""
        return Need(int(cores), process="lane" if lane else "any", lane=lane)

    def run(self, upstream: tuple[Artifact, ...], config: Config, context: Context) -> Artifact:
        """Nothing is made here: the executor's model answers instead."""
        raise NotImplementedError


@final
@dataclass(frozen=True)
class SimulatedWorkload:
    """A workload for a SimulatedExecutor."""

    stages: tuple[SimulatedStage, ...]
    metrics: tuple[Metric, ...]
    baseline: Config
    name: str = "simulated"
    digest: str = "simulated"
    untouched: Untouched = NO_ROWS
    efforts: tuple[Effort, ...] = ()
    portfolio: Portfolio = NO_PORTFOLIO
