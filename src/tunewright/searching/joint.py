"""The joint searcher: everything that may change at once, by expected gain for each second.

It starts from the baseline and the configs worth trying first, then follows a model of what was
measured. The dearest stage splits the knobs: those down to it make a *prefix* (a new one costs a
fit), those below it make *variants* (milliseconds each). Families share the fits, and prefixes and
variants the time, by what they have brought for their seconds. The best race on further folds, and
are blended where the goal allows it. Timing trials come in batches, so that the machine is drained
seldom; what is known is measured again only where noise leaves open which one is best.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import final

from tunewright.core.config import Config, Value
from tunewright.core.evidence import Record
from tunewright.core.history import Fold, History
from tunewright.core.roles import Problem, Proposal
from tunewright.searching.arms import choose
from tunewright.searching.blending import Blending
from tunewright.searching.chain import Chain, proposed
from tunewright.searching.pools import Asked, Pools
from tunewright.searching.racing import Race
from tunewright.searching.shrinking import called_as_others, smaller
from tunewright.searching.state import Seen
from tunewright.searching.timing import LAST, Timing
from tunewright.searching.trials import Moment, Trials

START = 8  # prefixes that fill the space before the model is asked
DRAWS = 60  # tries to find a config that is new
SEARCHED = 0.8  # of a budget of seconds is the search's, where nothing is known of the rest
LOW_ROWS = 0.25
DEAR = 1 / 25  # of the budget: a fit that takes more is looked at on few rows first
FEW_PAY = 0.4  # of a fit's time, at most, is what the same on few rows may take
PRIOR_FITS = 3.0  # what is worth trying first takes so many times the baseline's fit, and more
USABLE = 0.8  # of what a verification may take, at most, is for refits of what few rows favour
PROMOTED = 3  # of so many at few rows one goes on
VARIANTS_LEAST, VARIANTS_MOST = 0.25, 0.75  # of the time, where time comes first …
MOST_VARIANTS = 20  # trials below each prefix, on average: then another one is due
VARIANTS_ELSE = (0.05, 0.25)  # … and where it does not: below a fit, quality seldom changes
LATER = 8  # every so many proposals the turn is a later objective's


@final
class JointSearcher:
    """The searcher described above; implements Searcher."""

    def __init__(self, problem: Problem) -> None:
        self._problem, self._goal = problem, problem.goal
        self._cached, self._fresh, self._seed = problem.cached, problem.fresh, problem.seed
        self._chain = chain = Chain(problem)
        self._race = Race(problem, chain)
        self._blending = Blending(problem, chain, self._race)
        self._rows = any(e.name == "rows" for e in problem.efforts)
        self._seen = Fold(lambda: Seen(problem, chain), Seen.learn)
        self._pools, self._trials = Pools(problem, chain), Trials(problem)
        self._timing = Timing(problem, chain, self._pools)
        self._best = [(config, chain.key(config)) for config in problem.prior.best]
        self._small = [(config, chain.key(config)) for config in problem.prior.small]
        self._best_families = {chain.family(config) for config in problem.prior.best}

    def propose(self, history: History, n: int) -> Sequence[Proposal]:
        """At most `n` proposals; () when every config of a finite space was tried."""
        now = self._moment(history)
        seen, busy = now.seen, now.busy
        baseline = seen.ranked.baseline
        if not history.last_number:
            return [self._trials.first(self._chain.baseline)][:n]
        if baseline is None or (self._fresh and not baseline.measured):
            return [self._trials.anew(self._chain.baseline)][:n] if baseline and not busy else ()
        if now.closing and (blends := self._blends(now)):
            return blends[:n]
        timed = self._fresh is not None and bool(self._cached)
        if timed and (now.closing or seen.measuring or self._timing.due(seen)):
            waiting = list(self._timing.waiting(now))
            if waiting:
                return waiting[:n]
        if now.closing:
            return self._cut(now)[:n]
        wanted = self._rest(now)[:n]
        for i in range(len(wanted), n):
            chance = random.Random(f"{self._seed}/{history.last_number + i}")  # noqa: S311
            fresh = self._new(now, chance, history.last_number + i)
            if fresh is None:
                break
            busy.add(self._chain.key(fresh.config))
            wanted.append(fresh)
        wanted = wanted or self._left(now)
        return wanted or (list(self._timing.waiting(now))[:n] if timed else [])

    def _moment(self, history: History) -> Moment:
        seen, budget, costs = self._seen(history), self._problem.budget, self._problem.costs
        unknown = (*history.running, *history.lost)
        busy = {self._chain.key(t.config) for t in unknown}
        taken = {(t.config.id, t.fidelity.piece.fold) for t in unknown}
        left = budget.trials_left(history.last_number)
        if budget.seconds is None:
            progress = history.last_number / (budget.trials or 1)
            return Moment(seen, busy, taken, progress, math.inf, left, closing=False)
        elapsed_s, kept_s = history.elapsed_s, (1 - SEARCHED) * budget.seconds
        if costs:
            kept_s = costs.kept_s(seen.ranked, elapsed_s)
            kept_s = max(kept_s, self._blending.needed_s(seen))
        left_s = budget.seconds - kept_s - elapsed_s
        last_s = costs.last_s(seen.ranked) if costs and self._cached else -math.inf
        progress = elapsed_s / (budget.seconds - kept_s)
        return Moment(seen, busy, taken, progress, left_s, left, closing=left_s <= last_s)

    # What was tried and is not known well enough

    def _rest(self, now: Moment) -> list[Proposal]:
        """Folds that the contenders lack, blends, and repeats of programs."""
        seen = now.seen
        folds: list[tuple[Record, int]] = []
        if self._race.count(seen) > 1 and self._next_prior(now) is None:
            folds = list(self._race.survivors(seen))
            lacking = self._race.unfinished(seen)
            if now.progress >= LAST or self._hurry(now, lacking):
                folds = lacking
        wanted = self._folds(now, folds)
        if not wanted:
            wanted = self._blends(now)
        if not self._cached:
            wanted += self._timing.repeats(now)[:1]
        return wanted

    def _blends(self, now: Moment) -> list[Proposal]:
        """The trials of blends that are due and do not run yet."""
        progress = math.inf if now.closing else now.progress
        blends = self._blending.proposals(now.seen, progress, now.left)
        return [b for b in blends if (b.config.id, b.fidelity.piece.fold) not in now.taken]

    def _hurry(self, now: Moment, lacking: Sequence[tuple[Record, int]]) -> bool:
        """Whether the folds that are lacking would take half of the time that is left."""
        budget = self._problem.budget
        needed = sum(
            (self._race.count(now.seen) - fold) * (record.fit_s if budget.seconds else 1.0)
            for record, fold in lacking
        )
        whole = budget.seconds or float(budget.trials or 0)
        return now.progress > LAST / 2 and needed > (1 - now.progress) * whole / 2

    def _folds(self, now: Moment, wanted: Sequence[tuple[Record, int]]) -> list[Proposal]:
        """These folds, behind the baseline's: nobody is judged on a fold that it has not had."""
        baseline = now.seen.ranked.baseline
        assert baseline is not None
        proposals = []
        for record, fold in wanted:
            if (baseline.config.id, fold) not in now.seen.tried:
                if (baseline.config.id, fold) not in now.taken:
                    now.taken.add((baseline.config.id, fold))
                    proposals.append(self._trials.shared(baseline.config, fold))
                continue
            key = self._chain.key(record.config)
            if key not in now.busy:
                now.busy.add(key)
                proposals.append(self._trials.shared(record.config, fold))
        return proposals

    def _left(self, now: Moment) -> list[Proposal]:
        """What is left to do where nothing is left to try."""
        if self._race.count(now.seen) == 1:
            return []
        return self._folds(now, self._race.unfinished(now.seen))[:1]

    # What is new

    def _new(self, now: Moment, chance: random.Random, number: int) -> Proposal | None:
        """A config that is new: one worth trying first, another prefix, or a variant of one."""
        seen = now.seen
        promoted = self._promoted(now, PROMOTED)
        if promoted is not None:
            return self._trials.first(promoted)
        for less in self._cheaper(now):
            if self._is_new(less, self._chain.key(less), now):
                return self._trials.first(less)
        few = self._few_fits(now)
        if seen.hopeless or few:  # what is known for its quality may be too large or slow
            others = self._untried(now, chance, self._best_families)
            if others is not None:
                return self._first(others, few=few)
        known = self._next_prior(now)
        if known is not None:
            few = self._dear(seen, PRIOR_FITS) and (len(seen.made) > 1 or bool(now.busy))
            return self._first(known, few=few)
        if self._chain.late(seen.dearest) and self._owed(seen):
            variant = self._from_pool(now, Asked(self._timing.turn, "variant"), chance)
            if variant is not None:
                return self._trials.first(variant)
        config = self._prefix(now, chance, number) or self._promoted(now, 1)
        if config is None and self._chain.late(seen.dearest):
            config = self._from_pool(now, Asked(self._timing.turn, "variant"), chance)
        config = config or self._any(now, chance)
        if config is None:
            return None
        prefix = self._chain.prefix(seen.dearest, config) if self._dear(seen) else ""
        return self._first(config, few=bool(prefix) and prefix not in seen.prefixes)

    def _first(self, config: Config, *, few: bool) -> Proposal:
        """The first trial of a config, on few rows or all."""
        shared = self._trials.shared
        return shared(config, rows=LOW_ROWS) if few else self._trials.first(config)

    def _few_fits(self, now: Moment) -> bool:
        """Whether there is no time for fits such as those that are known for their quality."""
        return self._rows and PRIOR_FITS * now.seen.dearest_s > now.left_s

    def _cheaper(self, now: Moment) -> Iterator[Config]:
        """Where the baseline breaks a bound, or leaves no time: its own fit, called as others are.

        Then what is cut short to hold a bound.
        """
        seen = now.seen
        if seen.ranked.baseline_breaks or self._few_fits(now):
            yield from called_as_others(seen, self._chain, self._problem.prior.best)
        yield from smaller(seen, self._chain, self._goal)

    def _cut(self, now: Moment) -> list[Proposal]:
        """What needs no further fit to hold a bound."""
        made = now.seen.prefixes
        return [
            replace(self._trials.first(config), made=True)
            for config in self._cheaper(now)
            if self._chain.prefix(now.seen.dearest, config) in made
            if self._is_new(config, self._chain.key(config), now)
        ]

    def _next_prior(self, now: Moment) -> Config | None:
        """The next config that is worth trying first, None where all were."""
        for config, key in self._first_ones(now.seen):
            if self._is_new(config, key, now):
                return config
        return None

    def _first_ones(self, seen: Seen) -> list[tuple[Config, str]]:
        """What is worth trying first: the small where they are asked for, then the best.

        Where time comes first and a constraint says what is good enough, the best are not sought.
        """
        timed = bool(self._goal.objectives[0].since)
        small = self._small if timed or seen.ranked.baseline_breaks else []
        return small if timed and not seen.hopeless else [*small, *self._best]

    def _in_time(self, now: Moment, config: Config) -> bool:
        """Whether it would be made in time, if it takes as long as others of its family.

        One of which nothing is known may take as long as the dearest of those that are.
        """
        family, arms = self._chain.family(config), now.seen.arms
        known = arms.values() if family not in arms else (arms[family],)
        if family is None or max((arm.mean_s for arm in known), default=0.0) <= now.left_s:
            return True
        return self._chain.prefix(now.seen.dearest, config) in now.seen.prefixes  # no fit

    def _owed(self, seen: Seen) -> bool:
        """Whether it is the variants' turn: their share of the time follows what they bring."""
        fits, variants = seen.prefix, seen.variant
        if len(variants.costs) > MOST_VARIANTS * (len(fits.costs) + 1):
            return False
        timed = self._fresh and self._goal.objectives[0].since
        least, most = (VARIANTS_LEAST, VARIANTS_MOST) if timed else VARIANTS_ELSE
        a = fits.gained / fits.spent_s if fits.spent_s > 0 else 0.0
        b = variants.gained / variants.spent_s if variants.spent_s > 0 else 0.0
        share = b / (a + b) if a + b > 0 else (least + most) / 2
        share = min(max(share, least), most)
        return variants.spent_s <= share * (fits.spent_s + variants.spent_s)

    def _dear(self, seen: Seen, times: float = 1.0) -> bool:
        """Whether fits that take so many times the mean are looked at on few rows first."""
        seconds = self._problem.budget.seconds
        if LOW_ROWS * seen.foreseen > FEW_PAY:
            return False
        return self._rows and seconds is not None and times * seen.dearest_s > DEAR * seconds

    def _promoted(self, now: Moment, each: int) -> Config | None:
        """The best config at few rows, once `each` were seen for each that went on."""
        seen = now.seen
        gone_on = seen.low_count - len(seen.low)
        if not seen.low or seen.low_count < each * (gone_on + 1):
            return None
        costs, base = self._problem.costs, seen.ranked.baseline
        most_s = USABLE * costs.most_s if costs else math.inf
        affordable = [
            (merit, config)
            for merit, fit_s, config in seen.low.values()
            if fit_s / seen.foreseen <= now.left_s
            if not costs or not base or costs.refits_s(base, fit_s / seen.foreseen) <= most_s
        ]
        first = min(affordable, key=lambda pair: (pair[0], pair[1].id), default=None)
        if first is None:
            return None
        merit, config = first
        return config if merit < math.inf and self._chain.key(config) not in now.busy else None

    def _prefix(self, now: Moment, chance: random.Random, number: int) -> Config | None:
        """A new prefix: each family's defaults, then over the space, then the model's."""
        seen, arm = now.seen, self._chain.arm
        if (default := self._untried(now, chance)) is not None:
            return default
        started = len(seen.prefixes) + len(seen.low) + len(now.busy)
        if started <= START and not self._first_ones(seen):
            upper = self._chain.upper(seen.dearest)
            point = spread(started, len(upper), self._seed)
            values = {k.name: k.at(u) for k, u in zip(upper, point, strict=True)}
            another = self._complete(seen, values, chance)
            if self._is_new(another, self._chain.key(another), now):
                return another
        quick = {family: one for family, one in seen.arms.items() if one.mean_s <= now.left_s}
        family = choose(quick or seen.arms, chance) if arm and seen.arms else None
        later = len(self._goal.objectives) - 1
        turn = 1 + number // LATER % later if later and number % LATER == LATER - 1 else 0
        config = self._from_pool(now, Asked(turn, "prefix", family), chance)
        if config is None and family is not None:
            config = self._from_pool(now, Asked(turn, "prefix"), chance)
        return config

    def _untried(
        self, now: Moment, chance: random.Random, but: Collection[Value | None] = ()
    ) -> Config | None:
        """The defaults of a family that was not tried yet, but for some."""
        arm, seen = self._chain.arm, now.seen
        for value in proposed(arm) if arm else ():
            if arm is None or value in seen.arms or value in but:
                continue
            default = self._complete(seen, {arm.name: value}, chance)
            if self._is_new(default, self._chain.key(default), now):
                return default
        return None

    def _complete(self, seen: Seen, values: Mapping[str, Value], chance: random.Random) -> Config:
        """A config with these values, what is below the dearest stage as in the best one."""
        elite = seen.snapshot.elite[0] if seen.snapshot else ()
        best = next(iter(elite), None)
        late = {
            k.name: best[k.name]
            for k in self._chain.late(seen.dearest)
            if best is not None and k.name in best
        }
        return self._chain.config({**late, **values, **self._exact_values(seen, chance)})

    def _any(self, now: Moment, chance: random.Random) -> Config | None:
        """A config that is new, drawn from the whole space; None where there is none left."""
        for _ in range(10 * DRAWS):
            values = {k.name: k.at(chance.random()) for k in self._chain.searched}
            config = self._chain.config(values)
            if self._is_new(config, self._chain.key(config), now):
                return config
        every = ((config, self._chain.key(config)) for config in self._chain.every())
        return next((c for c, key in every if self._is_new(c, key, now)), None)

    def _exact_values(self, seen: Seen, chance: random.Random) -> Mapping[str, Value]:
        """The exact knobs (they change cost alone): the cheapest so far, or any."""
        if not self._chain.exact:
            return {}
        if seen.exact and chance.random() < 0.7:
            mean = {c: total / count for c, (total, count) in seen.exact.items()}
            return min(mean, key=lambda c: (mean[c], c.id))
        return {k.name: k.at(chance.random()) for k in self._chain.exact}

    def _is_new(self, config: Config, key: str, now: Moment) -> bool:
        seen = now.seen
        if key in seen.made or key in now.busy or not self._in_time(now, config):
            return False
        if not self._chain.fits(config):
            return False
        return not seen.low or self._chain.prefix(seen.dearest, config) not in seen.low

    def _from_pool(self, now: Moment, asked: Asked, chance: random.Random) -> Config | None:
        """The most promising candidate that is new, its exact knobs as they are cheapest."""
        config = self._pools.first(now.seen, asked, lambda c, key: self._is_new(c, key, now))
        if config is None:
            return None
        other = self._chain.config({**config, **self._exact_values(now.seen, chance)})
        return other if self._chain.fits(other) else config


def spread(index: int, dimensions: int, seed: int) -> list[float]:
    """The point of this index in a sequence that fills the unit cube evenly from its start.

    Source: Roberts 2018, a Kronecker sequence whose steps are powers of the generalised golden
    ratio; the seed shifts it.
    """
    ratio = 2.0
    for _ in range(30):  # the root of x^(d + 1) = x + 1
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    chance = random.Random(f"{seed}/spread")  # noqa: S311
    return [(chance.random() + index * ratio ** -(i + 1)) % 1.0 for i in range(dimensions)]
