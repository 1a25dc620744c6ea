"""The halving searcher joins the contract, and stops what is behind at equal effort."""

import math
import random
from dataclasses import replace

import pytest

from tunewright.core.budget import Budget
from tunewright.core.config import Config
from tunewright.core.events import Ended, Reported, Started, Stopped
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.knobs import Knob, Real, Space
from tunewright.core.metrics import Metric, Sample
from tunewright.core.roles import Effort, Halt, Problem
from tunewright.core.trial import Fidelity, Measurement, Outcome, Trial
from tunewright.searching.curves import Curves
from tunewright.searching.halving import HalvingSearcher
from tunewright.testing.searchers import SearcherContract

METRIC = Metric("accuracy", "higher", "run", scale="difference", evidence="same data")
SPACE = Space(
    (
        Knob("x", Real(0.0, 1.0), 0.9, "hyperparameter", "run"),
        Knob("y", Real(0.0, 1.0), 0.9, "hyperparameter", "run"),
    )
)
EPOCHS = 27


class TestHalving(SearcherContract):
    def make(self, problem):
        return HalvingSearcher(problem)


def problem(trials, seed=0):
    goal = parse_goal("maximize accuracy", [METRIC])
    efforts = (Effort("steps", 1.0, math.inf, continues=True, halved=True),)
    return Problem(
        SPACE, goal, SPACE.default, ("run",), "", Fidelity("run", "run"), efforts,
        Budget(trials=trials), seed, metrics=(METRIC,),
    )  # fmt: skip


def accuracy(config, epoch):
    """Best at (0.2, 0.3); curves rise alike, with a little noise."""
    noise = random.Random(f"{config.id} {epoch}").gauss(0, 0.002)
    return 1 - math.hypot(config["x"] - 0.2, config["y"] - 0.3) - 0.5 / epoch + noise


def search(asked, workers=2, reporting=True):
    """The history of a search, with the epochs that each trial has trained."""
    searcher, history, epochs, log = HalvingSearcher(asked), History(), {}, []

    def take(event):
        nonlocal history
        history = history.applied(event)
        log.append(event)

    while True:
        slots = min(workers - len(history.running), asked.budget.trials_left(history.last_number))
        wanted = searcher.propose(history, slots)
        for one in wanted:
            if isinstance(one, Halt):
                take(Stopped(0.0, one.number, 1, "halted"))
            else:
                take(Started(0.0, Trial(history.last_number + 1, one.config, one.fidelity)))
        if any(isinstance(one, Halt) for one in wanted):
            continue
        if not history.running:
            return history, epochs, log
        for trial in history.running:
            epoch = epochs[trial.number] = epochs.get(trial.number, 0) + 1
            samples = {"accuracy": Sample((accuracy(trial.config, epoch),))}
            if epoch == EPOCHS:
                take(Ended(0.0, trial.number, 1, Measurement(Outcome.OK, samples)))
            elif reporting:
                take(Reported(0.0, trial.number, 1, float(epoch), samples))


def best(history):
    return max(accuracy(t.config, EPOCHS) for t, m in history.ended() if m.outcome is Outcome.OK)


@pytest.mark.parametrize("workers", [1, 4])
def test_most_are_stopped_early_and_the_best_are_found(workers):
    history, epochs, _ = search(problem(40), workers)
    outcomes = [m.outcome for _, m in history.ended()]
    assert len(outcomes) == 40
    assert outcomes.count(Outcome.STOPPED) > 10
    assert sum(epochs.values()) < 40 * EPOCHS * 0.8
    assert epochs[1] == EPOCHS  # the baseline is measured to its end
    assert best(history) > 0.9


