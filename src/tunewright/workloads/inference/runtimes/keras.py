"""Keras as its users call it."""

from __future__ import annotations

from tunewright.workloads.inference.runtimes.runtime import Runtime

RUNTIME = Runtime(
    name="keras",
    takes="own-keras",
    library="keras",
    install="pip install 'tunewright[keras]' and a backend",
    load="tunewright.workloads.inference.runtimes.keras_call:load",
    plain=True,
)
