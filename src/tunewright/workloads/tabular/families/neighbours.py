"""The nearest neighbours' answers, near ones counting more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tunewright.core.config import Config
from tunewright.core.knobs import Choice, Integer, Knob
from tunewright.knobs import tuned
from tunewright.workloads.tabular.data import (
    Floats,
    Learned,
    Runtime,
    Schema,
    Training,
    one_by_one,
)
from tunewright.workloads.tabular.design import Design
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.packing import pack, unpack

_CLOSE = 1e-6  # a squared distance that single precision cannot tell from none


def _knobs(_cores: int) -> tuple[Knob, ...]:
    return (
        tuned("neighbours", Integer(1, 200, log=True), 15),
        tuned("neighbour_weights", Choice(("uniform", "distance")), "distance"),
        tuned("neighbour_rows", Integer(1000, 20_000, log=True), 10_000),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """At most `neighbour_rows` rows by chance, in single precision, and what they answer."""
    count = len(training.y)
    kept = np.random.default_rng(seed).permutation(count)[: int(config["neighbour_rows"])]
    kept.sort()
    design = Design.learn(training.x, training.schema, robust=True)
    arrays: dict[str, Any] = {
        "columns": design(training.x[kept]).astype(np.float32),
        "answers": training.y[kept],
        "count": np.array(min(int(config["neighbours"]), len(kept))),
        "weighted": np.array(config["neighbour_weights"] == "distance"),
    }
    return Learned(pack({**design.arrays, **arrays}))


def native(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """Numpy alone. Rows are answered one by one, so that ties fall the same way in any company."""
    arrays = unpack(files["neighbours.json"])
    design, columns, answers = Design.of(arrays), arrays["columns"], arrays["answers"]
    squares, count = np.square(columns).sum(axis=1), int(arrays["count"])
    weighted, classes = bool(arrays["weighted"]), len(schema.classes)

    def one(row: Any) -> Any:
        squared = squares - 2.0 * (columns @ row) + row @ row
        near = np.argpartition(squared, count - 1)[:count]
        weights = np.ones(count)
        if weighted:
            weights = 1.0 / np.sqrt(np.maximum(squared[near], 0.0) + _CLOSE)
        if not classes:
            return weights @ answers[near] / weights.sum()
        shares = np.bincount(answers[near], weights, classes)
        shares = shares / shares.sum()
        return shares if classes > 2 else shares[1]

    def batch(x: Floats) -> Floats:
        return np.array([one(row) for row in design(x).astype(np.float32)])

    return one_by_one(batch)


_HERE = "tunewright.workloads.tabular.families.neighbours"
FAMILY = Family(
    name="neighbours",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit=f"{_HERE}:fit",
    runtimes={"native": Backend(f"{_HERE}:native")},
    runtime="neighbours_runtime",
    default_runtime="native",
    file="neighbours.json",
    portfolio=lambda _: ({"neighbours": 10, "neighbour_rows": 20_000},),
)
