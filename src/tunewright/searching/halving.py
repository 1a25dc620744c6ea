"""The halving searcher: configs compete at growing efforts, and the better third goes on.

Asynchronous successive halving (Li et al. 2020). Where a trial tells how it stands on the way, it
goes on until others were better when they were as far (the stopping form); where the effort must
be said beforehand, it ends there, and the best third goes on in a trial of more effort (the
promoting form). Who was stopped and is among the best third by now goes on, too, if what it has
made can be gone on from. What a config would have come to is taken from those that went on, so a
model learns from every trial, whatever its effort. A program that tells nothing on its way is left
to the joint searcher.
"""

from __future__ import annotations

import math
import random
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from statistics import fmean
from typing import Any, final

from tunewright.core.config import Config, Value
from tunewright.core.history import Fold, History
from tunewright.core.metrics import Sample
from tunewright.core.preference import ranking
from tunewright.core.registry import resolve
from tunewright.core.roles import Effort, Halt, Problem, Proposal
from tunewright.core.trial import Fidelity, Measurement, Outcome, Piece, Trial
from tunewright.searching import MODEL
from tunewright.searching.chain import Chain
from tunewright.searching.curves import Curves
from tunewright.searching.joint import JointSearcher, spread

START = 8  # configs that fill the space before the model is asked
ELITE = 5  # of the best have neighbours
GROWTH = 0.1  # more ended trials before another model is made
RANDOM = 10  # every so many proposals one comes from all over the space
LISTED = 400  # candidates of a model, at most
DRAWS = 200  # tries to find a config that is new
FINALS = 3  # trials, or whole runs of the baseline: with so little left the best go to their end

Row = tuple[Config, float | None]


@final
@dataclass
class Tried:
    """The configs of the search, by id, of which a trial ended.

    results: config and target of each that came to its end, None for what failed or broke a
    constraint. waiting: those that were stopped before, or went less far, with the number of the
    last trial. paths: the steps and targets at which trials of each ended. keys: of all. whole_s:
    what the baseline took.
    """

    results: dict[str, Row] = field(default_factory=dict)
    waiting: dict[str, tuple[Config, int]] = field(default_factory=dict)
    paths: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    baseline: Mapping[str, Sample] | None = None
    whole_s: float = 0.0


@final
@dataclass
class Modelled:
    """A model of the first so many trials that ended, and its candidates, as far as was asked."""

    ended: int
    source: Iterator[tuple[float, dict[str, Value]]]
    made: list[Config] = field(default_factory=list)


