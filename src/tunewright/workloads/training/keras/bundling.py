"""Bundles of models trained with Keras: its JSON of the architecture, weights as safetensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from tunewright.errors import InputError
from tunewright.workloads.training.framework import Array
from tunewright.workloads.training.keras.fitting import ANSWERED, built, restored
from tunewright.workloads.training.workload import Recipe, TrainingSpec

WEIGHTS, ARCHITECTURE = "weights.safetensors", "architecture.json"


def files(
    recipe: Recipe, _spec: TrainingSpec, arguments: Mapping[str, Any], weights: bytes
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The index and the files of a bundle. Raises TrialFailed for weights of another model."""
    model = built(recipe.model, arguments)
    model(np.zeros((1, *recipe.arrays.x.shape[1:]), np.float32))
    restored(model, weights)
    loss = model.loss
    index = {
        "model": "",
        "shape": list(recipe.arrays.x.shape[1:]),
        "scaled": False,
        "logits": bool(getattr(loss, "from_logits", False)),
    }
    return index, {WEIGHTS: weights, ARCHITECTURE: model.to_json().encode()}


def answering(index: Mapping[str, Any], bundle: Mapping[str, bytes]) -> Callable[[Array], Array]:
    """What answers rows with Keras. Raises InputError where it cannot make the model."""
    try:
        text = json.dumps(json.loads(bundle[ARCHITECTURE]))
        model = keras.models.model_from_json(text)
    except (TypeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"expected a model of layers that Keras knows; got {first}; register your own with "
            "@keras.saving.register_keras_serializable() and import its module first"
        ) from error
    model(np.zeros((1, *index["shape"]), np.float32))
    restored(model, bundle[WEIGHTS])
    return lambda rows: np.asarray(model.predict(rows, batch_size=ANSWERED, verbose=0))
