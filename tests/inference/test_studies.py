"""Whole studies of a trained model, without a clock: what is smallest and as good is handed over."""

import json
import subprocess
import sys

import numpy as np
import pytest

import tunewright as tw
from tunewright.core.metrics import SAME_ANSWERS
from tunewright.core.registry import resolve
from tunewright.core.roles import Artifact
from tunewright.core.verdict import Decision
from tunewright.errors import InputError
from tunewright.testing.stages import StageCase, StageContract
from tunewright.workloads.inference.importing import Quality
from tunewright.workloads.inference.kind import MODEL
from tunewright.workloads.inference.workload import build

SMALL = "minimize model_bytes subject to accuracy >= baseline - 0.1"


@pytest.fixture
def optimized(tmp_path, rows):
    """`optimized(model, …)`: a study of it in this process."""

    def run(model, goal=SMALL, budget="8 trials", **more):
        told = {"quality": (rows.x, rows.y, "accuracy"), "example": rows.x[:1], **more}
        return tw.optimize(
            model,
            goal=goal,
            budget=budget,
            limits=tw.Limits(workers=0),
            root=tmp_path / "s",
            **told,
        )

    return run


def test_a_smaller_model_is_proven_and_handed_over(optimized, mlp, rows, tmp_path):
    fast = optimized(mlp)
    assert fast.verdict.decision is Decision.ACCEPT
    assert fast.gained
    assert "use " in repr(fast)
    assert fast.predict(rows.x[:3]).shape == (3, 3)
    bundle = tw.deploy(fast, tmp_path / "out")
    index = json.loads((bundle / "bundle.json").read_text())
    assert index["kind"] == "model"
    assert all("pickle" not in name for name in index["sha256"])
    assert np.allclose(tw.load(bundle).predict(rows.x), fast.predict(rows.x))


def test_a_bundle_answers_without_what_trained_it(optimized, mlp, rows, tmp_path):
    bundle = tw.deploy(optimized(mlp), tmp_path / "out")
    code = (
        "import sys, numpy as np, tunewright as tw\n"
        f"said = tw.load({str(bundle)!r}).predict(np.zeros((2, 6), 'float32'))\n"
        "assert said.shape == (2, 3)\n"
        "print([m for m in ('torch', 'sklearn', 'onnx', 'pandas', 'apsw') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_what_cannot_be_better_is_kept(optimized, logistic, tmp_path):
    """Every conversion answers as the original: none has a better accuracy, and none is claimed."""
    fast = optimized(logistic, "maximize accuracy", "4 trials")
    assert fast.verdict.decision is not Decision.ACCEPT
    assert not fast.gained
    assert "keep what you have" in repr(fast)
    assert tw.deploy(fast, tmp_path / "out") is None
    assert fast.predict(np.zeros((2, 6))).shape == (2, 3)


def test_without_quality_only_exact_conversions_compete(take_in, mlp, rows, tmp_path):
    spec, _ = take_in(mlp, rows.x[:2], None)
    workload = build(spec, {}, {})
    assert "precision" not in {knob.name for stage in workload.stages for knob in stage.knobs}
    assert workload.untouched.folds == 0
    said = dict(MODEL.describe(workload, resolve("tunewright.core.goal:parse_goal")("", ()), 0))
    assert "only conversions compete" in said["quality"]


def test_one_that_is_exact_says_so_and_one_that_is_not_does_not(optimized, mlp):
    fast = optimized(mlp, "minimize model_bytes subject to accuracy >= baseline - 0.1")
    ended = [(t, m) for t, m in fast.result.history.ended() if t.purpose.kind == "refit"]
    exact = [SAME_ANSWERS in m.samples for t, m in ended if t.purpose.arm == "baseline"]
    coarse = [SAME_ANSWERS in m.samples for t, m in ended if t.purpose.arm == "candidate"]
    assert all(exact)
    assert not any(coarse)


def test_a_metric_of_the_users_own_judges_too(optimized, mlp, rows):
    def right(y, answers):
        return float((answers.argmax(axis=1) == y).mean())

    goal = "minimize model_bytes subject to right >= baseline - 0.1"
    fast = optimized(mlp, goal, quality=(rows.x, rows.y, right))
    assert fast.verdict.decision is Decision.ACCEPT
    found = {c.metric: c for c in fast.verdict.comparisons}
    assert found["right"].baseline == pytest.approx(0.9, abs=0.1)


def test_a_bundle_of_arrays_is_none_of_a_table(optimized, mlp, command, tmp_path):
    tw.deploy(optimized(mlp), tmp_path / "out")
    done = command(tmp_path, "predict", "out", "rows.csv")
    assert done.returncode == 2
    assert "answers arrays" in done.stderr


def test_a_bundle_that_would_be_unpickled_is_refused():
    index = {"runtime": "scikit-learn", "settings": {}, "files": ["own.pickle"], "signature": {}}
    with pytest.raises(InputError, match="expected a bundle of ours"):
        MODEL.answering(index, {"own.pickle": b"cos\nsystem\n(S'true'\ntR."})


def test_a_gone_model_is_told(take_in, mlp, rows, tmp_path):
    spec, _ = take_in(mlp, rows.x[:1], None)
    (tmp_path / "model" / "model.json").unlink()
    with pytest.raises(InputError, match="optimize it again"):
        build(spec, {}, {})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quality": 3}, "expected (x, y, metric)"),
        ({"quality": (1, 2)}, "got tuple of 2"),
        ({"goal": "minimize latency"}, "unknown metric 'latency'"),
        ({"budget": "soon"}, "expected a budget"),
        ({"runtimes": "onnx"}, "unknown runtime 'onnx'"),
        ({"example": None, "quality": None, "model": object()}, "expected a trained model"),
    ],
)
def test_misspelt_arguments_are_told(optimized, mlp, tmp_path, options, words):
    with pytest.raises(InputError) as error:
        optimized(options.pop("model", mlp), **options)
    assert words in str(error.value)
    assert not list((tmp_path / "s").glob("*")) if (tmp_path / "s").exists() else True


