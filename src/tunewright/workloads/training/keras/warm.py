"""What a worker imports before it forks trainings: nothing of a backend that starts threads."""

from __future__ import annotations

import importlib
import json
import os
from contextlib import suppress
from pathlib import Path


def backend() -> str:
    """The backend that Keras will have: of the environment, or of its own file."""
    if named := os.environ.get("KERAS_BACKEND"):
        return named
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    with suppress(OSError, ValueError):
        said = json.loads((home / "keras.json").read_text(encoding="utf-8"))
        return str(said.get("backend", "tensorflow"))
    return "tensorflow"


if backend() == "torch":
    for module in ("torch._dynamo", "keras", "tunewright.workloads.training.keras.fitting"):
        importlib.import_module(module)
