"""The halving searcher: trials that report are stopped early where others were better by then.

Asynchronous successive halving (Li et al. 2020) decides who goes on: at steps 1, 3, 9 … the better
third of all that came so far. What a stopped trial would have come to is taken from those that went
on, so a model learns from every trial, whatever its effort. A function that reports nothing is left
to the joint searcher.
"""

from __future__ import annotations

import bisect
import math
import random
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any, final

from tunewright.core.config import Config, Value
from tunewright.core.history import Fold, History
from tunewright.core.metrics import Sample
from tunewright.core.registry import resolve
from tunewright.core.roles import Halt, Problem, Proposal
from tunewright.core.trial import Fidelity, Measurement, Outcome, Piece, Trial
from tunewright.searching import MODEL
from tunewright.searching.chain import Chain
from tunewright.searching.joint import JointSearcher, spread

ETA = 3  # of so many that came to a rung one goes on
FEWEST = 4  # that came to a rung before anybody is stopped there
START = 8  # configs that fill the space before the model is asked
ELITE = 5  # of the best have neighbours
GROWTH = 0.1  # more ended trials before another model is made
RANDOM = 10  # every so many proposals one comes from all over the space
LISTED = 400  # candidates of a model, at most
DRAWS = 200  # tries to find a config that is new

Row = tuple[Config, float | None]


@final
@dataclass
class Curves:
    """What trials have reported of the first objective; less is better.

    curve: of each trial, by its number. rungs: by step, who came there and how good it was then.
    """

    curve: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    rungs: dict[int, list[tuple[float, int]]] = field(default_factory=dict)
    reached: dict[int, int] = field(default_factory=dict)  # the next rung of each trial

    def learn(self, number: int, step: float, target: float) -> None:
        """Take in one report."""
        curve = self.curve.setdefault(number, [])
        if curve and step <= curve[-1][0]:  # of an attempt that began anew
            return
        curve.append((step, target))
        rung = self.reached.get(number, 1)
        while step >= rung:
            bisect.insort(self.rungs.setdefault(rung, []), (target, number))
            rung *= ETA
        self.reached[number] = rung

    def stopped(self, number: int) -> bool:
        """Whether others were clearly better when they were as far as this trial is."""
        rung = self.reached.get(number, 1) // ETA
        board = self.rungs.get(rung, [])
        if len(board) < FEWEST:
            return False
        own = next(target for target, other in board if other == number)
        return own > board[math.ceil(len(board) / ETA) - 1][0]

    def at(self, number: int, step: float) -> float | None:
        """The last that a trial reported up to a step, None for nothing."""
        curve = self.curve.get(number, [])
        place = bisect.bisect_right(curve, (step, math.inf))
        return curve[place - 1][1] if place else None


