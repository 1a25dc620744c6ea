"""A searcher as users write it; a type checker reads it, nobody runs it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import assert_type

from tunewright.core.config import Config
from tunewright.core.evidence import Estimate, Record
from tunewright.core.history import Fold, History
from tunewright.core.preference import Ranking, ranking
from tunewright.core.roles import Halt, Problem, Proposal, Searcher
from tunewright.core.trial import Fidelity, Measurement, Piece, Trial


class Halving:
    """Tries everything at little effort, and halts what falls behind the best."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._ranking = ranking(problem.goal, problem.metrics, problem.stages)
        self._tried = Fold(set[Config], self._step)

    def propose(self, history: History, n: int) -> Sequence[Proposal | Halt]:
        problem = self._problem
        if not history.last_number:
            return [Proposal(problem.baseline, Fidelity(problem.cached))]
        worst = [Halt(report.number) for report in history.reports() if report.step > 3]
        chance = Random(f"{problem.seed}/{history.last_number}")
        effort = {each.name: each.least for each in problem.efforts}
        config = problem.space.at([chance.random() for _ in problem.space.knobs])
        if config in self._tried(history) or n < 1:
            return worst
        fidelity = Fidelity(problem.cached, effort=effort, piece=Piece(seed=problem.seed))
        return [*worst, Proposal(config, fidelity)]

    def slack_of_best(self, history: History) -> Estimate | None:
        ranked = self._ranking(history)
        assert_type(ranked, Ranking)
        best = ranked.best(1)
        assert_type(best, list[Record])
        bounds = self._problem.goal.constraints
        return ranked.slack(best[0], bounds[0]) if best and bounds else None

    def _step(self, tried: set[Config], trial: Trial, measurement: Measurement) -> None:
        tried.add(trial.config)


def make(problem: Problem) -> Searcher:
    return Halving(problem)
