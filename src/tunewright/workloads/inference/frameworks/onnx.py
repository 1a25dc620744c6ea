"""ONNX files, whoever wrote them."""

from __future__ import annotations

from tunewright.workloads.inference.frameworks.framework import Framework

FRAMEWORK = Framework(
    name="onnx",
    modules=("onnx",),
    suffixes=(".onnx",),
    runtime="onnxruntime",
    keep="tunewright.workloads.inference.frameworks.onnx_files:keep",
    forms={"onnx": "tunewright.workloads.inference.frameworks.onnx_files:as_onnx"},
)
