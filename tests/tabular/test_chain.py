"""The chain from a file to timed predictions, and the bundle that comes out of it."""

import hashlib
import json
import math
import subprocess
import sys
import time
from array import array
from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_digits

from tunewright.core.config import Config
from tunewright.core.roles import Artifact, Context, space_of
from tunewright.core.trial import Fidelity, Piece, Trial
from tunewright.deploying.bundle import load, write_index
from tunewright.errors import InputError, TrialFailed
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.workloads.tabular import TableSpec, table
from tunewright.workloads.tabular.kind import hand_over
from tunewright.workloads.tabular.predictor import Predictor, load_runtime
from tunewright.workloads.tabular.stages import prepared_of

TREES = ("library", "booster", "native", "onnxruntime")
LINEAR = ("library", "native", "onnxruntime")
SMALL = {"n_trees": 20, "num_leaves": 8}
ODD_ROWS = (
    {"a": None, "b": math.nan, "colour": None, "flag": None},
    {"a": 1e300, "b": -math.inf, "colour": "never seen", "flag": True},
    {"a": 10**400, "b": math.inf, "colour": " red ", "flag": False},
    {"a": -(10**400), "b": -1e-300, "colour": math.nan, "flag": 1, "other": [1]},
)


@pytest.fixture(scope="module")
def workloads(tmp_path_factory):
    """One workload for each task, on the same features."""
    rng = np.random.default_rng(0)
    n, place = 600, tmp_path_factory.mktemp("data")
    a, b = rng.normal(size=n).astype(np.float32), rng.integers(0, 9, n)
    colour, flag = rng.choice(["red", "green", "blue"], n), rng.random(n) < 0.5
    signal = a + 0.3 * b + (colour == "red") + rng.normal(size=n) * 0.3
    features = {
        "a": np.where(rng.random(n) < 0.1, np.nan, a),
        "b": b,
        "colour": [None if i % 17 == 0 else str(c) for i, c in enumerate(colour)],
        "flag": flag,
    }
    targets = {
        "binary": np.where(signal > 1.5, "yes", "no"),
        "multiclass": np.digitize(signal, [0.5, 1.5, 2.5]),
        "regression": signal,
    }
    made = {}
    for task, y in targets.items():
        path = place / f"{task}.parquet"
        pq.write_table(pa.table({**features, "y": y}), path)
        made[task] = table(TableSpec(str(path), "y", cores=2))
        assert made[task].facts.task == task
    return made


