"""Metrics, and the raw samples behind them."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

OUTPUT = "output"  # the sample that tells one output of a program from another
LONG = 64  # longer samples are kept in single precision: a journal of thousands stays small


@final
@dataclass(frozen=True)
class Sample:
    """Raw values as measured, in one unit: "s", "B" or "" (a plain number).

    error: the standard error of the value, where the sample is one value estimated from many rows.
    Long samples are rounded to single precision here, so that what is journaled is what was used.
    """

    values: tuple[float, ...]
    unit: str = ""
    error: float | None = None

    def __post_init__(self) -> None:
        if len(self.values) > LONG:
            object.__setattr__(self, "values", tuple(array("f", self.values)))

    def quantile(self, share: float) -> float:
        """The `share` quantile (0 ≤ share ≤ 1), linear between order statistics (Hyndman-Fan 7)."""
        ordered = sorted(self.values)
        where = share * (len(ordered) - 1)
        low = int(where)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (where - low) * (ordered[high] - ordered[low])


@final
@dataclass(frozen=True)
class Metric:
    """What a workload reports: which sample it reads, and how two values compare.

    scale: "ratio" compares as b / a (times, sizes), "difference" as b - a (scores).
    stage: the stage that reports it.
    evidence: what a verdict on it rests on: untouched "rows" of data, "pairs" of processes, or
    pairs on the "same data" as the search saw.
    margin: by how much it may get worse and still count as not worse.
    """

    name: str
    better: Literal["lower", "higher"]
    stage: str
    unit: str = ""
    scale: Literal["ratio", "difference"] = "ratio"
    margin: float = 0.02
    sample: str = ""
    share: float = 0.5
    evidence: Literal["rows", "pairs", "same data"] = "pairs"

    def of(self, samples: Mapping[str, Sample]) -> float | None:
        """The metric's value in a measurement's samples, or None when it was not reached."""
        sample = samples.get(self.sample or self.name)
        return sample.quantile(self.share) if sample is not None and sample.values else None

    def change(self, baseline: float, candidate: float) -> float:
        """Candidate against baseline on the metric's scale; nan where a ratio has no meaning."""
        if self.scale == "difference":
            return candidate - baseline
        return candidate / baseline if baseline > 0 else float("nan")
