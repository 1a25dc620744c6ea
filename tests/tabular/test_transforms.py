"""A skewed target may be learned on another scale, and is always answered on its own."""

from array import array
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.config import Config
from tunewright.core.events import decode, encode
from tunewright.core.roles import space_of
from tunewright.deploying.bundle import load, write_index
from tunewright.workloads.tabular import TableSpec, table
from tunewright.workloads.tabular.data import Runtime, Schema, Transform
from tunewright.workloads.tabular.families import FAMILIES, family_of
from tunewright.workloads.tabular.kind import hand_over
from tunewright.workloads.tabular.predictor import Predictor
from tunewright.workloads.tabular.transforms import KNOB, told, transform_of, transformed

QUICK = {
    "lightgbm": {"n_trees": 20}, "forest": {"forest_trees": 20}, "xgboost": {"xgboost_trees": 20},
    "catboost": {"catboost_trees": 20}, "network": {"net_epochs": 5, "net_width": 64},
}  # fmt: skip
SERVED = [
    (name, runtime)
    for name in FAMILIES
    if family_of(name).installed
    for runtime in family_of(name).runtimes
]
ROWS = 400


def written(place, target):
    """A table whose numbers `x` and `z` say this target; its rows in no order."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=ROWS), rng.normal(size=ROWS)
    path = place / "t.parquet"
    pq.write_table(pa.table({"x": x, "z": z, "y": target(x + 0.5 * z)}), path)
    return str(path)


@pytest.fixture(scope="module")
def skewed(tmp_path_factory):
    """What grows exponentially, so that it is linear in its logarithm alone."""
    place = tmp_path_factory.mktemp("skewed")
    return table(TableSpec(written(place, lambda s: np.exp(5 + s)), "y", cores=1))


@pytest.fixture
def ran(skewed, blended):
    """The blend of a config of the skewed table, and its samples."""
    return partial(blended, skewed)


def config_of(skewed, family, **values):
    return space_of(skewed).config({"family": family, **QUICK.get(family, {}), **values})


@pytest.mark.parametrize(("family", "runtime"), SERVED)
def test_what_is_handed_over_answers_on_the_targets_own_scale(
    skewed, ran, tmp_path, family, runtime
):
    config = config_of(skewed, family, **{KNOB: "log", family_of(family).runtime: runtime})
    artifact, samples = ran(config, split="all")
    assert samples["r2"].values[0] > 0.5
    made = hand_over(None, config, artifact)
    predictor = load(write_index(tmp_path / "bundle", made.index, made.files))
    alone = predictor.predict_rows(artifact.judged.rows)
    y = artifact.judged.y[: len(alone)]
    assert np.corrcoef(alone, y)[0, 1] > 0.7
    assert 0.5 < np.median(alone) / np.median(y) < 2


def test_a_linear_model_of_logarithms_knows_what_grows_exponentially(skewed, ran):
    plain, logs = (
        ran(config_of(skewed, "linear", **{KNOB: name}))[1]["r2"].values[0]
        for name in ("none", "log")
    )
    assert logs > plain + 0.1
    assert logs > 0.9


def test_a_blend_is_the_mean_of_answers_on_the_targets_own_scale(skewed, ran):
    members = [config_of(skewed, "linear", **{KNOB: name}) for name in ("none", "sqrt", "log")]
    weights = (0.5, 0.25, 0.25)
    blend = Config({"threads": 1}, tuple(zip(members, weights, strict=True)))
    predictor = Predictor(ran(blend)[0].value)
    apart = [Predictor(ran(member)[0].value) for member in members]
    for row in ({"x": 0.0, "z": 0.0}, {"x": 1.5, "z": -1.0}, {"x": None, "z": 99.0}):
        mean = sum(w * one.predict_row(row) for w, one in zip(weights, apart, strict=True))
        assert predictor.predict_row(row) == pytest.approx(mean)


def test_a_fit_sees_its_own_and_the_judged_answers_on_one_scale(skewed, ran, trained):
    artifact, _ = ran(config_of(skewed, "linear", **{KNOB: "log"}))
    training = trained[0]  # the baseline's is behind it
    assert training.judged[1] == pytest.approx(np.log(artifact.judged.y))
    assert training.y.max() < 20 < artifact.judged.y.max()


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (np.exp, ("none", "sqrt", "log")),
        (lambda s: np.floor(4 * np.exp(s)), ("none", "sqrt")),  # some are zero
        (lambda s: np.exp(s) - 0.5, ()),  # some are below it
        (lambda s: 10 - np.exp(-abs(s)), ()),  # not to the right
        (lambda s: 10 + s, ()),
        (lambda s: s * 1e307 + 5e307, ()),
        (lambda s: np.exp(s) * 1e306, ("none", "sqrt", "log")),
        (lambda s: np.where(s > 1, "yes", "no"), ()),
        (lambda s: np.clip(s, 0, 2).round().astype(int), ()),  # classes
    ],
)
def test_it_is_offered_where_the_target_is_skewed_and_has_roots(tmp_path, target, names):
    knobs = space_of(table(TableSpec(written(tmp_path, target), "y"))).by_name
    assert (knobs[KNOB].domain.values if KNOB in knobs else ()) == names


def test_the_first_setting_is_tried_on_each_scale_and_others_on_roots_where_very_skewed(tmp_path):
    for power, wanted in ((1.0, {"none", "sqrt"}), (0.2, {"none"})):
        workload = table(TableSpec(written(tmp_path, lambda s, p=power: np.exp(p * s)), "y"))
        first, *others = workload.portfolio.best
        assert [config[KNOB] for config in workload.portfolio.best[:3]] == ["none", "sqrt", "log"]
        assert [*map(dict, others[:2])] == [{**first, KNOB: name} for name in ("sqrt", "log")]
        assert {config[KNOB] for config in others[2:]} == wanted


ANSWERS = st.lists(st.floats(1e-300, 1e300), min_size=2, max_size=30).map(np.array)


@given(ANSWERS, st.sampled_from(["sqrt", "log"]), st.lists(st.floats(-1e6, 1e6), min_size=1))
def test_every_answer_is_one_that_was_learned_from_or_between(y, name, raw):
    transform = transform_of(name, y)
    z = transformed(y, transform)
    known = told(Runtime(list, lambda x: x), transform)
    assert known.batch(z) == pytest.approx(y, rel=1e-9)
    answers = known.batch(np.array(raw))
    alone = [known.row(array("d", [one]))[0] for one in raw]
    assert answers == pytest.approx(alone, rel=1e-12)
    assert (answers >= y.min() * (1 - 1e-9)).all()
    assert (answers <= y.max() * (1 + 1e-9)).all()


def test_a_schema_keeps_its_transform_in_json():
    schema = Schema("regression", "y", (), (), (), transform=Transform("log", -1.0, 2.5))
    assert decode(Schema, encode(schema)) == schema
