"""The event log as a test: any prefix of a study, replayed, goes on as the study did."""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.core.config import Config
from tunewright.core.events import Ended, Finished, Opened, Started, Stopped, from_json, to_json
from tunewright.core.history import DRIVER_RESTART, History
from tunewright.core.metrics import Sample
from tunewright.core.roles import Resources
from tunewright.core.trial import Measurement, Outcome
from tunewright.core.verdict import Decision
from tunewright.loop import apply, decide
from tunewright.planning import make_plan
from tunewright.testing.studies import (
    TABLE,
    CheckedExecutor,
    EchoingExecutor,
    TableModel,
    request,
    simulate,
)
from tunewright.verifying.claims import Case
from tunewright.verifying.judge import judge
from tunewright.verifying.pairs import looks

GOALS = (
    "minimize latency_p50",
    "maximize auc",
    "minimize size",
    "minimize latency_p50, maximize auc",
)
TOO_GOOD = Measurement(
    Outcome.OK,
    {"latency": Sample((1e-9,)), "auc": Sample((1.0,), error=1e-9), "size": Sample((1.0,))},
)
few = settings(max_examples=12)
whole = st.tuples(st.sampled_from(GOALS), st.integers(0, 1), st.sampled_from(["18 trials", "25s"]), st.integers(1, 2))  # fmt: skip


@cache
def study(goal, seed, budget, workers):
    """An undisturbed study, run once however often it is cut."""
    return simulate(TABLE, request(goal, budget, seed=seed), TableModel(), workers=workers)


def replayed(events):
    history = History()
    for event in events:
        history = apply(history, from_json(to_json(event)))
    return history


def texts(events):
    return [to_json(event) for event in events]


class Mortal:
    """A model whose first attempts at some trials are lost with their worker."""

    def __init__(self, doomed):
        self.model, self.doomed = TableModel(), doomed

    def __call__(self, trial):
        if trial.number in self.doomed and trial.attempt == 1:
            return Measurement(Outcome.LOST, detail="the worker is gone")
        return self.model(trial)


def check_whole(done):
    """What holds for every study, however often it was cut and disturbed."""
    attempts = [(trial.number, trial.attempt) for trial in done.trials]
    assert len(set(attempts)) == len(attempts)
    firsts = [number for number, attempt in attempts if attempt == 1]
    assert firsts == list(range(1, len(firsts) + 1))
    *before, last = done.events
    assert isinstance(last, Finished)
    assert not any(isinstance(event, Finished) for event in before)
    history = replayed(done.events)
    assert len(history) == len(firsts)
    verdict = history.finished
    look = looks(history).get(verdict.looks or int(verdict.pairs > 0))
    if look is not None:
        proof = done.plan.proof
        full = sum(len(pair) == 2 for pair in look.pairs.values()) >= proof.most_pairs
        ended = full or not proof.through or done.plan.budget.over(last.elapsed_s)
        decision, reason, comparisons = judge(
            Case(look, verdict.looks or 1, done.plan.goal, ended=ended)
        )
        assert (decision, reason) == (verdict.decision, verdict.reason)
        assert repr(comparisons) == repr(verdict.comparisons)


@few
@given(whole, st.floats(0, 1))
def test_a_study_cut_anywhere_goes_on_to_a_verdict(which, share):
    goal, seed, budget, workers = which
    uncut = study(*which)
    past = uncut.events[: round(share * len(uncut.events))]
    resumed = simulate(
        TABLE, request(goal, budget, seed=seed), TableModel(), workers=workers, past=past
    )
    assert texts(resumed.events[: len(past)]) == texts(past)
    check_whole(resumed)


@few
@given(st.sampled_from(GOALS), st.integers(0, 1), st.floats(0, 1))
def test_one_worker_goes_on_as_if_the_study_had_never_been_cut(goal, seed, share):
    uncut = study(goal, seed, "18 trials", 1)
    past = uncut.events[: round(share * len(uncut.events))]
    resumed = simulate(TABLE, request(goal, "18 trials", seed=seed), TableModel(), past=past)
    assert resumed.wishes == uncut.wishes
    assert repr(resumed.history.finished) == repr(uncut.history.finished)


@few
@given(
    st.sampled_from(GOALS),
    st.sets(st.integers(1, 30), max_size=4),
    st.lists(st.floats(0, 1), max_size=3),
)
def test_dead_workers_echoes_and_restarts_lead_to_the_same_verdict(goal, doomed, cuts):
    """Lost results are tried again; late and doubled ones change nothing, claim what they may."""
    asked, past = request(goal, "18 trials"), ()
    for share in [*cuts, 1.0]:
        done = simulate(
            TABLE, asked, Mortal(doomed), past=past,
            around=lambda inner: EchoingExecutor(CheckedExecutor(inner), TOO_GOOD),
        )  # fmt: skip
        past = done.events[: round(share * len(done.events))]
    uncut = study(goal, 0, "18 trials", 1)
    assert done.wishes == uncut.wishes
    assert repr(done.history.finished) == repr(uncut.history.finished)
    check_whole(done)


