"""Verdict: what the verification says about a candidate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Literal, final

from tunewright.core.config import Config
from tunewright.core.units import format_quantity

ALPHA = 0.05
MIN_PAIRS = 5  # the sequence is valid from 2; fewer than 5 say little about odd processes


def alpha_of(look: int) -> float:
    """The one-sided error that this look may spend: α/2, α/4, …, together less than α."""
    return ALPHA / float(2**look)


class Decision(Enum):
    """Anything unexpected is INCONCLUSIVE."""

    ACCEPT = "accept"
    REJECT = "reject"
    INCONCLUSIVE = "inconclusive"


@final
@dataclass(frozen=True)
class Comparison:
    """Candidate against baseline on one metric, with an interval.

    estimate, low, high: a ratio candidate / baseline, or a difference candidate - baseline.
    limit: what the interval was held against, on the same scale; for an equivalence the upper one.
    evidence: "pairs" of fresh processes, untouched "rows", the "same data" as the search saw,
    "fresh data", one "fixed" value, or a "saved" baseline.
    watched: nothing was asked of the metric; ACCEPT says that it is not worse than its margin.
    detectable: the smallest change, on the same scale, that this much evidence finds with 80 %
    power; nan where that is not known. note: why nothing more can be said.
    """

    metric: str
    role: Literal["objective", "constraint", "watched"]
    scale: Literal["ratio", "difference"]
    baseline: float
    candidate: float
    estimate: float
    low: float
    high: float
    limit: float
    decision: Decision
    n: int
    evidence: Literal["pairs", "rows", "same data", "fresh data", "fixed", "saved"]
    detectable: float = math.nan
    note: str = ""


@final
@dataclass(frozen=True)
class Verdict:
    """The decision, the config it is about, and the comparisons behind it.

    config: what is handed over: the candidate, or the baseline after REJECT or without a candidate.
    key: the artifact of `config`: the one that was verified, or where none was that of the search
    ("" where there is none).
    looks: how often the test rows' labels were read. parts: of the untouched rows that both arms
    were refitted for, of so many in `of_parts`. seeds: these are no parts, but trainings of each
    arm with seeds of their own, all judged on the same untouched rows.
    """

    decision: Decision
    config: Config
    reason: str
    comparisons: tuple[Comparison, ...] = ()
    pairs: int = 0
    looks: int = 0
    alpha: float = 0.05
    key: str = ""
    parts: int = 0
    of_parts: int = 0
    seeds: bool = False


def comparison_text(comparison: Comparison, unit: str) -> str:
    """The figures of a comparison: both values, and the change with its interval."""
    c = comparison
    if math.isnan(c.estimate):
        return f"{c.metric}: {c.note or 'not measured'}"
    mark = "×" if c.scale == "ratio" else ""
    change, low, high = (f"{end:.3g}{mark}" for end in (c.estimate, c.low, c.high))
    values = " → ".join(format_quantity(value, unit) for value in (c.baseline, c.candidate))
    return f"{c.metric}: {values}, {change} [{low}, {high}]"
