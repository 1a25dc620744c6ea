"""Preference: the order of configs under a goal. It mirrors the judge: no look is to be wasted.

Wanted is a config that is clearly better on one objective, no worse than its margin on all others,
and inside every constraint with slack for chance. Among such, the goal's order decides; a tie goes
to more slack only within what noise explains.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from tunewright.core.config import Config
from tunewright.core.evidence import Estimate, Evidence, Record
from tunewright.core.goal import Constraint, Goal, within_margin
from tunewright.core.history import Fold, History
from tunewright.core.metrics import Metric
from tunewright.core.trial import Measurement, Trial
from tunewright.core.units import format_quantity

# A candidate that the search favours by this many standard errors passes the verification with
# 80 % power: 1.96 for the one-sided test at the first look's α, 0.84 for the power.
SURE = 2.8
NEGLIGIBLE = 0.1  # of a score's margin: so much of it may go for another objective
SHOWN_OF = 20  # the first configs, of which one is shown as the best so far
FAILING = 1 / 3  # of the runs of a config: beyond that it is not to be trusted
FAILING_BASELINE = 1 / 2  # without it there is no study: one bad run of several is no reason

Likes = Callable[[Record], bool]


@final
@dataclass(frozen=True, order=True)
class Standing:
    """Where a config stands; less is better.

    tier: 0 every constraint holds with slack for chance, 1 it holds as measured, 2 it does not.
    shortfall: how much is missing within the tier. objectives: with the sign at which less is
    better. slack: towards the nearest constraint, in standard errors, negated.
    """

    tier: int
    shortfall: float
    objectives: tuple[float, ...]
    slack: float
    id: str


@final
class Ranking:
    """The evidence, and the configs that have all that the goal reads, best first."""

    def __init__(self, goal: Goal, evidence: Evidence) -> None:
        self.goal, self.evidence = goal, evidence
        self._order: list[Standing] = []
        self._standings: dict[str, Standing] = {}
        # By each objective but the first, of what holds every constraint.
        self._leaders: list[list[tuple[float, str]]] = [[] for _ in goal.objectives[1:]]

    @property
    def baseline(self) -> Record | None:
        """The baseline's record."""
        return self.evidence.baseline

    def best(self, count: int | None = None) -> list[Record]:
        """The best `count` configs, or all, best first."""
        return [self.evidence.records[standing.id] for standing in self._order[:count]]

    def leading(self) -> Record | None:
        """What is shown as the best so far: the first that more than luck on a piece has put there.

        Of the first few, as it is asked for after every trial.
        """
        first = self._order[:SHOWN_OF]
        alike = [self.evidence.records[one.id] for one in first if one.tier == first[0].tier]
        return self._known_best(alike)[0] if alike else None

    def leaders(self, count: int) -> list[Record]:
        """The best `count` by each objective but the first."""
        return [
            self.evidence.records[id_] for leaders in self._leaders for _, id_ in leaders[:count]
        ]

    def standing(self, record: Record) -> Standing | None:
        """Where a config stands, None while the goal reads something that it has not shown."""
        return self._standings.get(record.config.id)

    def learn(self, trial: Trial, measurement: Measurement) -> None:
        """Take in one ended trial."""
        record = self.evidence.learn(trial, measurement)
        if record is None:
            return
        # All stand where they do beside the baseline: when it moves, they move.
        for moved in self.evidence.records.values() if record is self.baseline else (record,):
            self._rank(moved)

    def _rank(self, record: Record) -> None:
        old, new = self._standings.pop(record.config.id, None), self._stand(record)
        if old is not None:
            del self._order[bisect.bisect_left(self._order, old)]
            for leaders, entry in self._leading(old):
                del leaders[bisect.bisect_left(leaders, entry)]
        if new is not None:
            self._standings[record.config.id] = new
            bisect.insort(self._order, new)
            for leaders, entry in self._leading(new):
                bisect.insort(leaders, entry)

    def _leading(
        self, standing: Standing
    ) -> list[tuple[list[tuple[float, str]], tuple[float, str]]]:
        """The lists of leaders that a config stands in, each with its place there."""
        if standing.tier > 1:
            return []
        others = zip(self._leaders, standing.objectives[1:], strict=True)
        return [(leaders, (value, standing.id)) for leaders, value in others]

    def _stand(self, record: Record) -> Standing | None:
        values = [record.value(objective) for objective in self.goal.objectives]
        slacks = [self.slack(record, constraint) for constraint in self.goal.constraints]
        if None in values or None in slacks or not values:
            return None
        objectives = tuple(
            metric.signed(value)
            for metric, value in zip(self.goal.objectives, values, strict=True)
            if value is not None
        )
        known = [slack for slack in slacks if slack is not None]
        broken = -sum(min(slack.value, 0.0) for slack in known)
        id_ = record.config.id
        if broken > 0:
            return Standing(2, broken, objectives, 0.0, id_)
        z = min(map(_in_errors, known), default=math.inf)
        return Standing(0 if z >= SURE else 1, 0.0 if z >= SURE else -z, objectives, -z, id_)

    def slack(self, record: Record, constraint: Constraint) -> Estimate | None:
        """How far a config is inside a constraint, and the error of that; None if unknown."""
        metric, baseline = constraint.metric, self.baseline
        own = record.estimate(metric)
        base = baseline.estimate(metric) if baseline else None
        if own is None or baseline is None or (constraint.factor and base is None):
            return None
        error = own.error
        if record is baseline and constraint.factor:
            error = 0.0
        elif base is not None and metric.evidence != "rows":
            error = math.hypot(error, constraint.factor * base.error)
        return Estimate(constraint.slack(own.value, base.value if base else 0.0), error)

    @property
    def baseline_breaks(self) -> bool:
        """Whether the baseline itself breaks a constraint, as measured so far."""
        standing = self.standing(self.baseline) if self.baseline else None
        return standing is not None and standing.tier > 1

    def why_unfit(self, record: Record) -> str | None:
        """Why a config can be no winner, as measured so far, or None."""
        goal, baseline = self.goal, self.baseline
        standing = self.standing(record)
        if failing := record.failing(FAILING):
            return f"its runs failed ({failing})"
        if standing is None or baseline is None or record is baseline:
            return "it is the baseline" if record is baseline else "it is not fully measured"
        if standing.tier > 1:
            return "it breaks a constraint"
        if self.baseline_breaks:
            return None  # that it keeps the constraints is worth a look, whatever else it does
        for metric in goal.objectives if len(goal.objectives) > 1 else ():
            kept = self.slack(record, within_margin(metric))
            if kept is not None and kept.value < 0:
                return f"{metric.name} is worse by more than its margin"
        if not any(gain > 0 for gain in map(_gain(record, baseline), goal.objectives)):
            return "it is better on no objective"
        return None

    @property
    def promising(self) -> bool:
        """Whether any config is worth being verified."""
        records = (self.evidence.records[standing.id] for standing in self._order)
        return any(self.why_unfit(record) is None for record in records)

    def choose(self, tried: Sequence[Config], likes: Likes = lambda _: True) -> Config | None:
        """The config to be verified next, settled; None where there is none.

        It is none of `tried`, and liked. Each one tried in vain doubles the slack for chance that
        the next must have; if none has as much, the one with the most is taken.
        """
        settled = self.evidence.settled
        fit = [r for r in self._candidates() if settled(r.config) not in tried and likes(r)]
        if not fit:
            return None
        fit = self._known_best(fit)
        wanted = SURE * 2.0 ** len(tried)
        safe = [r for r in fit if self._slack_in_errors(r) >= wanted]
        fit = safe or [max(fit, key=self._slack_in_errors)]
        clear = [r for r in fit if any(map(self._clearly(r), self.goal.objectives))]
        return settled(self._preferred(clear or fit).config)

    def _known_best(self, records: list[Record]) -> list[Record]:
        """Those that were judged on at least half as many pieces as any, where rows decide.

        All stand where they do beside the baseline on the same pieces; but luck on one is no merit.
        """
        first = self.goal.objectives[0]
        if first.evidence != "rows":
            return records
        most = max(record.pieces(first) for record in records)
        return [record for record in records if 2 * record.pieces(first) >= most]

    def front(self) -> list[Record]:
        """The Pareto set: what holds every constraint and is beaten by none on all objectives."""
        feasible = [s for s in self._order if s.tier < 2]
        feasible.sort(key=lambda standing: standing.objectives)
        front: list[Standing] = []
        for one in feasible:
            if not any(_dominates(other.objectives, one.objectives) for other in front):
                front.append(one)
        return [self.evidence.records[standing.id] for standing in front]

    def _candidates(self) -> list[Record]:
        return [record for record in self.best() if self.why_unfit(record) is None]

    def _preferred(self, records: Sequence[Record]) -> Record:
        """The goal's order, each objective within the noise of its best; then slack; then order."""
        pool, decisive = list(records), len(self.goal.constraints) + len(self.goal.objectives) > 1
        for metric in self.goal.objectives:
            best = min(pool, key=_signed(metric))
            if not decisive:
                return best
            pool = [r for r in pool if _within_noise(r, best, metric)]
        return min(pool, key=lambda r: (-self._slack_in_errors(r), self._standings[r.config.id]))

    def _slack_in_errors(self, record: Record) -> float:
        """Of the nearest constraint or margin; infinite where nothing is uncertain.

        Where the baseline breaks a constraint, no margin is kept to it: what is as bad as can be,
        and unknown as badly, would be the nearest.
        """
        bounds = [*self.goal.constraints]
        baseline = self.baseline
        if len(self.goal.objectives) > 1 and baseline is not None and not self.baseline_breaks:
            better = map(_gain(record, baseline), self.goal.objectives)
            bounds += [
                within_margin(m)
                for m, gain in zip(self.goal.objectives, better, strict=True)
                if gain <= 0
            ]
        slacks = [self.slack(record, bound) for bound in bounds]
        return min((_in_errors(s) for s in slacks if s is not None), default=math.inf)

    def _clearly(self, record: Record) -> Callable[[Metric], bool]:
        """Whether the config is better on an objective by more than noise explains."""
        baseline = self.baseline

        def clearly(metric: Metric) -> bool:
            change = record.change(metric, baseline) if baseline else None
            return change is not None and change.value < 0 and -change.value >= SURE * change.error

        return clearly

    def nearest_miss(self) -> str:
        """The config that came nearest to the constraints, in words; "" where one held them all."""
        first = next(iter(self.best(1)), None)
        standing = self.standing(first) if first else None
        if first is None or standing is None or standing.tier < 2 or self.baseline is None:
            return ""
        for constraint in self.goal.constraints:
            kept, metric = self.slack(first, constraint), constraint.metric
            if kept is not None and kept.value < 0:
                bound = constraint.bound(self.baseline.value(metric) or 0.0)
                return (
                    f" within the constraints; nearest miss: {metric.name} = "
                    f"{format_quantity(first.value(metric) or 0.0, metric.unit)} where "
                    f"{constraint.text} asks for {format_quantity(bound, metric.unit)}"
                )
        return ""


