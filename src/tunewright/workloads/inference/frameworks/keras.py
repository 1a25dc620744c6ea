"""Models of Keras, on whatever backend."""

from __future__ import annotations

from tunewright.workloads.inference.frameworks.framework import Framework

_HERE = "tunewright.workloads.inference.frameworks"
FRAMEWORK = Framework(
    name="keras",
    modules=("keras",),
    suffixes=(".keras",),
    runtime="keras",
    keep=f"{_HERE}.keras_models:keep",
    forms={
        "own-keras": f"{_HERE}.keras_models:saved",
        "onnx": f"{_HERE}.keras_models:as_onnx",
    },
)
