"""PyTorch's own compiler, ahead of time: C++ that is compiled once and loaded by torch."""

from __future__ import annotations

from tunewright.workloads.inference.runtimes.runtime import Runtime

RUNTIME = Runtime(
    name="inductor",
    takes="exported",
    library="torch",
    install="pip install 'tunewright[torch]'",
    load="tunewright.workloads.inference.runtimes.inductor_package:load",
    dear=True,
    compile="tunewright.workloads.inference.runtimes.inductor_package:compiled",
)
