"""An executor and a store as users write them; a type checker reads it, nobody runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_type

from tunewright.core.events import Ended, Event, Reported, Started
from tunewright.core.roles import Executor, Resources, Store, Workload
from tunewright.core.trial import Measurement, Outcome, Trial


class Cluster:
    """Sends trials elsewhere; reads what they need, and never what they are for."""

    def __init__(self, gpus: int) -> None:
        self._gpus = gpus
        self._events: list[Event] = []
        self._jobs: dict[tuple[int, int], Trial] = {}

    def free(self) -> Resources:
        used = sum(trial.need.gpus for trial in self._jobs.values())
        return Resources(slots=64, cores=256.0, memory_mib=1e6, gpus=self._gpus - used)

    def submit(self, trial: Trial, workload: Workload) -> None:
        self._jobs[trial.number, trial.attempt] = trial
        if trial.need.alone or trial.need.process == "fresh":
            self._events.append(Reported(0.0, trial.number, trial.attempt, 0.0))
        names = [stage.name for stage in workload.stages]
        assert trial.fidelity.through in names

    def wait(self, timeout_s: float) -> Sequence[Event]:
        events, self._events = self._events, []
        late = [Ended(timeout_s, *job, Measurement(Outcome.LOST)) for job in self._jobs]
        return [*events, *late]

    def cancel(self, number: int, attempt: int) -> None:
        self._jobs.pop((number, attempt), None)

    def close(self) -> None:
        self._jobs.clear()


class Listing:
    """A store in a list."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._blobs: list[bytes] = []

    def append(self, events: Sequence[Event]) -> None:
        self._events += events

    def read(self, after: int = 0) -> Iterator[Event]:
        return iter(self._events[after:])

    def put(self, blob: bytes) -> str:
        self._blobs.append(blob)
        return str(len(self._blobs))

    def get(self, digest: str) -> bytes:
        return self._blobs[int(digest) - 1]


def numbers(store: Store) -> list[int]:
    return [event.trial.number for event in store.read() if isinstance(event, Started)]


executor: Executor = Cluster(8)
store: Store = Listing()
assert_type(executor.free(), Resources)
assert_type(executor.wait(1.0), Sequence[Event])
