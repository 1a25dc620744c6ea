"""Findings: what was odd about the pairs of a verification, for whoever reads the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal, final

from tunewright.core.metrics import Metric
from tunewright.core.trial import Arm, Measurement
from tunewright.stats.steady import level_shift
from tunewright.verifying.pairs import ARMS, Look, outputs_of

BUSY_CORES = 0.25  # more than so many cores used by others, and a run was disturbed
STOLEN_CORES = 0.05
PRESSURE = 0.1  # share of the time in which somebody waits for a core
_THIN = 200  # values of a series at most: the test's cost grows with their square

Kind = Literal[
    "failed",
    "outputs differ",
    "outputs vary",
    "unsteady",
    "unsteady within",
    "others",
    "stolen",
    "waiting",
]


@final
@dataclass(frozen=True)
class Finding:
    """One thing that was odd. arm: whose, "" for both. values: the numbers and words for it."""

    kind: Kind
    arm: Arm | Literal[""]
    values: Mapping[str, str | int | float]


def findings(look: Look, metric: Metric) -> tuple[Finding, ...]:
    """Everything odd about these pairs; `metric` is the one whose series is looked through."""
    return tuple(_findings(look, metric))


def _findings(look: Look, metric: Metric) -> Iterator[Finding]:
    for arm in ARMS:
        if failed := look.failures(arm):
            counted = {"count": len(failed), "runs": look.runs(arm)}
            yield Finding("failed", arm, {**counted, "how": failed[-1].detail})
    outputs = outputs_of(look)
    if outputs in ("differ", "vary"):
        yield Finding("outputs differ" if outputs == "differ" else "outputs vary", "", {})
    for index, arm in enumerate(ARMS):
        runs = [pair[index] for pair in look.complete()]
        series = [value for run in runs if (value := metric.of(run.samples)) is not None]
        if shift := level_shift(series):
            yield Finding("unsteady", arm, {"after": shift.after, "factor": shift.factor})
        yield from _unsteady_within(runs, metric, arm)
    every = [measurement for pair in look.complete() for measurement in pair]
    yield from _disturbed(every, "others", "others_cores", BUSY_CORES)
    yield from _disturbed(every, "stolen", "stolen_cores", STOLEN_CORES)
    waited = _mean(every, "cpu_pressure")
    if waited > PRESSURE:
        yield Finding("waiting", "", {"share": waited, "queue": _mean(every, "run_queue")})


def _mean(runs: Sequence[Measurement], sample: str) -> float:
    """The mean of a sample over the runs that have it; 0 where none has."""
    values = [run.samples[sample].values[0] for run in runs if sample in run.samples]
    return fmean(values) if values else 0.0


def _unsteady_within(runs: Sequence[Measurement], metric: Metric, arm: Arm) -> Iterator[Finding]:
    """Processes whose own calls did not keep their level."""
    series = [run.samples[name].values for run in runs if (name := metric.sample) in run.samples]
    shifted = sum(level_shift(values[:: -(-len(values) // _THIN)]) is not None for values in series)
    if shifted:
        yield Finding("unsteady within", arm, {"count": shifted, "runs": len(series)})


def _disturbed(
    runs: Sequence[Measurement], kind: Literal["others", "stolen"], sample: str, limit: float
) -> Iterator[Finding]:
    cores = [run.samples[sample].values[0] for run in runs if sample in run.samples]
    if disturbed := [value for value in cores if value > limit]:
        values = {"count": len(disturbed), "runs": len(cores), "cores": fmean(disturbed)}
        yield Finding(kind, "", values)
