"""The order of configs under a goal, and whom a look is about."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.budget import Budget
from tunewright.core.config import Config
from tunewright.core.costs import Costs
from tunewright.core.evidence import Evidence
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.knobs import Integer, Knob
from tunewright.core.metrics import Metric, Sample
from tunewright.core.preference import SURE, Ranking, ranking
from tunewright.core.roles import Proposal, space_of
from tunewright.core.trial import Fidelity, Measurement, Need, Outcome, Piece, Span, Trial
from tunewright.loop.plan import Plan, Proof
from tunewright.session import drive
from tunewright.storing.memory import MemoryStore
from tunewright.testing.simulated import (
    SimulatedClock,
    SimulatedExecutor,
    SimulatedStage,
    SimulatedWorkload,
)

RMSE = Metric("rmse", "lower", "fit", evidence="rows")
AUC = Metric("auc", "higher", "fit", scale="difference", margin=0.005, evidence="rows")
TIME = Metric("time", "lower", "run", "s", quiet=True)
SIZE = Metric("size", "lower", "fit", "B", evidence="fixed")
GAIN = Metric("gain", "higher", "fit", scale="difference", evidence="rows")
METRICS = (RMSE, AUC, TIME, SIZE, GAIN)
STAGES = ("fit", "run")
SCORES = "maximize auc, minimize time"
ERROR = 0.0008  # of a change of the AUC


def config(n):
    return Config({"n": n})


def trial(n, repeat=0):
    return Trial(
        1, config(n), Fidelity("run", "run", piece=Piece(repeat=repeat)), need=Need(alone=True)
    )


def ok(change=None, **values):
    """A measurement; with `change` the AUC is known on the same rows as the baseline's."""
    samples = {name: Sample((value,)) for name, value in values.items()}
    if change is not None:
        samples |= {"auc": Sample((0.9 + change,)), "auc_change": Sample((change,), error=ERROR)}
    return Measurement(Outcome.OK, samples)


FAILED = Measurement(Outcome.CRASHED, detail="segfault")


def ranked(goal, *runs):
    """The ranking after these runs, each (number of the config, measurement) or with a repeat."""
    found = Ranking(parse_goal(goal, METRICS), Evidence(METRICS, STAGES))
    for n, measurement, *repeat in runs:
        found.learn(trial(n, *repeat), measurement)
    return found


def chosen(goal, *runs, tried=()):
    found = ranked(goal, *runs).choose([config(n) for n in tried])
    return None if found is None else found["n"]


def order(ranking):
    return [record.config["n"] for record in ranking.best()]


# Ordering


@pytest.mark.parametrize("seed", range(20))
def test_of_a_thousand_the_best_is_chosen(seed):
    chance = random.Random(seed)
    values = [chance.uniform(0.955, 1.0) for _ in range(1000)]
    best = min(range(1000), key=values.__getitem__)
    runs = [(-1, ok(rmse=1.0)), *((n, ok(rmse=value)) for n, value in enumerate(values))]
    assert chosen("minimize rmse", *runs) == best
    assert order(ranked("minimize rmse", *runs))[:1000] == sorted(
        range(1000), key=values.__getitem__
    )


near_zero = st.floats(-1.0, 1.0) | st.sampled_from([0.0, -0.0, 1e-300, -1e-300, 5e-324])


@given(
    st.lists(near_zero, min_size=2, max_size=20),
    st.sampled_from(["minimize rmse", "maximize gain"]),
)
def test_the_order_is_that_of_the_values_also_around_zero(values, goal):
    name = goal.split()[1]
    ranking = ranked(goal, *((n, ok(**{name: value})) for n, value in enumerate(values)))
    shown = [values[n] for n in order(ranking)]
    assert shown == sorted(values, reverse=name == "gain")
    better = [v for v in values if (v > values[0] if name == "gain" else v < values[0])]
    found = ranking.choose([])
    assert (found is None) == (not better)
    assert found is None or values[found["n"]] == shown[0]


