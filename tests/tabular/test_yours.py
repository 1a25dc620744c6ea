"""A baseline of the user's own: his estimator fitted on the same rows, or last month's bundle."""

import hashlib
import json
import sys
import time

import pytest

import tunewright as tw
from tunewright.core.trial import Fidelity, Outcome, Trial
from tunewright.errors import InputError
from tunewright.planning import Request, build_workload
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.workloads.tabular import TableSpec, table

HERE = tw.Limits(workers=0)
MINE = """
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
line = LinearRegression()
margin = LinearSVC()
number = 7

def made():
    return LogisticRegression()

def broken():
    raise RuntimeError("no\\nmodel today")
"""


def written(path, answer):
    lines = [f"{i * 37 % 101 / 7},{i % 13 / 3},{answer(i)}" for i in range(300)]
    path.write_text("\n".join(["a,b,y", *lines]) + "\n")
    return path


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A directory with the user's module and a table of two classes."""
    (tmp_path / "mine.py").write_text(MINE)
    written(tmp_path / "t.csv", lambda i: int(i * 37 % 101 + i % 13 > 50))
    written(tmp_path / "three.csv", lambda i: ["low", "mid", "high"][i * 37 % 101 // 34])
    written(tmp_path / "number.csv", lambda i: i * 37 % 101 * 1.5 + i % 7)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return tmp_path


def tuned(path, baseline, **more):
    spec = tw.Table(path, "y", families=("linear",))
    return tw.tune(spec, baseline=baseline, budget="3 trials", limits=HERE, **more)


def first(result):
    """The trial of the baseline, and what it gave."""
    return next(iter(result.history.ended()))


@pytest.mark.parametrize(
    ("name", "reference", "metric", "least"),
    [
        ("t.csv", "mine:model", "roc_auc", 0.9),
        ("t.csv", "mine:made", "roc_auc", 0.9),
        ("three.csv", "mine:model", "accuracy", 0.5),
        ("number.csv", "mine:line", "r2", 0.9),
    ],
)
def test_an_estimator_is_fitted_on_the_same_rows_and_is_what_is_to_be_beaten(
    mine, name, reference, metric, least
):
    result = tuned(mine / name, reference)
    trial, measurement = first(result)
    assert trial.config["yours"] == reference
    assert measurement.samples[metric].values[0] > least
    searched = [t for t, _ in result.history.ended() if t.purpose.kind == "search"]
    assert [t.config.get("family") for t in searched].count("yours") == len(
        {t.fidelity.piece.fold for t in searched if t.config == trial.config}
    )
    facts = {label: text for label, text, *_ in result.history.opened.facts}
    assert facts["baseline"] == f"your estimator {reference}, fitted on the same rows"


def test_a_bundle_can_be_the_baseline_and_answers_as_it_does_elsewhere(mine):
    spec = tw.Table(mine / "t.csv", "y", families=("linear",))
    bundle = tw.deploy(tw.tune(spec, budget="2 trials", limits=HERE)).absolute()
    result = tuned(mine / "t.csv", str(bundle))
    trial, measurement = first(result)
    assert trial.config["yours"] == str(bundle.absolute())
    assert measurement.samples["roc_auc"].values[0] > 0.95


def test_what_is_yours_is_never_handed_over_and_no_bundle_can_hold_it(mine, tmp_path):
    result = tuned(
        mine / "t.csv", "mine:model", goal="maximize roc_auc subject to model_bytes <= 1B"
    )
    assert result.best["family"] == "yours"
    assert tw.deploy(result) is None
    bundle = tw.deploy(tuned(mine / "t.csv", "", name="other"))
    index = json.loads((bundle / "bundle.json").read_text())
    index["members"][0] |= {"family": "yours", "runtime": "estimator"}
    del index["sha256"]["bundle.json"]
    digest = hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
    index["sha256"]["bundle.json"] = digest
    (bundle / "bundle.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="another kind"):
        tw.load(bundle)


@pytest.mark.parametrize(
    ("name", "reference", "said"),
    [
        ("t.csv", "mine", "knob=value,…, module:estimator or a bundle's directory; got 'mine'"),
        ("t.csv", "nothere:model", "ModuleNotFoundError"),
        ("t.csv", "mine:nothing", "AttributeError"),
        ("t.csv", "mine:number", "TypeError"),
        ("t.csv", "mine:broken", "RuntimeError: no model today"),
        ("t.csv", "mine:margin", "without predict_proba"),
        ("t.csv", ".", "expected a bundle"),
    ],
)
def test_what_cannot_be_a_baseline_is_one_clear_sentence(mine, name, reference, said):
    with pytest.raises(InputError, match="expected") as caught:
        table(TableSpec(mine / name, "y", baseline=reference))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bundle_of_another_question_is_refused(mine):
    spec = tw.Table(mine / "t.csv", "y", families=("linear",))
    bundle = str(tw.deploy(tw.tune(spec, budget="2 trials", limits=HERE)).absolute())
    with pytest.raises(InputError, match="a bundle that answers"):
        table(TableSpec(mine / "three.csv", "y", baseline=bundle))
    with pytest.raises(InputError, match="the column 'b'"):
        table(TableSpec(mine / "t.csv", "y", drop=("b",), baseline=bundle))


def test_knobs_and_an_estimator_are_no_baseline_together(mine):
    spec = TableSpec(mine / "t.csv", "y", baseline="mine:model")
    with pytest.raises(InputError, match="got both"):
        build_workload(Request("t", "table", spec, "", {"linear_c": 1.0}))


def test_its_latency_is_that_of_one_row_as_it_is(mine):
    workload = table(TableSpec(mine / "t.csv", "y", baseline="mine:model"))
    trial = Trial(1, workload.baseline, Fidelity("predict", since="predict"))
    cache = ArtifactCache(mine / "artifacts")
    measured = run_chain(trial, workload, cache, mine / "trial", time.monotonic)
    assert measured.outcome is Outcome.OK, measured.detail
    assert measured.samples["latency"].unit == "s"
    assert min(measured.samples["latency"].values) > 1e-5  # no row is answered from numbers of ours


def test_a_table_with_texts_needs_a_data_frame(mine, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)  # as if it were not installed
    lines = [f"{['red', 'green', 'blue'][i % 3]},{i % 13 / 3},{i % 2}" for i in range(120)]
    (mine / "texts.csv").write_text("\n".join(["colour,b,y", *lines]) + "\n")
    result = tuned(mine / "texts.csv", "mine:model")
    assert "pip install pandas" in result.verdict.reason
