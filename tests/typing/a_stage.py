"""A stage, a workload and a kind as users write them; a type checker reads it, nobody runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_type

from tunewright.core.config import Config, Value
from tunewright.core.goal import Goal
from tunewright.core.kinds import Kind, Lines, Option, Stated
from tunewright.core.knobs import Integer, Knob, Real
from tunewright.core.metrics import Metric, Sample
from tunewright.core.roles import (
    NO_PORTFOLIO,
    Artifact,
    Context,
    Effort,
    Portfolio,
    Stage,
    Untouched,
    Workload,
)
from tunewright.core.trial import Need
from tunewright.errors import TrialFailed
from tunewright.planning import Request, build_workload


class Fit:
    """Learns in epochs, goes on from fewer of them, and tells each one."""

    name = "fit"
    knobs = (
        Knob("rate", Real(1e-4, 1.0, log=True), 0.1, "hyperparameter", "fit"),
        Knob("fit_threads", Integer(1, 8), 1, "resource", "fit", exact=True),
    )

    def needs(self, config: Config) -> Need:
        return Need(cores=int(config["fit_threads"]), memory_mib=512.0, process="own")

    def run(self, upstream: tuple[Artifact, ...], config: Config, context: Context) -> Artifact:
        (data,) = upstream
        before = context.earlier()
        weights: list[float] = list(before.value) if before is not None else [0.0]
        for epoch in range(int(context.fidelity.effort.get("epochs", 10))):
            weights.append(weights[-1] + float(config["rate"]) * len(data.value))
            context.report(float(epoch), {"loss": Sample((1.0 / (epoch + 1),))})
        if weights[-1] > 1e9:
            raise TrialFailed("the weights have no bound")
        saved = context.directory / "weights.json"
        saved.write_text(json.dumps(weights))
        return Artifact(weights, {"loss": Sample((weights[-1],))}, files=context.directory)


@dataclass(frozen=True)
class Load:
    """Reads a file."""

    path: str
    name: str = "load"
    knobs: tuple[Knob, ...] = ()

    def needs(self, config: Config) -> Need:
        return Need()

    def run(self, upstream: tuple[Artifact, ...], config: Config, context: Context) -> Artifact:
        return Artifact(self.path.split(), judged=("what", "the", "judge", "needs"))


ROWS = Untouched(folds=5, rows="digest of the rows")


@dataclass(frozen=True)
class Network:
    """A chain of the two."""

    stages: tuple[Stage, ...]
    baseline: Config
    name: str = "network"
    digest: str = "network of today"
    metrics: tuple[Metric, ...] = (
        Metric("loss", "lower", "fit", evidence="same data"),
        Metric("accuracy", "higher", "fit", scale="difference", evidence="rows"),
    )
    efforts: tuple[Effort, ...] = (Effort("epochs", 1.0, 100.0, continues=True),)
    portfolio: Portfolio = NO_PORTFOLIO
    untouched: Untouched = ROWS


@dataclass(frozen=True)
class NetworkSpec:
    """What a user says."""

    path: str
    layers: tuple[int, ...] = (16,)


def build(spec: NetworkSpec, baseline: Mapping[str, Value], stated: Stated) -> Workload:
    return Network((Load(spec.path), Fit()), Config({"rate": 0.1, "fit_threads": 1, **baseline}))


def describe(workload: Workload, goal: Goal, looks_before: int) -> Lines:
    return [("network", f"{workload.name} {goal.text} {looks_before}")]


NETWORK = Kind(
    "network", NetworkSpec, build, describe, options=(Option("layers", "sizes", many=True),)
)

stage: Stage = Fit()
other: Stage = Load("a.txt")
workload: Workload = build(NetworkSpec("a.txt"), {"rate": 0.2}, {})
request = Request("n", "a_stage:NETWORK", NetworkSpec("a.txt"), "minimize loss")
assert_type(build_workload(request), Workload)
assert_type(stage.needs(workload.baseline), Need)
