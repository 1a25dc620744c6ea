"""The trials of a look: what is still needed, and in which order the arms take turns."""

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
    current_look,
    looks,
    next_purposes,
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


def refit(arm, look=1):
    return Purpose("refit", arm, look)


def pair(arm, block=0, look=1):
    return Purpose("pair", arm, look, block)


@given(st.integers(0, 2**40), st.integers(1, 3), st.integers(0, 50))
def test_each_two_blocks_run_abba_or_baab(seed, look, two):
    first, second = (block_order(seed, look, 2 * two + i) for i in (0, 1))
    assert sorted(first) == sorted(ARMS)
    assert second == first[::-1]


def test_chance_decides_who_begins():
    begins = [
        block_order(seed, look, 2 * two)[0]
        for seed in range(5)
        for look in (1, 2)
        for two in range(20)
    ]
    assert 0.4 < begins.count("baseline") / len(begins) < 0.6
    assert begins == [
        block_order(seed, look, 2 * two)[0]
        for seed in range(5)
        for look in (1, 2)
        for two in range(20)
    ]


def test_both_arms_are_refitted_before_any_pair():
    wanted = {"refits": True, "seed": 0}
    assert next_purposes(History(), 1, **wanted) == [refit("baseline"), refit("candidate")]
    assert next_purposes(after(running=[refit("baseline")]), 1, **wanted) == [refit("candidate")]
    assert next_purposes(after(refit("candidate")), 1, **wanted) == [refit("baseline")]
    assert next_purposes(after(running=[refit(arm) for arm in ARMS]), 1, **wanted) == []
    assert [p.kind for p in next_purposes(after(*map(refit, ARMS)), 1, **wanted)] == ["pair"]


def test_one_arm_of_one_pair_at_a_time_in_the_order_of_its_block():
    history, order = History(), []
    for _ in range(12):
        (purpose,) = next_purposes(history, 1, refits=False, seed=7)
        running = after(running=[purpose], history=history)
        assert next_purposes(running, 1, refits=False, seed=7) == []
        history = after(purpose, history=history)
        order.append((purpose.block, purpose.arm))
    assert order == [(block, arm) for block in range(6) for arm in block_order(7, 1, block)]


def test_each_look_has_its_own_trials():
    history = after(*map(refit, ARMS), pair("candidate"), pair("baseline"))
    assert current_look(history) == 1
    assert next_purposes(history, 2, refits=True, seed=0) == [refit(arm, 2) for arm in ARMS]
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
    assert look.failed() is None
    look.pairs[3] = {"baseline": OK, "candidate": failed}
    assert look.complete() == [(OK, OK)]
    assert look.failed() == ("candidate", failed)


@pytest.mark.parametrize(
    "outcome", [Outcome.REJECTED, Outcome.TIMEOUT, Outcome.OUT_OF_MEMORY, Outcome.CRASHED]
)
def test_an_arm_fails_however_its_trial_failed(outcome):
    look = looks(after(refit("candidate"), outcome=outcome))[1]
    assert look.failed() == ("candidate", Measurement(outcome))
