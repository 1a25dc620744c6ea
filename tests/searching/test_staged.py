"""The staged searcher joins the contract, and buys what is cheap."""

from collections import Counter
from itertools import pairwise

import pytest

from tunewright.core.config import Config
from tunewright.core.goal import parse_goal
from tunewright.core.preference import ranking
from tunewright.core.trial import Measurement, Outcome
from tunewright.searching.staged import DEAR_S, LOW_ROWS, REPEATS, StagedSearcher
from tunewright.testing.searchers import GOALS, METRICS, SMALL, SearcherContract
from tunewright.testing.studies import TABLE, TableModel, request, simulate


class TestStagedSearcher(SearcherContract):
    def make(self, problem):
        return StagedSearcher(problem)


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_best_of_a_small_space(goal, seed):
    asked = TestStagedSearcher().study(SMALL, goal, seed=seed, trials=500)
    history, _, _ = asked[-1]
    (best,) = ranking(parse_goal(goal, METRICS), METRICS, ("make", "run"))(history).best(1)
    wanted = {"depth": 3, "runtime": "fast"} if "cost" in goal else {"depth": 3}
    assert wanted.items() <= best.config.items()


def searched(goal, budget, **more):
    done = simulate(TABLE, request(goal, budget, **more), TableModel())
    return [(t, m) for t, m in done.history.ended() if t.purpose.kind == "search"]


def rows(trial):
    return trial.fidelity.effort.get("rows", 1.0)


def prefix(config):
    return Config({k: config[k] for k in ("rate", "leaves")})


@pytest.mark.parametrize("seed", range(3))
def test_variants_outnumber_prefixes_ten_to_one_where_time_is_the_goal(seed):
    trials = searched("minimize latency_p50", "200 trials", seed=seed)
    timed = {t.config for t, _ in trials if t.need.alone}
    fits = sum(s.stage == "fit" and not s.cached for _, m in trials for s in m.spans)
    assert len({t.config for t, _ in trials}) >= 10 * len({prefix(t.config) for t, _ in trials})
    assert len(timed) >= 10 * fits


def test_dear_prefixes_begin_on_few_rows_and_the_better_third_goes_on():
    trials = searched("maximize auc", "120 trials")
    low = {prefix(t.config): m for t, m in trials if rows(t) < 1.0}
    whole = {prefix(t.config) for t, _ in trials if rows(t) == 1.0} - {prefix(TABLE.baseline)}
    assert {rows(t) for t, _ in trials} == {LOW_ROWS, 1.0}
    assert whole <= set(low)
    assert 2 <= len(whole) <= len(low) / 3 + 1
    merit = {p: m.samples["auc_change"].values[0] for p, m in low.items()}
    assert max(merit, key=merit.get) in whole


def test_a_prefix_that_failed_on_few_rows_never_sees_all_of_them():
    good = TableModel()

    def model(trial):
        few = rows(trial) < 1.0
        return Measurement(Outcome.CRASHED, detail="no") if few else good(trial)

    done = simulate(TABLE, request("maximize auc", "60 trials"), model)
    whole = {prefix(t.config) for t in done.trials if rows(t) == 1.0}
    assert whole == {prefix(TABLE.baseline)}


def test_cheap_prefixes_see_all_rows_at_once():
    good = TableModel()

    def model(trial):
        measurement = good(trial)
        quick = [
            type(s)(s.stage, s.start_s * 0.1, s.end_s * 0.1, s.cached) for s in measurement.spans
        ]
        return Measurement(measurement.outcome, measurement.samples, tuple(quick))

    assert DEAR_S > 0.1
    done = simulate(TABLE, request("maximize auc", "40 trials"), model)
    assert {rows(t) for t in done.trials} == {1.0}


def test_the_best_are_measured_again_before_they_are_believed():
    trials = searched("minimize latency_p50", "120 trials")
    times = Counter(t.config for t, _ in trials if t.need.alone)
    assert max(times.values()) == REPEATS
    value = {}
    for t, m in trials:
        if t.need.alone:
            value.setdefault(t.config, []).append(m.samples["latency"].quantile(0.5))
    best = min(value, key=lambda config: sorted(value[config])[len(value[config]) // 2])
    assert times[best] > 1
    assert {t.fidelity.piece.repeat for t, _ in trials if t.config == best and t.need.alone} == set(
        range(times[best])
    )


def test_timing_trials_come_in_batches_so_that_the_machine_is_drained_seldom():
    trials = [t.need.alone for t, _ in searched("minimize latency_p50", "200 trials")]
    drains = sum(now and not before for before, now in pairwise(trials))
    assert sum(trials) >= 5 * drains


def test_what_breaks_a_constraint_beyond_chance_is_not_timed():
    trials = searched("minimize latency_p50 subject to auc >= baseline - 0.001", "150 trials")
    change = {t.config: m.samples["auc_change"] for t, m in trials if rows(t) == 1.0}
    timed = [change[t.config] for t, _ in trials if t.need.alone and t.config != TABLE.baseline]
    assert timed
    assert all(sample.values[0] >= -0.001 - sample.error for sample in timed)
