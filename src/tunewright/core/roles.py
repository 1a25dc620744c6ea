"""Roles: what can be replaced. Each is small enough to fake in forty lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, final

from tunewright.core.config import Config
from tunewright.core.events import Event
from tunewright.core.history import History
from tunewright.core.knobs import Knob, Space
from tunewright.core.metrics import Metric, Sample
from tunewright.core.trial import Fidelity, Trial


@final
@dataclass(frozen=True)
class Artifact:
    """What a stage hands to the one below, and the samples that it reports.

    value: anything that pickle can carry within the study's own directory.
    digest: content id of the answer; must not depend on `exact` knobs ("" is not checked).
    """

    value: Any
    samples: Mapping[str, Sample] = field(default_factory=dict)
    digest: str = ""


@final
@dataclass(frozen=True)
class Context:
    """What a stage may know beside its config.

    directory: private to this stage run; what it leaves there is gone unless it is in the artifact.
    baseline: the baseline's artifact at this stage and fidelity, None for the baseline itself.
    """

    fidelity: Fidelity
    directory: Path
    baseline: Callable[[], Artifact | None]


class Stage(Protocol):
    """One step of the chain. Equal upstream, config of its knobs and fidelity: equal artifact.

    timing: what it reports depends on what else the machine does, so it wants the machine alone.
    Raises TrialFailed for a reason that it can name.
    """

    @property
    def name(self) -> str:
        """Its name, unique in the chain."""

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """The knobs that it owns."""

    @property
    def timing(self) -> bool:
        """Whether it needs the machine for itself."""

    def run(self, upstream: Artifact | None, config: Config, context: Context) -> Artifact:
        """Turn the artifact from above (None for the first stage) into the one for below."""


@final
@dataclass(frozen=True)
class Evidence:
    """What a verdict on a workload's quality can rest on.

    folds: into how many parts the untouched rows are divided, each to be judged by a model that was
    fitted on all the others; 0 where there are no such rows. rows: identifies the data they are
    from, whatever columns are used.
    """

    folds: int = 0
    rows: str = ""


NO_ROWS = Evidence()


class Workload(Protocol):
    """A chain of stages with its metrics and its data."""

    @property
    def name(self) -> str:
        """A short name for lists."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The chain, first stage first."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What can be asked of it."""

    @property
    def baseline(self) -> Config:
        """What the user would have without us."""

    @property
    def digest(self) -> str:
        """Content id of program, data and split: equal digests, comparable studies."""

    @property
    def evidence(self) -> Evidence:
        """What a verdict on its quality can rest on."""


@final
@dataclass(frozen=True)
class Proposal:
    """A config worth trying, and how far."""

    config: Config
    fidelity: Fidelity


class Searcher(Protocol):
    """Proposes configs; a pure function of the history in value, whatever it memoises."""

    def propose(self, history: History, n: int) -> Sequence[Proposal]:
        """At most `n` proposals, the most wanted first; () when there is nothing left to try."""


@final
@dataclass(frozen=True)
class Resources:
    """What an executor can take now: trials, out of `workers` when idle."""

    free: int
    workers: int


class Executor(Protocol):
    """Runs trials somewhere, each at most once an attempt."""

    def free(self) -> Resources:
        """What could be submitted now."""

    def submit(self, trial: Trial, workload: Workload) -> None:
        """Start a trial; returns at once (an inline executor runs it in `wait`)."""

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """Events since the last call, waiting at most `timeout_s` for the first."""

    def cancel(self, number: int, attempt: int) -> None:
        """Stop a trial and all its processes; unknown trials are ignored."""

    def close(self) -> None:
        """Stop everything; no process is left. May be called twice."""


class Store(Protocol):
    """Keeps events and blobs."""

    def append(self, events: Sequence[Event]) -> None:
        """Keep these events, all or none; durable on return. Raises StoreError."""

    def read(self, after: int = 0) -> Iterator[Event]:
        """All events in order, leaving out the first `after`."""

    def put(self, blob: bytes) -> str:
        """Keep a blob; its digest finds it again. Equal blobs are kept once."""

    def get(self, digest: str) -> bytes:
        """The blob with this digest. Raises StoreError when there is none."""


def space_of(workload: Workload) -> Space:
    """The space that a workload's stages span, in the order of the chain."""
    return Space(tuple(knob for stage in workload.stages for knob in stage.knobs))
