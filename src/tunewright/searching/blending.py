"""Blending: which configs are joined to one, and with which weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median
from typing import final

from tunewright.core.config import Config, Value
from tunewright.core.evidence import Record
from tunewright.core.goal import Constraint, within_margin
from tunewright.core.metrics import Metric
from tunewright.core.roles import BLEND, Problem, Proposal
from tunewright.core.trial import Fidelity, Piece
from tunewright.searching.chain import Chain
from tunewright.searching.racing import Race
from tunewright.searching.state import Seen

MEMBERS = 12
FIRST = 4  # members that are taken whatever their family
LOOKED_AT = 250  # of the best configs
TURNS = (
    0.4,
    0.6,
    0.8,
)  # shares of the search's time, after which weights are chosen; and at its end
LEAST_WEIGHT = 0.02
HEADROOM = 1.15  # a blend may take so many times as long as its members did one by one


@final
class Blending:
    """Joins the best configs at the stage where members meet, if there is one and the goal gains.

    Weights are chosen by the stage itself, fold by fold, in trials whose members all weigh 0
    (Caruana et al. 2004); their means are a config like any other.
    """

    def __init__(self, problem: Problem, chain: Chain, race: Race) -> None:
        stages = problem.stages
        self._chain, self._race, self._seed = chain, race, problem.seed
        self._costs = problem.costs
        self._needed: tuple[Seen | None, int, float] = (None, -1, 0.0)  # ended trials, seconds
        self._possible = (
            BLEND in stages
            and problem.cached in stages[stages.index(BLEND) :]
            and any(m.evidence == "rows" for m in problem.goal.objectives)
        )
        self._cached, self._metric = problem.cached, problem.goal.objectives[0]
        below = set(stages[stages.index(BLEND) :]) if BLEND in stages else set()
        self._below = [k.name for k in problem.space.knobs if k.stage in below]
        others = problem.goal.objectives[1:]
        bounds = [*problem.goal.constraints, *map(within_margin, others)]
        # The time of a blend is about the sum of its members'.
        self._bounds: list[Constraint] = [
            b for b in bounds if b.metric.since and b.metric.better == "lower"
        ]

    def proposals(self, seen: Seen, progress: float, left: int) -> list[Proposal]:
        """The trials that a blend still needs at this share of the search's time, best first.

        left: how many trials there may still be; nothing is begun that could not be ended.
        """
        due = sum(progress >= turn for turn in (*TURNS, math.inf))
        if not self._possible or not due:
            return []
        wanted: list[Proposal] = []
        if len(seen.selections) < due and left >= 2 * self._race.count(seen):
            for members in self._choices(seen):
                selection = self._selection(members)
                if selection.id not in seen.selections:
                    return self._folds(seen, selection, BLEND, set())
        for id_, done in seen.selections.items():
            selection = seen.selected[id_]
            missing = self._folds(seen, selection, BLEND, set(done))
            if missing:
                wanted += missing
            elif (blend := self._blend(selection, list(done.values()))) is not None:
                tried = {k for k in range(self._race.count(seen)) if (blend.id, k) in seen.tried}
                wanted += self._folds(seen, blend, self._cached, tried)
        return wanted

    def _folds(self, seen: Seen, config: Config, through: str, done: set[int]) -> list[Proposal]:
        """The folds that are still to be done, of those that all members had: nothing is fitted."""
        ids = [member.id for member, _ in config.members]
        return [
            Proposal(config, Fidelity(through, "", {}, Piece("search", k, self._seed)))
            for k in range(self._race.count(seen))
            if k not in done and all((id_, k) in seen.tried for id_ in ids)
        ]

    def needed_s(self, seen: Seen) -> float:
        """How long it will take to verify the blend that is still to come; 0 where none is."""
        base, costs = seen.ranked.baseline, self._costs
        if not self._possible or not costs or base is None or len(seen.selections) > len(TURNS):
            return 0.0
        if self._needed[0] is not seen or self._needed[1] != seen.ended:
            untried = (
                c for c in self._choices(seen) if self._selection(c).id not in seen.selections
            )
            first = next(untried, [])
            self._needed = (seen, seen.ended, costs.blend_s(base, first) if first else 0.0)
        return self._needed[2]

    def _choices(self, seen: Seen) -> list[list[Record]]:
        """What might be joined: what comes first, and the same without the dearest of it."""
        best = self._one_a_prefix(seen)
        members = self._members(seen, best)
        if not members:
            return []
        dearest = max(members, key=lambda record: record.fit_s)
        rest = [record for record in best if record is not dearest]
        choices = (members, self._members(seen, rest))
        return [choice for choice in choices if len(choice) > 1]

    def _members(self, seen: Seen, best: Sequence[Record]) -> list[Record]:
        """The best of these, one a prefix, as many as the bounds and the time allow."""
        members: list[Record] = []
        leaders: dict[Value | None, Record] = {}
        for record in best:
            leaders.setdefault(self._chain.family(record.config), record)
        # The best of each family come after the first few: what errs otherwise is worth most.
        order = [*best[:FIRST], *leaders.values(), *best[FIRST:]]
        for record in order:
            if record not in members and self._affordable(seen, [*members, record]):
                members.append(record)
            if len(members) == MEMBERS:
                break
        return members

    def _selection(self, members: Sequence[Record]) -> Config:
        # Equal members in another order are the same blend.
        joined = sorted((r.config for r in members), key=lambda config: config.id)
        return Config(self._values(members[0].config), [(config, 0.0) for config in joined])

    def _one_a_prefix(self, seen: Seen) -> list[Record]:
        """The best config of each prefix that has all folds, best first.

        Where time is bounded it is the quickest of those that are as good within a part of the
        margin: two variants hardly differ in quality, and very much in time.
        """
        variants: dict[str, list[Record]] = {}
        for record in seen.board(0, LOOKED_AT):
            if not record.config.members and self._race.whole(seen, record):
                prefix = self._chain.prefix(seen.dearest, record.config)
                variants.setdefault(prefix, []).append(record)
        if not self._bounds:
            return [records[0] for records in variants.values()]
        metric, bounded = self._metric, self._bounds[0].metric
        chosen = []
        for records in variants.values():
            least = (seen.place(records[0]) or 0.0) + metric.margin / 4
            near = [r for r in records if (seen.place(r) or 0.0) <= least]
            chosen.append(min(near, key=lambda r: _seconds(r, bounded)))
        return chosen

    def _values(self, config: Config) -> dict[str, Value]:
        return {name: config[name] for name in self._below if name in config}

    def _affordable(self, seen: Seen, members: list[Record]) -> bool:
        baseline = seen.ranked.baseline
        costs = self._costs
        if costs and baseline and costs.blend_s(baseline, members) > costs.most_s:
            return False
        for bound in self._bounds:
            base = baseline.value(bound.metric) if baseline else None
            total = sum(self._foreseen(seen, record, bound.metric) for record in members)
            if bound.slack(HEADROOM * total, base or 0.0) < 0:
                return False
        return True

    def _foreseen(self, seen: Seen, record: Record, metric: Metric) -> float:
        """A record's value; where it is not measured yet its family's median, or 0."""
        own, family = record.value(metric), self._chain.family(record.config)
        if own is not None:
            return own
        alike = [r for r in seen.board(0, LOOKED_AT) if self._chain.family(r.config) == family]
        values = [value for r in alike if (value := r.value(metric)) is not None]
        return median(values) if values else 0.0

    def _blend(self, selection: Config, folds: list[tuple[float, ...]]) -> Config | None:
        """The config with the mean weights; None where a fold failed or one member is enough."""
        if not folds or not all(folds):
            return None
        means = [round(fmean(weights), 2) for weights in zip(*folds, strict=True)]
        chosen = zip(selection.members, means, strict=True)
        kept = [(config, weight) for (config, _), weight in chosen if weight >= LEAST_WEIGHT]
        total = sum(weight for _, weight in kept)
        if len(kept) < 2:
            return None
        return Config(dict(selection), [(config, weight / total) for config, weight in kept])


def _seconds(record: Record, metric: Metric) -> float:
    value = record.value(metric)
    return math.inf if value is None else value
