"""Roles: what can be replaced. Each is small enough to fake in forty lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, final

from tunewright.core.budget import Budget
from tunewright.core.config import Config
from tunewright.core.costs import Costs
from tunewright.core.events import Event
from tunewright.core.goal import Goal
from tunewright.core.history import History
from tunewright.core.knobs import Knob, Space
from tunewright.core.metrics import Metric, Sample
from tunewright.core.trial import Fidelity, Need, Trial

ETA = 3  # of so many that came to a rung one goes on
NEAR = 1.5  # a rung this close to the whole, as a ratio, would hardly save anything
MOST_RUNGS = 30
BLEND = "blend"  # the name of the stage at which the members of a config meet


@final
@dataclass(frozen=True)
class Artifact:
    """What a stage hands to the one below, and the samples that it reports.

    value: anything that pickle can carry within the study's own directory.
    digest: content id of the answer; must not depend on `exact` knobs ("" is not checked).
    files: a directory that belongs to the artifact and is kept as it is, unpickled; to be read.
    judged: what a judgement needs beside the value: it is kept, and never handed over.
    """

    value: Any
    samples: Mapping[str, Sample] = field(default_factory=dict)
    digest: str = ""
    files: Path | None = None
    judged: Any = None


@final
@dataclass(frozen=True)
class Context:
    """What a stage may know beside its config.

    directory: private to this stage run; what it leaves there is gone unless it is in the artifact.
    seed: of all chance in this run of the stage; another one where a run is to be new evidence.
    limit_s: how long the stage may take. above: the artifact of a stage above, by name.
    baseline: the baseline's artifact at this stage and fidelity, None for the baseline itself and
    where everything runs anew. earlier: this stage's artifact of less effort to go on from, if any.
    report: tells a step of progress and samples; the search may then stop the trial.
    failure: a file of the study's own, for what a failing stage wants to be looked at. lasting: a
    directory that all runs of the study share, for what must outlast them; it goes when the study
    is over.
    """

    fidelity: Fidelity
    directory: Path
    seed: int
    limit_s: float
    above: Callable[[str], Artifact]
    baseline: Callable[[], Artifact | None]
    earlier: Callable[[], Artifact | None]
    report: Callable[[float, Mapping[str, Sample]], None]
    failure: Path
    lasting: Path


class Stage(Protocol):
    """One step of the chain. Equal upstream, knobs, fidelity and seed give an equal artifact.

    Raises TrialFailed for a reason that it can name.
    """

    @property
    def name(self) -> str:
        """Its name, unique in the chain."""

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """The knobs that it owns."""

    def needs(self, config: Config) -> Need:
        """What it needs of the machine; pure. `alone` is the metrics' business, and left out."""

    def run(self, upstream: tuple[Artifact, ...], config: Config, context: Context) -> Artifact:
        """Turn what comes from above into what goes below.

        upstream: () for the first stage; one artifact a member for the blend, else one.
        """


@final
@dataclass(frozen=True)
class Untouched:
    """The rows that no search reads, for a verdict on a workload's quality.

    folds: into how many parts they are divided, each to be judged by a model that was fitted on all
    the others; 0 where there are no such rows. rows: identifies the data they are from, whatever
    columns are used. seeds: they are not divided: each fold is all of them, judged by a model of
    the same rows that was fitted with a seed of its own.
    """

    folds: int = 0
    rows: str = ""
    seeds: bool = False


NO_ROWS = Untouched()


@final
@dataclass(frozen=True)
class Effort:
    """One way to spend less on a trial: from `least` to `full` of something (rows, epochs, trees).

    halved: configs compete at growing efforts, and the better third goes on. A `full` that is not
    finite is never asked for: a trial goes on until it ends, and tells how it stands on the way.
    continues: what less effort has made can be gone on from. stage: the first stage that reads it;
    those above are the same whatever the effort; "" for all.
    """

    name: str
    least: float
    full: float
    continues: bool = False
    halved: bool = False
    stage: str = ""

    @property
    def rungs(self) -> tuple[float, ...]:
        """The efforts at which configs are held against each other, the last one whole."""
        at, found = self.least * ETA, [self.least]
        while at * NEAR < self.full and len(found) < MOST_RUNGS:
            found.append(at)
            at *= ETA
        return (*found, self.full) if math.isfinite(self.full) else tuple(found)


@final
@dataclass(frozen=True)
class Portfolio:
    """Configs that are worth trying first on any data, the most promising first.

    best: those that are known for their quality. small: those that take little time and space and
    still do well, for goals that ask for that first.
    """

    best: tuple[Config, ...] = ()
    small: tuple[Config, ...] = ()


NO_PORTFOLIO = Portfolio()


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
    def efforts(self) -> tuple[Effort, ...]:
        """How a trial can be made cheaper; () where each is whole."""

    @property
    def baseline(self) -> Config:
        """What the user would have without us."""

    @property
    def portfolio(self) -> Portfolio:
        """What is worth trying first."""

    @property
    def digest(self) -> str:
        """Content id of program, data and split: equal digests, comparable studies."""

    @property
    def untouched(self) -> Untouched:
        """The rows that a verdict on its quality can rest on."""


_SOME = Budget(trials=100)


@final
@dataclass(frozen=True)
class Problem:
    """What is to be searched: everything that a searcher is built from.

    stages: the names of the chain. cached: how far a trial goes whose artifacts can be shared (""
    where nothing can be). fresh: a trial that gives what must be measured anew, None where the goal
    asks for nothing of the kind. traits: what is known of the data or the program, for searchers
    that learn from other studies. prior: what is worth trying first. refitted: what wins learns
    from more rows before it is judged. costs: what a verification will take, None where unknown.
    """

    space: Space
    goal: Goal
    baseline: Config
    stages: tuple[str, ...]
    cached: str
    fresh: Fidelity | None
    efforts: tuple[Effort, ...] = ()
    budget: Budget = _SOME
    seed: int = 0
    traits: Mapping[str, float] = field(default_factory=dict)
    prior: Portfolio = NO_PORTFOLIO
    metrics: tuple[Metric, ...] = ()
    refitted: bool = False
    costs: Costs | None = None


@final
@dataclass(frozen=True)
class Proposal:
    """A config worth trying, and how far.

    made: all that is dear about it is there already, so that it may still begin as the search ends.
    """

    config: Config
    fidelity: Fidelity
    made: bool = False


@final
@dataclass(frozen=True)
class Halt:
    """A running trial that is not worth its time any more."""

    number: int


class Searcher(Protocol):
    """Proposes configs; a pure function of the history in value, whatever it memoises."""

    def propose(self, history: History, n: int) -> Sequence[Proposal | Halt]:
        """At most `n` proposals, the most wanted first, and trials to halt.

        () when there is nothing to wait for and nothing left to try.
        """


@final
@dataclass(frozen=True)
class Resources:
    """What an executor can still take: so many trials (`slots`), with so much for all of them."""

    slots: int
    cores: float = 1.0
    memory_mib: float = 0.0
    gpus: int = 0


class Executor(Protocol):
    """Runs trials somewhere, each at most once an attempt and no longer than its limit."""

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
