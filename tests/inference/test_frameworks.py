"""Models of every framework are taken in, and converted ones answer as the originals do."""

import io
from dataclasses import replace

import numpy as np
import pytest

from tunewright.core.registry import resolve
from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.inference.comparing import odd_inputs, why_unequal
from tunewright.workloads.inference.data import Compiled
from tunewright.workloads.inference.frameworks import FRAMEWORKS, framework_of
from tunewright.workloads.inference.predictor import ModelPredictor
from tunewright.workloads.inference.runtimes import RUNTIMES, runtime_of
from tunewright.workloads.inference.spec import facts_of


def compiled(directory, runtime):
    """A model that was taken in, as this runtime reads it."""
    facts = facts_of(directory)
    form = framework_of(facts.framework).forms[runtime_of(runtime).takes]
    files = resolve(form)(directory / "original", facts.signature)
    return Compiled(runtime, files, {"threads": 1}, facts.signature)


def check(directory, runtime, x):
    """Raise unless the runtime answers as the framework's own call does."""
    own = runtime_of(framework_of(facts_of(directory).framework).runtime)
    model = compiled(directory, runtime)
    ours = resolve(runtime_of(runtime).load)(model)
    theirs = resolve(own.load)(compiled(directory, own.name))
    for rows in ((x,), odd_inputs((x,), model.signature)):
        assert not why_unequal(ours(rows), theirs(rows), "rows")
    one = ours((x[:1],))[0]
    assert np.allclose(one, ours((x,))[0][:1], atol=1e-5)


def forest(rows, classes=3, kind="RandomForestClassifier"):
    model = resolve(f"sklearn.ensemble:{kind}")
    y = rows.y if classes == 3 else rows.y > 0
    small = {"n_estimators": 10} if "Forest" in kind else {"max_iter": 10}
    return model(random_state=0, **small).fit(rows.x.astype(np.float64), y)


@pytest.mark.parametrize(
    ("kind", "classes", "runtime"),
    [
        ("RandomForestClassifier", 3, "onnxruntime"),
        ("RandomForestClassifier", 2, "onnxruntime"),
        ("RandomForestClassifier", 2, "lightgbm"),
        ("RandomForestRegressor", 3, "lightgbm"),
        ("RandomForestRegressor", 3, "onnxruntime"),
        ("HistGradientBoostingClassifier", 3, "lightgbm"),
        ("HistGradientBoostingClassifier", 2, "lightgbm"),
        ("HistGradientBoostingRegressor", 3, "lightgbm"),
    ],
)
def test_trees_of_scikit_learn_answer_as_before(rows, take_in, tmp_path, kind, classes, runtime):
    x = rows.x.astype(np.float64)
    take_in(forest(rows, classes, kind), x[:1], None)
    check(tmp_path / "model", runtime, x)


def test_a_pipeline_becomes_onnx(logistic, rows, take_in, tmp_path):
    x = rows.x.astype(np.float64)
    take_in(logistic, x[:1], None)
    check(tmp_path / "model", "onnxruntime", x)


@pytest.mark.parametrize("classes", [2, 3])
def test_boosters_of_lightgbm_answer_as_before(rows, take_in, tmp_path, classes):
    estimator = resolve("lightgbm:LGBMClassifier")
    x = rows.x.astype(np.float64)
    model = estimator(n_estimators=5, verbose=-1).fit(x, rows.y if classes == 3 else rows.y > 0)
    take_in(model, x[:1], None)
    check(tmp_path / "model", "lightgbm", x)
    model.booster_.save_model(tmp_path / "booster.txt")
    take_in(tmp_path / "booster.txt", x[:1], None, "again")
    check(tmp_path / "again", "lightgbm", x)


@pytest.mark.parametrize("classes", [2, 3])
def test_boosters_of_xgboost_answer_as_before(rows, take_in, tmp_path, classes):
    estimator = pytest.importorskip("xgboost").XGBClassifier
    x = rows.x.astype(np.float64)
    model = estimator(n_estimators=5).fit(x, rows.y if classes == 3 else (rows.y > 0).astype(int))
    take_in(model, x[:1], None)
    check(tmp_path / "model", "lightgbm", x)
    model.save_model(tmp_path / "booster.json")
    take_in(tmp_path / "booster.json", x[:1], None, "again")
    check(tmp_path / "again", "lightgbm", x)


