"""A neural network of the kind that does best on tables, after RealMLP (Holzmüller et al. 2024)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tunewright.core.config import Config
from tunewright.core.knobs import Integer, Knob, Real
from tunewright.core.registry import resolve
from tunewright.knobs import tuned
from tunewright.workloads.tabular.data import Learned, Training
from tunewright.workloads.tabular.design import Design
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.packing import pack

_RATE = {"regression": 0.2}  # RealMLP's; 0.04 for classes


def _knobs(_cores: int) -> tuple[Knob, ...]:
    return (
        tuned("net_epochs", Integer(10, 200, log=True), 40),
        tuned("net_width", Integer(64, 384, log=True), 192),
        tuned("net_rate", Real(0.2, 3.0, log=True), 1.0),
        tuned("net_dropout", Real(0.0, 0.4), 0.1),
        tuned("net_decay", Real(1e-3, 0.2, log=True), 0.02),
        tuned("net_sigma", Real(0.02, 2.0, log=True), 0.1),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The network's arrays. `net_rate` is a factor; `net_sigma` says how fine numbers are told."""
    schema, y = training.schema, training.y
    design = Design.learn(training.x, schema, robust=True)
    arrays: dict[str, Any] = {}
    if schema.task == "regression":
        mean, spread = float(y.mean()), float(y.std()) or 1.0
        targets = ((y - mean) / spread)[:, np.newaxis]
        arrays = {
            "mean": np.array(mean), "spread": np.array(spread),
            "range": np.array([y.min(), y.max()]),
        }  # fmt: skip
    elif schema.task == "binary":
        targets = y[:, np.newaxis]
    else:
        targets = np.eye(len(schema.classes))[y]
    training_of = "tunewright.workloads.tabular.network_training"
    recipe = resolve(f"{training_of}:Recipe")(
        task=schema.task, epochs=int(config["net_epochs"]), width=int(config["net_width"]),
        rate=float(config["net_rate"]) * _RATE.get(schema.task, 0.04),
        dropout=float(config["net_dropout"]), sigma=float(config["net_sigma"]),
        decay=float(config["net_decay"]),
    )  # fmt: skip
    columns, single = design(training.x).astype(np.float32), targets.astype(np.float32)
    with resolve("threadpoolctl:threadpool_limits")(1):  # more would change the last digits
        weights = resolve(f"{training_of}:Trainer")(
            columns, single, len(design.numbers), recipe, seed
        ).run()
    return Learned(pack({**design.arrays, **weights, **arrays}))


FAMILY = Family(
    name="network",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit="tunewright.workloads.tabular.families.network:fit",
    runtimes={"native": Backend("tunewright.workloads.tabular.network:native")},
    runtime="network_runtime",
    default_runtime="native",
    file="network.json",
    portfolio=lambda _: ({"net_epochs": 40},),
)