def test_the_command_line_does_the_same(command, mlp_file, rows, tmp_path):
    np.savez(tmp_path / "val.npz", x=rows.x, y=rows.y)
    done = command(
        tmp_path, "optimize", mlp_file, "--data", "val.npz", "--metric", "accuracy", "--dry-run",
        "--subject-to", "accuracy >= baseline - 0.05",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "net (onnx): x float32[6]; a call is a row" in done.stdout
    assert not (tmp_path / ".tunewright").exists()
    for words, said in (
        (["none.onnx"], "does not exist"),
        ([mlp_file, "--metric", "accuracy"], "expected --data"),
        ([mlp_file, "--data", mlp_file], "expected an .npz file"),
        ([mlp_file, "--data", "val.npz", "--metric", "acuracy"], "did you mean"),
    ):
        done = command(tmp_path, "optimize", *words)
        assert done.returncode == 2
        assert said in done.stderr


class _Stages(StageContract):
    """The stages of the chain, each on what those above it made."""

    place = 0

    @pytest.fixture(autouse=True)
    def _made(self, take_in, mlp, rows, tmp_path):
        spec, _ = take_in(mlp, rows.x[:1], Quality(rows.x, rows.y, "accuracy"))
        self.workload = build(spec, {"neurons": 0.5, "precision": "int8-dynamic"}, {})
        self.upstream: tuple[Artifact, ...] = ()
        for i, stage in enumerate(self.workload.stages[: self.place]):
            case = StageCase(stage, self.workload.baseline, self.upstream)
            self.upstream = (self.run(case, tmp_path / f"above-{i}"),)

    def case(self):
        measured = ("latency", "throughput", "load_s")
        stage = self.workload.stages[self.place]
        return StageCase(stage, self.workload.baseline, self.upstream, measured=measured)


class TestImport(_Stages):
    place = 0


class TestSimplify(_Stages):
    place = 1


class TestQuantise(_Stages):
    place = 2


class TestCompile(_Stages):
    place = 3


class TestPredict(_Stages):
    place = 4


del StageContract, _Stages