def test_what_lacks_a_value_has_no_place():
    ranking = ranked("minimize time subject to auc >= baseline - 0.005",
        (0, ok(0.0, time=1.0)), (1, ok(0.0)), (2, ok(time=0.1)), (3, FAILED), (4, ok(0.0, time=0.5)),
    )  # fmt: skip
    assert order(ranking) == [4, 0]


def test_constraints_go_before_objectives_and_the_nearest_miss_is_named():
    goal = "minimize time subject to auc >= baseline - 0.005"
    ranking = ranked(goal,
        (0, ok(0.0, time=1.0)), (1, ok(-0.05, time=0.01)), (2, ok(-0.006, time=0.5)),
        (3, ok(-0.004, time=0.1)), (4, ok(-0.001, time=0.9)),
    )  # fmt: skip
    assert order(ranking) == [4, 0, 3, 2, 1]  # sure, as measured, broken by little, by much
    assert ranking.nearest_miss() == ""
    broken = ranked("minimize time subject to auc >= baseline + 0.1",
        (0, ok(0.0, time=1.0)), (1, ok(0.05, time=0.5)),
    )  # fmt: skip
    assert "nearest miss: auc = 0.95" in broken.nearest_miss()
    assert broken.choose([]) is None


@given(st.data())
def test_ranks_move_with_the_baseline(data):
    """The order is that of a ranking that heard of the baseline first and never had to move."""
    goal = data.draw(st.sampled_from([
        "minimize time subject to rmse <= baseline * 1.02", "maximize gain, minimize time",
        "minimize rmse, minimize time", "minimize time subject to time <= baseline * 0.9",
    ]))  # fmt: skip
    values = st.floats(0.5, 2.0).map(lambda value: round(value, 1))
    first = (0, ok(rmse=1.0, time=1.0, gain=1.0), 0)
    draws = st.tuples(
        st.integers(0, 4), st.tuples(values, values, values), st.integers(0, 2), st.booleans()
    )
    runs = [
        (n, FAILED if fails else ok(rmse=rmse, time=time, gain=gain), repeat)
        for n, (rmse, time, gain), repeat, fails in data.draw(st.lists(draws, max_size=14))
    ]
    ranking = ranked(goal, first, *runs)
    scratch = ranked(
        goal, first, *(run for run in runs if run[0] == 0), *(run for run in runs if run[0])
    )
    assert order(ranking) == order(scratch)
    for one, other in ((ranking, scratch),):
        assert [r.config for r in one.leaders(5)] == [r.config for r in other.leaders(5)]
        assert [r.config for r in one.front()] == [r.config for r in other.front()]
        assert one.choose([]) == other.choose([])
        assert all(
            one.standing(r) == other.standing(other.evidence.records[r.config.id])
            for r in one.best()
        )


def test_a_baseline_that_turns_out_faster_breaks_what_held():
    goal = "minimize rmse subject to time <= baseline * 0.9"
    before = ((0, ok(rmse=1.0, time=2.0)), (1, ok(rmse=0.5, time=1.5)))
    assert chosen(goal, *before) == 1
    again = [(0, ok(rmse=1.0, time=1.0), repeat) for repeat in (1, 2)]
    assert chosen(goal, *before, *again) is None


# Selection


BASE = (0, ok(0.0, time=40.0))


def test_a_config_that_is_much_faster_within_the_margin_of_the_score_is_chosen():
    assert chosen(SCORES, BASE, (1, ok(-0.002, time=1.0)), (2, ok(0.0005, time=40.0))) == 1
    assert chosen(SCORES, BASE, (1, ok(-0.006, time=1.0))) is None
    assert chosen(SCORES, BASE, (1, ok(-0.006, time=1.0)), (2, ok(0.004, time=39.0))) == 2
    unfit = ranked(SCORES, BASE, (1, ok(-0.006, time=1.0)))
    (fast,) = [record for record in unfit.best() if record.config == config(1)]
    assert unfit.why_unfit(fast) == "auc is worse by more than its margin"


