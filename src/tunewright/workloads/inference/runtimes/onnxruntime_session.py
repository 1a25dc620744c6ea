"""A session of ONNX Runtime."""

from __future__ import annotations

from typing import Any

import onnxruntime

from tunewright.workloads.inference.data import Arrays, Compiled, Runner, shaped

_ERRORS_ONLY = 3
_LEVELS = {"all": "ORT_ENABLE_ALL", "extended": "ORT_ENABLE_EXTENDED", "basic": "ORT_ENABLE_BASIC"}


def load(model: Compiled) -> Runner:
    """See Runtime."""
    settings, options = model.settings, onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.graph_optimization_level = getattr(
        onnxruntime.GraphOptimizationLevel, _LEVELS[settings.get("graph", "all")]
    )
    if threads := int(settings.get("threads", 0)):  # 0: as many as it likes
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    if settings.get("spinning", "on") == "off":
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if settings.get("arena", "on") == "off":
        options.enable_cpu_mem_arena = False
    session = onnxruntime.InferenceSession(
        model.files["model.onnx"], options, providers=["CPUExecutionProvider"]
    )
    names = [one.name for one in model.signature.inputs]

    def native(inputs: Arrays) -> dict[str, Any]:
        return dict(zip(names, inputs, strict=True))

    run = session.run
    signature = model.signature
    return Runner(
        lambda given: run(None, given), native, lambda said: shaped(tuple(said), signature)
    )