def test_shares_of_several_classes_are_no_trees_of_one_number(rows, take_in, tmp_path):
    take_in(forest(rows), rows.x[:1], None)
    assert facts_of(tmp_path / "model").without == ("trees",)
    with pytest.raises(TrialFailed, match="one number a leaf"):
        compiled(tmp_path / "model", "lightgbm")


def test_a_model_of_onnx_runs_in_openvino(mlp, rows, take_in, tmp_path):
    pytest.importorskip("openvino")
    take_in(mlp, rows.x[:1], None)
    check(tmp_path / "model", "openvino", rows.x)


def test_every_framework_and_runtime_is_named_as_in_its_registry():
    for name in FRAMEWORKS:
        framework = framework_of(name)
        assert framework.name == name
        assert runtime_of(framework.runtime).takes in framework.forms
    for name in RUNTIMES:
        assert runtime_of(name).name == name
        assert runtime_of(name).install.startswith("pip install")


def test_files_are_known_by_their_suffixes():
    assert {one for n in FRAMEWORKS for one in framework_of(n).suffixes} >= {".onnx", ".pt2"}


class TestTorch:
    """A module need not be found by other processes."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.fixture
    def module(self, torch):
        class Local(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.last = torch.nn.Linear(6, 8), torch.nn.Linear(8, 3)

            def forward(self, x):
                return self.last(torch.relu(self.first(x)))

        torch.manual_seed(0)
        return Local().eval()

    def test_a_local_class_travels(self, module, rows, take_in, tmp_path):
        _, own = take_in(module, rows.x[:1], None)
        facts = facts_of(tmp_path / "model")
        assert (facts.signature.batch, facts.layers) == (None, 2)
        runner = resolve(runtime_of("torch").load)(compiled(tmp_path / "model", "torch"))
        assert np.allclose(runner((rows.x,))[0], own(rows.x))

    def test_training_mode_is_told(self, module, rows, take_in):
        with pytest.raises(InputError, match=r"model.eval\(\)"):
            take_in(module.train(), rows.x[:1], None)

    def test_a_state_dict_is_told(self, module, rows, take_in):
        with pytest.raises(InputError, match="state dict"):
            take_in(dict(module.state_dict()), rows.x[:1], None)

    def test_a_file_that_is_no_program_is_told(self, torch, rows, take_in, tmp_path):
        (tmp_path / "no.pt2").write_bytes(io.BytesIO(b"PK none").getvalue())
        with pytest.raises(InputError, match=r"torch\.export\.save"):
            take_in(tmp_path / "no.pt2", rows.x[:1], None)


def test_what_a_bundle_holds_answers_any_number_of_rows(mlp, rows, take_in, tmp_path):
    take_in(mlp, rows.x[:1], None)
    model = compiled(tmp_path / "model", "onnxruntime")
    predictor = ModelPredictor(model)
    assert predictor.predict(rows.x[:5]).shape == (5, 3)
    fixed = ModelPredictor(replace(model, signature=replace(model.signature, batch=4)))
    assert np.allclose(fixed.predict(rows.x[:7]), predictor.predict(rows.x[:7]))
    for wrong in (rows.x[0], rows.x[:2, :3], rows.x[:2].astype(str), (rows.x, rows.x)):
        with pytest.raises(InputError, match="expected"):
            predictor.predict(wrong)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Keras's own, of numpy's next version
def test_a_model_of_keras_answers_as_before(rows, take_in, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    layers = [keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)]
    take_in(keras.Sequential(layers), rows.x[:1], None)
    check(tmp_path / "model", "onnxruntime", rows.x)


@pytest.mark.slow
def test_a_module_of_torch_becomes_onnx(rows, take_in, tmp_path):
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    take_in(module.eval(), rows.x[:1], None)
    check(tmp_path / "model", "onnxruntime", rows.x)