@lru_cache(maxsize=8)
def ranking(
    goal: Goal, metrics: tuple[Metric, ...], stages: tuple[str, ...], *, refitted: bool = False
) -> Fold[Ranking]:
    """The fold that ranks what the search has measured; refitted: see Evidence."""
    every = tuple({metric.name: metric for metric in (*metrics, *goal.metrics)}.values())
    return Fold(lambda: Ranking(goal, Evidence(every, stages, refitted=refitted)), Ranking.learn)


def ranked(goal: Goal, history: History) -> Ranking:
    """The configs of a study in the goal's order, by what its first event says of metrics."""
    opened = history.opened
    if opened is None:
        return ranking(goal, (), ())(history)
    return ranking(goal, opened.metrics, opened.stages, refitted=bool(opened.rows))(history)


def _signed(metric: Metric) -> Callable[[Record], float]:
    def signed(record: Record) -> float:
        value = record.value(metric)
        return math.inf if value is None else metric.signed(value)

    return signed


def _gain(record: Record, baseline: Record) -> Callable[[Metric], float]:
    def gain(metric: Metric) -> float:
        change = record.change(metric, baseline)
        return -change.value if change is not None else 0.0

    return gain


def _in_errors(estimate: Estimate) -> float:
    if estimate.error > 0:
        return estimate.value / estimate.error
    return math.inf if estimate.value >= 0 else -math.inf


def _within_noise(record: Record, best: Record, metric: Metric) -> bool:
    """Whether what separates two configs is no more than one standard error of it.

    Of a score, for which rows can be had, nor more than anybody would mind.
    """
    apart = record.apart(best, metric)
    if apart is None:
        return False
    known = best.value(metric) or 0.0
    minded = metric.margin * (abs(known) if metric.scale == "ratio" else 1.0)
    most = NEGLIGIBLE * minded if metric.evidence == "rows" else math.inf
    return apart.value <= min(apart.error, most)


def _dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether `a` is as good everywhere and better somewhere; less is better."""
    return all(x <= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)
