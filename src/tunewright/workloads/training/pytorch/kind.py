"""PyTorch: the framework and its kind of workload, as values. Importing it imports no torch."""

from __future__ import annotations

from tunewright.workloads.training.framework import Framework
from tunewright.workloads.training.workload import kind

_HERE = "tunewright.workloads.training.pytorch"
# torch._dynamo: the first optimiser would import it, in each training anew
FRAMEWORK = Framework(
    name="torch",
    library="torch",
    warm=("numpy.random", "torch", "torch._dynamo", f"{_HERE}.fitting"),
    train=f"{_HERE}.fitting:train",
    check=f"{_HERE}.checking:check",
    files=f"{_HERE}.bundling:files",
)
TORCH = kind(FRAMEWORK)
