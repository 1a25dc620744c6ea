"""Answers of a network in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime

from tunewright.workloads.training.framework import Array


def answers_of(model: bytes, threads: int = 0) -> Callable[[Array], Array]:
    """What answers rows of floats with what the network's last layer says."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda rows: np.asarray(session.run(None, {name: rows})[0])