def test_what_the_goal_names_first_decides_among_what_is_clearly_better():
    scored, fast = (1, ok(0.01, time=20.0)), (2, ok(0.0, time=1.0))
    assert chosen(SCORES, BASE, scored, fast) == 1
    assert chosen("minimize time, maximize auc", BASE, scored, fast) == 2


def test_scores_that_noise_cannot_tell_apart_leave_it_to_the_second_objective():
    """One standard error is 0.0011 of their difference; a tenth of the margin is 0.0005."""
    assert chosen(SCORES, BASE, (1, ok(0.010, time=20.0)), (2, ok(0.0096, time=1.0))) == 2
    assert chosen(SCORES, BASE, (1, ok(0.010, time=20.0)), (2, ok(0.0090, time=1.0))) == 1


def test_luck_on_one_fold_is_no_merit():
    found = Ranking(parse_goal("maximize auc", METRICS), Evidence(METRICS, STAGES))
    for n, changes in ((0, [0.0] * 3), (1, [0.01] * 3), (2, [0.05]), (3, [0.02] * 2)):
        for fold, change in enumerate(changes):
            one = Trial(1, config(n), Fidelity("fit", piece=Piece(fold=fold)))
            found.learn(one, ok(change))
    assert found.choose([]) == config(3)  # two of three are more than half of what is known
    assert found.choose([config(3)]) == config(1)
    assert found.choose([config(3), config(1)]) == config(2)


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(-0.1, 0.1)), min_size=1, max_size=30))
def test_what_is_shown_as_the_best_so_far_is_no_luck_on_one_fold(configs):
    found = Ranking(parse_goal("maximize auc", METRICS), Evidence(METRICS, STAGES))
    assert found.leading() is None
    for n, (folds, change) in enumerate([(5, 0.0), *configs]):
        for fold in range(folds):
            one = Trial(1, config(n), Fidelity("fit", piece=Piece(fold=fold)))
            found.learn(one, ok(change))
    shown = found.leading()
    most = max(record.pieces(AUC) for record in found.best(20))
    assert 2 * shown.pieces(AUC) >= most
    known = [record for record in found.best(20) if 2 * record.pieces(AUC) >= most]
    assert shown.value(AUC) == max(record.value(AUC) for record in known)


def test_what_is_clearly_better_goes_before_what_noise_may_explain():
    assert chosen(SCORES, BASE, (1, ok(0.0009, time=39.9)), (2, ok(-0.001, time=1.0))) == 2
    assert chosen(SCORES, BASE, (1, ok(0.0009, time=39.9))) == 1  # unless there is nothing else


BOUND = "minimize time subject to auc >= baseline - 0.005"


def test_where_the_baseline_breaks_a_constraint_what_keeps_it_has_a_look_though_no_better_else():
    goal = "maximize auc subject to time <= 10us"
    slow, quick, quickest = (
        (0, ok(0.0, time=40e-6)),
        (1, ok(-0.02, time=8e-6)),
        (2, ok(-0.03, time=5e-6)),
    )
    assert chosen(goal, slow, quick, quickest) == 1
    assert chosen(goal, slow, quick, quickest, tried=[1]) == 2
    assert chosen(goal, slow, (3, ok(0.02, time=20e-6))) is None
    within = (0, ok(0.0, time=8e-6))
    assert chosen(goal, within, quick, quickest) is None


def test_where_the_baseline_breaks_a_constraint_what_is_known_badly_is_not_preferred():
    """How many errors a score is behind the baseline grows with how well it is known."""

    def worse(change, error):
        measured = ok(change, time=8e-6)
        return replace(
            measured,
            samples={**measured.samples, "auc_change": Sample((change,), error=error)},
        )

    slow = (0, ok(0.0, time=400e-6))
    goal = "maximize auc and minimize time subject to time <= 10us"
    assert chosen(goal, slow, (1, worse(-0.02, 0.0008)), (2, worse(-0.2, 0.02))) == 1


