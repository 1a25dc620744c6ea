"""Keras: the framework and its kind of workload, as values. Importing it imports no Keras."""

from __future__ import annotations

from tunewright.workloads.training.framework import Framework
from tunewright.workloads.training.workload import kind

_HERE = "tunewright.workloads.training.keras"
FRAMEWORK = Framework(
    name="keras",
    library="keras",
    warm=("numpy.random", f"{_HERE}.warm"),
    train=f"{_HERE}.fitting:train",
    check=f"{_HERE}.fitting:check",
    files=f"{_HERE}.bundling:files",
)
KERAS = kind(FRAMEWORK)
