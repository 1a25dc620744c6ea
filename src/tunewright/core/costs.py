"""Costs: how long trials and verifications take, from what the search has measured; in seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from tunewright.core.budget import Budget
from tunewright.core.evidence import Record
from tunewright.core.preference import Ranking
from tunewright.core.trial import Need
from tunewright.core.verdict import MIN_PAIRS

CLEAR = 2.0  # a sampled ratio beyond which few pairs will do
CLEAR_PAIRS, USUAL_PAIRS = 7, 15
PROCESS_S = 0.4  # a pair's own processes …
LOADING_S = 0.8  # … and what they load before they begin
REFIT_MORE = 1.3  # a refit learns on more rows than the search did …
REFIT_S = 0.1  # … and is a trial of its own
MEMBERS_AT_ONCE = 1.5  # of a blend, on two cores: the last one is alone
DEAR, DEAR_S = 3.0, 2.0  # fits that take so many times the baseline's, and so long, are stopped
RESTART, RESTART_S = 0.03, 2.0  # of the budget, at most, to replace workers that were stopped
LEAST_LAST, LEAST_LAST_S = 0.04, 3.0  # of the budget for the last trials of a search, at least
UNPROMISING = 0.5  # of the reserve is kept while there is nothing that is worth it
RESERVE = (0.1, 0.55)  # shares of the budget kept for verification, at least and at most
MOST_RESERVE = 0.7  # … and at most where the best would otherwise go unproven
LIMIT_FACTOR, LIMIT_SHARE = 10.0, 0.2  # a trial may take so many times the baseline's, or so much
LEAST_LIMIT_S = 5.0  # a start on a busy machine is no reason to stop a trial
LIMIT_UNBOUNDED_S = 3600.0  # where neither the baseline nor a budget of time says more
FEW_CONFIGS = 10  # fewer are no search


@final
@dataclass(frozen=True)
class Costs:
    """What a study's trials cost, by the costs of the configs that they are about.

    folds: refits of each arm at most, 0 where nothing is refitted. since: the stage from which on
    pairs run anew, "" where there are none. cached: the last stage that the search takes from the
    cache. start_s: what the processes of a pair take before they begin. least: refits of each arm,
    with fewer of which nothing could be said.
    """

    budget: Budget
    folds: int
    stages: tuple[str, ...]
    cached: str
    since: str
    start_s: float = PROCESS_S
    least: int = 1

    def parts(self, base: Record) -> int:
        """Of the folds as many as there is time for, if a config is fitted like the baseline.

        No config is refitted less often for being dearer: fewer judged rows prove less.
        """
        if self.budget.seconds is None or not self.folds:
            return self.folds
        quick = Record(base.config, fit_s=base.fit_s)  # where pairs are dear, most are quicker
        left_s = self.most_s - CLEAR_PAIRS * self.pair_s(base, quick)
        return min(max(int(left_s / _refit_s(base.refit_s, base.refit_s)), self.least), self.folds)

    def refits_s(self, base: Record, own_s: float) -> float:
        """To refit both arms for each part, partly side by side; the config's fit takes so long."""
        return self.parts(base) * _refit_s(base.refit_s, own_s)

    def pair_s(self, base: Record, own: Record) -> float:
        """One pair, with whatever both arms make anew for it; 0 where there are no pairs."""
        if not self.since:
            return 0.0
        anew = bool(self.cached) and self._at(self.since) <= self._at(self.cached)
        made_s = base.fit_s + own.fit_s if anew else 0.0
        return base.measure_s + own.measure_s + made_s + self.start_s

    def verification_s(self, ranked: Ranking, own: Record) -> float:
        """To verify a config: to refit both arms, and as many pairs as its change asks for.

        The members of a blend are refitted side by side.
        """
        base = ranked.baseline or own
        if own.config.members:
            return self.blend_s(base, ranked.evidence.members(own))
        pairs = CLEAR_PAIRS if _few_will_do(ranked, base, own) else USUAL_PAIRS
        return self.refits_s(base, own.refit_s) + pairs * self.pair_s(base, own)

    def reserve_s(self, ranked: Ranking) -> float:
        """The tail of the budget to be kept for refits and pairs of the best so far."""
        budget_s, base = self.budget.seconds, ranked.baseline
        if budget_s is None or base is None:
            return 0.0
        low, high = RESERVE[0] * budget_s, self.most_s
        first, *others = [self.verification_s(ranked, record) for record in ranked.best(3)] or [low]
        # What cannot be proven is worth nothing: where the best can only just be, the search ends.
        if first > MOST_RESERVE * budget_s:
            first = next((seconds for seconds in others if seconds <= high), high)
        # Fewer pairs than a verdict needs would be worth nothing, so these may take more where they
        # decide what matters most; if not even that is enough, the search may as well have it.
        objectives = ranked.goal.objectives
        decisive = ranked.best(1) if not objectives or objectives[0].since else []
        least_s = max((self._least_s(base, record) for record in decisive), default=0.0)
        least_s = least_s if least_s <= MOST_RESERVE * budget_s else 0.0
        return max(first, low, least_s) + self.restart_s

    def _least_s(self, base: Record, own: Record) -> float:
        """To refit both arms, and as many pairs as any verdict needs."""
        pairs_s = (MIN_PAIRS + 1) * self.pair_s(base, own)
        return self.refits_s(base, own.refit_s) + pairs_s if pairs_s else 0.0

    def kept_s(self, ranked: Ranking, elapsed_s: float) -> float:
        """The reserve at this time: less of it while nothing is worth being verified."""
        reserve_s = self.reserve_s(ranked)
        soon = self.budget.reserve_reached(elapsed_s, reserve_s + self.last_s(ranked))
        return reserve_s * UNPROMISING if soon and not ranked.promising else reserve_s

    def last_s(self, ranked: Ranking) -> float:
        """How long the search's last trials take: its last fits are like the best."""
        alike = [r for r in (ranked.baseline, *ranked.best(3)) if r and not r.config.members]
        least_s = min(LEAST_LAST * (self.budget.seconds or 0.0), LEAST_LAST_S)
        return max(least_s, sum(r.fit_s for r in alike) / len(alike) if alike else 0.0)

    def blend_s(self, base: Record, members: Sequence[Record]) -> float:
        """To verify a blend of these: they are refitted side by side, and answer one by one.

        What they share is made once.
        """
        shared_s = max((member.fit_s - member.made_s for member in members), default=0.0)
        fit_s = shared_s + sum(member.made_s for member in members) / MEMBERS_AT_ONCE
        measure_s = sum(member.measure_s for member in members)
        blend = Record(base.config, fit_s=fit_s, measure_s=measure_s)
        return self.refits_s(base, fit_s) + CLEAR_PAIRS * self.pair_s(base, blend)

    @property
    def most_s(self) -> float:
        """What a verification may take."""
        return RESERVE[1] * (math.inf if self.budget.seconds is None else self.budget.seconds)

    def needed_s(self, base: Record, configs: float = math.inf) -> float:
        """The budget for a few configs as dear as the baseline, and the proof of one of them.

        configs: how many there are.
        """
        fit_s, measure_s = base.fit_s, base.measure_s
        if not fit_s + measure_s:
            return math.inf
        proof_s = self.folds * _refit_s(base.refit_s, base.refit_s) + CLEAR_PAIRS * self.pair_s(
            base, base
        )
        return max(min(FEW_CONFIGS, configs) * (fit_s + measure_s) + proof_s, proof_s / RESERVE[1])

    @property
    def restart_s(self) -> float:
        """What it takes to replace the workers of trials that had to be stopped."""
        return min(RESTART * (self.budget.seconds or 0.0), RESTART_S)

    def too_dear(self, base: Record, spent_s: float, left_s: float) -> bool:
        """Whether a fit has run so long that what it makes could not be refitted in time."""
        # A worker that is stopped has to start anew, so what will end within a moment may.
        dear = spent_s > max(DEAR * base.fit_s, DEAR_S)
        return bool(self.folds) and dear and self.refits_s(base, spent_s) > left_s

    def limit_s(self, base: Record) -> float:
        """How long a trial may take beside this baseline."""
        return max(LIMIT_FACTOR * (base.fit_s + base.measure_s), limit_floor_s(self.budget))

    def _at(self, stage: str) -> int:
        return self.stages.index(stage)


