"""The nearest neighbours' answers, near ones counting more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tunewright.core.config import Config, Value
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

_CLOSE = 1e-4  # a squared distance nearer than which nearer does not count more
_ROUNDING = 1e-9  # by how much a squared distance may be off
_AT_ONCE = 64  # rows of a batch, whose distances from all stored rows are held
_MANY = 50_000  # rows


def _knobs(_cores: int) -> tuple[Knob, ...]:
    return (
        tuned("neighbours", Integer(1, 200, log=True), 15),
        tuned("neighbour_weights", Choice(("uniform", "distance")), "distance"),
        tuned("neighbour_rows", Integer(1000, 20_000, log=True), 5_000),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """At most `neighbour_rows` rows by chance, in single precision, and what they answer."""
    count = len(training.y)
    kept = np.random.default_rng(seed).permutation(count)[: int(config["neighbour_rows"])]
    kept.sort()
    design = Design.learn(training, robust=True)
    arrays: dict[str, Any] = {
        "columns": design(training.x[kept]).astype(np.float32),
        "answers": training.y[kept],
        "count": np.array(min(int(config["neighbours"]), len(kept))),
        "weighted": np.array(config["neighbour_weights"] == "distance"),
    }
    if training.weights is not None:
        arrays["weights"] = training.weights[kept]
    return Learned(pack({**design.arrays, **arrays}))


def native(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """Numpy alone. Rows as near as the last neighbour all count, so no order decides ties."""
    arrays = unpack(files["neighbours.json"])
    design, columns = Design.of(arrays), arrays["columns"].astype(np.float64)
    answers, classes = arrays["answers"], len(schema.classes)
    targets = np.eye(classes)[answers] if classes else answers[:, np.newaxis].astype(np.float64)
    squares, across = np.square(columns).sum(axis=1), columns.T.copy()
    counts = arrays.get("weights")
    last, weighted = int(arrays["count"]) - 1, bool(arrays["weighted"])

    def some(x: Floats) -> Floats:
        rows = design(x).astype(np.float32).astype(np.float64)  # as the stored rows are rounded
        own = np.square(rows).sum(axis=1, keepdims=True)
        squared = np.maximum(own + squares - 2.0 * (rows @ across), 0.0)
        limit = np.partition(squared, last, axis=1)[:, last : last + 1] + _ROUNDING * (1.0 + own)
        weights = (squared <= limit).astype(np.float64)
        if weighted:
            weights /= np.sqrt(squared + _CLOSE)
        if counts is not None:
            weights *= counts
        shares = weights @ targets
        shares /= shares.sum(axis=1, keepdims=True) if classes else weights.sum(axis=1)[:, None]
        return np.asarray(shares if classes > 2 else shares[:, -1])

    def batch(x: Floats) -> Floats:
        return np.concatenate([some(x[i : i + _AT_ONCE]) for i in range(0, len(x), _AT_ONCE)])

    return one_by_one(batch)


_HERE = "tunewright.workloads.tabular.families.neighbours"


def _portfolio(rows: int, _outputs: int) -> tuple[Mapping[str, Value], ...]:
    # On many rows to be judged it takes longer than what is better.
    return ({"neighbours": 10, "neighbour_rows": 10_000},) if rows <= _MANY else ()


FAMILY = Family(
    name="neighbours",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit=f"{_HERE}:fit",
    runtimes={"native": Backend(f"{_HERE}:native")},
    runtime="neighbours_runtime",
    default_runtime="native",
    file="neighbours.json",
    calibrated=True,
    portfolio=_portfolio,
)