@final
class HalvingSearcher:
    """The searcher described above; implements Searcher."""

    def __init__(self, problem: Problem) -> None:
        self._problem, self._chain = problem, Chain(problem)
        self._joint = JointSearcher(problem)
        self._metric = problem.goal.objectives[0]
        halved = (effort for effort in problem.efforts if effort.halved)
        self._effort = next(halved, Effort("steps", 1.0, math.inf, halved=True))
        self._stated = math.isfinite(self._effort.full)  # each trial says how far it goes
        self._ranking = ranking(problem.goal, problem.metrics, problem.stages)
        self._log: weakref.ref[object] | None = None
        self._reset()
        self._ended = Fold(Tried, self._end)

    def _reset(self) -> None:
        self._curves, self._reports, self._ends = Curves(self._effort.rungs), 0, 0
        self._configs: dict[int, str] = {}  # of trials, by their numbers
        self._last: dict[int, tuple[float, float]] = {}  # step and target that each told last
        self._modelled: Modelled | None = None

    def propose(self, history: History, n: int) -> Sequence[Proposal | Halt]:
        """At most `n` proposals, and halts for trials that are behind."""
        curves = self._learned(history)
        # The baseline comes first, alone and to its end: everything is held against it.
        if not curves.curve or not len(history):
            return self._joint.propose(history, n)
        running = () if self._stated else history.running
        halts = [Halt(t.number) for t in running if curves.stopped(t.config.id)]
        return [*halts, *self._wanted(history, curves, n)]

    def _learned(self, history: History) -> Curves:
        """The curves of this history: a function of it alone, whatever was asked before."""
        same = self._log is not None and self._log() is history.log
        if not same or self._reports > history.reported or self._ends > len(history):
            self._log = weakref.ref(history.log)
            self._reset()
        if self._stated:
            for trial, measurement in history.ended(self._ends):
                self._place(trial, measurement)
        else:
            ended = (trial for trial, _ in history.ended(self._ends))
            for trial in (*history.running, *history.lost, *ended):
                self._configs[trial.number] = trial.config.id
            for report in history.reports(self._reports):
                target = self._target(report.samples)
                if target is not None:
                    self._curves.learn(self._configs[report.number], report.step, target)
                    self._last[report.number] = report.step, target
        self._reports, self._ends = history.reported, len(history)
        return self._curves

    def _place(self, trial: Trial, measurement: Measurement) -> None:
        """How good a trial was at the effort that it was to take."""
        target = self._target(measurement.samples)
        good = trial.purpose.kind == "search" and measurement.outcome is Outcome.OK
        if good and target is not None:
            step = trial.fidelity.effort.get(self._effort.name, self._effort.full)
            self._last[trial.number] = step, target
            self._curves.learn(trial.config.id, step, target, passed=False)

    def _target(self, samples: Mapping[str, Sample]) -> float | None:
        """The first objective as a number of which less is better; None where it is not known."""
        value = self._metric.of(samples)
        if value is None:
            return None
        if self._metric.scale == "ratio" and value > 0:
            return self._metric.signed(math.log(value))
        return self._metric.signed(value)

    def _end(self, tried: Tried, trial: Trial, measurement: Measurement) -> None:
        """Take in one ended trial."""
        if trial.purpose.kind != "search":
            return
        config, outcome = trial.config, measurement.outcome
        tried.keys.add(self._chain.key(config))
        if trial.number in self._last:
            tried.paths.setdefault(config.id, []).append(self._last[trial.number])
        less = outcome is Outcome.OK and trial.fidelity.effort
        if (outcome is Outcome.STOPPED and config.id not in tried.results) or less:
            tried.waiting[config.id] = config, trial.number
            return
        tried.waiting.pop(config.id, None)
        samples = measurement.samples if outcome is Outcome.OK else {}
        if tried.baseline is None and samples and config == self._problem.baseline:
            tried.baseline = samples
            tried.whole_s = sum(span.end_s - span.start_s for span in measurement.spans)
        target = self._target(samples) if self._holds(samples, tried.baseline) else None
        tried.results[config.id] = (config, target)

    def _holds(self, samples: Mapping[str, Sample], baseline: Mapping[str, Sample] | None) -> bool:
        """Whether no constraint is broken, as far as is known."""
        for constraint in self._problem.goal.constraints:
            value = constraint.metric.of(samples)
            base = constraint.metric.of(baseline or {})
            known = base if base is not None else (None if constraint.factor else 0.0)
            if value is not None and known is not None and constraint.slack(value, known) < 0:
                return False
        return True

    # What is wanted

    def _wanted(self, history: History, curves: Curves, n: int) -> list[Proposal]:
        """Who goes on, then configs that were not tried: all over the space, or by the model."""
        ended, unknown = self._ended(history), (*history.running, *history.lost)
        busy = {self._chain.key(trial.config) for trial in unknown}
        if self._closing(history, ended):
            wanted = self._going_on(ended, curves, busy, n, whole=True)
            if wanted or busy or len(ended.results) > 1:
                return wanted
        wanted, finals = self._going_on(ended, curves, busy, n), self._finals
        left = self._problem.budget.trials_left(history.last_number)
        most = n if left <= finals else min(n, left - finals)
        for i in range(len(wanted), most):
            number, known = history.last_number + i, len(ended.keys | busy)
            configs = filter(self._chain.fits, self._candidates(history, number, known))
            keyed = ((config, self._chain.key(config)) for config in configs)
            new = ((c, key) for c, key in keyed if key not in busy and key not in ended.keys)
            config, key = next(new, (None, ""))
            if config is None:
                break
            busy.add(key)
            last = self._stated and left <= finals
            wanted.append(self._proposal(config, -1 if last else 0))
        return wanted

    def _going_on(
        self, ended: Tried, curves: Curves, busy: set[str], n: int, *, whole: bool = False
    ) -> list[Proposal]:
        """Those that wait and may go on. whole: the foremost go to their end, whoever they are."""
        if not (self._stated or self._effort.continues):
            return []
        last = len(curves.rungs) - 1 if self._stated else len(curves.rungs)
        wanted: list[Proposal] = []
        for rung, id_ in curves.foremost(last) if whole else curves.favoured(last):
            if len(wanted) == n:
                break
            config, _ = ended.waiting.get(id_, (None, 0))
            if config is not None and (key := self._chain.key(config)) not in busy:
                busy.add(key)
                wanted.append(self._proposal(config, last if whole else rung + 1, rung))
        return wanted

    @property
    def _finals(self) -> int:
        """How many trials of a budget of trials are for bringing the best to their end."""
        trials = self._problem.budget.trials
        return 0 if trials is None or not self._stated else min(FINALS, max(trials // 5, 1))

    def _closing(self, history: History, ended: Tried) -> bool:
        """Whether what is left is for bringing the best to their end: only there they can win."""
        if not self._stated:
            return False
        budget, costs = self._problem.budget, self._problem.costs
        if budget.seconds is None or costs is None:
            return budget.trials_left(history.last_number) <= self._finals
        reserve_s = costs.kept_s(self._ranking(history), history.elapsed_s)
        searching_s = budget.seconds - reserve_s - ended.whole_s
        finals_s = min(FINALS * ended.whole_s, searching_s / 2)
        return budget.reserve_reached(history.elapsed_s, reserve_s + finals_s)

    def _proposal(self, config: Config, rung: int, earlier: int = -1) -> Proposal:
        """A trial up to a rung, -1 for the last, going on from an earlier one, if there is one."""
        effort, fresh = self._effort, self._problem.fresh or Fidelity(self._problem.cached)
        trial = replace(fresh, piece=Piece(seed=self._problem.seed))
        if not self._stated:
            return Proposal(config, trial)
        rungs, name = effort.rungs, effort.name
        asked = {} if rung in (-1, len(rungs) - 1) else {name: rungs[rung]}
        before = {name: rungs[earlier]} if earlier >= 0 and effort.continues else {}
        return Proposal(config, replace(trial, effort=asked, earlier=before))

    def _candidates(self, history: History, number: int, known: int) -> Iterator[Config]:
        """Configs in the order in which they are wanted.

        number: of the trial. known: how many configs there are by then.
        """
        chance = random.Random(f"{self._problem.seed}/{number}")  # noqa: S311
        knobs = self._chain.searched
        yield from self._problem.prior.best
        if known <= START:
            point = spread(known, len(knobs), self._problem.seed)
            yield self._chain.config({k.name: k.at(u) for k, u in zip(knobs, point, strict=True)})
        elif number % RANDOM:
            yield from self._promising(history)
        for _ in range(DRAWS):
            yield self._chain.config({k.name: k.at(chance.random()) for k in knobs})
        yield from self._chain.every()

    def _promising(self, history: History) -> Iterator[Config]:
        """What the model of the last snapshot promises, the best first."""
        count = _snapshot(len(history))
        if self._modelled is None or count != self._modelled.ended:
            self._modelled = self._model(history, count)
        modelled = self._modelled
        for i in range(LISTED):
            if i == len(modelled.made):
                found = next(modelled.source, None)
                if found is None:
                    return
                modelled.made.append(
                    self._chain.config({k.name: found[1][k.name] for k in self._chain.searched})
                )
            yield modelled.made[i]

    def _model(self, history: History, count: int) -> Modelled:
        """A model of the first so many that ended: whenever it is made, it is the same."""
        ended = Tried()
        for trial, measurement in islice(history.ended(), count):
            self._end(ended, trial, measurement)
        rows = self._rows(ended)
        known = sorted(((y, i) for i, (_, y) in enumerate(rows) if y is not None))
        elite = [rows[i][0] for _, i in known[:ELITE]] or [self._problem.baseline]
        seed = (self._problem.seed, count)
        model: Any = resolve(MODEL)(self._problem.space, rows, seed)
        free = [knob.name for knob in self._chain.searched]
        return Modelled(count, model.candidates(elite, free, {}, "halving"))

    def _rows(self, ended: Tried) -> list[Row]:
        """What each config came to, or would have: the baseline first.

        One that went less far gains from there on what others have gained on average.
        """
        rows = list(ended.results.values())
        whole = {id_: y for id_, (_, y) in ended.results.items() if y is not None}
        gains = _gains(ended.paths.values(), self._effort.rungs)
        for config, number in ended.waiting.values():
            if number not in self._last:
                continue
            step, own = self._last[number]
            if self._stated:
                rows.append((config, own + sum(g for rung, g in gains.items() if rung >= step)))
                continue
            told = ((y, self._curves.at(other, step)) for other, y in whole.items())
            moved = [y - then for y, then in told if then is not None]
            rows.append((config, own + fmean(moved) if moved else None))
        return rows


def _gains(
    paths: Iterable[Sequence[tuple[float, float]]], rungs: Sequence[float]
) -> dict[float, float]:
    """What configs gained on average from each rung to the next, as far as any did."""
    gained: dict[float, list[float]] = {}
    neighbours = {*pairwise(rungs)}
    for path in paths:
        for (start, then), (end, now) in pairwise(sorted(path)):
            if (start, end) in neighbours:
                gained.setdefault(start, []).append(now - then)
    return {rung: fmean(changes) for rung, changes in gained.items()}


def _snapshot(count: int) -> int:
    """The last count, up to this one, at which a model is made."""
    last = 1
    while (after := last + max(1, math.ceil(GROWTH * last))) <= count:
        last = after
    return last
