"""Frameworks: who may have trained a model, each one file and a line here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunewright.core.registry import resolve
from tunewright.errors import InputError, nearest
from tunewright.workloads.inference.frameworks.framework import Framework

_HERE = "tunewright.workloads.inference.frameworks"
FRAMEWORKS = {
    "keras": f"{_HERE}.keras:FRAMEWORK",
    "lightgbm": f"{_HERE}.lightgbm:FRAMEWORK",
    "xgboost": f"{_HERE}.xgboost:FRAMEWORK",
    "scikit-learn": f"{_HERE}.sklearn:FRAMEWORK",
    "torch": f"{_HERE}.torch:FRAMEWORK",
    "onnx": f"{_HERE}.onnx:FRAMEWORK",
}


def framework_of(name: str) -> Framework:
    """The framework of this name. Raises InputError where there is none."""
    if name not in FRAMEWORKS:
        raise InputError(f"unknown framework {name!r}: {nearest(name, FRAMEWORKS)}")
    found: Framework = resolve(FRAMEWORKS[name])
    return found


def whose(model: Any) -> Framework:
    """The framework that a model, or a file of one, is from. Raises InputError for none."""
    known = [framework_of(name) for name in FRAMEWORKS]
    suffixes = ", ".join(suffix for one in known for suffix in one.suffixes)
    if isinstance(model, Path):
        if not model.exists():
            raise InputError(f"expected a model's file; got {model}, which does not exist")
        found = next((one for one in known if model.suffix in one.suffixes), None)
        if found is None and model.suffix in {".pt", ".pth"}:
            raise InputError(
                f"expected a program of torch.export.save (.pt2); got {model}, which holds weights "
                "without their model, or a pickle; export the model, or give it in Python"
            )
        if found is None:
            raise InputError(
                f"expected a model's file ({suffixes}); got {model}; export the model to ONNX"
            )
        return found
    modules = [base.__module__.partition(".")[0] for base in type(model).__mro__]
    found = next((one for one in known if set(one.modules) & set(modules)), None)
    if found is not None and not isinstance(model, type):
        return found
    if isinstance(model, dict) and any("torch" in type(v).__module__ for v in model.values()):
        raise InputError(
            "expected a model; got a state dict, which holds weights without their model; "
            "make the model, call load_state_dict(…) and give the model"
        )
    names = ", ".join(sorted({module for one in known for module in one.modules}))
    raise InputError(
        f"expected a trained model of {names}, or a file ({suffixes}); got "
        f"{'the class ' + model.__name__ if isinstance(model, type) else repr(model)[:60]}; "
        "export it to ONNX and give the file"
    )
