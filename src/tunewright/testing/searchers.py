"""SearcherContract: what every Searcher keeps. Subclass it and say how to make one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product
from typing import final

from tunewright.core.conditions import Condition
from tunewright.core.config import Config, digest_of
from tunewright.core.events import Ended, Event, Started
from tunewright.core.goal import Goal, parse_goal
from tunewright.core.history import History
from tunewright.core.knobs import Choice, Integer, Knob, Real, Space
from tunewright.core.metrics import Metric, Sample
from tunewright.core.roles import Effort, Halt, Problem, Proposal, Searcher, space_of
from tunewright.core.trial import Fidelity, Measurement, Need, Outcome, Purpose, Span, Trial
from tunewright.testing.simulated import SimulatedStage, SimulatedWorkload

GOALS = (
    "minimize cost",
    "maximize score",
    "minimize cost subject to score >= baseline - 0.01",
    "maximize score, minimize cost",
)
METRICS = (
    Metric("cost", "lower", "run", "s", quiet=True),
    Metric("score", "higher", "make", scale="difference", evidence="rows"),
)
TRIALS = 60  # of a study that is searched in vain for a broken promise


def _workload(make: Sequence[Knob], run: Sequence[Knob]) -> SimulatedWorkload:
    stages = (SimulatedStage("make", tuple(make)), SimulatedStage("run", tuple(run)))
    space = space_of(SimulatedWorkload(stages, METRICS, Config({})))
    return SimulatedWorkload(stages, METRICS, space.default)


LARGE = _workload(
    [
        Knob("method", Choice(("a", "b")), "a", "algorithm", "make"),
        Knob("rate", Real(0.01, 1, log=True), 0.1, "hyperparameter", "make"),
        Knob(
            "depth",
            Integer(1, 9),
            3,
            "hyperparameter",
            "make",
            when=Condition.one_of("method", ("b",)),
        ),
        Knob("parts", Integer(1, 4), 1, "resource", "make", exact=True),
    ],
    [Knob("runtime", Choice(("slow", "fast")), "slow", "resource", "run", own_process=True)],
)
ENDLESS = _workload(
    [Knob("rate", Real(0.0, 1.0), 0.5, "hyperparameter", "make")],
    [Knob("runtime", Choice(("slow", "fast")), "slow", "resource", "run")],
)
SMALL = _workload(
    [Knob("depth", Integer(1, 3), 1, "hyperparameter", "make")],
    [Knob("runtime", Choice(("slow", "fast")), "slow", "resource", "run")],
)


def problem(workload: SimulatedWorkload, goal: Goal, seed: int = 0) -> Problem:
    """What a searcher of this workload is built from."""
    timed = any(metric.since for metric in goal.metrics)
    return Problem(
        space_of(workload), goal, workload.baseline, ("make", "run"), "make",
        Fidelity("run", "run") if timed else None, (Effort("rows", 0.05, 1.0),), seed=seed,
        metrics=METRICS,
    )  # fmt: skip


@final
class Answers:
    """A study of a searcher's proposals: each is run at once, and fails now and then if asked to.

    Cost and score are smooth in the knobs; the last values of SMALL's are the best of both.
    """

    def __init__(self, space: Space, failing: float = 0.0) -> None:
        self.history, self.trials = History(), 0
        self._space, self._failing = space, failing
        self._baseline = 0.0  # the score of the first config

    def start(self, proposal: Proposal) -> Trial:
        """A trial of this proposal, running."""
        need = Need(alone=bool(proposal.fidelity.since))
        number = self.history.last_number + 1
        trial = Trial(number, proposal.config, proposal.fidelity, Purpose(), need=need)
        self._apply(Started(float(trial.number), trial))
        return trial

    def end(self, trial: Trial) -> None:
        """The end of a running trial."""
        self._apply(Ended(float(trial.number), trial.number, trial.attempt, self._answer(trial)))

    def _apply(self, event: Event) -> None:
        self.history = self.history.applied(event)

    def _answer(self, trial: Trial) -> Measurement:
        chance = random.Random(digest_of([trial.config.id, repr(trial.fidelity)]))  # noqa: S311
        if trial.number > 2 and chance.random() < self._failing:
            return Measurement(Outcome.CRASHED, detail="as asked")
        good = sum(
            self._space.by_name[name].position(value) for name, value in trial.config.items()
        )
        score = 0.78 + 0.01 * good
        samples = {"score": Sample((score,))}
        if trial.number == 1:
            self._baseline = score
        else:
            samples["score_change"] = Sample((score - self._baseline,), error=1e-3)
        spans = [Span("make", 0.0, 1.0)]
        if trial.need.alone:
            samples["cost"] = Sample((2.0 - 0.2 * good,), "s")
            spans.append(Span("run", 1.0, 1.1))
        return Measurement(Outcome.OK, samples, tuple(spans))


class SearcherContract:
    """Every searcher passes this suite unchanged."""

    def make(self, problem: Problem) -> Searcher:
        """A fresh searcher. The stages are "make" and "run", which is timed."""
        raise NotImplementedError

    def study(  # noqa: PLR0913 - each test varies another
        self,
        workload: SimulatedWorkload,
        goal_text: str,
        *,
        seed: int = 0,
        n: int = 1,
        trials: int = TRIALS,
        failing: float = 0.0,
    ) -> list[tuple[History, int, list[Proposal]]]:
        """What a searcher was asked and answered, until it has nothing more or trials are over."""
        space = space_of(workload)
        searcher = self.make(problem(workload, parse_goal(goal_text, METRICS), seed))
        answers, asked = Answers(space, failing), []
        while answers.history.last_number < trials:
            proposals = self.proposed(searcher, answers.history, n)
            asked.append((answers.history, n, proposals))
            if not proposals:
                break
            alone = bool(proposals[0].fidelity.since)
            for trial in [answers.start(p) for p in proposals[: 1 if alone else n]]:
                answers.end(trial)
        return asked

    def proposed(self, searcher: Searcher, history: History, n: int) -> list[Proposal]:
        """What it wants to be tried; it may halt nothing that does not run."""
        wanted = searcher.propose(history, n)
        halted = {halt.number for halt in wanted if isinstance(halt, Halt)}
        assert halted <= {trial.number for trial in history.running}
        return [proposal for proposal in wanted if isinstance(proposal, Proposal)]

    def test_the_first_proposal_is_the_baseline_alone(self) -> None:
        """Everything is held against it, so nothing else begins before it was seen."""
        for goal in GOALS:
            searcher = self.make(problem(LARGE, parse_goal(goal, METRICS)))
            (first,) = self.proposed(searcher, History(), 4)
            assert first.config == LARGE.baseline
            answers = Answers(space_of(LARGE))
            answers.start(first)
            assert not searcher.propose(answers.history, 4)

    def test_at_most_n_and_all_of_them_inside_the_space(self) -> None:
        """Whatever is asked of it, and whatever fails."""
        space = space_of(LARGE)
        for goal, n, failing in product(GOALS, (1, 2, 5), (0.0, 0.3)):
            asked = self.study(LARGE, goal, n=n, failing=failing)
            assert len(asked) > 1
            for _, _, proposals in asked:
                assert len(proposals) <= n
                for proposal in proposals:
                    assert space.config(proposal.config) == proposal.config
                    assert all(0.05 <= share <= 1 for share in proposal.fidelity.effort.values())
                    assert proposal.fidelity.piece.split == "search"

    def test_nothing_is_proposed_twice_at_the_same_evidence(self) -> None:
        """Not while it runs, and not after it ended."""
        for goal, n in product(GOALS, (1, 3)):
            seen: set[tuple[Config, Fidelity]] = set()
            for history, _, proposals in self.study(LARGE, goal, n=n):
                fresh = [(p.config, p.fidelity) for p in proposals]
                assert len(set(fresh)) == len(fresh)
                seen = {(trial.config, trial.fidelity) for trial, _ in history.ended()}
                assert not seen.intersection(fresh)

    def test_equal_histories_have_equal_proposals(self) -> None:
        """Whatever else the searcher was asked before: its memory shows in its speed alone."""
        for goal in GOALS:
            asked = self.study(LARGE, goal, n=2, trials=30, failing=0.2)
            worn = self.make(problem(LARGE, parse_goal(goal, METRICS)))
            for history, n, proposals in [*asked[::-3], *asked[::5]]:
                again = History()
                for trial, measurement in history.ended():
                    again = again.applied(Started(0.0, trial))
                    again = again.applied(Ended(0.0, trial.number, trial.attempt, measurement))
                new = self.make(problem(LARGE, parse_goal(goal, METRICS)))
                assert list(new.propose(again, n)) == proposals
                assert list(worn.propose(history, n)) == proposals
                assert list(worn.propose(history, n)) == proposals

    def test_other_seeds_search_elsewhere(self) -> None:
        """And the same seed in the same place."""
        tried = [
            [p.config for *_, proposals in self.study(LARGE, GOALS[0], seed=s) for p in proposals]
            for s in (0, 0, 1)
        ]
        assert tried[0] == tried[1] != tried[2]

    def test_a_finite_space_ends(self) -> None:
        """With () once everything in reach was tried, and with () ever after."""
        for goal in GOALS:
            asked = self.study(SMALL, goal, trials=500)
            history, n, last = asked[-1]
            assert not last
            searcher = self.make(problem(SMALL, parse_goal(goal, METRICS)))
            assert not searcher.propose(history, n)
            assert len({trial.config for trial, _ in history.ended()}) <= space_of(SMALL).count

    def test_an_endless_space_does_not_end(self) -> None:
        """With a single real knob there is always something new to try."""
        for goal in GOALS:
            asked = self.study(ENDLESS, goal, trials=3 * TRIALS)
            assert all(proposals for _, _, proposals in asked)
            assert asked[-1][0].last_number >= 3 * TRIALS - 1
