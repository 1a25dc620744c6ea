"""A request of OpenVINO, compiled for one shape where every call has it."""

from __future__ import annotations

from typing import Any

import openvino

from tunewright.workloads.inference.data import Arrays, Compiled, Runner, shaped


def load(model: Compiled) -> Runner:
    """See Runtime."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
    if threads := int(model.settings.get("threads", 0)):
        settings["INFERENCE_NUM_THREADS"] = str(threads)
    wanted = model.settings.get("precision", "float32")
    settings["INFERENCE_PRECISION_HINT"] = {"bfloat16": "bf16"}.get(wanted, "f32")
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.files["model.onnx"]), "CPU", settings)
    request = compiled.create_infer_request()
    outputs = range(len(compiled.outputs))

    def call(given: list[Any]) -> Any:
        request.infer(given, share_inputs=True, share_outputs=True)
        return request

    def arrays(done: Any) -> Arrays:
        said = tuple(done.get_output_tensor(i).data.copy() for i in outputs)
        return shaped(said, model.signature)

    return Runner(call, list, arrays)
