"""Tiny trained models, and rows to judge them by."""

import warnings
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from tunewright.workloads.inference.importing import imported

ROWS = 400


@pytest.fixture(scope="session")
def rows():
    """x, y of two moons' worth of difficulty: (400, 6) and three classes."""
    chance = np.random.default_rng(0)
    x = chance.normal(size=(ROWS, 6)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.int64) + (x[:, 3] > 0.5)
    return SimpleNamespace(x=x, y=y)


@pytest.fixture(scope="session")
def mlp(rows):
    """A network with 64 neurons in each of two layers, as an ONNX model."""
    net = MLPClassifier((64, 64), max_iter=60, random_state=0, tol=1e-3, early_stopping=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit(rows.x, rows.y)
    return _mlp(net.coefs_, net.intercepts_)


def _mlp(weights, biases):
    """The network of these weights, with ReLU between its layers."""
    nodes, arrays, value = [], [], "x"
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        arrays += [
            numpy_helper.from_array(np.asarray(weight, np.float32), f"w{i}"),
            numpy_helper.from_array(np.asarray(bias, np.float32), f"b{i}"),
        ]
        nodes.append(
            helper.make_node("Gemm", [value, f"w{i}", f"b{i}"], [f"g{i}"], name=f"gemm{i}")
        )
        value = f"g{i}"
        if i < len(weights) - 1:
            nodes.append(helper.make_node("Relu", [value], [f"r{i}"], name=f"relu{i}"))
            value = f"r{i}"
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(weights[0])])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["n", len(biases[-1])])],
        arrays,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="session")
def mlp_file(mlp, tmp_path_factory):
    """The same as a file."""
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    onnx.save(mlp, path)
    return path


@pytest.fixture(scope="session")
def logistic(rows):
    """A model of scikit-learn."""
    return LogisticRegression().fit(rows.x.astype(np.float64), rows.y)


@pytest.fixture(scope="session")
def mlp_of():
    """A network of these weights and biases."""
    return _mlp


@pytest.fixture
def take_in(tmp_path):
    """What `imported` gives, with the model left in tmp_path/model."""

    def take(model, example, quality, place="model"):
        return imported(model, example, quality, tmp_path / place)

    return take