def test_equal_histories_give_equal_proposals_whatever_was_asked_before():
    asked = problem(30)
    _, _, log = search(asked)
    told = History()
    for event in log[: len(log) // 2]:
        told = told.applied(event)
    fresh, again = HalvingSearcher(asked), HalvingSearcher(asked)
    again.propose(History(), 2)
    assert list(fresh.propose(told, 3)) == list(again.propose(told, 3))


def test_without_reports_nothing_is_stopped():
    history, epochs, _ = search(problem(12), reporting=False)
    assert set(epochs.values()) == {EPOCHS}
    assert len({t.config for t, _ in history.ended()}) == len(
        {Config(dict(t.config)) for t, _ in history.ended()}
    )


# Efforts that are said beforehand


def stated(trials, seed=0, *, continues=True):
    efforts = (Effort("epochs", 1.0, float(EPOCHS), continues, halved=True),)
    return replace(problem(trials, seed), efforts=efforts)


def promote(asked, workers=2, fails=()):
    """The history of a search whose trials say how far they go; and the epochs of each trial."""
    searcher, history, epochs, log = HalvingSearcher(asked), History(), {}, []

    def take(event):
        nonlocal history
        history = history.applied(event)
        log.append(event)

    while True:
        slots = min(workers - len(history.running), asked.budget.trials_left(history.last_number))
        for one in searcher.propose(history, slots) if slots else ():
            number = history.last_number + 1
            take(Started(0.0, Trial(number, one.config, one.fidelity)))
            goes = one.fidelity.effort.get("epochs", EPOCHS)
            epochs[number] = goes - one.fidelity.earlier.get("epochs", 0)
        if not history.running:
            return history, epochs, log
        trial = history.running[0]
        goes = trial.fidelity.effort.get("epochs", EPOCHS)
        outcome = Outcome.CRASHED if trial.number in fails else Outcome.OK
        samples = {"accuracy": Sample((accuracy(trial.config, goes),))}
        take(Ended(0.0, trial.number, 1, Measurement(outcome, samples)))


def whole(history):
    return [t.config for t, _ in history.ended() if not t.fidelity.effort]


@pytest.mark.parametrize("workers", [1, 4])
def test_the_best_third_goes_on_from_where_it_was(workers):
    history, epochs, _ = promote(stated(60), workers)
    assert sum(epochs.values()) < 60 * EPOCHS / 3
    assert epochs[1] == EPOCHS
    reached = {}
    for trial, _ in history.ended():
        before = trial.fidelity.earlier.get("epochs")
        assert before is None or reached[trial.config] == before
        reached[trial.config] = trial.fidelity.effort.get("epochs", EPOCHS)
    assert max(accuracy(config, EPOCHS) for config in whole(history)) > 0.9
    first = [t for t, _ in history.ended() if t.fidelity.effort == {"epochs": 1.0}]
    assert len(first) > len(whole(history)) * 2


@pytest.mark.parametrize("trials", [3, 5, 10, 20])
def test_a_small_budget_leaves_a_config_that_went_all_the_way(trials):
    history, _, _ = promote(stated(trials))
    assert len(set(whole(history)) - {SPACE.default}) >= 1


def test_without_checkpoints_what_goes_on_starts_anew():
    history, _, _ = promote(stated(30, continues=False))
    assert not any(trial.fidelity.earlier for trial, _ in history.ended())
    assert len(whole(history)) > 1


def test_what_failed_does_not_go_on():
    history, _, _ = promote(stated(30), workers=1, fails=range(2, 8))
    failed = {t.config for t, m in history.ended() if m.outcome is Outcome.CRASHED}
    again = [t.config for t, _ in history.ended() if t.fidelity.earlier]
    assert failed.isdisjoint(again)


def test_equal_histories_of_stated_efforts_give_equal_proposals():
    asked = stated(30)
    _, _, log = promote(asked)
    for end in (len(log) // 3, len(log) // 2):
        told, other = History(), HalvingSearcher(asked)
        for event in log[:end]:
            told = told.applied(event)
            other.propose(told, 1)
        assert list(HalvingSearcher(asked).propose(told, 3)) == list(other.propose(told, 3))


def test_a_report_that_is_no_step_further_tells_nothing():
    curves = Curves((1.0, 3.0, 9.0))
    curves.learn("a", 3.0, 0.5)
    curves.learn("a", 3.0, 0.1)
    curves.learn("a", 2.0, 0.1)
    assert curves.curve == {"a": [(3.0, 0.5)]}
    assert curves.boards == {0: [(0.5, "a")], 1: [(0.5, "a")]}
