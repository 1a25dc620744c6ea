"""What is known about each config at full fidelity, ranked under the goal."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from statistics import median
from typing import final

from tunewright.core.config import Config
from tunewright.core.goal import Constraint, Goal
from tunewright.core.history import Fold
from tunewright.core.metrics import Metric
from tunewright.core.trial import Measurement, Outcome, Trial
from tunewright.core.units import format_quantity

# A candidate that the validation rows favour by this many standard errors passes the verification
# with 80 % power: 1.96 for the one-sided test at the first look's α, 0.84 for the power.
SURE = 2.8

TIE = 0.02  # objectives within two per cent are as good as each other: then more room counts

Rank = tuple[int, float, float, float, str]  # tier, order within it, objective, room, id


@final
@dataclass
class Entry:
    """One config: its values by metric (one a measurement), and what it cost."""

    config: Config
    values: dict[str, list[float]] = field(default_factory=dict)
    change: dict[str, tuple[float, float]] = field(default_factory=dict)  # and its standard error
    made_s: float = 0.0  # stages that were run for its first quality trial
    timed_s: float = 0.0  # the same for its first timing trial
    timings: int = 0
    failed: str = ""
    sure: float = 0.0  # standard errors of room to the nearest constraint
    rank: Rank | None = None

    def value(self, metric: Metric) -> float | None:
        """The median over its measurements, or None."""
        values = self.values.get(metric.name)
        return median(values) if values else None


@final
@dataclass
class Known:
    """Every config tried at full fidelity, and the order of those that reached the goal's metrics.

    Tier 0: every constraint holds with room for chance; 1: holds on the rows seen; 2: does not.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    ranked: list[Rank] = field(default_factory=list)
    baseline: Entry | None = None

    def best(self, count: int) -> list[Entry]:
        """The best `count` of the ranked entries, best first."""
        return [self.entries[rank[-1]] for rank in self.ranked[:count]]


@cache
def known(goal: Goal) -> Fold[Known]:
    """The fold that knows. The first config ever tried is the baseline."""

    def step(state: Known, trial: Trial, measurement: Measurement) -> None:
        if trial.purpose.kind != "search" or trial.fidelity.rows < 1.0:
            return
        entry = state.entries.setdefault(trial.config.id, Entry(trial.config))
        state.baseline = state.baseline or entry
        if measurement.outcome is not Outcome.OK:
            if measurement.outcome is not Outcome.STOPPED:
                entry.failed = f"{measurement.outcome.value}: {measurement.detail}"
            return
        _learn(entry, goal, trial, measurement)
        rank = _rank(entry, goal, state.baseline)
        if entry.rank is not None:
            del state.ranked[bisect.bisect_left(state.ranked, entry.rank)]
        if rank is not None:
            bisect.insort(state.ranked, rank)
        entry.rank = rank

    return Fold(Known, step)


def _learn(entry: Entry, goal: Goal, trial: Trial, measurement: Measurement) -> None:
    for metric in goal.metrics:
        fresh = metric.evidence != "rows" or metric.name not in entry.values
        value = metric.of(measurement.samples)
        if fresh and value is not None:
            entry.values.setdefault(metric.name, []).append(value)
        change = measurement.samples.get(metric.name + "_change")
        if change is not None and change.error is not None:
            entry.change[metric.name] = (change.values[0], change.error)
    spent_s = sum(s.end_s - s.start_s for s in measurement.spans if not s.cached)
    if trial.exclusive:
        entry.timings += 1
        entry.timed_s = entry.timed_s or spent_s
    else:
        entry.made_s = entry.made_s or spent_s


def room(entry: Entry, constraint: Constraint, baseline: Entry) -> tuple[float, float] | None:
    """How far the entry is inside a constraint, and the standard error of that; None if unknown."""
    value, base = entry.value(constraint.metric), baseline.value(constraint.metric)
    if value is None or (constraint.factor and base is None):
        return None
    _, error = entry.change.get(constraint.metric.name, (0.0, 0.0))
    return constraint.slack(value, base or 0.0), error if entry is not baseline else 0.0


def _rank(entry: Entry, goal: Goal, baseline: Entry) -> Rank | None:
    objective = entry.value(goal.objectives[0])
    rooms = [room(entry, c, baseline) for c in goal.constraints]
    if objective is None or None in rooms:
        return None
    signed = objective if goal.objectives[0].better == "lower" else -objective
    held = [r for r in rooms if r is not None]
    broken = -sum(min(slack, 0.0) for slack, _ in held)
    if broken > 0:
        return 2, broken, signed, 0.0, entry.config.id
    entry.sure = min((s / error if error > 0 else math.inf for s, error in held), default=math.inf)
    tier, order = (0, 0.0) if entry.sure >= SURE else (1, -entry.sure)
    if goal.objectives[0].scale == "ratio" and objective > 0:
        signed = math.copysign(1.0, signed) * round(math.log(objective) / TIE)
    return tier, order, signed, -entry.sure, entry.config.id


def select(state: Known, goal: Goal, tried: Sequence[Config]) -> Config | None:
    """The best config that holds every constraint and beats the baseline, leaving out `tried`.

    Each one tried in vain doubles the room for chance that the next must have on the rows seen; if
    none has as much, the one with the most room is taken.
    """
    base = state.baseline.value(goal.objectives[0]) if state.baseline else None
    fit = []
    for entry in state.best(len(state.ranked)):
        value = entry.value(goal.objectives[0])
        if entry.rank is None or entry.rank[0] > 1 or value is None or base is None:
            break
        if entry is not state.baseline and entry.config not in tried and goal.better(value, base):
            fit.append(entry)
    wanted = SURE * 2.0 ** len(tried)
    sure = next((entry for entry in fit if entry.sure >= wanted), None)
    chosen = sure or max(fit, key=lambda entry: entry.sure, default=None)
    return chosen.config if chosen else None


def nearest_miss(state: Known, goal: Goal) -> str:
    """The config that came nearest to the constraints, in words; "" where one held them all."""
    first = next(iter(state.best(1)), None)
    if first is None or first.rank is None or first.rank[0] <= 1 or state.baseline is None:
        return ""
    for constraint in goal.constraints:
        held = room(first, constraint, state.baseline)
        if held is not None and held[0] < 0:
            metric = constraint.metric
            base = state.baseline.value(metric) or 0.0
            return (
                f" within the constraints; nearest miss: {metric.name} = "
                f"{format_quantity(first.value(metric) or 0.0, metric.unit)} where "
                f"{constraint.text} asks for {format_quantity(constraint.bound(base), metric.unit)}"
            )
    return ""
