"""Runtimes: what can answer for a model, each one file and a line here."""

from __future__ import annotations

from importlib.util import find_spec

from tunewright.core.registry import resolve
from tunewright.errors import InputError, nearest
from tunewright.workloads.inference.runtimes.runtime import Runtime

_HERE = "tunewright.workloads.inference.runtimes"
RUNTIMES = {
    "torch": f"{_HERE}.torch:RUNTIME",
    "keras": f"{_HERE}.keras:RUNTIME",
    "scikit-learn": f"{_HERE}.library:SKLEARN",
    "lightgbm-python": f"{_HERE}.library:LIGHTGBM",
    "xgboost-python": f"{_HERE}.library:XGBOOST",
    "lightgbm": f"{_HERE}.trees:RUNTIME",
    "onnxruntime": f"{_HERE}.onnxruntime:RUNTIME",
    "openvino": f"{_HERE}.openvino:RUNTIME",
    "inductor": f"{_HERE}.inductor:RUNTIME",
}


def runtime_of(name: str) -> Runtime:
    """The runtime of this name. Raises InputError where there is none."""
    if name not in RUNTIMES:
        raise InputError(f"unknown runtime {name!r}: {nearest(name, RUNTIMES)}")
    found: Runtime = resolve(RUNTIMES[name])
    return found


def installed(runtime: Runtime) -> bool:
    """Whether its library is there; it is not imported."""
    return find_spec(runtime.library) is not None
