"""A neural network of the kind that does best on tables, after RealMLP (Holzmüller et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Integer, Knob, Real
from tunewright.core.registry import resolve
from tunewright.knobs import tuned
from tunewright.workloads.tabular.data import Floats, Learned, Training
from tunewright.workloads.tabular.design import Design
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.packing import pack
from tunewright.workloads.tabular.weighing import mean_and_spread

_JUDGES = 2000  # rows at most that say when to stop
_RATE = {"regression": 0.2}  # RealMLP's; 0.04 for classes


def _knobs(_cores: int) -> tuple[Knob, ...]:
    return (
        tuned("net_epochs", Integer(1, 300, log=True), 100),
        tuned("net_width", Integer(64, 384, log=True), 128),
        tuned("net_rate", Real(0.05, 1.5, log=True), 0.3),
        tuned("net_dropout", Real(0.0, 0.4), 0.1),
        tuned("net_decay", Real(1e-3, 0.2, log=True), 0.02),
        tuned("net_sigma", Real(0.05, 3.0, log=True), 0.3),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The network's arrays. `net_rate` is a factor; `net_sigma` says how fine numbers are told.

    In a search it stops early: `net_epochs` is an upper bound.
    """
    schema, y = training.schema, training.y
    design = Design.learn(training, robust=True)
    mean, spread = mean_and_spread(y, training.weights)
    spread = spread or 1.0
    library = "tunewright.workloads.tabular.network_training"
    recipe = resolve(f"{library}:Recipe")(
        task=schema.task, epochs=int(config["net_epochs"]), width=int(config["net_width"]),
        rate=float(config["net_rate"]) * _RATE.get(schema.task, 0.04),
        dropout=float(config["net_dropout"]), sigma=float(config["net_sigma"]),
        decay=float(config["net_decay"]),
    )  # fmt: skip

    def prepared(x: Floats, answers: NDArray[Any], weights: Floats | None) -> tuple[Any, ...]:
        if schema.task == "regression":
            targets = (answers - mean) / spread
        else:
            targets = answers if schema.task == "binary" else np.eye(len(schema.classes))[answers]
        counts = np.ones(len(x)) if weights is None else weights
        rows = design(x), targets.reshape(len(x), -1), counts.reshape(-1, 1)
        return tuple(array.astype(np.float32) for array in rows)

    judged = None
    if training.judged is not None:
        x, answers = training.judged
        some = np.linspace(0, len(answers) - 1, min(len(answers), _JUDGES)).astype(int)
        weights = training.judged_weights
        judged = prepared(x[some], answers[some], None if weights is None else weights[some])
    with resolve("threadpoolctl:threadpool_limits")(1):  # more would change the last digits
        trainer = resolve(f"{library}:Trainer")(
            prepared(training.x, y, training.weights), len(design.numbers), recipe, seed
        )
        learned, epochs = trainer.run(judged)
    arrays: dict[str, Any] = {**design.arrays, **learned}
    if schema.task == "regression":
        limits = np.array([y.min(), y.max()])
        arrays |= {"mean": np.array(mean), "spread": np.array(spread), "range": limits}
    return Learned(pack(arrays), {} if judged is None else {"net_epochs": float(epochs)})


_PORTFOLIO: tuple[Mapping[str, Value], ...] = (
        {
            "net_epochs": 200, "net_rate": 1.0, "net_width": 256, "net_dropout": 0.2,
            "net_decay": 0.1,
        },
        {"net_epochs": 200},
        {"net_epochs": 200, "net_rate": 1.0, "net_sigma": 1.0},
    )  # fmt: skip
FAMILY = Family(
    name="network",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit="tunewright.workloads.tabular.families.network:fit",
    runtimes={"native": Backend("tunewright.workloads.tabular.network:native")},
    runtime="network_runtime",
    default_runtime="native",
    file="network.json",
    portfolio=lambda _rows, _outputs: _PORTFOLIO,
)
