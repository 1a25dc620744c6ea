"""PyTorch as its users call it: eagerly."""

from __future__ import annotations

from tunewright.workloads.inference.runtimes.runtime import Runtime

RUNTIME = Runtime(
    name="torch",
    takes="own-torch",
    library="torch",
    install="pip install 'tunewright[torch]'",
    load="tunewright.workloads.inference.runtimes.torch_eager:load",
    plain=True,
)