@few
@given(whole, st.sets(st.integers(1, 40), max_size=5))
def test_a_disturbed_study_of_any_budget_ends_with_a_verdict_from_its_own_pairs(which, doomed):
    goal, seed, budget, workers = which
    done = simulate(
        TABLE, request(goal, budget, seed=seed), Mortal(doomed), workers=workers,
        around=lambda inner: EchoingExecutor(CheckedExecutor(inner), TOO_GOOD),
    )  # fmt: skip
    check_whole(done)
    lost = {
        e.number
        for e in done.events
        if isinstance(e, Ended) and e.measurement.outcome is Outcome.LOST
    }
    assert {t.number for t in done.trials if t.attempt == 2} <= lost


@few
@given(whole, st.floats(0, 1), st.integers(0, 2), st.sampled_from([0.0, 5.0, 30.0, 100.0]))
def test_decisions_depend_on_the_events_alone(which, share, free, later_s):
    """The live history and its replay through JSON give the same decision, with other memories."""
    goal, seed, budget, workers = which
    uncut = study(*which)
    opened, *_ = uncut.events
    cut = round(share * (len(uncut.live) - 1))
    _, live = uncut.live[cut]
    again = replayed([opened, *(event for event, _ in uncut.live[: cut + 1])])
    plan = make_plan(TABLE, request(goal, budget, seed=seed), study=uncut.plan.study)
    now_s, room = live.elapsed_s + later_s, Resources(free, workers)
    first = decide(live, uncut.plan, room, now_s)
    assert texts(first) == texts(decide(again, plan, room, now_s))
    assert texts(first) == texts(decide(live, plan, room, now_s))
    for event in first:  # and what is decided can happen
        live = apply(live, event)


def test_what_a_dead_driver_left_running_is_fenced_and_tried_again():
    uncut = study(GOALS[0], 0, "18 trials", 1)
    where, started = next(
        (i, event) for i, event in enumerate(uncut.events)
        if isinstance(event, Started) and event.trial.number == 7
    )  # fmt: skip
    done = simulate(
        TABLE, request(GOALS[0], "18 trials"), TableModel(), past=uncut.events[: where + 1]
    )
    _, opened, fenced, again = done.events[where : where + 4]
    assert isinstance(opened, Opened)
    assert (fenced.number, fenced.attempt) == (7, 1)
    assert (fenced.measurement.outcome, fenced.measurement.detail) == (Outcome.LOST, DRIVER_RESTART)
    assert (again.trial.number, again.trial.attempt) == (7, 2)
    assert again.trial.config == started.trial.config


def test_a_worker_that_dies_twice_counts_as_a_crash_of_the_config():
    def model(trial):
        return Measurement(Outcome.LOST, detail="gone") if trial.number == 4 else good(trial)

    good = TableModel()
    done = simulate(TABLE, request(GOALS[0], "18 trials"), model)
    assert [t.attempt for t in done.trials if t.number == 4] == [1, 2]
    (ended,) = [m for trial, m in done.history.ended() if trial.number == 4]
    assert (ended.outcome, ended.detail) == (Outcome.CRASHED, "gone")
    assert done.history.finished.decision is Decision.ACCEPT


def test_a_finished_study_is_left_as_it_is():
    uncut = study(GOALS[0], 0, "18 trials", 1)
    again = simulate(TABLE, request(GOALS[0], "18 trials"), TableModel(), past=uncut.events)
    assert texts(again.events) == texts(uncut.events)


def test_a_claim_after_a_stop_changes_nothing():
    """The budget stopped the trial; what it still sends is kept in the log and counts for nothing."""

    def model(trial):
        ended = good(trial)
        slow = trial.config != TABLE.baseline and trial.fidelity.through != "predict"
        return (
            Measurement(ended.outcome, ended.samples, ended.spans[:1]) if not slow else hang(ended)
        )

    def hang(ended):
        span = ended.spans[0]
        return Measurement(ended.outcome, ended.samples, (type(span)(span.stage, 0.0, 1e6),))

    good = TableModel()
    done = simulate(
        TABLE, request(GOALS[0], "30s"), model, workers=2,
        around=lambda inner: EchoingExecutor(CheckedExecutor(inner), TOO_GOOD),
    )  # fmt: skip
    assert any(isinstance(event, Stopped) for event in done.events)
    assert done.history.finished.decision is Decision.INCONCLUSIVE
    assert done.history.finished.config == Config(TABLE.baseline)
    check_whole(done)
