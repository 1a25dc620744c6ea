"""Diagnosis: what limits a program, by how much, how that is known, and what could relieve it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

HEALTHY, UNKNOWN = "healthy", "unknown"
Confidence = Literal["high", "moderate", "low"]


@final
@dataclass(frozen=True)
class Fact:
    """One figure that speaks for a bottleneck. unit: s, B, B/s, 1/s, % (a share), × or none."""

    name: str
    value: float
    unit: str = ""


@final
@dataclass(frozen=True)
class Bottleneck:
    """One thing that takes time.

    share: of the wall time. gain: how many times as fast at most, were it relieved wholly; None
    where nobody can tell. knobs: names of what could relieve it.
    """

    kind: str
    share: float
    confidence: Confidence
    facts: tuple[Fact, ...] = ()
    gain: float | None = None
    knobs: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Diagnosis:
    """What limits a program: the weightiest bottleneck first; none where it is healthy or unknown.

    answer: the kind of the first bottleneck, "healthy" or "unknown". reason: why unknown. facts:
    the whole run in figures. missing: what was not measured, and why.
    """

    answer: str
    bottlenecks: tuple[Bottleneck, ...]
    facts: tuple[Fact, ...]
    missing: tuple[tuple[str, str], ...] = ()
    reason: str = ""

    @property
    def knobs(self) -> tuple[str, ...]:
        """What to change first: the knobs of all bottlenecks, each once, in their order."""
        return tuple(dict.fromkeys(knob for each in self.bottlenecks for knob in each.knobs))