def _refit_s(base_s: float, own_s: float) -> float:
    """To refit both arms once, of fits that take so long."""
    both_s = max(base_s, own_s) + min(base_s, own_s) / 2
    return REFIT_MORE * both_s + REFIT_S


def _few_will_do(ranked: Ranking, base: Record, own: Record) -> bool:
    """Whether few pairs tell enough: the change is large, or another objective comes first."""
    timed = next((metric for metric in ranked.goal.objectives if metric.since), None)
    if timed is None or timed is not ranked.goal.objectives[0]:
        return timed is not None
    a, b = base.value(timed), own.value(timed)
    return a is not None and b is not None and min(a, b) > 0 and max(a, b) / min(a, b) >= CLEAR


def start_s(need: Need) -> float:
    """What the processes of a pair take before they begin, where its arms have this need."""
    return PROCESS_S + (LOADING_S if need.imports else 0.0)


def limit_floor_s(budget: Budget) -> float:
    """How long a trial may always take, however quick the baseline is."""
    return max(LIMIT_SHARE * (budget.seconds or 0.0), LEAST_LIMIT_S)


def unbounded_limit_s(budget: Budget) -> float:
    """How long a trial may take while nothing is known of the baseline."""
    return budget.seconds / 2 if budget.seconds else LIMIT_UNBOUNDED_S
