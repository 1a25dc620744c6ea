import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.config import Config
from tunewright.core.events import Ended, Finished, Reported, Started, Stopped
from tunewright.core.history import DRIVER_RESTART, Fold, History
from tunewright.core.trial import Fidelity, Measurement, Outcome, Trial
from tunewright.core.verdict import Decision, Verdict
from tunewright.errors import InvalidTransition
from tunewright.testing import strategies


def start(number, attempt=1, at_s=0.0):
    return Started(at_s, Trial(number, Config({"n": number}), Fidelity("fit"), attempt=attempt))


def end(number, attempt=1, outcome=Outcome.OK, detail=""):
    return Ended(0.0, number, attempt, Measurement(outcome, detail=detail))


def replay(*events, history=None):
    history = History() if history is None else history
    for event in events:
        history = history.applied(event)
    return history


def seen(history):
    """All that a history says."""
    shown = [
        getattr(history, name)
        for name in History.__slots__
        if name not in ("_log", "_count", "_reports")
    ]
    return shown, list(history.ended()), list(history.reports()), len(history)


OVER = Finished(0.0, Verdict(Decision.INCONCLUSIVE, Config({}), "no budget"))


@given(strategies.histories(), st.data())
def test_a_prefix_is_not_disturbed_by_what_follows_or_by_a_fork(events, data):
    prefixes = [History()]
    for event in events:
        prefixes.append(prefixes[-1].applied(event))
    before = [seen(history) for history in prefixes]
    cut = data.draw(st.integers(0, len(events) - 1))
    replay(*events[cut:], history=prefixes[cut])  # the same again, from an older history
    for trial in prefixes[cut].running:  # and something else
        replay(Stopped(0.0, trial.number, trial.attempt, "budget"), history=prefixes[cut])
    assert [seen(history) for history in prefixes] == before
    assert seen(replay(*events)) == before[-1]


@given(strategies.histories())
def test_every_attempt_is_running_lost_or_ended_once(events):
    history = replay(*events)
    ended = [(trial.number, trial.attempt) for trial, _ in history.ended()]
    numbers = [n for n, _ in ended] + [t.number for t in (*history.running, *history.lost)]
    assert sorted(numbers) == list(range(1, history.last_number + 1))
    assert len(history.running) == len(history.started_s)
    assert all(measurement.outcome is not Outcome.LOST for _, measurement in history.ended())
    assert history.elapsed_s == max(event.elapsed_s for event in events)


@given(strategies.histories(), st.lists(st.integers(0, 30), max_size=8))
def test_a_fold_equals_recomputation_whatever_was_asked_before(events, order):
    def step(state, trial, measurement):
        state.append((trial.number, measurement.outcome))

    prefixes = [History()]
    for event in events:
        prefixes.append(prefixes[-1].applied(event))
    fold = Fold(list, step)
    for i in (*order, *range(len(prefixes))):
        history = prefixes[i % len(prefixes)]
        fresh = [(trial.number, m.outcome) for trial, m in history.ended()]
        assert list(fold(history)) == fresh
        for trial in history.running:  # a fork that ends elsewhere
            other = history.applied(Stopped(0.0, trial.number, trial.attempt, "limit"))
            assert list(fold(other)) == [*fresh, (trial.number, Outcome.TIMEOUT)]


@pytest.mark.parametrize(
    ("past", "event"),
    [
        ([], start(2)),
        ([], start(1, attempt=2)),
        ([start(1)], start(1)),
        ([start(1)], start(1, attempt=2)),
        ([start(1), end(1)], start(1, attempt=2)),
        ([start(1), end(1, outcome=Outcome.LOST)], start(1, attempt=3)),
        ([], end(1)),
        ([start(1)], end(2)),
        ([start(1)], Reported(0.0, 0, 1, 1.0)),
        ([start(1)], Stopped(0.0, 2, 1, "limit")),
        ([start(1)], OVER),
        ([OVER], OVER),
        ([OVER], start(1)),
    ],
)
def test_an_event_that_cannot_follow_is_refused_with_the_story(past, event):
    history = replay(*past)
    before = seen(history)
    with pytest.raises(InvalidTransition, match=f"{type(event).__name__}.* while .*last number"):
        history.applied(event)
    assert seen(history) == before


@pytest.mark.parametrize(
    "late", [end(1), end(1, outcome=Outcome.LOST), end(1, attempt=7), Stopped(0.0, 1, 1, "limit")]
)
def test_what_a_fenced_attempt_still_sends_changes_nothing(late):
    for past in ([start(1), end(1)], [start(1), Stopped(0.0, 1, 1, "budget")]):
        assert seen(replay(*past, late)) == seen(replay(*past))
    retried = [start(1), end(1, outcome=Outcome.LOST), start(1, attempt=2)]
    assert seen(replay(*retried, late)) == seen(replay(*retried))


def test_a_lost_worker_is_retried_once_and_then_counts_as_a_crash():
    once = replay(start(1), end(1, outcome=Outcome.LOST, detail="killed"))
    assert [trial.number for trial in once.lost] == [1]
    twice = replay(start(1, 2), end(1, 2, Outcome.LOST, "killed"), history=once)
    assert not twice.lost
    ((trial, measurement),) = twice.ended()
    assert (trial.attempt, measurement.outcome, measurement.detail) == (
        2,
        Outcome.CRASHED,
        "killed",
    )


def test_a_driver_restart_consumes_no_retry():
    history = History()
    for attempt in range(1, 6):
        gone = end(1, attempt, Outcome.LOST, DRIVER_RESTART)
        history = replay(start(1, attempt), gone, history=history)
        assert [trial.attempt for trial in history.lost] == [attempt]


def test_a_stop_says_whether_the_limit_or_the_budget_was_reached():
    history = replay(start(1), start(2), Stopped(1.0, 2, 1, "limit"), Stopped(2.0, 1, 1, "budget"))
    outcomes = {trial.number: measurement.outcome for trial, measurement in history.ended()}
    assert outcomes == {1: Outcome.STOPPED, 2: Outcome.TIMEOUT}
    assert history.elapsed_s == 2.0


def test_running_trials_keep_their_own_start_times():
    history = replay(start(1, at_s=1.0), start(2, at_s=2.0), start(3, at_s=3.0), end(2))
    assert [t.number for t in history.running] == [1, 3]
    assert history.started_s == (1.0, 3.0)
