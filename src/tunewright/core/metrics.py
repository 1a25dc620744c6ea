"""Metrics, and the raw samples behind them."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

OUTPUT = "output"  # the sample that tells one output of a program from another
SEED = "seed"  # the sample that tells one run on the untouched rows from another
# The sample of a candidate that is the baseline's model by construction, written otherwise: its
# answers were compared with the baseline's, row by row, and only rounding may change them.
SAME_ANSWERS = "same_answers"
LONG = 32  # longer samples are kept in single precision: a journal of thousands stays small


@final
@dataclass(frozen=True)
class Sample:
    """Raw values as measured, in one unit: "s", "B" or "" (a plain number).

    error: the standard error of the value, where the sample is one value estimated from many rows.
    labels: what the values are called, where they are places in this list.
    Long samples are rounded to single precision here, so that what is journaled is what was used.
    """

    values: tuple[float, ...]
    unit: str = ""
    error: float | None = None
    labels: tuple[str, ...] = ()

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


Evidence = Literal["rows", "pairs", "same data", "fresh data", "fixed"]


@final
@dataclass(frozen=True)
class Metric:
    """What a workload reports, how two values compare, and when a second value is new evidence.

    scale: "ratio" compares as b / a (times, sizes), "difference" as b - a (scores).
    stage: the stage that reports it. sample, share: which sample it reads (default: its own name)
    and which quantile of it.
    margin: by how much it may get worse and still count as not worse.
    evidence: what a verdict on it rests on: untouched "rows" of data; "pairs" of runs; runs on the
    "same data" as the search saw, or on "fresh data"; or "fixed": a config has one value, and
    repeating proves nothing.
    since: from this stage on the chain runs anew for each value in evidence; by default the stage
    that reports it, and "" (it may come from the cache) for rows and fixed values.
    quiet: it depends on what else the machine does, so its trials have the machine alone.
    by_class: each class counts the same, however few rows it has.
    """

    name: str
    better: Literal["lower", "higher"]
    stage: str
    unit: str = ""
    scale: Literal["ratio", "difference"] = "ratio"
    margin: float = 0.02
    sample: str = ""
    share: float = 0.5
    evidence: Evidence = "pairs"
    since: str = ""
    quiet: bool = False
    by_class: bool = False

    def __post_init__(self) -> None:
        if self.evidence in ("pairs", "same data", "fresh data") and not self.since:
            object.__setattr__(self, "since", self.stage)

    def of(self, samples: Mapping[str, Sample]) -> float | None:
        """The metric's value in a measurement's samples, or None when it was not reached."""
        sample = samples.get(self.sample or self.name)
        return sample.quantile(self.share) if sample is not None and sample.values else None

    def signed(self, value: float) -> float:
        """The value with the sign at which lower is better."""
        return value if self.better == "lower" else -value

    def change(self, baseline: float, candidate: float) -> float:
        """Candidate against baseline on the metric's scale; nan where a ratio has no meaning."""
        if self.scale == "difference":
            return candidate - baseline
        return candidate / baseline if baseline > 0 else float("nan")


def first_anew(metrics: Sequence[Metric], stages: Sequence[str]) -> str:
    """The first stage that must run anew for new evidence on these metrics, "" for none."""
    since = {metric.since for metric in metrics}
    return next((stage for stage in stages if stage in since), "")


def last_cached(metrics: Sequence[Metric], stages: Sequence[str]) -> str:
    """The last stage whose artifact trials can share while these metrics are sampled; "" for none.

    That is as far down as a metric reads that may come from the cache, and at least to where the
    first stage begins that reports what may not.
    """
    anew = {metric.stage for metric in metrics if metric.since}
    shared = {metric.stage for metric in metrics if not metric.since}
    last = max((i for i, stage in enumerate(stages) if stage in shared), default=-1)
    cut = next((i for i, stage in enumerate(stages) if stage in anew), 0)
    return stages[max(last, cut - 1)] if max(last, cut - 1) >= 0 else ""
