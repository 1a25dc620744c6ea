"""ONNX Runtime on one row or many, in single precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnxruntime

from tunewright.workloads.tabular.data import Floats, Runtime, Schema, one_by_one
from tunewright.workloads.tabular.linear import Linear

_ERRORS_ONLY = 3


def trees(files: Mapping[str, bytes], schema: Schema, threads: int) -> Runtime:
    """A tree model exported to ONNX."""
    return one_by_one(_session(files["model.onnx"], schema, threads))


def linear(files: Mapping[str, bytes], schema: Schema, threads: int) -> Runtime:
    """A linear model exported to ONNX, behind the design in numpy."""
    design = Linear.from_text(files["linear.json"]).design
    answer = _session(files["model.onnx"], schema, threads)
    return one_by_one(lambda x: answer(design(x)))


def _session(file: bytes, schema: Schema, threads: int) -> Callable[[Floats], Floats]:
    """Runs a file that has one input and one output: (n,), or (n, classes) for three or more."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle cores stay idle
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name, outputs = session.get_inputs()[0].name, [session.get_outputs()[0].name]
    many = len(schema.classes) > 2

    def answer(x: Floats) -> Floats:
        with np.errstate(over="ignore"):  # what single precision cannot hold is infinite
            single = x.astype(np.float32)
        out = session.run(outputs, {name: single})[0]
        return np.asarray(out if many else out[:, -1], np.float64)

    return answer
