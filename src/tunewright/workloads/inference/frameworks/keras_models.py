"""Taking in models of Keras, and turning them into ONNX."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx

from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.inference.data import Arrays, Input, Signature
from tunewright.workloads.inference.frameworks.framework import Kept, original

FILE = "model.keras"


def keep(model: Any, _example: Arrays, directory: Path) -> Kept:
    """See Framework. It is saved as Keras does, and must be one that Keras can load again."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(model, Path):
                model = keras.models.load_model(model, compile=False)
            model.save(directory / FILE)
            keras.models.load_model(directory / FILE, compile=False)
    except Exception as error:
        raise InputError(
            "expected a model that Keras saves and loads again; got "
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}; build it, and register "
            "its own classes with keras.saving.register_keras_serializable"
        ) from error
    inputs = []
    for one in model.inputs:
        shape = tuple(one.shape)[1:]
        if not all(isinstance(size, int) for size in shape):
            raise InputError(
                f"expected inputs of which the rows alone are open; got {one.name!r} of "
                f"{tuple(one.shape)}; build the model with a fixed shape of a row"
            )
        inputs.append(Input(one.name, str(one.dtype), shape))
    layers = sum(bool(layer.weights) for layer in model.layers)
    return Kept(Signature(tuple(inputs)), lambda given: called(model, given), layers=layers)


def called(model: Any, inputs: Arrays) -> Arrays:
    """The model's answer as arrays, by a call and not by `predict`, which is made for many rows."""
    said = model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)
    many = said if isinstance(said, (list, tuple)) else (said,)
    return tuple(np.asarray(keras.ops.convert_to_numpy(one)) for one in many)


def saved(directory: Path, _signature: Signature) -> Mapping[str, bytes]:
    """The form "own-keras"."""
    return {FILE: original(directory, FILE)}


def as_onnx(directory: Path, signature: Signature) -> Mapping[str, bytes]:
    """The form "onnx". Raises TrialFailed where an operator has no counterpart there."""
    try:
        with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = keras.models.load_model(directory / FILE, compile=False)
            called(model, tuple(np.zeros((2, *i.shape), i.dtype) for i in signature.inputs))
            model.export(f"{place}/model.onnx", format="onnx", verbose=False)
            made = onnx.load(f"{place}/model.onnx")
    except Exception as error:
        raise TrialFailed(
            f"Keras cannot turn the model into ONNX: {' '.join(str(error).split())[:300]}"
        ) from error
    renamed = {
        one.name: wanted.name
        for one, wanted in zip(made.graph.input, signature.inputs, strict=True)
    }
    for one in made.graph.input:
        one.name = renamed[one.name]
    for node in made.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    return {"model.onnx": bytes(made.SerializeToString())}