def test_a_tie_goes_to_more_slack_within_noise_alone():
    """A time that was measured once is known to 5 %; 7 % separate what noise cannot explain."""
    roomy = (2, ok(0.0, time=1.05))
    assert chosen(BOUND, BASE, (1, ok(-0.002, time=1.0)), roomy) == 2
    assert chosen(BOUND, BASE, (1, ok(-0.002, time=0.9)), roomy) == 1


@given(st.floats(0.5, 2.0), st.floats(0.5, 2.0))
def test_more_slack_never_wins_beyond_noise(near, far):
    found = chosen(BOUND, BASE, (1, ok(-0.002, time=near)), (2, ok(0.0, time=far)))
    noise = 0.05 * math.hypot(near, far)
    assert found == (1 if near < far - noise else 2)


def test_each_look_in_vain_doubles_the_slack_that_the_next_one_must_have():
    runs = [BASE, (1, ok(-0.0025, time=1.0)), (2, ok(-0.0005, time=2.0)), (3, ok(0.005, time=20.0))]
    slack = [(0.005 + change) / ERROR for change in (-0.0025, -0.0005, 0.005)]
    assert SURE < slack[0] < 2 * SURE <= slack[1] < 4 * SURE <= slack[2]
    assert chosen(BOUND, *runs) == 1
    assert chosen(BOUND, *runs, tried=[1]) == 2
    assert chosen(BOUND, *runs, tried=[3]) == 2  # 1 is faster, and has too little
    assert chosen(BOUND, *runs, tried=[1, 2]) == 3
    assert chosen(BOUND, *runs, tried=[1, 2, 3]) is None
    assert chosen(BOUND, *runs, tried=[3, 2]) == 1  # if none has as much, the one with the most


def test_the_baseline_and_what_is_better_at_nothing_are_never_chosen():
    assert chosen(BOUND, BASE) is None
    assert chosen(BOUND, BASE, (1, ok(0.01, time=41.0))) is None
    assert chosen("minimize rmse", (0, ok(rmse=1.0)), (1, ok(rmse=1.0)), (2, ok(rmse=1.1))) is None


@pytest.mark.parametrize(("crashes", "expected"), [(0, 1), (1, 1), (2, 2), (3, 2)])
def test_a_candidate_that_crashed_in_two_of_three_runs_is_not_chosen(crashes, expected):
    runs = [(1, FAILED if i < crashes else ok(0.0, time=0.5), i) for i in range(3)]
    assert chosen(BOUND, BASE, *runs, (2, ok(0.0, time=10.0))) == expected


def test_what_is_not_liked_is_left_out():
    ranking = ranked(BOUND, BASE, (1, ok(0.0, time=1.0)), (2, ok(0.0, time=2.0)))
    assert ranking.choose([], lambda record: record.config["n"] != 1) == config(2)
    assert ranking.choose([], lambda _: False) is None


# The front


points = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=25)


@given(points)
def test_the_front_is_what_nothing_beats_on_all_objectives(values):
    goal = "minimize rmse, maximize gain, minimize size"
    ranking = ranked(goal, *(
        (n, ok(rmse=float(a), gain=float(b), size=float(c))) for n, (a, b, c) in enumerate(values)
    ))  # fmt: skip

    def beaten(one):
        own = (one[0], -one[1], one[2])
        others = [(a, -b, c) for a, b, c in values]
        return any(all(x <= y for x, y in zip(o, own, strict=True)) and o != own for o in others)

    found = sorted(record.config["n"] for record in ranking.front())
    assert found == [n for n, one in enumerate(values) if not beaten(one)]


