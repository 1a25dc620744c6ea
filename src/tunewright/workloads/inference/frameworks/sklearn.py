"""Estimators of scikit-learn, and pipelines of them."""

from __future__ import annotations

from tunewright.workloads.inference.frameworks.framework import Framework

_HERE = "tunewright.workloads.inference.frameworks"
FRAMEWORK = Framework(
    name="scikit-learn",
    modules=("sklearn",),
    suffixes=(".joblib", ".pkl", ".pickle"),
    runtime="scikit-learn",
    keep=f"{_HERE}.sklearn_models:keep",
    forms={
        "own-estimator": f"{_HERE}.own:files",
        "trees": f"{_HERE}.sklearn_models:as_trees",
        "onnx": f"{_HERE}.sklearn_models:as_onnx",
    },
)
