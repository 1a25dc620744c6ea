"""Trial: one attempt at one Config at one Fidelity, and the Measurement that it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, final

from tunewright.core.config import Config
from tunewright.core.metrics import Sample

Arm = Literal["baseline", "candidate"]


@final
@dataclass(frozen=True)
class Fidelity:
    """How much evidence, and how far down the chain.

    through: the last stage to run.
    rows: the share of the training rows used, in (0, 1].
    split: "search" learns on training rows and judges on validation rows; "test" learns on both
    and judges on rows that the search never saw. fold: on which part of those it is judged; it
    learns on all other rows, and so on those of the other parts.
    repeat: distinguishes repeated measurements of the same config.
    """

    through: str
    rows: float = 1.0
    split: Literal["search", "test"] = "search"
    repeat: int = 0
    seed: int = 0
    fold: int = 0


@final
@dataclass(frozen=True)
class Purpose:
    """What a trial is for: a search, a refit of one arm, or one arm of a verification pair.

    look: which look at the test rows this is, from 1; block: which pair or which fold, from 0;
    -1 is a run that warms the machine up.
    """

    kind: Literal["search", "refit", "pair"] = "search"
    arm: Arm | None = None
    look: int = 0
    block: int = 0


@final
@dataclass(frozen=True)
class Trial:
    """One attempt at one Config.

    exclusive: needs the machine for itself. lane: trials of different lanes never share a process.
    limit_s: wall time after which it is stopped.
    """

    number: int
    config: Config
    fidelity: Fidelity
    purpose: Purpose = Purpose()
    attempt: int = 1
    exclusive: bool = False
    lane: str = ""
    limit_s: float = 3600.0


class Outcome(Enum):
    """How a trial ended."""

    OK = "ok"
    STOPPED = "stopped"  # by us, since the budget or the need for it was over
    REJECTED = "rejected"  # the config cannot be run at all
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out of memory"
    CRASHED = "crashed"
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

    key: names the artifact of the last stage, so that a later trial or a bundle can find it.
    """

    outcome: Outcome
    samples: Mapping[str, Sample] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    detail: str = ""
    key: str = ""
