"""Trial: one attempt at one Config at one Fidelity, and the Measurement that it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, final

from tunewright.core.config import Config
from tunewright.core.metrics import Sample

Arm = Literal["baseline", "candidate"]
Process = Literal["any", "own", "lane", "fresh"]
_STRICTER: tuple[Process, ...] = ("any", "own", "lane", "fresh")


FRESH = 2**30  # repeats from here on belong to verifications: no search ever has their chance


@final
@dataclass(frozen=True)
class Piece:
    """Which piece of the evidence: equal pieces are the same evidence, however often they are read.

    split: "search" learns on training rows and judges on validation rows; "test" learns on both and
    judges on rows that the search never saw; "all" learns on every row there is, which leaves none
    to judge on: it is for what is handed over, and no evidence. fold: on which part of those it is
    judged; it learns on all other rows. seed: of all chance in what can be cached. repeat: what
    runs anew has chance of its own for each.
    """

    split: Literal["search", "test", "all"] = "search"
    fold: int = 0
    seed: int = 0
    repeat: int = 0

    @property
    def fresh(self) -> bool:
        """Whether its chance is a verification's own."""
        return self.repeat >= FRESH


@final
@dataclass(frozen=True)
class Fidelity:
    """How much evidence a trial is, and how far down the chain it goes.

    through: the last stage to run. since: from this stage on everything runs anew; "" where all of
    it may come from the cache. effort: how much of each of the workload's efforts; what is absent
    is whole. earlier: the effort of an artifact to go on from, where the effort allows it. member:
    only this member of the config is run, to above the blend; -1 for the config itself.
    """

    through: str
    since: str = ""
    effort: Mapping[str, float] = field(default_factory=dict, hash=False)
    piece: Piece = Piece()
    earlier: Mapping[str, float] = field(default_factory=dict, hash=False)
    member: int = -1


@final
@dataclass(frozen=True)
class Need:
    """What a trial needs of the machine. Executors read this, and never what a trial is for.

    cores, memory_mib, gpus: beside what others use. alone: nothing else may run.
    process: "any" worker will do; the stage starts its "own" processes; trials of different lanes
    never share a process ("lane"); or a process that has done nothing else ("fresh").
    lane: names the lane. imports: modules that such a process loads before the trial begins. keep:
    its last cached artifact is handed over later, so it must be kept.
    """

    cores: int = 1
    memory_mib: float = 0.0
    gpus: int = 0
    alone: bool = False
    process: Process = "any"
    lane: str = ""
    imports: tuple[str, ...] = ()
    keep: bool = False

    def __or__(self, other: Need) -> Need:
        """What both need, one after the other."""
        if self == other:
            return self
        return Need(
            max(self.cores, other.cores), max(self.memory_mib, other.memory_mib),
            max(self.gpus, other.gpus), self.alone or other.alone,
            max(self.process, other.process, key=_STRICTER.index),
            ",".join(lane for lane in (self.lane, other.lane) if lane),
            tuple(dict.fromkeys((*self.imports, *other.imports))), self.keep or other.keep,
        )  # fmt: skip


@final
@dataclass(frozen=True)
class Purpose:
    """What a trial is for: a search, a refit of one arm, or one arm of a verification pair.

    look: which look at the test rows this is, from 1; block: which pair or which fold, from 0;
    -1 is a run that warms the machine up. member: which member of the arm's config is refitted,
    ahead of the whole of it (-1), so that several are side by side.
    """

    kind: Literal["search", "refit", "pair"] = "search"
    arm: Arm | None = None
    look: int = 0
    block: int = 0
    member: int = -1


@final
@dataclass(frozen=True)
class Trial:
    """One attempt at one Config. limit_s: its wall time, at most, from when it really begins."""

    number: int
    config: Config
    fidelity: Fidelity
    purpose: Purpose = Purpose()
    attempt: int = 1
    need: Need = Need()
    limit_s: float = 3600.0

    @property
    def subject(self) -> Config:
        """What is run: its config, or the one member of it."""
        member = self.fidelity.member
        return self.config.members[member][0] if member >= 0 else self.config


class Outcome(Enum):
    """How a trial ended."""

    OK = "ok"
    STOPPED = "stopped"  # by us, since the budget or the need for it was over
    REJECTED = "rejected"  # the config cannot be run at all
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out of memory"
    CRASHED = "crashed"
    DIFFERS = "other output"  # it ran well, and put out something else than it must
    LOST = "lost"  # the process that ran it is gone, and nobody knows why


@final
@dataclass(frozen=True)
class Span:
    """One stage of one trial on the study's clock; `cached` when its artifact was there already."""

    stage: str
    start_s: float
    end_s: float
    cached: bool = False


@final
@dataclass(frozen=True)
class Measurement:
    """What one attempt gave: its outcome, raw samples by name, and where the time went.

    key: names the artifact of the last stage that can be cached, so that a later trial or a bundle
    can find it; made_s: what it took to make that one with all above it, whenever that was.
    peak_mib: the most memory that its process held, None where that is not known.
    """

    outcome: Outcome
    samples: Mapping[str, Sample] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    detail: str = ""
    key: str = ""
    made_s: float = 0.0
    peak_mib: float | None = None