def context_of(directory, fidelity, above=None, baseline=None, seed=0):
    directory.mkdir(parents=True, exist_ok=True)
    return Context(
        fidelity, directory, seed, 60.0, above=(above or {}).__getitem__,
        baseline=lambda: baseline, earlier=lambda: None, report=lambda *_: None,
        failure=directory / "failure", lasting=directory,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """Runs a chain by the plainest loop: the artifact of stage `through`, and all samples."""
    places = (tmp_path / "runs" / str(i) for i in count())

    def go(workload, values, *, through="blend", baseline=None, rows=1.0, **piece):
        config, artifact, samples, made = space_of(workload).config(values), None, {}, {}
        effort = {} if rows == 1.0 else {"rows": rows}
        fidelity = Fidelity(through, effort=effort, piece=Piece(**piece))
        for stage in workload.stages:
            context = context_of(next(places), fidelity, made, baseline)
            upstream = () if artifact is None else (artifact,)
            artifact = made[stage.name] = stage.run(upstream, config, context)
            samples |= artifact.samples
            if stage.name == through:
                return artifact, samples
        raise AssertionError

    return go


def by_runtime(run, workload, family):
    """The compiled model for each runtime."""
    knob, names = ("runtime", TREES) if family == "lightgbm" else ("linear_runtime", LINEAR)
    extra = SMALL if family == "lightgbm" else {}
    values = [{"family": family, knob: name, **extra} for name in names]
    return {v[knob]: run(workload, v)[0] for v in values}


def bundled(place, artifact, config=Config({"threads": 1}), **more):
    """A bundle of this artifact of the blend."""
    made = hand_over(None, config, artifact)
    return write_index(place, {**made.index, "config": config.to_json(), **more}, made.files)


def flat(answer):
    return list(answer.values()) if isinstance(answer, dict) else [answer]


@pytest.mark.parametrize("family", ["lightgbm", "linear"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_all_runtimes_give_equal_predictions(workloads, run, task, family):
    compiled = by_runtime(run, workloads[task], family)
    rows = [*compiled["native"].judged.rows[:60], *ODD_ROWS]
    answers = {
        name: np.array([flat(Predictor(made.value).predict_row(row)) for row in rows])
        for name, made in compiled.items()
    }
    native = answers["native"]
    assert np.isfinite(native).all()
    if family == "lightgbm":
        assert (answers["booster"] == native).all()
        assert (answers["library"] == native).all()
    else:
        assert answers["library"] == pytest.approx(native, abs=1e-9)
    assert answers["onnxruntime"] == pytest.approx(native, abs=1e-5, rel=1e-5)
    if task != "regression":
        assert native.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_one_row_gives_what_a_batch_gives(workloads, run, task):
    for family in ("lightgbm", "linear"):
        for made in by_runtime(run, workloads[task], family).values():
            ((model, _),) = made.value.members
            runtime = load_runtime(model, 1)
            x = np.array([[0.5, 3, 1, 0], [np.nan, np.nan, np.nan, np.nan], [-2, 8, 0, 1]])
            one_by_one = [list(runtime.row(array("d", row))) for row in x]
            assert runtime.batch(x).reshape(3, -1) == pytest.approx(np.array(one_by_one), rel=1e-6)


def test_digits_are_multiclass_and_their_labels_are_the_answers(run, tmp_path):
    digits = load_digits()
    columns = {f"p{i}": digits.data[:, i] for i in range(64)} | {"digit": digits.target}
    pq.write_table(pa.table(columns), tmp_path / "digits.parquet")
    workload = table(TableSpec(str(tmp_path / "digits.parquet"), "digit"))
    assert workload.facts.task == "multiclass"
    artifact, samples = run(workload, {**SMALL, "runtime": "native"})
    assert samples["accuracy"].values[0] > 0.85
    answer = Predictor(artifact.value).predict_row(artifact.judged.rows[0])
    assert set(answer) == {str(i) for i in range(10)}


def test_the_baseline_is_lightgbms_defaults_through_its_own_predict(workloads, run):
    baseline = workloads["binary"].baseline
    assert baseline["runtime"] == "library"
    assert (baseline["n_trees"], baseline["learning_rate"], baseline["num_leaves"]) == (
        100,
        0.1,
        31,
    )
    assert baseline["threads"] == 2
    assert "linear_c" not in baseline


def test_a_conversion_that_single_precision_changes_is_a_failed_trial(run, tmp_path):
    n = 400
    a = 1.0 + np.arange(n) * 1e-9
    path = tmp_path / "fine.parquet"
    pq.write_table(pa.table({"a": a, "b": np.arange(n) % 7, "y": (np.arange(n) // 40) % 2}), path)
    workload = table(TableSpec(str(path), "y", types="a=number"))
    with pytest.raises(TrialFailed, match=r"onnxruntime to answer as booster does.*choose another"):
        run(workload, {**SMALL, "runtime": "onnxruntime"})
    assert run(workload, {**SMALL, "runtime": "native"})


def test_training_threads_do_not_change_the_model(workloads, run):
    one, two = (
        run(workloads["binary"], {**SMALL, "fit_threads": n}, through="fit")[0] for n in (1, 2)
    )
    assert one.digest == two.digest


def test_keeping_some_trees_makes_the_model_smaller(workloads, run):
    _, samples = run(workloads["binary"], {**SMALL, "runtime": "native"})
    part, fewer = run(workloads["binary"], {**SMALL, "runtime": "native", "keep_trees": 0.05})
    assert fewer["model_bytes"].values[0] < samples["model_bytes"].values[0] / 3
    ((model, _),) = part.value.members
    assert model.files["model.txt"].count(b"Tree=") == 1


def test_quality_is_paired_with_the_baseline_and_every_test_row_is_reported(workloads, run):
    workload = workloads["binary"]
    base, first = run(workload, SMALL, split="test", fold=1)
    ordered = {**SMALL, "encoding": "ordered"}
    _, samples = run(workload, ordered, baseline=base, split="test", fold=1)
    change = samples["roc_auc"].values[0] - first["roc_auc"].values[0]
    assert samples["roc_auc_change"].values[0] == pytest.approx(change)
    assert samples["roc_auc_change"].error < samples["roc_auc"].error
    judged = [
        len(run(workload, SMALL, split="test", fold=fold)[1]["roc_auc_rows"].values)
        for fold in range(workload.untouched.folds)
    ]
    assert len(samples["roc_auc_rows"].values) == judged[1]
    assert sum(judged) == workload.facts.test
    _, searched = run(workload, SMALL)
    assert "roc_auc_rows" not in searched


def test_searching_never_reads_the_labels_of_the_test_rows(workloads, tmp_path):
    workload = workloads["binary"]
    config = workload.baseline
    load_, prepare = workload.stages[:2]
    loaded = load_.run((), config, context_of(tmp_path, Fidelity("prepare")))

    def seen(place):
        made = prepare.run((loaded,), config, context_of(tmp_path / place, Fidelity("prepare")))
        return prepared_of(made)

    before = seen("before")
    loaded.value.y[np.concatenate(loaded.value.test)] = 7
    after = seen("after")
    assert (before.y == after.y).all()
    assert (before.judged_y == after.judged_y).all()


def test_a_share_of_the_rows_is_seeded_and_nested(workloads, run):
    small, large = (
        prepared_of(run(workloads["regression"], {}, through="prepare", rows=share)[0])
        for share in (0.3, 0.6)
    )
    assert len(small.y) == pytest.approx(0.3 * 0.8 * workloads["regression"].facts.train, abs=2)
    assert set(small.y) < set(large.y)


def test_a_category_unseen_in_training_is_missing(workloads, run):
    for encoding in ("category", "ordered"):
        artifact, _ = run(workloads["binary"], {**SMALL, "encoding": encoding})
        predictor = Predictor(artifact.value)
        row = {"a": 0.1, "b": 2, "flag": True}
        unseen = predictor.predict_row({**row, "colour": "mauve"})
        assert unseen == predictor.predict_row({**row, "colour": None})


def test_data_that_changed_since_the_study_began_is_refused(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{i % 40},{i % 2}\n" for i in range(200)))
    workload = table(TableSpec(str(path), "y"))
    path.write_text(path.read_text().replace("39,", "38,"))
    with pytest.raises(TrialFailed, match="unchanged data"):
        run(workload, {}, through="load")


def test_timing_reports_single_calls(workloads, run):
    artifact, samples = run(workloads["binary"], {**SMALL, "runtime": "native"}, through="predict")
    assert artifact.value is None
    assert 50 <= len(samples["latency"].values) <= 500
    assert samples["latency"].unit == "s"
    metrics = {metric.name: metric for metric in workloads["binary"].metrics}
    assert metrics["latency_p50"].of(samples) <= metrics["latency_p99"].of(samples)


@pytest.fixture
def compiled(workloads, run):
    return run(workloads["binary"], {**SMALL, "runtime": "native"})[0]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"a": 1, "b": 2, "color": "red", "flag": 1}, "did you mean 'color'"),
        ({"a": 1, "b": 2, "colour": "red"}, "give None"),
        ({"a": "one", "b": 2, "colour": "red", "flag": 1}, "a number in column 'a'; got 'one'"),
        ({"a": 1, "b": 2, "colour": ["red"], "flag": 1}, "a text in column 'colour'"),
        ([1, 2, "red", 1], "expected a mapping"),
    ],
)
def test_a_row_that_cannot_be_used_is_one_clear_sentence(compiled, row, said):
    with pytest.raises(InputError, match=said):
        Predictor(compiled.value).predict_row(row)


@pytest.mark.parametrize("runtime", TREES)
def test_a_bundle_predicts_what_the_compiled_model_does(workloads, run, tmp_path, runtime):
    artifact, _ = run(workloads["multiclass"], {**SMALL, "runtime": runtime})
    config = Config({"runtime": runtime, "threads": 1})
    place = bundled(tmp_path / "b", artifact, config, verdict={"decision": "ACCEPT"})
    rows = [*artifact.judged.rows[:20], *ODD_ROWS]
    assert load(place).predict_rows(rows) == Predictor(artifact.value).predict_rows(rows)
    index = json.loads((place / "bundle.json").read_text())
    assert index["verdict"] == {"decision": "ACCEPT"}
    assert index["config"] == dict(config)
    assert [p.name for p in tmp_path.iterdir() if p.name != "runs"] == ["b"]
    with pytest.raises(InputError, match="name another"):
        bundled(place, artifact, config)


def written(place, index, digest=None):
    """An index with the digest of its own content, or another one."""
    body = json.dumps(index, sort_keys=True).encode()
    index["sha256"]["bundle.json"] = digest or hashlib.sha256(body).hexdigest()
    (place / "bundle.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda place: (place / "model.txt").write_bytes(b"other"), "other bytes"),
        (lambda place: (place / "model.txt").unlink(), "model.txt"),
        (lambda place: (place / "bundle.json").write_text("{"), "expected a bundle"),
        (lambda place: (place / "bundle.json").write_text('{"format": 99}'), "of format 2"),
        (lambda place: (place / "bundle.json").write_text('{"format": 2}'), "a whole bundle"),
        (lambda place: written(place, {"format": 2, "sha256": {"../up": ""}}), "a file of"),
        (lambda place: written(place, {"format": 2, "sha256": {}}, "0"), "as written"),
    ],
)
def test_a_harmed_bundle_is_refused(compiled, tmp_path, harm, said):
    place = bundled(tmp_path / "b", compiled)
    harm(place)
    with pytest.raises(InputError, match=said):
        load(place)


def test_a_bundle_that_cannot_be_written_leaves_nothing(compiled, tmp_path):
    with pytest.raises(TypeError):
        bundled(tmp_path / "b", compiled, bad=object())
    assert [p.name for p in tmp_path.iterdir() if p.name != "runs"] == []


LEAN = """
import json, sys
from tunewright.deploying.bundle import load
predictor = load(sys.argv[1])
print(json.dumps(predictor.predict_rows(json.loads(sys.argv[2]))))
heavy = ("pandas", "lightgbm", "sklearn", "scipy", "pyarrow", "onnx", "onnxmltools")
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


@pytest.mark.parametrize(
    "values", [{"runtime": "native"}, {"runtime": "onnxruntime"}, {"family": "linear"}]
)
def test_a_bundle_predicts_in_a_process_without_heavy_libraries(workloads, run, tmp_path, values):
    trees = SMALL if "runtime" in values else {}
    made = run(workloads["binary"], {**trees, **values})[0]
    place = bundled(tmp_path / "b", made)
    rows = list(made.judged.rows[:3])
    done = subprocess.run(
        [sys.executable, "-c", LEAN, str(place), json.dumps(rows)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers, heavy = map(json.loads, done.stdout.splitlines())
    assert heavy == []
    assert answers == Predictor(made.value).predict_rows(rows)


def test_building_a_workload_imports_no_heavy_library(workloads, run):
    path = workloads["binary"].stages[0].source.path
    code = (
        "import sys; from tunewright.workloads.tabular import TableSpec, table;"
        "table(TableSpec(sys.argv[1], 'y'));"
        "print([m for m in ('pandas', 'lightgbm', 'sklearn', 'onnx', 'onnxruntime')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# Models that answer together


BLENDED = (({**SMALL, "runtime": "native"}, 3.0), ({"family": "linear"}, 1.0))


def blend_of(workload, members=BLENDED, **values):
    """A config whose members are these configs."""
    space = space_of(workload)
    own = {**{name: workload.baseline[name] for name in ("threads",)}, **values}
    return Config(own, [(space.config(values), weight) for values, weight in members])


def through_the_chain(tmp_path, workload, config, through="predict"):
    """What the real chain makes of a config, and the artifact that would be handed over."""
    cache = ArtifactCache(tmp_path / "artifacts")
    since = "predict" if through == "predict" else ""
    trial = Trial(1, config, Fidelity(through, since))
    measurement = run_chain(trial, workload, cache, tmp_path / "trial", time.monotonic)
    assert measurement.outcome.value == "ok", measurement.detail
    return measurement, cache.get(measurement.key).artifact


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_blend_answers_with_the_weighted_mean_and_its_bundle_answers_the_same(
    workloads, run, tmp_path, task
):
    workload = workloads[task]
    measurement, artifact = through_the_chain(tmp_path, workload, blend_of(workload))
    alone = [run(workload, values)[0] for values, _ in BLENDED]
    rows = [*artifact.judged.rows[:40], *ODD_ROWS]
    parts = [np.array([flat(a) for a in Predictor(m.value).predict_rows(rows)]) for m in alone]
    answers = Predictor(artifact.value).predict_rows(rows)
    expected = 0.75 * parts[0] + 0.25 * parts[1]
    assert np.array([flat(a) for a in answers]) == pytest.approx(expected, rel=1e-9)
    assert load(bundled(tmp_path / "b", artifact, blend_of(workload))).predict_rows(rows) == answers
    sizes = [made.samples["model_bytes"].values[0] for made in alone]
    assert measurement.samples["model_bytes"].values[0] == sum(sizes)
    assert len(measurement.samples["latency"].values) >= 50


def test_the_quality_of_a_blend_is_that_of_its_answers(workloads, run, tmp_path):
    workload = workloads["regression"]
    measurement, _ = through_the_chain(tmp_path, workload, blend_of(workload), "blend")
    compiled = [run(workload, values, through="compile")[0] for values, _ in BLENDED]
    judged = compiled[0].judged
    mean = 0.75 * judged.prediction + 0.25 * compiled[1].judged.prediction
    rmse = float(np.sqrt(np.mean((mean - judged.y) ** 2)))
    assert measurement.samples["rmse"].values[0] == pytest.approx(rmse)
    base = through_the_chain(tmp_path, workload, workload.baseline, "blend")[0]
    change = measurement.samples["rmse"].values[0] - base.samples["rmse"].values[0]
    assert measurement.samples["rmse_change"].values[0] == pytest.approx(change)


def test_a_blend_of_one_is_that_one(workloads, run, tmp_path):
    workload = workloads["binary"]
    one = ((BLENDED[0][0], 5.0),)
    _, artifact = through_the_chain(tmp_path, workload, blend_of(workload, one))
    rows = [*artifact.judged.rows[:20], *ODD_ROWS]
    alone = run(workload, BLENDED[0][0])[0]
    assert Predictor(artifact.value).predict_rows(rows) == Predictor(alone.value).predict_rows(rows)


def test_a_blend_without_weights_chooses_them(workloads, tmp_path):
    workload = workloads["regression"]
    members = tuple((values, 0.0) for values, _ in BLENDED)
    blend = blend_of(workload, members)
    found, _ = through_the_chain(tmp_path, workload, blend, "blend")
    weights = found.samples["weights"].values
    assert sum(weights) == pytest.approx(1.0)
    whole = [(config, weight) for (config, _), weight in zip(blend.members, weights, strict=True)]
    given, _ = through_the_chain(tmp_path, workload, Config(dict(blend), whole), "blend")
    assert "weights" not in given.samples
    assert given.samples["rmse"].values == pytest.approx(found.samples["rmse"].values)
    for config, _ in blend.members:
        alone, _ = through_the_chain(tmp_path, workload, config, "blend")
        assert given.samples["rmse"].values[0] <= alone.samples["rmse"].values[0]


def test_what_is_judged_is_no_part_of_the_model(workloads, run):
    compiled, _ = run(workloads["binary"], {**SMALL, "runtime": "native"}, through="compile")
    assert not hasattr(compiled.value, "rows")
    fifth = workloads["binary"].facts.train / 5
    assert len(compiled.judged.prediction) == pytest.approx(fifth, abs=1)


def test_the_arrays_are_files_that_a_fit_maps_and_no_pickle_holds(workloads, run, tmp_path):
    prepared, _ = run(workloads["binary"], {}, through="prepare")
    assert isinstance(prepared_of(prepared).x, np.memmap)
    measurement, _ = through_the_chain(tmp_path, workloads["binary"], workloads["binary"].baseline)
    assert measurement.samples
    files = {path.name for path in (tmp_path / "artifacts").rglob("*.npy")}
    assert files == {"x.npy", "y.npy", "judged_x.npy", "judged_y.npy"}
    assert isinstance(prepared, Artifact)


# What the user says


def test_a_knob_that_nothing_reads_is_refused_with_what_to_type(tmp_path, workloads):
    path = workloads["binary"].stages[0].source.path
    with pytest.raises(
        InputError,
        match=r"'linear_c' is read only where family == 'linear'; got family=lightgbm; add family=linear, or drop linear_c",
    ):
        table(TableSpec(path, "y"), {"linear_c": 99})
    with pytest.raises(InputError, match="add family=linear, or drop linear_c"):
        table(TableSpec(path, "y"), {"linear_c": 99, "family": "lightgbm"})
    asked = table(TableSpec(path, "y"), {"linear_c": 99, "family": "linear"}).baseline
    assert (asked["family"], asked["linear_c"]) == ("linear", 99.0)
    assert "n_trees" not in asked
