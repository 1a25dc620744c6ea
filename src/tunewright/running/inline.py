"""The executor that runs trials in the driver's own process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import final

from tunewright.core.events import Ended, Event, Reported
from tunewright.core.metrics import Sample
from tunewright.core.roles import Resources, Workload
from tunewright.core.trial import Trial
from tunewright.running.cache import BUDGET_BYTES, ArtifactCache
from tunewright.running.chain import run_chain


@final
class InlineExecutor:
    """Runs one trial at a time, inside `wait`. Nothing protects the driver from what it does.

    A trial's limit is the stage's own to keep: nobody can stop it.
    """

    def __init__(
        self, directory: Path, clock: Callable[[], float], cache_bytes: int = BUDGET_BYTES
    ) -> None:
        self._trials = directory / "trials"
        self._cache = ArtifactCache(directory / "artifacts", cache_bytes)
        self._clock = clock
        self._queue: list[tuple[Trial, Workload]] = []

    def free(self) -> Resources:
        """One trial, while none waits to be run."""
        return Resources(max(0, 1 - len(self._queue)))

    def submit(self, trial: Trial, workload: Workload) -> None:
        """Let `wait` run this trial."""
        self._queue.append((trial, workload))

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """The events of the first trial that was submitted; takes as long as the trial does."""
        del timeout_s
        if not self._queue:
            return ()
        trial, workload = self._queue.pop(0)
        events: list[Event] = []

        def report(step: float, samples: Mapping[str, Sample]) -> None:
            events.append(Reported(self._clock(), trial.number, trial.attempt, step, samples))

        where = self._trials / f"{trial.number}-{trial.attempt}"
        measurement = run_chain(trial, workload, self._cache, where, self._clock, report)
        return (*events, Ended(self._clock(), trial.number, trial.attempt, measurement))

    def cancel(self, number: int, attempt: int) -> None:
        """Forget a trial that was not run yet."""
        self._queue = [
            (trial, workload)
            for trial, workload in self._queue
            if (trial.number, trial.attempt) != (number, attempt)
        ]

    def close(self) -> None:
        """Forget what was not run yet."""
        self._queue.clear()
