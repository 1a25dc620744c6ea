"""What a study's trials cost, and what of the budget follows from that."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.budget import Budget
from tunewright.core.config import Config
from tunewright.core.costs import CLEAR_PAIRS, MOST_RESERVE, RESERVE, USUAL_PAIRS, Costs
from tunewright.core.evidence import Evidence, Record
from tunewright.core.goal import parse_goal
from tunewright.core.metrics import Metric, Sample, first_anew, last_cached
from tunewright.core.preference import Ranking
from tunewright.core.trial import Fidelity, Measurement, Need, Outcome, Span, Trial

STAGES = ("fit", "compile", "run")
TIME = Metric("time", "lower", "run", "s", quiet=True)
FIT_TIME = Metric("fit_time", "lower", "fit", "s", quiet=True)
SIZE = Metric("size", "lower", "compile", "B", evidence="fixed")
SCORE = Metric("score", "higher", "fit", scale="difference", evidence="rows")
seconds = st.floats(0, 1e4)


def costs(folds=5, cached="compile", since="run", budget_s=60.0):
    return Costs(Budget(seconds=budget_s), folds, STAGES, cached, since)


def record(fit_s, measure_s):
    return Record(Config({}), fit_s=fit_s, measure_s=measure_s)


def ranked(*runs):
    """A ranking by time after runs of configs, each (time, fit_s, measure_s), the baseline first."""
    ranking = Ranking(parse_goal("minimize time", [TIME]), Evidence([TIME], STAGES))
    for number, (value, fit_s, measure_s) in enumerate(runs):
        spans = (Span("fit", 0.0, fit_s), Span("run", fit_s, fit_s + measure_s))
        trial = Trial(number, Config({"n": number}), Fidelity("run", "run"), need=Need(alone=True))
        ranking.learn(trial, Measurement(Outcome.OK, {"time": Sample((value,))}, spans))
    return ranking


@pytest.mark.parametrize(
    ("metrics", "cached", "since"),
    [
        ([TIME], "compile", "run"),
        ([TIME, SIZE, SCORE], "compile", "run"),
        ([SCORE], "fit", ""),
        ([SIZE, SCORE], "compile", ""),
        ([FIT_TIME], "", "fit"),
        ([FIT_TIME, SIZE], "compile", "fit"),
        ([TIME, FIT_TIME], "", "fit"),
        ([], "", ""),
    ],
)
def test_what_is_cached_and_what_runs_anew_follows_from_the_metrics(metrics, cached, since):
    assert last_cached(metrics, STAGES) == cached
    assert first_anew(metrics, STAGES) == since


def test_a_pair_makes_a_model_anew_only_where_it_begins_above_what_is_cached():
    base, own = record(3.0, 0.5), record(5.0, 0.25)
    below, above = costs().pair_s(base, own), costs(since="fit").pair_s(base, own)
    assert above == below + 8.0
    assert costs(since="").pair_s(base, own) == 0.0


@given(seconds, seconds, st.integers(0, 5))
def test_refits_cost_what_the_dearer_arm_does_and_no_more_than_both(a, b, folds):
    cost = costs(folds)
    base, parts = record(a, 0.0), cost.parts(record(a, 0.0))
    assert parts * max(a, b) <= cost.refits_s(base, b)
    assert cost.refits_s(base, b) <= parts * (1.3 * (a + b) + 0.1) + 1e-9


@given(seconds, seconds, st.integers(0, 5))
def test_as_many_parts_are_judged_as_there_is_time_for_and_one_at_least(fit_s, measure_s, folds):
    cost, base = costs(folds), record(fit_s, measure_s)
    parts = cost.parts(base)
    assert min(folds, 1) <= parts <= folds
    assert costs(folds, budget_s=None).parts(base) == folds
    quick = record(fit_s, 0.0)
    proof_s = cost.refits_s(base, fit_s) + CLEAR_PAIRS * cost.pair_s(base, quick)
    if parts > 1:
        assert proof_s <= cost.most_s + 1e-6
    if parts < folds:
        assert proof_s + cost.refits_s(base, fit_s) / parts > cost.most_s


def test_a_change_that_is_clear_needs_fewer_pairs():
    ranking = ranked((1.0, 1.0, 0.5), (0.9, 1.0, 0.5), (0.1, 1.0, 0.5))
    _, near, clear = ranking.evidence.records.values()
    cost, base = costs(folds=0), ranking.baseline
    assert cost.verification_s(ranking, near) == pytest.approx(
        USUAL_PAIRS * cost.pair_s(base, near)
    )
    assert cost.verification_s(ranking, clear) == pytest.approx(
        CLEAR_PAIRS * cost.pair_s(base, clear)
    )


@given(st.lists(st.tuples(st.floats(0.01, 10), seconds, seconds), min_size=1, max_size=5), seconds)
def test_the_reserve_is_a_share_of_the_budget(runs, budget_s):
    cost = costs(budget_s=budget_s)
    kept_s = cost.reserve_s(ranked(*runs))
    assert RESERVE[0] * budget_s <= kept_s <= MOST_RESERVE * budget_s + cost.restart_s


def test_nothing_is_reserved_of_a_budget_of_trials_or_without_a_baseline():
    assert costs(budget_s=None).reserve_s(ranked((1.0, 1.0, 1.0))) == 0.0
    assert costs().reserve_s(ranked()) == 0.0


@given(seconds, seconds, st.integers(0, 5), st.sampled_from(["", "fit", "run"]))
def test_the_budget_that_would_do_leaves_room_for_its_own_proof(fit_s, measure_s, folds, since):
    base = record(fit_s, measure_s)
    cost = costs(folds, since=since)
    needed_s = cost.needed_s(base)
    if not fit_s + measure_s:
        assert needed_s == math.inf
        return
    whole_s = costs(folds, since=since, budget_s=None).refits_s(base, fit_s)
    proof_s = whole_s + CLEAR_PAIRS * cost.pair_s(base, base)
    assert proof_s <= RESERVE[1] * needed_s + 1e-6
    assert proof_s + 10 * (fit_s + measure_s) <= needed_s + 1e-6


def test_a_fit_is_too_dear_once_its_refits_would_not_end_in_time():
    base, cost = record(1.0, 0.1), costs(folds=5)
    assert not cost.too_dear(base, 2.9, 1.0)  # it may end at any moment
    assert cost.too_dear(base, 3.1, 20.0)
    assert not cost.too_dear(base, 3.1, 60.0)
    assert not costs(folds=0).too_dear(base, 1e6, 0.0)  # nothing would be refitted


def quality(*fits_s, **more):
    """A ranking by score; the baseline takes a second to load, and then as long as each to fit."""
    ranking = Ranking(parse_goal("maximize score", [SCORE]), Evidence([SCORE], ("load", *STAGES)))
    for number, fit_s in enumerate(fits_s):
        spans = (Span("load", 0.0, 1.0, cached=number > 0), Span("fit", 1.0, 1.0 + fit_s))
        samples = {
            "score": Sample((number / 10,)),
            "score_change": Sample((number / 10,), error=0.0),
        }
        trial = Trial(number, Config({"n": number}, more.get("members", ())), Fidelity("compile"))
        made = Measurement(Outcome.OK, samples, spans, made_s=1.0 + fit_s)
        ranking.learn(trial, made)
    return ranking


def test_a_blend_is_verified_like_its_members_side_by_side_and_makes_what_they_share_once():
    ranking, cost = quality(2.0, 5.0, 4.0), costs(folds=1, since="")
    base, *members = ranking.evidence.records.values()
    assert [(one.fit_s, one.made_s) for one in members] == [(6.0, 5.0), (5.0, 4.0)]
    weighted = [(one.config, 0.5) for one in members]
    blend = Record(Config({}, weighted), fit_s=sum(one.fit_s for one in members))
    took_s = cost.verification_s(ranking, blend)
    assert took_s == cost.blend_s(base, members)
    assert cost.refits_s(base, 1.0 + (5.0 + 4.0) / 2) <= took_s
    assert took_s < cost.refits_s(base, 1.0 + 5.0 + 4.0)


def test_less_is_kept_near_the_end_while_nothing_is_worth_being_verified():
    nothing, something = quality(2.0), quality(2.0, 2.0)
    cost = costs(folds=1, since="")
    early_s, late_s = 1.0, 60.0 - cost.reserve_s(nothing)
    assert not nothing.promising
    assert something.promising
    assert cost.kept_s(nothing, early_s) == cost.reserve_s(nothing)
    assert cost.kept_s(nothing, late_s) < cost.reserve_s(nothing)
    assert cost.kept_s(something, late_s) == cost.reserve_s(something)


def test_the_whole_proof_of_the_best_is_kept_where_it_is_a_large_share_of_the_budget():
    cost, ranking = costs(folds=1, since=""), quality(2.0, 4.0, 25.0)
    proof_s = cost.verification_s(ranking, ranking.best(1)[0])
    assert RESERVE[1] * 60.0 < proof_s < MOST_RESERVE * 60.0
    assert cost.reserve_s(ranking) == pytest.approx(proof_s + cost.restart_s)


def test_where_the_best_could_not_be_proven_the_proof_of_the_next_is_kept():
    cost, ranking = costs(folds=1, since=""), quality(2.0, 4.0, 40.0)
    best, following = ranking.best(2)
    assert cost.verification_s(ranking, best) > MOST_RESERVE * 60.0
    proof_s = cost.verification_s(ranking, following)
    assert proof_s > RESERVE[0] * 60.0
    assert cost.reserve_s(ranking) == pytest.approx(proof_s + cost.restart_s)


@given(st.lists(st.floats(0.01, 30.0), min_size=1, max_size=5))
def test_the_last_fits_are_like_the_best(fits_s):
    ranking = quality(*fits_s)
    last_s = costs().last_s(ranking)
    assert last_s <= max(60.0, *(1.0 + s for s in fits_s))
    assert last_s >= min(1.0 + s for s in fits_s) - 1e-9
