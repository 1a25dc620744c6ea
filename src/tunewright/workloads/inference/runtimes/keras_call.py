"""A model of Keras, called as a function."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras

from tunewright.workloads.inference.data import Arrays, Compiled, Runner
from tunewright.workloads.inference.frameworks.keras_models import FILE, called


def load(model: Compiled) -> Runner:
    """See Runtime."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / FILE
        path.write_bytes(model.files[FILE])
        read = keras.models.load_model(path, compile=False)

    def call(given: Arrays) -> Any:
        return called(read, given)

    return Runner(call, lambda inputs: inputs, lambda said: said)
