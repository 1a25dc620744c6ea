"""Models of PyTorch: a module, or a program that torch.export has saved."""

from __future__ import annotations

from tunewright.workloads.inference.frameworks.framework import Framework

_HERE = "tunewright.workloads.inference.frameworks"
FRAMEWORK = Framework(
    name="torch",
    modules=("torch",),
    suffixes=(".pt2",),
    runtime="torch",
    keep=f"{_HERE}.torch_models:keep",
    forms={
        "own-torch": f"{_HERE}.own:files",
        "exported": f"{_HERE}.torch_models:exported",
        "onnx": f"{_HERE}.torch_models:as_onnx",
    },
)
