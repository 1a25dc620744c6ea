"""The workload: a table's chain with its knobs and metrics. Importing it imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from tunewright.core.config import Config, Value, digest_of
from tunewright.core.knobs import Choice, Integer, Knob, Real, Space, When
from tunewright.core.metrics import Metric
from tunewright.core.roles import Evidence, Stage
from tunewright.errors import InputError
from tunewright.knobs import threads, workers
from tunewright.workloads.tabular.data import Source, TableFacts
from tunewright.workloads.tabular.quality import METRICS
from tunewright.workloads.tabular.stages import (
    Compile,
    Fit,
    Load,
    Predict,
    Prepare,
    Simplify,
    reach,
)

VERSION = 2  # of the chain: raised when a stage comes to give another answer

_SPEED = (
    Metric("latency_p50", "lower", "predict", "s", sample="latency", share=0.50),
    Metric("latency_p95", "lower", "predict", "s", sample="latency", share=0.95),
    Metric("latency_p99", "lower", "predict", "s", sample="latency", share=0.99),
    Metric("model_bytes", "lower", "compile", "B"),
)


@final
@dataclass(frozen=True)
class TableWorkload:
    """A chain of stages that learns from a table and predicts one row at a time; see Workload."""

    name: str
    stages: tuple[Stage, ...]
    metrics: tuple[Metric, ...]
    baseline: Config
    digest: str
    evidence: Evidence
    facts: TableFacts


def table(  # noqa: PLR0913 - what a user may say about a table
    path: str,
    target: str | None = None,
    *,
    positive: str | None = None,
    group: str | None = None,
    drop: Sequence[str] = (),
    baseline: Mapping[str, Value] | None = None,
    seed: int = 0,
    cores: int | None = None,
) -> TableWorkload:
    """The workload of predicting `target` from the other columns of a CSV or Parquet file.

    positive: which of two classes counts as positive (default: the rarer one).
    group: a column whose equal values must not be split over training and test.
    drop: columns to leave out. baseline: knobs that differ from LightGBM's defaults.
    Raises InputError, in one sentence, for whatever cannot be used.
    """
    path = str(path)
    if target is None:
        names = reach("column_names")(path)
        raise InputError(
            f"expected the column to predict; got none; {Path(path).name} has {', '.join(names)}: "
            f"say --target {names[-1]}"
        )
    source = Source(path, target, positive, group, tuple(drop), seed)
    read = reach("read")(source)
    stages = _chain(source, read.content, cores or _cores())
    space = Space(tuple(knob for stage in stages for knob in stage.knobs))
    return TableWorkload(
        name=Path(path).name.partition(".")[0],
        stages=stages,
        metrics=(*_SPEED, *METRICS[read.facts.task]),
        baseline=space.config(baseline or {}),
        digest=digest_of([VERSION, read.content, {**asdict(source), "path": ""}]),
        evidence=Evidence(len(read.test), read.answers),
        facts=read.facts,
    )


def _chain(source: Source, content: str, cores: int) -> tuple[Stage, ...]:
    """The stages with their knobs; the defaults are LightGBM's own."""
    trees, linear = When("family", ("lightgbm",)), When("family", ("linear",))
    runtimes = ("library", "booster", "native", "onnxruntime")
    return (
        Load(source, content),
        Prepare(
            (Knob("encoding", Choice(("category", "ordered")), "category", "algorithm", "prepare"),)
        ),
        Fit(
            (
                Knob("family", Choice(("lightgbm", "linear")), "lightgbm", "algorithm", "fit"),
                _tuned("n_trees", Integer(20, 500, log=True), 100, trees),
                _tuned("learning_rate", Real(0.01, 0.3, log=True), 0.1, trees),
                _tuned("num_leaves", Integer(4, 255, log=True), 31, trees),
                _tuned("min_child_samples", Integer(5, 100, log=True), 20, trees),
                _tuned("colsample", Real(0.4, 1.0), 1.0, trees),
                _tuned("l2", Real(0.0, 10.0), 0.0, trees),
                _tuned("linear_c", Real(1e-3, 100.0, log=True), 1.0, linear),
                threads("fit_threads", "fit", 1, cores, exact=True, when=trees),
                workers("fit", cores),
            )
        ),
        Simplify(
            (
                Knob(
                    "keep_trees",
                    Real(0.05, 1.0, log=True),
                    1.0,
                    "simplification",
                    "simplify",
                    when=trees,
                ),
            )
        ),
        Compile(
            (
                _runtime("runtime", runtimes, "library", trees),
                _runtime("linear_runtime", ("library", "native", "onnxruntime"), "native", linear),
            )
        ),
        Predict((threads("threads", "predict", cores, cores, exact=False),)),
    )


def _tuned(name: str, domain: Integer | Real, default: Value, when: When) -> Knob:
    return Knob(name, domain, default, "hyperparameter", "fit", when=when)


def _runtime(name: str, values: tuple[str, ...], default: str, when: When) -> Knob:
    """Only runtimes that answer without the training library are proposed: a bundle stays lean."""
    heavy = tuple(value for value in values if value in ("library", "booster"))
    return Knob(
        name, Choice(values), default, "resource", "compile", when=when, own_process=True,
        baseline_only=heavy,
    )  # fmt: skip


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
