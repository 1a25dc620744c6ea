"""Evidence: what the search has measured of each config, piece by piece."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median, stdev
from typing import final

from tunewright.core.config import Config
from tunewright.core.metrics import Metric
from tunewright.core.trial import Measurement, Outcome, Piece, Trial

REFIT_SPREAD = 0.1  # relative, of what is fixed for a model, when it learns from more rows
SPREAD = 0.05  # relative, from process to process: what is assumed where a config was run once


@final
@dataclass(frozen=True)
class Reading:
    """One metric of one config on one piece of the evidence.

    change: against the baseline on the same rows, where the workload knows it; error: the standard
    error of the change, or of the value where there is no change; None where it is not known.
    n: how many raw values there were.
    """

    value: float
    change: float | None = None
    error: float | None = None
    n: int = 1


@final
@dataclass(frozen=True)
class Estimate:
    """A metric of a config over all pieces, and its standard error: 0 where it has none."""

    value: float
    error: float


@final
@dataclass
class Record:
    """One config: its readings by metric and piece, what it cost, and how its runs ended.

    fit_s: the stages that can be cached, whoever made them; measure_s: those that run anew.
    key: names the deepest artifact of it.
    """

    config: Config
    readings: dict[str, dict[Piece, Reading]] = field(default_factory=dict)
    fit_s: float = 0.0
    measure_s: float = 0.0
    measured: int = 0
    runs: int = 0
    failures: list[str] = field(default_factory=list)
    key: str = ""

    def value(self, metric: Metric) -> float | None:
        """The median over the pieces, or None."""
        readings = self.readings.get(metric.name)
        return median(reading.value for reading in readings.values()) if readings else None

    def estimate(self, metric: Metric) -> Estimate | None:
        """The value with its error: of rows the error of the change, else that of repetition."""
        readings = [*self.readings.get(metric.name, {}).values()]
        if not readings:
            return None
        single = len(readings) == 1
        value = readings[0].value if single else median(reading.value for reading in readings)
        if metric.evidence in ("rows", "fixed"):
            errors = [reading.error or 0.0 for reading in readings]
            return Estimate(value, math.hypot(*errors) / len(errors))
        if single:
            return Estimate(value, SPREAD * abs(value) if metric.quiet else 0.0)
        return Estimate(value, stdev(r.value for r in readings) / math.sqrt(len(readings)))

    def change(self, metric: Metric, baseline: Record) -> Estimate | None:
        """The change against the baseline, signed so that less is better; None if unknown."""
        own, base = self.estimate(metric), baseline.estimate(metric)
        if own is None or base is None:
            return None
        changes = [r.change for r in self.readings[metric.name].values() if r.change is not None]
        change = fmean(changes) if changes else own.value - base.value
        error = (
            own.error if changes or metric.evidence == "rows" else math.hypot(own.error, base.error)
        )
        return Estimate(metric.signed(change), 0.0 if self is baseline else error)

    def failing(self, share: float) -> str:
        """How its runs failed, where more than this share of them did; "" where they did not."""
        return self.failures[-1] if len(self.failures) > share * self.runs else ""


@final
class Evidence:
    """Every config that was tried at whole effort, by its id. The first one is the baseline.

    refitted: what is handed over learns from more rows than the search did, so that what is fixed
    for a model (its size) is known only about.
    """

    def __init__(
        self, metrics: Sequence[Metric], stages: Sequence[str], *, refitted: bool = False
    ) -> None:
        self.records: dict[str, Record] = {}
        self.baseline: Record | None = None
        self._metrics, self._position = tuple(metrics), {name: i for i, name in enumerate(stages)}
        self._refitted = refitted

    def learn(self, trial: Trial, measurement: Measurement) -> Record | None:
        """Take in one ended trial; its record, or None where it is no evidence for the search."""
        if trial.purpose.kind != "search" or trial.fidelity.effort:
            return None
        record = self.records.setdefault(trial.config.id, Record(trial.config))
        self.baseline = self.baseline or record
        if measurement.outcome is Outcome.STOPPED:
            return record
        record.runs += 1
        if measurement.outcome is not Outcome.OK:
            record.failures.append(f"{measurement.outcome.value}: {measurement.detail}")
            return record
        self._costs(record, trial, measurement)
        record.key = measurement.key or record.key
        for metric in self._metrics:
            if self._counts(metric, trial) and (reading := read(metric, measurement)) is not None:
                piece = trial.fidelity.piece
                piece = piece if metric.since else replace(piece, repeat=0)  # read again: not new
                if self._refitted and metric.evidence == "fixed":
                    reading = replace(reading, error=REFIT_SPREAD * abs(reading.value))
                record.readings.setdefault(metric.name, {})[piece] = reading
        return record

    def _counts(self, metric: Metric, trial: Trial) -> bool:
        """Whether the trial ran the metric's stage anew, in quiet, where the metric wants that."""
        if metric.quiet and not trial.need.alone:
            return False
        since = trial.fidelity.since
        return not metric.since or bool(since and self._after(metric.stage, since))

    def _after(self, stage: str, since: str) -> bool:
        return self._position.get(stage, 0) >= self._position.get(since, 0)

    def _costs(self, record: Record, trial: Trial, measurement: Measurement) -> None:
        since = trial.fidelity.since
        ran = [span for span in measurement.spans if not span.cached]
        fresh_s = sum(s.end_s - s.start_s for s in ran if since and self._after(s.stage, since))
        fit_s = sum(span.end_s - span.start_s for span in ran) - fresh_s
        record.fit_s = record.fit_s or measurement.made_s or fit_s
        if since:
            record.measure_s = record.measure_s or fresh_s
            record.measured += 1


def read(metric: Metric, measurement: Measurement) -> Reading | None:
    """What a measurement says about a metric, or None."""
    value = metric.of(measurement.samples)
    if value is None:
        return None
    sample = measurement.samples[metric.sample or metric.name]
    change = measurement.samples.get(f"{metric.name}_change")
    if change is not None:
        return Reading(value, change.values[0], change.error, len(sample.values))
    return Reading(value, None, sample.error, len(sample.values))
