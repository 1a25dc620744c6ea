"""LightGBM's C library, for trees of whoever grew them, without its Python package."""

from __future__ import annotations

from tunewright.workloads.inference.runtimes.runtime import Runtime

RUNTIME = Runtime(
    name="lightgbm",
    takes="trees",
    library="lightgbm",
    install="pip install lightgbm",
    load="tunewright.workloads.inference.runtimes.trees_library:load",
)
