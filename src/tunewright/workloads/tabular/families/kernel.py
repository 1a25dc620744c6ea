"""A kernel machine: what a support vector machine computes, fitted by log loss or squares.

So it says probabilities by itself. The kernel is approximated by some of the rows, the landmarks
(Williams & Seeger 2001): the time and the model grow with these, and not with the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Integer, Knob, Real
from tunewright.core.registry import resolve
from tunewright.knobs import tuned
from tunewright.workloads.tabular.data import (
    Floats,
    Learned,
    Runtime,
    Schema,
    Training,
    one_by_one,
)
from tunewright.workloads.tabular.design import Design, link
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.packing import pack, unpack
from tunewright.workloads.tabular.weighing import variance

_RANK = 1e-6  # of the largest eigenvalue; smaller ones are noise
_MANY = 50_000  # rows


def _knobs(_cores: int) -> tuple[Knob, ...]:
    return (
        tuned("kernel_landmarks", Integer(50, 1000, log=True), 300),
        tuned("kernel_gamma", Real(0.05, 20.0, log=True), 1.0),
        tuned("kernel_c", Real(1e-2, 1000.0, log=True), 10.0),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The landmarks and their weights. `kernel_gamma` is in units of 1 / the columns' variance."""
    schema = training.schema
    design = Design.learn(training, robust=True)
    columns = design(training.x)
    chosen = np.random.default_rng(seed).permutation(len(columns))
    landmarks = columns[np.sort(chosen[: int(config["kernel_landmarks"])])]
    spread = float(variance(columns, training.weights).sum())
    gamma = float(config["kernel_gamma"]) / (spread or 1.0)
    # Imported before: a library that is loaded later would not be limited.
    weigh = resolve("tunewright.workloads.tabular.linear_library:weigh")
    with resolve("threadpoolctl:threadpool_limits")(1):  # more would change the last digits
        values, vectors = np.linalg.eigh(_kernel(landmarks, landmarks, gamma))
        kept = values > _RANK * values[-1]
        to_features = vectors[:, kept] / np.sqrt(values[kept])
        features = _kernel(columns, landmarks, gamma) @ to_features
        strength = float(config["kernel_c"])
        coef, intercept = weigh(features, training.y, schema, strength, training.weights)
        weights = to_features @ coef.T
    arrays = {
        "landmarks": landmarks, "gamma": np.array(gamma), "weights": weights,
        "intercept": intercept,
    }  # fmt: skip
    return Learned(pack({**design.arrays, **arrays}))


def _kernel(a: Floats, b: Floats, gamma: float) -> Floats:
    """exp(-gamma * squared distance) of each row of `a` from each of `b`."""
    squared = np.square(a).sum(axis=1)[:, np.newaxis] + np.square(b).sum(axis=1) - 2.0 * (a @ b.T)
    return np.asarray(np.exp(-gamma * np.maximum(squared, 0.0)))


def native(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """Numpy alone."""
    arrays: dict[str, Any] = unpack(files["kernel.json"])
    design, landmarks, gamma = Design.of(arrays), arrays["landmarks"], float(arrays["gamma"])
    weights, intercept = arrays["weights"], arrays["intercept"]
    return one_by_one(
        lambda x: link(_kernel(design(x), landmarks, gamma) @ weights + intercept, schema.task)
    )


_HERE = "tunewright.workloads.tabular.families.kernel"


def _portfolio(rows: int, _outputs: int) -> tuple[Mapping[str, Value], ...]:
    # On many rows it takes longer than what is better.
    return ({"kernel_landmarks": 500, "kernel_c": 30.0},) if rows <= _MANY else ()


FAMILY = Family(
    name="kernel",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit=f"{_HERE}:fit",
    runtimes={"native": Backend(f"{_HERE}:native")},
    runtime="kernel_runtime",
    default_runtime="native",
    file="kernel.json",
    calibrated=True,
    portfolio=_portfolio,
)
