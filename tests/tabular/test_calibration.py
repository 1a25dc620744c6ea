"""What a forest or neighbours say of classes may be made better probabilities, by one temperature."""

import json
import subprocess
import sys
from dataclasses import replace
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
from tunewright.errors import InputError, TrialFailed
from tunewright.planning import Limits, Request
from tunewright.session import begin
from tunewright.workloads.tabular import TableSpec, table
from tunewright.workloads.tabular.calibration import (
    COLDEST,
    HOTTEST,
    KNOB,
    LEARNED,
    NONE,
    calibrated,
    calibration_of,
    told,
)
from tunewright.workloads.tabular.data import Calibration, Runtime, Schema
from tunewright.workloads.tabular.families import FAMILIES, family_of
from tunewright.workloads.tabular.kind import hand_over
from tunewright.workloads.tabular.predictor import Predictor

QUICK = {"forest": {"forest_trees": 30}, "kernel": {"kernel_landmarks": 50}}
CALIBRATED = [name for name in FAMILIES if family_of(name).calibrated]
ROWS = 900
COLUMNS = [f"x{i}" for i in range(4)]


def written(place, classes):
    """A table of so many classes, which lie apart from each other."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, ROWS)
    centres = rng.normal(size=(classes, 4)) * 1.5
    x = centres[y] + rng.normal(size=(ROWS, 4))
    path = place / f"{classes}.parquet"
    columns = dict(zip(COLUMNS, x.T, strict=True))
    pq.write_table(pa.table({**columns, "y": [f"c{one}" for one in y]}), path)
    return str(path)


@pytest.fixture(scope="module", params=[2, 5])
def classes(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("classes")
    spec = TableSpec(written(place, request.param), "y", cores=1, metrics=("log_loss",))
    return table(spec)


@pytest.fixture
def ran(classes, blended):
    """The blend of a config, and its samples."""
    return partial(blended, classes)


def config_of(workload, family, temperature, **values):
    config = space_of(workload).config({"family": family, **QUICK.get(family, {}), **values})
    return Config({**config, KNOB: temperature})


def loss(samples):
    return samples["log_loss"].values[0]


@pytest.mark.parametrize("family", CALIBRATED)
def test_what_a_search_learned_pays_on_rows_that_it_never_read(classes, ran, family):
    _, searched = ran(config_of(classes, family, LEARNED))
    temperature = searched[KNOB].values[0]
    plain, better = (
        ran(config_of(classes, family, asked), split="test")[1] for asked in (NONE, temperature)
    )
    assert better["accuracy"].values == plain["accuracy"].values
    assert loss(better) < loss(plain) * (1.02 if family == "kernel" else 0.99)
    if "roc_auc" in plain:
        assert better["roc_auc"].values == pytest.approx(plain["roc_auc"].values, abs=1e-12)


@pytest.mark.parametrize("family", CALIBRATED)
def test_the_bundle_says_what_was_judged(classes, ran, tmp_path, family):
    config = config_of(classes, family, 0.4)
    artifact, _ = ran(config, split="all")
    plain, _ = ran(config_of(classes, family, NONE), split="all")
    made = hand_over(None, config, artifact)
    write_index(tmp_path / "bundle", made.index, made.files)
    rows = [{name: row[name] for name in COLUMNS} for row in artifact.judged.rows[:5]]
    script = (
        "import json, sys; from tunewright.deploying.bundle import load; "
        "print(json.dumps(load(sys.argv[1]).predict_rows(json.loads(sys.argv[2]))))"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "bundle"), json.dumps(rows)]
    fresh = json.loads(subprocess.run(words, capture_output=True, check=True, text=True).stdout)
    assert fresh == Predictor(artifact.value).predict_rows(rows)
    assert fresh == load(tmp_path / "bundle").predict_rows(rows)
    floor = artifact.value.schema.calibration.floor
    for row, before in zip(fresh, Predictor(plain.value).predict_rows(rows), strict=True):
        powers = {name: (share + floor) ** 2.5 for name, share in before.items()}
        wanted = {name: power / sum(powers.values()) for name, power in powers.items()}
        assert row == pytest.approx(wanted)


def test_a_blend_is_the_mean_of_calibrated_answers(classes, ran):
    members = [config_of(classes, "forest", asked) for asked in (0.3, NONE)]
    predictor = Predictor(ran(Config({"threads": 1}, [(one, 0.5) for one in members]))[0].value)
    apart = [Predictor(ran(one)[0].value) for one in members]
    row = dict.fromkeys(COLUMNS, 0.5)
    said = [one.predict_row(row) for one in apart]
    assert predictor.predict_row(row) == pytest.approx(
        {name: (said[0][name] + said[1][name]) / 2 for name in said[0]}
    )


def test_without_rows_to_learn_it_from_a_temperature_must_be_known(tmp_path):
    with pytest.raises(TrialFailed, match="leave temperature out"):
        calibration_of(LEARNED, 100, None)
    spec = TableSpec(written(tmp_path, 3), "y", metrics=("log_loss",))
    with pytest.raises(InputError, match="which a search learns; leave it out"):
        table(spec, {"family": "forest", KNOB: LEARNED})


@pytest.mark.parametrize(
    ("count", "metrics", "offered"),
    [
        (2, ("log_loss",), True),
        (2, ("roc_auc", "log_loss"), True),
        (2, ("roc_auc",), False),
        (2, (), False),
        (3, (), True),
        (3, ("latency_p50",), True),
        (3, ("accuracy",), False),
    ],
)
def test_it_is_offered_where_the_goal_reads_probabilities(tmp_path, count, metrics, offered):
    workload = table(TableSpec(written(tmp_path, count), "y", metrics=metrics))
    assert (KNOB in space_of(workload).by_name) == offered
    asked = {one["family"]: one.get(KNOB) for one in workload.portfolio.best}
    wanted = LEARNED if offered else None
    assert asked["forest"] == asked["neighbours"] == asked["kernel"] == wanted
    assert asked["lightgbm"] is asked["network"] is None


def test_families_that_gain_nothing_have_no_such_knob(tmp_path):
    spec = TableSpec(written(tmp_path, 3), "y", families=("lightgbm", "network"))
    assert KNOB not in space_of(table(spec)).by_name


def test_a_study_refits_with_the_mean_of_what_its_folds_learned(tmp_path):
    spec = TableSpec(written(tmp_path, 3), "y", families=("neighbours",), cores=1)
    baseline = {"family": "neighbours", **family_of("neighbours").portfolio(0, 0)[0]}
    request = Request("t", "table", spec, "minimize log_loss", baseline, "12 trials")
    result = begin(replace(request, limits=Limits(workers=0)), root=tmp_path / "studies")
    ended = [(trial, one.samples) for trial, one in result.history.ended()]
    won = next(t.config for t, _ in ended if t.purpose.kind == "refit" and t.config[KNOB] != NONE)
    same = {**won, KNOB: LEARNED}
    found = [
        samples[KNOB].values[0]
        for trial, samples in ended
        if trial.purpose.kind == "search" and dict(trial.config) == same and KNOB in samples
    ]
    assert found
    assert won[KNOB] == pytest.approx(np.mean(found))
    refitted = [samples for trial, samples in ended if trial.config == won]
    assert {samples[KNOB].values[0] for samples in refitted} == {won[KNOB]}


SHARES = st.lists(st.floats(0.0, 1.0), min_size=3, max_size=6).filter(lambda one: sum(one) > 0.01)
CALIBRATIONS = st.builds(Calibration, st.floats(COLDEST, HOTTEST), st.floats(1e-9, 0.01))


@given(SHARES, CALIBRATIONS)
def test_probabilities_stay_probabilities_in_their_order(shares, calibration):
    said = np.array([shares]) / sum(shares)
    out = calibrated(said, calibration)
    assert out.sum() == pytest.approx(1.0)
    assert (out >= 0).all()
    order = np.argsort(said[0], kind="stable")
    assert (np.diff(out[0][order]) >= -1e-12).all()
    alone = told(Runtime(lambda row: said[row].tolist(), lambda x: said[x]), calibration)
    assert alone.row(0) == pytest.approx(out[0].tolist(), rel=1e-12, abs=1e-300)
    assert alone.batch(np.array([0])) == pytest.approx(out, rel=1e-12)


@given(st.lists(st.floats(0.0, 1.0), min_size=2, max_size=9), CALIBRATIONS)
def test_of_two_classes_rows_keep_their_order(shares, calibration):
    said = np.sort(shares)
    out = calibrated(said, calibration)
    assert (np.diff(out) >= -1e-12).all()
    assert ((out >= 0) & (out <= 1)).all()
    assert ((out >= 0.5) == (said >= 0.5))[np.abs(said - 0.5) > 1e-9].all()
    assert calibrated(1 - said, calibration) == pytest.approx(1 - out, abs=1e-9)
    alone = told(Runtime(lambda row: (said[row],), lambda x: said[x]), calibration)
    assert [alone.row(i)[0] for i in range(len(said))] == pytest.approx(out.tolist(), rel=1e-9)


@given(SHARES, st.floats(1e-9, 0.01))
def test_a_temperature_of_1_changes_no_more_than_the_floor(shares, floor):
    said = np.array([shares]) / sum(shares)
    assert calibrated(said, Calibration(1.0, floor)) == pytest.approx(
        said, abs=floor * said.shape[1]
    )
    assert calibrated(said, None) is said


@given(st.floats(0.4, 2.5), st.sampled_from([2, 3, 7]), st.booleans())
def test_the_temperature_by_which_probabilities_are_off_is_found(temperature, count, weighted):
    rng = np.random.default_rng(count)
    right = rng.dirichlet(np.ones(count), 4000)
    y = (right.cumsum(axis=1) < rng.random((len(right), 1))).sum(axis=1).clip(0, count - 1)
    weights = None
    if weighted:  # what counts nothing is all wrong
        weights = np.concatenate([np.ones(4000), np.zeros(4000)])
        right, y = np.concatenate([right, right]), np.concatenate([y, (y + 1) % count])
    off = right**temperature
    off /= off.sum(axis=1, keepdims=True)
    said = off[:, 1] if count == 2 else off
    found = calibration_of(LEARNED, 10**7, (said, y, weights))
    assert found.temperature == pytest.approx(temperature, rel=0.15)


@pytest.mark.parametrize("said", [np.ones(50), np.full(50, 0.9)])
def test_a_temperature_keeps_within_bounds_where_all_is_right_or_wrong(said):
    for y, bound in ((np.ones(50, int), COLDEST), (np.zeros(50, int), HOTTEST)):
        found = calibration_of(LEARNED, 100, (said, y, None))
        assert found.temperature == pytest.approx(bound, rel=0.3)
        assert np.isfinite(calibrated(said, found)).all()


def test_a_schema_keeps_its_calibration_in_json():
    schema = Schema("binary", "y", ("a", "b"), (), (), calibration=Calibration(0.5, 1e-4))
    assert decode(Schema, encode(schema)) == schema
