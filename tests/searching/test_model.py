"""The forest learns, the model prefers what is promising and holds, and vectors are configs."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.core.conditions import Condition
from tunewright.core.knobs import Choice, Integer, Knob, Real, Space
from tunewright.searching.arms import Arm, choose
from tunewright.searching.forest import Forest
from tunewright.searching.joint import spread
from tunewright.searching.model import Model
from tunewright.searching.vectors import Vectors

SPACE = Space((
    Knob("kind", Choice(("a", "b", "c")), "a", "algorithm", "run"),
    Knob("depth", Integer(1, 9), 3, "hyperparameter", "run", when=Condition.one_of("kind", ("b",))),
    Knob("size", Integer(1, 10_000, log=True), 10, "hyperparameter", "run"),
    Knob("rate", Real(0.001, 1.0, log=True), 0.1, "hyperparameter", "run", when=Condition.one_of("kind", ("a", "c"))),
    Knob("block", Choice((64, 16, 32)), 16, "resource", "run"),
    Knob("old", Choice((True, False)), True, "resource", "run", baseline_only=(True,)),
))  # fmt: skip
POINTS = st.lists(st.floats(0, 1, exclude_max=True), min_size=6, max_size=6)


@given(POINTS)
@settings(max_examples=50)
def test_a_config_survives_the_way_to_a_vector_and_back(point):
    vectors, config = Vectors(SPACE), SPACE.at(point)
    row = vectors.snap(np.array([vectors.row(config)]))
    assert SPACE.config(vectors.values(row[0])) == config


@given(POINTS, st.integers(0, 100))
@settings(max_examples=50)
def test_neighbours_are_other_configs_of_the_space_in_the_knobs_that_may_change(point, seed):
    vectors, chance = Vectors(SPACE), np.random.default_rng(seed)
    config = SPACE.at(point)
    near = vectors.neighbours(np.array(vectors.row(config)), range(len(SPACE.knobs)), chance)
    others = [SPACE.config(vectors.values(row)) for row in near]
    assert others
    assert config not in others
    assert {c["old"] for c in others} == {False}  # what only a baseline may have is not proposed


def test_inactive_knobs_make_no_other_config():
    vectors = Vectors(SPACE)
    rows = np.array([vectors.row(SPACE.config({"kind": "a", "block": 32}))] * 2)
    rows[1, 1] = 0.9
    assert len(set(vectors.keys(rows))) == 1
    assert (vectors.features(rows)[0] == vectors.features(rows)[1]).all()


def test_a_forest_is_nearer_than_the_mean_and_less_sure_where_it_saw_nothing():
    chance = np.random.default_rng(0)
    x = chance.random((200, 5))
    y = 3 * x[:, 0] + np.sin(6 * x[:, 1])
    new = chance.random((500, 5))
    mean, error = Forest(x, y, np.random.default_rng(1)).predict(new)
    truth = 3 * new[:, 0] + np.sin(6 * new[:, 1])
    assert np.mean((mean - truth) ** 2) < 0.15 * np.var(truth)
    at_known, sure = Forest(x, y, np.random.default_rng(1)).predict(x)
    assert np.abs(at_known - y).mean() < 0.01 * y.std()
    assert sure.mean() < 0.1 * error.mean()


def test_equal_chance_gives_an_equal_forest():
    x, y = np.random.default_rng(0).random((30, 3)), np.arange(30.0)
    one, two = (Forest(x, y, np.random.default_rng(7)).predict(x + 0.01) for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))


def measured(fails=lambda config: False):
    configs = {SPACE.at(np.random.default_rng(i).random(6)) for i in range(60)}
    ordered = [SPACE.default, *sorted(configs, key=lambda config: config.id)]

    def target(config):
        return abs(np.log(config["size"]) - np.log(300)) + 0.1 * (config["kind"] == "b")

    return [(config, None if fails(config) else target(config)) for config in ordered]


def test_candidates_are_new_and_better_than_chance():
    rows = measured()
    best = [c for c, _ in sorted(rows, key=lambda row: row[1])[:3]]
    model = Model(SPACE, rows, [1])
    found = [
        SPACE.config(v) for _, v in model.candidates(best, [k.name for k in SPACE.knobs], {}, "")
    ]
    assert not set(found) & {config for config, _ in rows}
    assert len(set(found)) == len(found)
    assert np.median([abs(np.log(c["size"] / 300)) for c in found[:10]]) < 0.5


def test_what_fails_is_avoided_as_far_as_it_can_be_told():
    rows = measured(fails=lambda config: config["block"] == 64)
    best = [c for c, y in rows if y is not None][:3]
    model = Model(SPACE, rows, [1])
    found = [v for _, v in model.candidates(best, ["size", "block"], {}, "")]
    assert all(values["block"] != 64 for values in found[:10])


def test_where_everything_fails_there_are_candidates_still():
    model = Model(SPACE, measured(fails=lambda _: True), [1])
    assert list(model.candidates([SPACE.default], ["size"], {"kind": "c"}, ""))


def test_only_free_knobs_change_and_fixed_ones_are_as_told():
    model = Model(SPACE, measured(), [1])
    base = SPACE.config({"kind": "b", "depth": 7, "size": 50})
    for _, values in model.candidates([base], ["size"], {"kind": "c"}, ""):
        assert values["kind"] == "c"
        assert values["block"] == base["block"]


def test_an_arm_that_improves_gets_more_trials_and_none_is_forgotten():
    good, stuck, dear = Arm(), Arm(), Arm()
    for i in range(20):
        good.learn(1.0 - 0.04 * i, 1.0)
        stuck.learn(1.0, 1.0)
        dear.learn(0.9 - 0.02 * i, 10.0)
    drawn = [
        choose({"good": good, "stuck": stuck, "dear": dear}, random.Random(i)) for i in range(1000)
    ]
    count = {name: drawn.count(name) for name in ("good", "stuck", "dear")}
    assert count["good"] > count["dear"] > 0
    assert count["good"] > 5 * count["stuck"] > 0


def test_the_first_points_fill_every_quarter_of_every_axis():
    for seed in range(5):
        points = np.array([spread(i, 4, seed) for i in range(16)])
        assert all(len(set(np.floor(axis * 4))) == 4 for axis in points.T)
    assert spread(3, 4, 0) != spread(3, 4, 1)
