"""Rewrites make models smaller, and what they may not change stays."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tunewright.core.config import Config
from tunewright.errors import TrialFailed
from tunewright.workloads.inference.data import Input, Signature
from tunewright.workloads.inference.rewrites import Calibration, int8, knobs_of, rewrites_of
from tunewright.workloads.inference.rewrites.pruning import neurons

FILE = "model.onnx"


def calibration(rows):
    return Calibration(Signature((Input("x", "float32", (6,)),)), (rows.x[:200],), 200)


def said(body, x):
    session = onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def test_pruning_takes_tensors_out_and_keeps_most_answers(mlp, rows):
    body = mlp.SerializeToString()
    less = neurons({FILE: body}, Config({"neurons": 0.5}), calibration(rows))[FILE]
    shapes = {i.name: tuple(i.dims) for i in onnx.load_from_string(less).graph.initializer}
    assert shapes["w0"] == (6, 32)
    assert shapes["w1"] == (32, 32)
    assert shapes["b0"] == (32,)
    assert len(less) < 0.5 * len(body)
    before, after = (said(one, rows.x).argmax(axis=1) for one in (body, less))
    assert (before == after).mean() > 0.9


def test_neurons_that_say_the_same_are_pruned_without_a_loss(rows, mlp_of):
    chance = np.random.default_rng(1)
    w0, w1 = chance.normal(size=(6, 8)), chance.normal(size=(16, 3))
    model = mlp_of([np.hstack((w0, w0)), w1], [np.tile(chance.normal(size=8), 2), np.zeros(3)])
    body = model.SerializeToString()
    less = neurons({FILE: body}, Config({"neurons": 0.5}), calibration(rows))[FILE]
    assert np.abs(said(less, rows.x) - said(body, rows.x)).mean() < 0.05


def test_a_convolution_is_pruned_through_its_normalisation():
    chance = np.random.default_rng(2)
    arrays = {
        "w0": chance.normal(size=(8, 1, 3, 3)), "b0": chance.normal(size=8),
        "scale": np.ones(8), "shift": np.zeros(8), "mean": np.zeros(8), "var": np.ones(8),
        "w1": chance.normal(size=(4, 8, 3, 3)), "b1": np.zeros(4),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["c0"], name="conv0", pads=[1] * 4),
        helper.make_node("BatchNormalization", ["c0", "scale", "shift", "mean", "var"], ["n0"]),
        helper.make_node("Relu", ["n0"], ["r0"]),
        helper.make_node("MaxPool", ["r0"], ["p0"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p0", "w1", "b1"], ["y"], name="conv1"),
    ]
    graph = helper.make_graph(
        nodes, "cnn", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, 2, 2])],
        [numpy_helper.from_array(a.astype(np.float32), n) for n, a in arrays.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = chance.normal(size=(32, 1, 8, 8)).astype(np.float32)
    rows = Calibration(Signature((Input("x", "float32", (1, 8, 8)),)), (x,), 32)
    less = neurons({FILE: model.SerializeToString()}, Config({"neurons": 0.5}), rows)[FILE]
    shapes = {i.name: tuple(i.dims) for i in onnx.load_from_string(less).graph.initializer}
    assert shapes["w0"] == (4, 1, 3, 3)
    assert shapes["mean"] == (4,)
    assert shapes["w1"] == (4, 4, 3, 3)
    assert said(less, x).shape == (32, 4, 2, 2)


@pytest.mark.parametrize("change", [int8.dynamic, int8.static, int8.weights])
def test_eight_bits_make_files_smaller_and_keep_most_answers(mlp, rows, change):
    body = mlp.SerializeToString()
    coarse = change({FILE: body}, Config({"float_layers": 0}), calibration(rows))[FILE]
    assert len(coarse) < len(body)
    same = said(body, rows.x).argmax(axis=1) == said(coarse, rows.x).argmax(axis=1)
    assert same.mean() > 0.9


def test_the_worst_layers_stay_in_float(mlp, rows):
    body = mlp.SerializeToString()
    sizes = [
        len(int8.static({FILE: body}, Config({"float_layers": n}), calibration(rows))[FILE])
        for n in (0, 2)
    ]
    assert sizes[0] < sizes[1]


def test_what_has_no_layers_cannot_be_quantised(rows, mlp_of):
    model = mlp_of([np.ones((6, 3))], [np.zeros(3)])
    with pytest.raises(TrialFailed, match="expected layers that read each other"):
        neurons({FILE: model.SerializeToString()}, Config({"neurons": 0.5}), calibration(rows))


def test_a_config_names_the_rewrites_of_each_stage():
    config = Config({"runtime": "onnxruntime", "neurons": 0.5, "precision": "int8-dynamic"})
    assert [r.change.partition(":")[2] for r in rewrites_of("simplify", config)] == ["neurons"]
    assert [r.change.partition(":")[2] for r in rewrites_of("quantise", config)] == ["dynamic"]
    assert not list(rewrites_of("quantise", Config({"precision": "float32"})))


def test_a_model_without_layers_has_no_knobs_of_them():
    assert not knobs_of({"onnxruntime": ("int8-dynamic",)}, 0)
