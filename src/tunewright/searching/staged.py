"""A sound simple searcher that knows which stages are dear.

It starts from the baseline, spreads over the space with a Sobol sequence, then walks among the
neighbours of the best. The dearest stage splits the knobs: those down to it make a *prefix* (a new
one costs a fit), those below it make *variants* (milliseconds each). A prefix is bought only when
the ones before have paid for themselves with enough variants. Dear prefixes start on a quarter of
the rows, and the better third goes on to all of them. Timing trials are proposed in batches, so
that the machine is drained seldom. The best are measured again before they are believed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import final

from tunewright.core.config import Config, Value
from tunewright.core.evidence import Record
from tunewright.core.history import Fold, History
from tunewright.core.knobs import Choice, Knob
from tunewright.core.preference import Ranking, ranking
from tunewright.core.registry import resolve
from tunewright.core.roles import Problem, Proposal
from tunewright.core.trial import Fidelity, Measurement, Outcome, Piece, Trial
from tunewright.searching import SOBOL

BATCH = 10  # timing trials gathered before the machine is drained for them
VARIANTS = 20  # variants timed before another prefix is bought, where the goal is about time
SPREAD = 6  # prefixes from the Sobol sequence before neighbours get most of the turns
REPEATS = 3  # measurements of the best before they are believed
ELITE = 3  # how many of the best have neighbours
LOW_ROWS = 0.25
DEAR_S = 0.6  # a prefix that costs less is not worth a look at fewer rows
WORTH = 0.1  # a variant that promises less of the best's gain a second is not worth timing
DRAWS = 60  # tries to find a config that is new


@final
@dataclass
class Worth:
    """What one value of a choice has brought: the best objective, and its last trials' cost."""

    best: float = math.inf
    made_s: float = 0.0
    timed_s: float = 0.0


@final
@dataclass
class Seen:
    """What the search has done so far, from the ended trials alone."""

    made: set[str] = field(default_factory=set)  # keys with a quality measurement at all rows
    prefixes: dict[str, Config] = field(default_factory=dict)  # by prefix key, at all rows
    variants: dict[str, int] = field(default_factory=dict)  # by prefix key
    low: dict[str, tuple[float, Config]] = field(
        default_factory=dict
    )  # at few rows, not yet promoted
    low_count: int = 0
    untimed: dict[str, Config] = field(default_factory=dict)
    timed: set[str] = field(default_factory=set)
    fits: int = 0  # runs of the dearest stage
    dearest: str = ""
    dearest_s: float = 0.0
    measuring: bool = False  # the last trial that ended measured something anew
    choices: dict[tuple[str, Value], Worth] = field(default_factory=dict)  # below the prefix
    exact: dict[Config, tuple[float, int]] = field(default_factory=dict)  # log costs: sum, count