@given(points)
def test_the_front_holds_every_constraint(values):
    goal = "minimize rmse, minimize size subject to gain >= 3"
    ranking = ranked(goal, *(
        (n, ok(rmse=float(a), gain=float(b), size=float(c))) for n, (a, b, c) in enumerate(values)
    ))  # fmt: skip
    held = {n: (a, c) for n, (a, b, c) in enumerate(values) if b >= 3}
    expected = [
        n for n, (a, c) in held.items()
        if not any(x <= a and y <= c and (x, y) != (a, c) for x, y in held.values())
    ]  # fmt: skip
    assert sorted(record.config["n"] for record in ranking.front()) == expected


@given(points, st.integers(1, 4))
def test_the_leaders_are_the_best_by_each_further_objective(values, count):
    ranking = ranked("minimize rmse, minimize size", *(
        (n, ok(rmse=float(a), size=float(c))) for n, (a, _, c) in enumerate(values)
    ))  # fmt: skip
    sizes = [values[record.config["n"]][2] for record in ranking.leaders(count)]
    assert sizes == sorted(c for *_, c in values)[:count]


# In a study


KNOB = Knob("n", Integer(0, 9), 0, "hyperparameter", "fit")


class Listed:
    """Proposes these configs, one after the other, each as often as it stands there."""

    def __init__(self, numbers):
        self.numbers = numbers

    def propose(self, history, n):
        at = history.last_number
        if at >= len(self.numbers) or history.running:
            return []
        number = self.numbers[at]
        piece = Piece(repeat=self.numbers[:at].count(number))
        return [Proposal(config(number), Fidelity("run", "run", piece=piece))]


def studied(numbers, outcome):
    """A study of these configs; `outcome` says how the trials of each number end."""
    stages = (SimulatedStage("fit", (KNOB,)), SimulatedStage("run"))
    workload = SimulatedWorkload(stages, (TIME,), config(0))
    space, goal = space_of(workload), parse_goal("minimize time", METRICS)

    def model(trial):
        ended = outcome(trial)
        samples = {"time": Sample((10.0 - trial.config["n"] * (1 + trial.number * 1e-3),), "s")}
        return Measurement(
            ended, samples if ended is Outcome.OK else {}, (Span("run", 0.0, 1.0),), "so"
        )

    plan = Plan(
        goal, space, config(0), Listed(numbers), Budget(trials=len(numbers)),
        ranking(goal, METRICS, STAGES), stages, "", frozenset({"run"}), Proof("run", "run", most_pairs=6),
        Costs(Budget(trials=len(numbers)), 0, STAGES, "", "run"),
    )  # fmt: skip
    clock = SimulatedClock()
    return drive(History(), plan, workload, MemoryStore(), SimulatedExecutor(clock, model), clock)


def test_one_timeout_of_the_baseline_when_measured_again_does_not_end_the_study():
    def outcome(trial):
        again = trial.purpose.kind == "search" and trial.number == 2
        return Outcome.TIMEOUT if again else Outcome.OK

    history = studied([0, 0, 0, 5, 1], outcome)
    assert sum(trial.purpose.kind == "search" for trial, _ in history.ended()) == 5
    assert history.finished.config == config(5)


def test_a_baseline_that_fails_more_often_than_not_ends_it():
    def outcome(trial):
        return Outcome.CRASHED if trial.number in (2, 3) else Outcome.OK

    history = studied([0, 0, 0, 5, 1], outcome)
    assert history.finished.reason == "the baseline failed (crashed: so)"
    assert history.last_number == 3


def test_no_look_is_about_a_candidate_that_keeps_crashing():
    def outcome(trial):
        crashes = trial.config == config(9) and trial.number in (3, 4)
        return Outcome.CRASHED if crashes else Outcome.OK

    history = studied([0, 9, 9, 9, 5], outcome)
    assert {t.config for t, _ in history.ended() if t.purpose.arm == "candidate"} == {config(5)}
