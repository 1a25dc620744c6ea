"""Evidence: what the search has measured of each config, piece by piece."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median, stdev
from typing import final

from tunewright.core.config import Config
from tunewright.core.metrics import Metric
from tunewright.core.trial import Measurement, Outcome, Piece, Trial

REFIT_SPREAD = 0.1  # relative, of what is fixed for a model, when it learns from more rows
ABOUT = 0.1  # of a fit's size: what differs by less costs about the same
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

    base: the baseline's record, None for its own. fit_s: the stages that can be cached, whoever
    made them; made_s: of these what was made when it was first tried; measure_s: those that run
    anew. key: names the deepest artifact of it. chosen: what it made of a knob that it was given an
    upper bound of or was to learn, by knob and piece. anew: the folds whose fits were timed.
    """

    config: Config
    base: Record | None = None
    readings: dict[str, dict[Piece, Reading]] = field(default_factory=dict)
    fit_s: float = 0.0
    made_s: float = 0.0
    measure_s: float = 0.0
    measured: int = 0
    runs: int = 0
    failures: list[str] = field(default_factory=list)
    key: str = ""
    chosen: dict[str, dict[Piece, float]] = field(default_factory=dict)
    anew: set[int] = field(default_factory=set)
    _known: dict[str, tuple[int, int, Estimate]] = field(default_factory=dict, repr=False)

    @property
    def refit_s(self) -> float:
        """What it takes to make it once more, where trials of the search make it anew as well."""
        return self.fit_s or self.measure_s

    def value(self, metric: Metric) -> float | None:
        """The metric over all pieces, or None; see `estimate`."""
        estimate = self.estimate(metric)
        return estimate.value if estimate else None

    def pieces(self, metric: Metric) -> int:
        """On how many pieces of the evidence it was measured."""
        return len(self.readings.get(metric.name, ()))

    def estimate(self, metric: Metric) -> Estimate | None:
        """The metric over all pieces with its error, or None.

        Of rows the mean, as it stands beside the baseline on the same pieces: so configs that were
        judged on different pieces can be compared. Else the median. The error is that of the change
        where there is one, else that of repetition.
        """
        runs, base_runs = self.runs, self.base.runs if self.base else 0
        known = self._known.get(metric.name)
        if known is not None and known[:2] == (runs, base_runs):
            return known[2]
        estimate = self._estimate(metric)
        if estimate is not None:
            self._known[metric.name] = (runs, base_runs, estimate)
        return estimate

    def _estimate(self, metric: Metric) -> Estimate | None:
        readings = self._alike(metric)
        if not readings:
            return None
        if metric.evidence == "rows":
            return Estimate(self._beside_baseline(metric, readings), _error_of(readings))
        value = median(reading.value for reading in readings)
        if metric.evidence == "fixed":
            return Estimate(value, _error_of(readings))
        if len(readings) == 1:
            return Estimate(value, SPREAD * abs(value) if metric.quiet else 0.0)
        return Estimate(value, stdev(r.value for r in readings) / math.sqrt(len(readings)))

    @property
    def typical(self) -> int:
        """The fold whose fit came nearest in size to what is handed over: it is the one to time."""
        return self._nearest(self._apart())

    @property
    def outgrown(self) -> bool:
        """Whether what was measured anew was of another size than what is handed over."""
        apart = self._apart()
        timed = apart.get(self._nearest(self.anew), math.inf)
        return bool(self.anew) and bool(apart) and timed > ABOUT

    def _alike(self, metric: Metric) -> list[Reading]:
        """The readings that tell of what is handed over: each fold's fit has a size of its own."""
        readings = self.readings.get(metric.name, {})
        if not metric.since or not self.chosen:
            return [*readings.values()]
        fold = self._nearest({piece.fold for piece in readings})
        return [reading for piece, reading in readings.items() if piece.fold == fold]

    def _nearest(self, folds: Iterable[int]) -> int:
        apart = self._apart()
        return min(folds, key=lambda fold: (apart.get(fold, math.inf), fold), default=0)

    def _apart(self) -> dict[int, float]:
        """How far each fold's fit is from the mean of all, by what it counted (trees, epochs)."""
        apart: dict[int, float] = {}
        for name, chosen in self.chosen.items():
            if isinstance(self.config[name], int):
                mean = _mean([*chosen.values()]) or 1.0
                for piece, count in chosen.items():
                    apart[piece.fold] = max(apart.get(piece.fold, 0.0), abs(count / mean - 1))
        return apart

    def _beside_baseline(self, metric: Metric, readings: Sequence[Reading]) -> float:
        changes = [reading.change for reading in readings if reading.change is not None]
        base = self.base.readings.get(metric.name) if self.base else None
        if not base or len(changes) < len(readings):
            return _mean([reading.value for reading in readings])
        return _mean([reading.value for reading in base.values()]) + _mean(changes)

    def change(self, metric: Metric, baseline: Record) -> Estimate | None:
        """The change against the baseline, signed so that less is better; None if unknown."""
        own, base = self.estimate(metric), baseline.estimate(metric)
        if own is None or base is None:
            return None
        changes = [r.change for r in self.readings[metric.name].values() if r.change is not None]
        change = _mean(changes) if changes else own.value - base.value
        paired = changes or metric.evidence == "rows"
        error = own.error if paired else math.hypot(own.error, base.error)
        return Estimate(metric.signed(change), 0.0 if self is baseline else error)

    def apart(self, other: Record, metric: Metric) -> Estimate | None:
        """By how much the metric of two configs differs, without a sign, and the error of that.

        Judged on the same rows, the error is that of the difference from piece to piece.
        """
        own, its = self.estimate(metric), other.estimate(metric)
        if own is None or its is None:
            return None
        mine, others = self.readings[metric.name], other.readings[metric.name]
        common = [piece for piece in mine if piece in others]
        error = math.hypot(own.error, its.error)
        if metric.evidence == "rows" and len(common) > 1:
            changes = [mine[piece].value - others[piece].value for piece in common]
            error = min(error, stdev(changes) / math.sqrt(len(common)))
        return Estimate(abs(own.value - its.value), error)

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
        if trial.purpose.kind != "search" or trial.fidelity.effort or trial.config.unweighted:
            return None
        fresh = Record(trial.config, self.baseline)
        record = self.records.setdefault(trial.config.id, fresh)
        self.baseline = self.baseline or record
        if measurement.outcome is Outcome.STOPPED:
            return record
        record.runs += 1
        if measurement.outcome is not Outcome.OK:
            record.failures.append(f"{measurement.outcome.value}: {measurement.detail}")
            return record
        self._costs(record, trial, measurement)
        record.key = measurement.key or record.key
        own = trial.fidelity.piece
        shared = replace(own, repeat=0) if own.repeat else own
        for metric in self._metrics:
            if self._counts(metric, trial) and (reading := read(metric, measurement)) is not None:
                piece = own if metric.since else shared  # read again: not new
                if self._refitted and metric.evidence == "fixed":
                    reading = replace(reading, error=REFIT_SPREAD * abs(reading.value))
                record.readings.setdefault(metric.name, {})[piece] = reading
        for name, sample in measurement.samples.items():
            if name in trial.config and sample.values:
                record.chosen.setdefault(name, {})[shared] = sample.values[0]
        return record

    def members(self, record: Record) -> list[Record]:
        """The records of a config's members, as far as they were tried; else its own."""
        ids = [member.id for member, _ in record.config.members] or [record.config.id]
        return [self.records[id_] for id_ in ids if id_ in self.records]

    def settled(self, config: Config) -> Config:
        """The config with what its fits made of each knob, on average, and not what was asked.

        So it is refitted, where nothing is held back to choose by.
        """
        record = self.records.get(config.id)
        if not config.members and (record is None or not record.chosen):
            return config
        values = dict(config)
        for name, chosen in record.chosen.items() if record else ():
            mean = _mean([*chosen.values()])
            values[name] = round(mean) if isinstance(values[name], int) else mean
        members = [(self.settled(member), weight) for member, weight in config.members]
        return Config(values, members)

    def record_of(self, config: Config) -> Record | None:
        """The record of a config, whether or not it is settled; None where there is none."""
        known = self.records.get(config.id)
        settled = (one for one in self.records.values() if self.settled(one.config) == config)
        return known or next(settled, None)

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
        record.made_s = record.made_s or fit_s
        record.fit_s = record.fit_s or measurement.made_s or fit_s
        if since:
            record.measure_s = record.measure_s or fresh_s
            record.measured += 1
            record.anew.add(trial.fidelity.piece.fold)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _error_of(readings: Sequence[Reading]) -> float:
    return math.hypot(*(reading.error or 0.0 for reading in readings)) / len(readings)


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
