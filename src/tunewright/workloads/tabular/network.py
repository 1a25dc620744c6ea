"""A neural network in numpy: what it computes.

Its design is that of RealMLP (Holzmüller et al., "Better by default", NeurIPS 2024): numbers with
periodic embeddings, and three hidden layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Floats, Runtime, Schema, one_by_one
from tunewright.workloads.tabular.design import Design, link
from tunewright.workloads.tabular.packing import unpack

Singles = NDArray[np.float32]
Weights = Mapping[str, Singles]
_STEEP = np.float32(20.0)  # beyond it mish is x
LAYERS = 4  # of weights: three hidden layers and the answer


def embedded(weights: Weights, columns: Singles) -> tuple[Singles, Singles]:
    """What the first layer gets, and the phases behind it, (numbers, rows, waves).

    It gets the columns as they are, then a few mixed waves of each number; each times its scale.
    """
    count = len(weights["frequency"])
    if not count:
        return columns * weights["input"], columns
    numbers = columns[:, :count].T[:, :, np.newaxis]
    phases = numbers * weights["frequency"] + weights["phase"]
    mixed = np.matmul(np.cos(phases), weights["mix"]) + weights["shift"]
    flat = mixed.transpose(1, 0, 2).reshape(len(columns), -1)
    return np.hstack((columns, flat)) * weights["input"], phases


def mish(x: Singles) -> Singles:
    """X * tanh(log(1 + exp(x))) (Misra 2019)."""
    grown = np.exp(np.minimum(x, _STEEP))
    squared = grown * (grown + 2.0)
    return np.asarray(x * (squared / (squared + 2.0)))


def mish_slope(x: Singles) -> Singles:
    """The slope of `mish`."""
    grown = np.exp(np.minimum(x, _STEEP))
    squared = grown * (grown + 2.0) + 2.0
    return np.asarray(1.0 - 2.0 / squared + x * 4.0 * grown * (grown + 1.0) / np.square(squared))


def scores(weights: Weights, columns: Singles) -> Singles:
    """(rows, outputs) of the whole network."""
    here, _ = embedded(weights, columns)
    for i in range(LAYERS - 1):
        here = mish(here @ weights[f"weight{i}"] + weights[f"bias{i}"])
    return np.asarray(here @ weights[f"weight{LAYERS - 1}"] + weights[f"bias{LAYERS - 1}"])


def native(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """Numpy alone, in single precision."""
    arrays: dict[str, Any] = unpack(files["network.json"])
    design = Design.of(arrays)

    def batch(x: Floats) -> Floats:
        z = scores(arrays, design(x).astype(np.float32)).astype(np.float64)
        if schema.task != "regression":
            return link(z, schema.task)
        return np.asarray(np.clip(z[:, 0] * arrays["spread"] + arrays["mean"], *arrays["range"]))

    return one_by_one(batch)
