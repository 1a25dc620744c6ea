"""OpenVINO on the CPU."""

from __future__ import annotations

from tunewright.workloads.inference.runtimes.runtime import Runtime

RUNTIME = Runtime(
    name="openvino",
    takes="onnx",
    library="openvino",
    install="pip install 'tunewright[openvino]'",
    load="tunewright.workloads.inference.runtimes.openvino_request:load",
    precisions=("int8-static",),
    layered=True,
)
