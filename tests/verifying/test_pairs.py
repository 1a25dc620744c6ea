"""The trials of a look: what is still needed, and in which order the arms take turns."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.config import Config
from tunewright.core.events import Ended, Started
from tunewright.core.history import History
from tunewright.core.trial import Fidelity, Measurement, Outcome, Purpose, Trial
from tunewright.verifying.pairs import (
    ARMS,
    Look,
    block_order,
    candidate_of,
    current_look,
    looks,
    next_purposes,
    refitted,
)

OK = Measurement(Outcome.OK)


def after(*purposes, running=(), history=None, outcome=Outcome.OK):
    """The history in which trials for these purposes ended, and others run."""
    history = history or History()
    for purpose in (*purposes, *running):
        number = history.last_number + 1
        trial = Trial(number, Config({"arm": str(purpose.arm)}), Fidelity("predict"), purpose)
        history = history.applied(Started(0.0, trial))
        if purpose not in running:
            history = history.applied(Ended(0.0, number, 1, Measurement(outcome)))
    return history


def refit(arm, look=1, fold=0):
    return Purpose("refit", arm, look, fold)


ALONE = {"baseline": Config({}), "candidate": Config({})}


def wanted(history, number=1, parts=0, warm_up=False, seed=0, arms=ALONE):
    return next_purposes(history, number, arms, parts=parts, warm_up=warm_up, seed=seed)


def pair(arm, block=0, look=1):
    return Purpose("pair", arm, look, block)


@given(st.integers(0, 2**40), st.integers(1, 3), st.integers(-1, 99))
def test_each_pair_runs_both_arms_in_an_order_that_is_always_the_same(seed, look, block):
    order = block_order(seed, look, block)
    assert sorted(order) == sorted(ARMS)
    assert order == block_order(seed, look, block)


def test_chance_decides_who_begins():
    begins = [
        [block_order(seed, look, block)[0] for block in range(40)]
        for seed in range(5)
        for look in (1, 2)
    ]
    assert 0.4 < sum(b.count("baseline") for b in begins) / 400 < 0.6
    assert len({tuple(b) for b in begins}) == len(begins)  # another seed or look, another order


@pytest.mark.parametrize("apart", [1, 2, 3, 4])
def test_no_pair_says_who_begins_in_another(apart):
    """A disturbance that comes back every few pairs must not side with one arm."""
    begins = [block_order(0, 1, block)[0] for block in range(400)]
    alike = sum(a == b for a, b in zip(begins, begins[apart:], strict=False))
    assert 0.4 < alike / (400 - apart) < 0.6


def test_members_are_refitted_side_by_side_before_the_whole():
    members = [(Config({"n": n}), 0.5) for n in range(2)]
    arms = {**ALONE, "candidate": Config({}, members)}
    parts = [replace(refit("candidate"), member=place) for place in (0, 1)]
    assert wanted(History(), parts=1, arms=arms) == [refit("baseline"), *parts]
    assert wanted(after(refit("baseline"), parts[0], running=[parts[1]]), parts=1, arms=arms) == []
    done = after(refit("baseline"), *parts)
    assert wanted(done, parts=1, arms=arms) == [refit("candidate")]
    assert not refitted(looks(done)[1], 1)
    assert candidate_of(after(running=[parts[0]]), 1) == Config({"arm": "candidate"})


def test_both_arms_are_refitted_before_any_pair():
    assert wanted(History(), parts=1) == [refit("baseline"), refit("candidate")]
    assert wanted(after(running=[refit("baseline")]), parts=1) == [refit("candidate")]
    assert wanted(after(refit("candidate")), parts=1) == [refit("baseline")]
    assert wanted(after(running=[refit(arm) for arm in ARMS]), parts=1) == []
    assert [p.kind for p in wanted(after(*map(refit, ARMS)), parts=1)] == ["pair"]


def test_both_arms_are_refitted_once_for_each_fold():
    every = [refit(arm, fold=fold) for fold in range(3) for arm in ARMS]
    assert wanted(History(), parts=3) == every
    assert wanted(after(every[1], running=[every[2]]), parts=3) == [every[0], *every[3:]]
    assert wanted(after(*every[:-1]), parts=3) == every[-1:]
    assert [p.kind for p in wanted(after(*every), parts=3)] == ["pair"]
    look = looks(after(*every))[1]
    assert set(look.refits) == set(ARMS)
    assert all(sorted(folds) == [0, 1, 2] for folds in look.refits.values())
    assert refitted(look, 3)
    assert not refitted(look, 4)
    assert refitted(Look(), 0)


def test_a_warm_up_comes_first_and_counts_for_nothing():
    history, order = History(), []
    for _ in range(4):
        (purpose,) = wanted(history, warm_up=True, seed=7)
        assert wanted(after(running=[purpose], history=history), warm_up=True, seed=7) == []
        history = after(purpose, history=history)
        order.append(purpose)
    assert [(p.kind, p.block) for p in order] == [("pair", -1)] * 2 + [("pair", 0)] * 2
    assert {p.arm for p in order[:2]} == set(ARMS)
    look = looks(history)[1]
    assert look.warmed == set(ARMS)
    assert list(look.pairs) == [0]
    assert (look.runs("baseline"), look.runs("candidate")) == (1, 1)


def test_a_warm_up_that_fails_is_no_failed_run():
    history = after(pair("baseline", -1), pair("candidate", -1), outcome=Outcome.CRASHED)
    look = looks(history)[1]
    assert look.failures("baseline") == look.failures("candidate") == []
    assert [p.block for p in wanted(history, warm_up=True)] == [0]


def test_one_arm_of_one_pair_at_a_time_in_the_order_of_its_block():
    history, order = History(), []
    for _ in range(12):
        (purpose,) = wanted(history, seed=7)
        assert wanted(after(running=[purpose], history=history), seed=7) == []
        history = after(purpose, history=history)
        order.append((purpose.block, purpose.arm))
    assert order == [(block, arm) for block in range(6) for arm in block_order(7, 1, block)]


def test_each_look_has_its_own_trials():
    history = after(*map(refit, ARMS), pair("candidate"), pair("baseline"))
    assert current_look(history) == 1
    assert wanted(history, 2, parts=1) == [refit(arm, 2) for arm in ARMS]
    history = after(running=[refit("baseline", 2)], history=history)
    assert current_look(history) == 2
    assert looks(history)[1].candidate == Config({"arm": "candidate"})
    assert current_look(History()) == 0


def test_a_pair_counts_when_both_arms_gave_a_measurement():
    failed = Measurement(Outcome.CRASHED, detail="segfault")
    stopped = Measurement(Outcome.STOPPED)
    look = Look(pairs={
        1: {"candidate": OK, "baseline": OK}, 0: {"baseline": OK}, 2: {"baseline": OK, "candidate": stopped},
    })  # fmt: skip
    assert look.complete() == [(OK, OK)]
    assert look.failures("baseline") == look.failures("candidate") == []
    look.pairs[3] = {"baseline": OK, "candidate": failed}
    assert look.complete() == [(OK, OK)]
    assert look.failures("candidate") == [failed]
    assert look.failures("baseline") == []
    assert (look.runs("baseline"), look.runs("candidate")) == (4, 2)  # what we stopped is no run


@pytest.mark.parametrize(
    "outcome", [Outcome.REJECTED, Outcome.TIMEOUT, Outcome.OUT_OF_MEMORY, Outcome.CRASHED]
)
def test_an_arm_fails_however_its_trial_failed(outcome):
    look = looks(after(refit("candidate"), outcome=outcome))[1]
    assert look.unfit() == ("candidate", Measurement(outcome))
    assert look.failures("candidate") == []
    look = looks(after(pair("candidate"), pair("candidate", 1), outcome=outcome))[1]
    assert look.unfit() is None
    assert look.failures("candidate") == [Measurement(outcome)] * 2
    assert look.failures("baseline") == []


def test_a_refit_that_was_stopped_is_not_unfit():
    assert looks(after(refit("candidate"), outcome=Outcome.STOPPED))[1].unfit() is None
