"""A study without a search, in simulated time: when its pairs end, and what they prove."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.config import Config
from tunewright.core.events import Ended, Started, Stopped, to_json
from tunewright.core.metrics import OUTPUT, Sample
from tunewright.core.trial import FRESH, Outcome
from tunewright.core.verdict import ALPHA, Decision
from tunewright.loop.verification import MAX_LOOKS
from tunewright.session import WAIT_S
from tunewright.testing.studies import (
    PEAK,
    PROGRAMS,
    CheckedExecutor,
    EchoingExecutor,
    ProgramModel,
    comparison,
    simulate,
)
from tunewright.verifying.claims import MIN_PAIRS, Case
from tunewright.verifying.judge import judge
from tunewright.verifying.pairs import FAILURES, looks

ACCEPT, REJECT, INCONCLUSIVE = Decision.ACCEPT, Decision.REJECT, Decision.INCONCLUSIVE


def compared(model=ProgramModel(), goal="minimize wall_s", **more):
    return simulate(PROGRAMS, comparison(goal, **more), model)


def counted(done):
    """The trials of pairs that count."""
    return [t for t in done.trials if t.purpose.block >= 0]


def fails(arm, *blocks):
    return lambda trial: trial.purpose.arm == arm and trial.purpose.block in blocks


# The pairs


def test_a_pair_that_warms_the_machine_up_comes_first_and_counts_for_nothing():
    done = compared(ProgramModel(0.5))
    first, second, *rest = done.trials
    assert {first.purpose.arm, second.purpose.arm} == {"baseline", "candidate"}
    assert first.purpose.block == second.purpose.block == -1
    assert all(t.purpose.block >= 0 for t in rest)
    assert done.history.finished.pairs == len(rest) / 2
    told = done.history.finished.comparisons[0]
    assert (told.baseline, told.candidate) == (
        pytest.approx(1.0, rel=0.1),
        pytest.approx(0.5, rel=0.1),
    )


def test_nothing_is_searched_or_refitted_and_each_run_has_the_machine_alone():
    done = compared(ProgramModel(0.5))
    assert {(t.purpose.kind, t.purpose.look) for t in done.trials} == {("pair", 1)}
    assert all(t.need.alone for t in done.trials)
    assert {t.config for t in done.trials if t.purpose.arm == "candidate"} == {
        Config({"program": "B"})
    }
    assert {t.config for t in done.trials if t.purpose.arm == "baseline"} == {PROGRAMS.baseline}


def test_both_arms_of_a_pair_are_the_same_repeat_that_nothing_else_is():
    done = compared()
    repeats = {}
    for trial in counted(done):
        repeats.setdefault(trial.purpose.block, []).append(trial.fidelity.piece.repeat)
    assert list(repeats) == [*range(40)]
    assert all(first == second >= FRESH for first, second in repeats.values())
    assert len({first for first, _ in repeats.values()}) == 40


# Every way to end


@pytest.mark.parametrize(("factor", "expected"), [(0.5, ACCEPT), (2.0, REJECT)])
def test_a_clear_effect_ends_the_study_early(factor, expected):
    done = compared(ProgramModel(factor))
    verdict = done.history.finished
    assert verdict.decision is expected
    assert MIN_PAIRS <= verdict.pairs <= 8
    assert verdict.config == Config({"program": "B" if expected is ACCEPT else "A"})
    assert (verdict.looks, verdict.alpha) == (0, ALPHA / 2)


@pytest.mark.parametrize("pairs", [MIN_PAIRS, 6, 17, 40])
def test_without_an_effect_all_pairs_are_used_and_no_more(pairs):
    done = compared(pairs=pairs)
    verdict = done.history.finished
    assert (verdict.decision, verdict.pairs) == (INCONCLUSIVE, pairs)
    assert len(counted(done)) == 2 * pairs
    assert verdict.reason == "not enough evidence on wall_s"
    looks_better = verdict.comparisons[0].estimate < 1  # and it is what is handed over
    assert verdict.config == Config({"program": "B" if looks_better else "A"})


def test_at_the_end_one_plain_test_decides_what_the_early_looks_left_open():
    done = compared(ProgramModel(0.985), pairs=30)
    verdict = done.history.finished
    assert (verdict.decision, verdict.pairs) == (ACCEPT, 30)
    look = looks(done.history)[1]
    assert judge(Case(look, 1, done.plan.goal, watched=(PEAK,)))[0] is INCONCLUSIVE
    assert (
        judge(Case(look, 1, done.plan.goal, watched=(PEAK,), ended=True))[2] == verdict.comparisons
    )
    assert verdict.comparisons[0].high < 1


def test_the_end_of_the_budget_decides_by_the_same_plain_test():
    done = compared(ProgramModel(0.985), pairs=1000, budget="90.5s")
    verdict = done.history.finished
    assert 0.0 <= done.history.elapsed_s - done.plan.budget.seconds <= WAIT_S
    assert 20 < verdict.pairs < 45
    ended = Case(looks(done.history)[1], 1, done.plan.goal, watched=(PEAK,), ended=True)
    assert judge(ended) == (verdict.decision, verdict.reason, verdict.comparisons)
    assert all(event.reason == "budget" for event in done.events if isinstance(event, Stopped))


def test_a_budget_too_small_for_a_single_pair_has_a_verdict():
    verdict = compared(budget="1s").history.finished
    assert (verdict.decision, verdict.pairs) == (INCONCLUSIVE, 0)


def test_a_comparison_has_one_look_alone():
    """There is nobody else to try after a REJECT."""
    assert MAX_LOOKS > 1
    done = compared(ProgramModel(2.0))
    assert {t.purpose.look for t in done.trials} == {1}


def test_everything_else_that_is_measured_is_told():
    verdict = compared(ProgramModel(0.5)).history.finished
    assert [(c.metric, c.role, c.decision) for c in verdict.comparisons] == [
        ("wall_s", "objective", ACCEPT), ("peak_bytes", "watched", REJECT),
    ]  # fmt: skip


def test_without_a_question_all_pairs_are_measured():
    verdict = compared(ProgramModel(0.5), goal="", pairs=9).history.finished
    assert (verdict.decision, verdict.pairs) == (INCONCLUSIVE, 9)
    assert verdict.reason == "nothing was asked: the runs were only measured"
    assert verdict.comparisons == ()


@pytest.mark.parametrize(("bound", "expected"), [("5%", ACCEPT), ("0.1%", INCONCLUSIVE)])
def test_an_equivalence_alone_is_a_question(bound, expected):
    goal = f"subject to wall_s within {bound} of baseline"
    verdict = compared(ProgramModel(), goal=goal, pairs=30).history.finished
    assert verdict.decision is expected


# Failures


@pytest.mark.parametrize("arm", ["baseline", "candidate"])
def test_a_failed_run_makes_a_comparison_inconclusive_and_the_pairs_go_on(arm):
    done = compared(ProgramModel(0.5, fails=fails(arm, 1)), pairs=12)
    verdict = done.history.finished
    assert (verdict.decision, verdict.pairs) == (INCONCLUSIVE, 11)
    assert f"1 of 12 runs of the {arm}" in verdict.reason
    assert verdict.reason.endswith("failed (crashed: segfault)")
    forgiven = compared(ProgramModel(0.5, fails=fails(arm, 1)), pairs=12, ignore_failures=True)
    assert forgiven.history.finished.decision is ACCEPT


@pytest.mark.parametrize(("arm", "expected"), [("candidate", REJECT), ("baseline", INCONCLUSIVE)])
@pytest.mark.parametrize("ignore_failures", [False, True])
def test_an_arm_that_keeps_failing_ends_the_study(arm, expected, ignore_failures):
    done = compared(ProgramModel(fails=fails(arm, *range(100))), ignore_failures=ignore_failures)
    verdict = done.history.finished
    assert verdict.decision is (INCONCLUSIVE if ignore_failures else expected)
    assert len(counted(done)) == 2 * FAILURES


def test_a_pair_whose_first_arm_failed_is_finished():
    """So both arms have run as often, and how often each fails can be compared."""
    done = compared(ProgramModel(fails=fails("candidate", 0, 3)), pairs=8)
    look = looks(done.history)[1]
    assert look.runs("baseline") == look.runs("candidate") == 8


def test_a_warm_up_that_fails_spoils_nothing():
    done = compared(ProgramModel(0.5, fails=fails("candidate", -1)))
    assert done.history.finished.decision is ACCEPT


def test_outputs_that_differ_end_the_study_where_they_must_be_the_same():
    model = ProgramModel(0.5)

    def differing(trial):
        measurement, second = model(trial), trial.purpose.arm == "candidate"
        output = Sample((8.0 if second else 7.0,))
        return replace(measurement, samples={**measurement.samples, OUTPUT: output})

    assert compared(model, same_output=True).history.finished.decision is ACCEPT
    assert compared(differing).history.finished.decision is ACCEPT
    verdict = compared(differing, same_output=True).history.finished
    assert (verdict.decision, verdict.pairs) == (REJECT, 2)
    assert verdict.reason == "the outputs of the two differ"


# Taken up again


@cache
def whole(factor, pairs):
    return compared(ProgramModel(factor), pairs=pairs)


def texts(events):
    return [to_json(event) for event in events]


@pytest.mark.parametrize(("factor", "pairs"), [(0.5, 40), (1.0, 7)])
def test_cut_after_any_event_it_goes_on_to_the_same_verdict(factor, pairs):
    uncut = whole(factor, pairs)
    asked = comparison(pairs=pairs)
    for cut in range(len(uncut.events) + 1):
        past = uncut.events[:cut]
        resumed = simulate(PROGRAMS, asked, ProgramModel(factor), past=past)
        assert texts(resumed.events[:cut]) == texts(past)
        assert resumed.wishes == uncut.wishes
        assert repr(resumed.history.finished) == repr(uncut.history.finished)


@given(st.sets(st.integers(1, 14), max_size=3), st.lists(st.floats(0, 1), max_size=2))
def test_lost_runs_and_restarts_lead_to_the_same_verdict(doomed, cuts):
    uncut, model = whole(1.0, 7), ProgramModel(1.0)

    def mortal(trial):
        lost = trial.number in doomed and trial.attempt == 1
        return model(trial).__class__(Outcome.LOST, detail="gone") if lost else model(trial)

    past = ()
    for share in [*cuts, 1.0]:
        done = simulate(
            PROGRAMS, comparison(pairs=7), mortal, past=past,
            around=lambda inner: EchoingExecutor(CheckedExecutor(inner), model(uncut.trials[0])),
        )  # fmt: skip
        past = done.events[: round(share * len(done.events))]
    assert done.wishes == uncut.wishes
    assert repr(done.history.finished) == repr(uncut.history.finished)


def test_the_order_of_the_arms_is_that_of_the_seed():
    def order(seed):
        done = compared(pairs=12, seed=seed)
        return [(t.purpose.block, t.purpose.arm) for t in done.trials]

    assert order(1) == order(1)
    assert order(1) != order(2)
    ends = [e for e in whole(1.0, 7).events if isinstance(e, Ended)]
    starts = [e for e in whole(1.0, 7).events if isinstance(e, Started)]
    assert len(ends) == len(starts) == 2 + 14
