"""Models as ONNX files with one output: the value, or the classes' probabilities."""

from __future__ import annotations

import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from tunewright.workloads.tabular.data import Schema
from tunewright.workloads.tabular.linear import Linear

INPUT = "x"
OPSET = 15


def export_trees(text: str, schema: Schema) -> dict[str, bytes]:
    """The file for a LightGBM model."""
    model = convert_lightgbm(
        lightgbm.Booster(model_str=text),
        initial_types=[(INPUT, FloatTensorType([None, len(schema.features)]))],
        zipmap=False,
        target_opset=OPSET,
    )
    answer = model.graph.output[-1]  # a classifier's first output is its label, with a wrong shape
    del model.graph.output[:]
    model.graph.output.append(answer)
    return {"model.onnx": bytes(model.SerializeToString())}


def export_linear(text: str, schema: Schema) -> dict[str, bytes]:
    """The files of a linear model: the design, and the rest, whose input is what Design gives."""
    linear = Linear.from_text(text)
    coef, intercept = linear.coef.astype(np.float32), linear.intercept.astype(np.float32)
    last = {"regression": "Identity", "binary": "Sigmoid", "multiclass": "Softmax"}[schema.task]
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", [INPUT, "coef", "intercept"], ["score"], transB=1),
            helper.make_node(last, ["score"], ["answer"]),
        ],
        "linear",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, coef.shape[1]])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [None, coef.shape[0]])],
        [numpy_helper.from_array(coef, "coef"), numpy_helper.from_array(intercept, "intercept")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return {"linear.json": text.encode(), "model.onnx": bytes(model.SerializeToString())}