@final
class StagedSearcher:
    """The searcher described above; implements Searcher."""

    def __init__(self, problem: Problem) -> None:
        space, stages = problem.space, problem.stages
        self._space, self._goal, self._baseline = space, problem.goal, problem.baseline
        self._stages, self._cached, self._fresh = stages, problem.cached, problem.fresh
        self._seed, self._rows = problem.seed, any(e.name == "rows" for e in problem.efforts)
        self._above = stages[: stages.index(self._cached) + 1] if self._cached else ()
        own = {knob.stage for knob in space.knobs}
        first = next((i for i, name in enumerate(self._above) if name in own), 0)
        self._varied = self._above[first:]  # above these a study has one artifact
        self._exact = tuple(k for k in space.of(self._above) if k.exact)
        self._seen = Fold(Seen, self._step)
        self._ranking = ranking(problem.goal, problem.metrics, stages, refitted=problem.refitted)
        self._points: dict[int, Sequence[Sequence[float]]] = {}

    def propose(self, history: History, n: int) -> Sequence[Proposal]:
        """At most `n` proposals; () when every config of a finite space was tried."""
        seen, ranked = self._seen(history), self._ranking(history)
        busy = {self._key(t.config) for t in (*history.running, *history.lost)}
        if not history.last_number:
            return [self._shared(self._baseline) if self._cached else self._anew(self._baseline)]
        baseline = ranked.baseline
        if baseline is None or (self._fresh and not baseline.measured):
            return [self._anew(self._baseline)] if baseline and not busy else ()
        waiting = self._waiting(seen, ranked, busy) if self._fresh else []
        if self._cached:
            turn = seen.measuring or len(waiting) >= min(BATCH, 2 + len(seen.timed))
        else:
            turn = history.last_number % 3 == 0
        if waiting and turn:
            return waiting[:n]
        proposals: list[Proposal] = []
        for i in range(n):
            chance = random.Random(f"{self._seed}/{history.last_number + i}")  # noqa: S311
            fresh = self._new_config(seen, ranked, busy, chance)
            if fresh is None:
                break
            busy.add(self._key(fresh.config))
            proposals.append(fresh)
        return proposals or waiting[:n]

    def _shared(self, config: Config, rows: float = 1.0) -> Proposal:
        """A trial whose artifacts others can share."""
        effort = {} if rows == 1.0 else {"rows": rows}
        return Proposal(config, Fidelity(self._cached, "", effort, Piece(seed=self._seed)))

    def _anew(self, config: Config, repeat: int = 0) -> Proposal:
        """A trial of what must be measured anew."""
        assert self._fresh is not None
        piece = Piece(seed=self._seed, repeat=repeat)
        return Proposal(config, replace(self._fresh, piece=piece))

    def _first(self, config: Config) -> Proposal:
        return self._shared(config) if self._cached else self._anew(config)

    # What was seen

    def _step(self, seen: Seen, trial: Trial, measurement: Measurement) -> None:
        if trial.purpose.kind != "search":
            return
        spans = [s for s in measurement.spans if not s.cached and s.stage in self._above]
        if not seen.dearest and self._cached:
            varied = (s for s in spans if s.stage in self._varied)
            dearest = max(varied, key=lambda s: s.end_s - s.start_s, default=None)
            seen.dearest = dearest.stage if dearest else self._cached
            seen.dearest_s = dearest.end_s - dearest.start_s if dearest else 0.0
        dear_s = sum(s.end_s - s.start_s for s in spans if s.stage == seen.dearest)
        seen.fits += sum(s.stage == seen.dearest for s in spans)
        if dear_s > 0 and not trial.fidelity.effort:
            chosen = Config(
                {k.name: trial.config[k.name] for k in self._exact if k.name in trial.config}
            )
            total, count = seen.exact.get(chosen, (0.0, 0))
            seen.exact[chosen] = (total + math.log(dear_s * trial.need.cores), count + 1)
        key, prefix = self._key(trial.config), self._prefix(seen, trial.config)
        seen.measuring = bool(trial.fidelity.since)
        good = measurement.outcome is Outcome.OK
        if trial.fidelity.effort:
            seen.low_count += 1
            seen.low[prefix] = (self._merit(measurement) if good else -math.inf, trial.config)
            return
        seen.low.pop(prefix, None)
        seen.prefixes.setdefault(prefix, trial.config)
        if key not in seen.made:
            seen.variants[prefix] = seen.variants.get(prefix, 0) + 1
        seen.made.add(key)
        self._learn_choices(seen, trial, measurement)
        if trial.fidelity.since:
            seen.timed.add(key)
            seen.untimed.pop(key, None)
        elif good and self._fresh:
            seen.untimed[key] = trial.config

    def _learn_choices(self, seen: Seen, trial: Trial, measurement: Measurement) -> None:
        objective = self._goal.objectives[0]
        if not self._fresh or objective.better == "higher":
            return
        late = self._late(seen)
        stages = {knob.stage for knob in late}
        cost_s = sum(s.end_s - s.start_s for s in measurement.spans if s.stage in stages)
        value = objective.of(measurement.samples)
        for knob in late:
            if isinstance(knob.domain, Choice) and knob.name in trial.config:
                worth = seen.choices.setdefault((knob.name, trial.config[knob.name]), Worth())
                if trial.fidelity.since:
                    worth.timed_s = cost_s
                    worth.best = min(worth.best, math.inf if value is None else value)
                else:
                    worth.made_s = cost_s

    def _odds(self, seen: Seen, config: Config) -> float:
        """How much a variant promises a second, against the best value of each of its choices.

        A value that was never timed promises most.
        """
        odds = 1.0
        for knob in self._late(seen):
            mine = seen.choices.get((knob.name, config.get(knob.name, "")))
            rivals = [w for (name, _), w in seen.choices.items() if name == knob.name]
            if mine is None or not 0 < mine.best < math.inf:
                continue
            best = min(rivals, key=lambda worth: worth.best)
            gain = best.best / mine.best
            cost_s, best_s = mine.made_s + mine.timed_s, best.made_s + best.timed_s
            odds *= gain * min(best_s / max(cost_s, 1e-9), 1.0)
        return odds

    def _merit(self, measurement: Measurement) -> float:
        """How a measurement at few rows compares with the baseline's, on the goal's first score."""
        for metric in self._goal.metrics:
            change = measurement.samples.get(metric.name + "_change")
            if change is not None:
                return change.values[0] if metric.better == "higher" else -change.values[0]
        return 0.0

    def _waiting(self, seen: Seen, ranked: Ranking, busy: set[str]) -> list[Proposal]:
        """Timing trials worth having: what no constraint rules out, then repeats of the best."""
        newest = islice(reversed(seen.untimed.items()), 20 * BATCH)
        odds = {
            config: self._odds(seen, config)
            for key, config in newest
            if key not in busy and self._promising(ranked.evidence.records.get(config.id), ranked)
        }
        fresh = sorted((c for c in odds if odds[c] >= WORTH), key=lambda c: (-odds[c], c.id))
        again = [
            record
            for record in (ranked.best(ELITE) if len(seen.timed) >= BATCH else ())
            if 0 < record.measured < REPEATS and self._key(record.config) not in busy
        ]
        return [self._anew(config) for config in fresh] + [
            self._anew(record.config, record.measured) for record in again
        ]

    def _promising(self, record: Record | None, ranked: Ranking) -> bool:
        """No constraint is known to be broken by more than chance explains."""
        if record is None:
            return False
        slacks = [ranked.slack(record, constraint) for constraint in self._goal.constraints]
        return all(slack.value >= -slack.error for slack in slacks if slack is not None)

    # What to try

    def _new_config(
        self, seen: Seen, ranked: Ranking, busy: set[str], chance: random.Random
    ) -> Proposal | None:
        """A config that is new: a variant below a known prefix, or another prefix."""
        if seen.prefixes and self._paid(seen) < self._price(seen) * seen.fits:
            variant = self._new_variant(seen, ranked, busy, chance)
            if variant is not None:
                return variant
        promoted = self._promoted(seen, busy, each=3)
        if promoted is not None:
            return self._first(promoted)
        dear = self._rows and seen.dearest_s > DEAR_S
        for draw in range(DRAWS):
            config = self._spread_or_walk(seen, ranked, chance, draw + len(busy))
            prefix = self._prefix(seen, config)
            had = dear and (prefix in seen.prefixes or prefix in seen.low)
            if self._new(config, seen, busy) and not had:
                return self._shared(config, LOW_ROWS) if dear else self._first(config)
        promoted = self._promoted(seen, busy, each=1)  # no others are left to wait for
        if promoted is not None:
            return self._first(promoted)
        variant = self._new_variant(seen, ranked, busy, chance) if seen.prefixes else None
        return variant or self._any(seen, busy, chance)

    def _any(self, seen: Seen, busy: set[str], chance: random.Random) -> Proposal | None:
        """A config that is new, drawn from the whole space; None where there is none left."""
        searched = {knob.name for knob in self._searched()}
        endless = math.isinf(math.prod(k.count for k in self._searched() if not k.exact))
        for _ in range(100 * DRAWS if endless else 10 * DRAWS):
            values = {k.name: k.at(chance.random()) for k in self._searched()}
            config = self._space.config({**self._kept(searched), **values})
            if self._new(config, seen, busy):
                return self._first(config)
        return None

    def _kept(self, searched: set[str]) -> Mapping[str, Value]:
        return {name: value for name, value in self._baseline.items() if name not in searched}

    def _new_variant(
        self, seen: Seen, ranked: Ranking, busy: set[str], chance: random.Random
    ) -> Proposal | None:
        """A config that is new below a known prefix, or None after so many draws."""
        for _ in range(DRAWS):
            config = self._variant(seen, ranked, chance)
            if (
                self._new(config, seen, busy)
                and self._odds(seen, config) >= WORTH * chance.random()
            ):
                return self._first(config)
        return None

    def _paid(self, seen: Seen) -> float:
        """Variants so far; one that was not worth timing counts an eighth."""
        if not self._fresh:
            return len(seen.made)
        return len(seen.timed) + (len(seen.made) - len(seen.timed)) / 8

    def _price(self, seen: Seen) -> float:
        """Variants to be seen for each run of the dearest stage."""
        if not self._late(seen):
            return 0.0
        return VARIANTS if self._fresh else 1.0  # below a fit, quality seldom changes

    def _promoted(self, seen: Seen, busy: set[str], each: int) -> Config | None:
        """The best config of the low rung, once `each` were seen for each that went on."""
        gone_on = seen.low_count - len(seen.low)
        if not seen.low or seen.low_count < each * (gone_on + 1):
            return None
        merit, config = max(seen.low.values(), key=lambda pair: (pair[0], pair[1].id))
        return config if merit > -math.inf and self._key(config) not in busy else None

    def _variant(self, seen: Seen, ranked: Ranking, chance: random.Random) -> Config:
        """Another config below a known prefix: the newest first, then the best ones'."""
        late = self._late(seen)
        newest_key, newest = next(reversed(seen.prefixes.items()))
        elite = [record.config for record in self._elite(ranked)]
        young = seen.variants.get(newest_key, 0) < VARIANTS // 2
        base = newest if young or not elite else chance.choice(elite)
        if chance.random() < 0.5:
            return self._moved(base, late, chance)
        return self._space.config({**base, **{k.name: k.at(chance.random()) for k in late}})

    def _spread_or_walk(
        self, seen: Seen, ranked: Ranking, chance: random.Random, skip: int
    ) -> Config:
        """A point of the Sobol sequence; later a neighbour of the best, three times of four."""
        upper = [k for k in self._searched() if k not in self._late(seen) and k not in self._exact]
        elite = [r.config for r in self._elite(ranked)] or [self._baseline]
        late = {k.name: v for k in self._late(seen) if (v := elite[0].get(k.name)) is not None}
        tried = len(seen.prefixes) + len(seen.low)
        walk = tried > SPREAD and chance.random() < 0.75
        if walk:
            values: Mapping[str, Value] = self._moved(chance.choice(elite), upper, chance)
        else:
            points = self._sobol(len(upper))
            at = tried + skip
            point = points[at] if at < len(points) else [chance.random() for _ in upper]
            values = {**late, **{k.name: k.at(u) for k, u in zip(upper, point, strict=True)}}
        return self._space.config({**values, **self._exact_values(seen, chance)})

    def _elite(self, ranked: Ranking) -> list[Record]:
        """The best in the goal's order; with several objectives each one's best, too."""
        best = ranked.best(ELITE)
        return best + [record for record in ranked.leaders(1) if record not in best]

    def _moved(self, base: Config, knobs: Sequence[Knob], chance: random.Random) -> Config:
        """A neighbour of `base` in one or two of these knobs."""
        active = [k for k in knobs if k.name in base]
        values = dict(base)
        for knob in chance.sample(active, min(len(active), chance.choice((1, 1, 2)))):
            near = knob.neighbours(base[knob.name], chance.choice((0.03, 0.1, 0.25)))
            if near:
                values[knob.name] = chance.choice(near)
        return self._space.config(values)

    def _exact_values(self, seen: Seen, chance: random.Random) -> Mapping[str, Value]:
        """The exact knobs (they change cost alone): the cheapest so far, or any."""
        if not self._exact:
            return {}
        if seen.exact and chance.random() < 0.7:
            mean = {c: total / count for c, (total, count) in seen.exact.items()}
            return min(mean, key=lambda c: (mean[c], c.id))
        return {k.name: k.at(chance.random()) for k in self._exact}

    # Names of things

    def _searched(self) -> tuple[Knob, ...]:
        """The knobs that can change what the goal asks for."""
        return self._space.knobs if self._fresh else self._space.of(self._above)

    def _late(self, seen: Seen) -> tuple[Knob, ...]:
        """The knobs below the dearest stage."""
        if not seen.dearest:
            return ()
        below = self._stages[self._stages.index(seen.dearest) + 1 :]
        return tuple(k for k in self._searched() if k.stage in below)

    def _key(self, config: Config) -> str:
        """Equal for configs that differ in exact knobs alone."""
        exact = {k.name for k in self._exact}
        return Config({n: v for n, v in config.items() if n not in exact}).id

    def _prefix(self, seen: Seen, config: Config) -> str:
        """Equal for configs that share the dearest stage's artifact."""
        leave = {k.name for k in (*self._exact, *self._late(seen))}
        return Config({n: v for n, v in config.items() if n not in leave}).id

    def _new(self, config: Config, seen: Seen, busy: set[str]) -> bool:
        key = self._key(config)
        return key not in seen.made and key not in busy

    def _sobol(self, dimensions: int) -> Sequence[Sequence[float]]:
        """1,024 points of a Sobol sequence, the same ones for the same seed."""
        if dimensions not in self._points:
            self._points[dimensions] = resolve(SOBOL)(1024, dimensions, self._seed)
        return self._points[dimensions]