@final
@dataclass
class Tried:
    """The trials of the search that ended.

    results: config and target of each, by number, None for what failed or broke a constraint.
    halted: the numbers of those that were stopped before their end. keys: of all configs.
    """

    results: dict[int, Row] = field(default_factory=dict)
    halted: set[int] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    baseline: Mapping[str, Sample] | None = None


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
        self._curves, self._position = Curves(), 0
        self._log: weakref.ref[object] | None = None
        self._modelled: Modelled | None = None
        self._ended = Fold(Tried, self._end)

    def propose(self, history: History, n: int) -> Sequence[Proposal | Halt]:
        """At most `n` proposals, and halts for trials that are behind."""
        curves = self._learned(history)
        # The baseline comes first, alone and to its end: everything is held against it.
        if not curves.curve or not len(history):
            return self._joint.propose(history, n)
        halts = [Halt(t.number) for t in history.running if curves.stopped(t.number)]
        return [*halts, *self._new(history, curves, n)]

    def _learned(self, history: History) -> Curves:
        """The curves of this history: a function of it alone, whatever was asked before."""
        same = self._log is not None and self._log() is history.log
        if not same or self._position > history.reported:
            self._curves, self._log, self._position = Curves(), weakref.ref(history.log), 0
            self._modelled = None
        for report in history.reports(self._position):
            target = self._target(report.samples)
            if target is not None:
                self._curves.learn(report.number, report.step, target)
        self._position = history.reported
        return self._curves

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
        tried.keys.add(self._chain.key(trial.config))
        if measurement.outcome is Outcome.STOPPED:
            tried.halted.add(trial.number)
        samples = measurement.samples if measurement.outcome is Outcome.OK else {}
        if tried.baseline is None and samples and trial.config == self._problem.baseline:
            tried.baseline = samples
        target = self._target(samples) if self._holds(samples, tried.baseline) else None
        tried.results[trial.number] = (trial.config, target)

    def _holds(self, samples: Mapping[str, Sample], baseline: Mapping[str, Sample] | None) -> bool:
        """Whether no constraint is broken, as far as is known."""
        for constraint in self._problem.goal.constraints:
            value = constraint.metric.of(samples)
            base = constraint.metric.of(baseline or {})
            known = base if base is not None else (None if constraint.factor else 0.0)
            if value is not None and known is not None and constraint.slack(value, known) < 0:
                return False
        return True

    # What is new

    def _new(self, history: History, curves: Curves, n: int) -> list[Proposal]:
        """Configs that were not tried: spread over the space first, then by the model."""
        ended, unknown = self._ended(history), (*history.running, *history.lost)
        busy = {self._chain.key(trial.config) for trial in unknown}
        proposals: list[Proposal] = []
        for i in range(n):
            number = history.last_number + i
            configs = self._candidates(history, curves, ended, number)
            keyed = ((config, self._chain.key(config)) for config in configs)
            new = ((c, key) for c, key in keyed if key not in busy and key not in ended.keys)
            config, key = next(new, (None, ""))
            if config is None:
                break
            busy.add(key)
            proposals.append(self._proposal(config))
        return proposals

    def _proposal(self, config: Config) -> Proposal:
        fresh = self._problem.fresh or Fidelity(self._problem.cached)
        return Proposal(config, replace(fresh, piece=Piece(seed=self._problem.seed)))

    def _candidates(
        self, history: History, curves: Curves, ended: Tried, number: int
    ) -> Iterator[Config]:
        """Configs in the order in which they are wanted for the trial of this number."""
        chance = random.Random(f"{self._problem.seed}/{number}")  # noqa: S311
        knobs = self._chain.searched
        if number <= START:
            point = spread(number, len(knobs), self._problem.seed)
            yield self._chain.config({k.name: k.at(u) for k, u in zip(knobs, point, strict=True)})
        elif number % RANDOM:
            yield from self._promising(history, curves, ended)
        for _ in range(DRAWS):
            yield self._chain.config({k.name: k.at(chance.random()) for k in knobs})
        yield from self._chain.every()

    def _promising(self, history: History, curves: Curves, ended: Tried) -> Iterator[Config]:
        """What the model of the last snapshot promises, the best first."""
        count, last = len(history), self._modelled.ended if self._modelled else 0
        if self._modelled is None or count >= last + max(1, GROWTH * last):
            self._modelled = self._model(ended, curves, count)
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

    def _model(self, ended: Tried, curves: Curves, count: int) -> Modelled:
        rows = self._rows(ended, curves)
        known = sorted(((y, i) for i, (_, y) in enumerate(rows) if y is not None))
        elite = [rows[i][0] for _, i in known[:ELITE]] or [self._problem.baseline]
        seed = (self._problem.seed, count)
        model: Any = resolve(MODEL)(self._problem.space, rows, seed)
        free = [knob.name for knob in self._chain.searched]
        return Modelled(count, model.candidates(elite, free, {}, "halving"))

    def _rows(self, ended: Tried, curves: Curves) -> list[Row]:
        """What each trial came to, or would have: the baseline first.

        A stopped one is as far behind the mean of those that went on as it was when it was stopped.
        """
        whole = {number: y for number, (_, y) in ended.results.items() if y is not None}
        rows: list[Row] = []
        for number, (config, target) in ended.results.items():
            curve = curves.curve.get(number)
            if number not in ended.halted:
                rows.append((config, target))
            elif curve:
                step, own = curve[-1]
                told = ((y, curves.at(other, step)) for other, y in whole.items())
                moved = [y - then for y, then in told if then is not None]
                rows.append((config, own + fmean(moved) if moved else None))
        return rows
