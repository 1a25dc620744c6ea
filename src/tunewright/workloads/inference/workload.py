"""The workload: a trained model's chain with its knobs and metrics. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, final

from tunewright.core.config import Config, Value, digest_of
from tunewright.core.knobs import Choice, Integer, Knob
from tunewright.core.metrics import Metric
from tunewright.core.roles import (
    NO_PORTFOLIO,
    NO_ROWS,
    Effort,
    Portfolio,
    Stage,
    Untouched,
    space_of,
)
from tunewright.errors import InputError
from tunewright.machine import usable_cores
from tunewright.workloads.inference import rewrites
from tunewright.workloads.inference.frameworks import framework_of
from tunewright.workloads.inference.quality import metric_of
from tunewright.workloads.inference.runtimes import RUNTIMES, installed, runtime_of
from tunewright.workloads.inference.runtimes.runtime import Runtime
from tunewright.workloads.inference.spec import Facts, ModelSpec, facts_of
from tunewright.workloads.inference.stages import Compile, Import, Predict, Rewrite

VERSION = 1  # of the chain: raised when a stage comes to give another answer

# What makes networks of layers quicker, the most promising first: what moves few answers can be
# proven with fewer rows.
SMALL: tuple[dict[str, Value], ...] = (
    {"neurons": 0.5}, {"neurons": 0.5, "precision": "int8-dynamic"}, {"neurons": 0.75},
    {"precision": "int8-dynamic"}, {"neurons": 0.25}, {"precision": "int8-static"},
    {"neurons": 0.75, "precision": "int8-dynamic"}, {"neurons": 0.35}, {"neurons": 0.1},
    {"precision": "bfloat16"}, {"neurons": 0.15}, {"precision": "int8-weights"},
)  # fmt: skip

_OWN = (
    Metric("latency_p50", "lower", "predict", "s", sample="latency", share=0.50, quiet=True),
    Metric("latency_p95", "lower", "predict", "s", sample="latency", share=0.95, quiet=True),
    Metric("latency_p99", "lower", "predict", "s", sample="latency", share=0.99, quiet=True),
    Metric("throughput", "higher", "predict", quiet=True),
    Metric("load_s", "lower", "predict", "s", quiet=True),
    Metric("model_bytes", "lower", "compile", "B", evidence="fixed"),
)


@final
@dataclass(frozen=True)
class ModelWorkload:
    """A chain of stages that answers with a trained model; see Workload."""

    name: str
    stages: tuple[Stage, ...]
    metrics: tuple[Metric, ...]
    baseline: Config
    digest: str
    untouched: Untouched
    facts: Facts
    lacking: tuple[Runtime, ...]
    efforts: tuple[Effort, ...] = ()
    portfolio: Portfolio = NO_PORTFOLIO


def build(
    spec: ModelSpec, baseline: Mapping[str, Value], _stated: Mapping[str, str]
) -> ModelWorkload:
    """The workload of answering with a model that was taken in."""
    facts = facts_of(Path(spec.directory))
    framework = framework_of(facts.framework)
    able = [one for name in RUNTIMES if (one := runtime_of(name)).takes in framework.forms]
    able = [one for one in able if _wanted(one, spec.runtimes, framework.runtime)]
    able = [o for o in able if o.takes not in facts.without and (facts.layers or not o.layered)]
    there = [one for one in able if installed(one)]
    cores = spec.cores or usable_cores()
    stages = _chain(spec, facts, there, cores)
    judged = bool(facts.metric)
    better = cast('Literal["lower", "higher"]', facts.better)
    own = (metric_of(facts.metric, better, own=facts.own),) if judged else ()
    made = ModelWorkload(
        name=spec.label, stages=stages, metrics=(*own, *_OWN), baseline=Config({}),
        digest=digest_of([VERSION, facts.content]),
        untouched=Untouched(1, facts.answers) if judged else NO_ROWS,
        facts=facts, lacking=tuple(one for one in able if one not in there),
    )  # fmt: skip
    space = space_of(made)
    if framework.runtime not in {one.name for one in there}:
        runtime = runtime_of(framework.runtime)
        raise InputError(
            f"expected {runtime.library}, with which the model is answered today; got none; "
            f"type {runtime.install}"
        )
    first = space.asked(dict(baseline))
    tried = tuple(space.config(one) for one in _worth(there, facts, cores))
    return ModelWorkload(**{**vars(made), "baseline": first, "portfolio": Portfolio(small=tried)})


def _wanted(runtime: Runtime, asked: tuple[str, ...], baseline: str) -> bool:
    """Whether a runtime may be chosen. Raises InputError for a name that is none."""
    for name in asked:
        runtime_of(name)
    return runtime.name == baseline or (runtime.name in asked if asked else not runtime.dear)


def _chain(spec: ModelSpec, facts: Facts, there: list[Runtime], cores: int) -> tuple[Stage, ...]:
    framework = framework_of(facts.framework)
    place, names = spec.directory, tuple(one.name for one in there)
    default = framework.runtime if framework.runtime in names else names[0]
    own = [knob for one in there for knob in one.knobs(cores)]
    data = bool(facts.metric)
    able = {one.name: one.precisions for one in there}
    small = rewrites.knobs_of(able, facts.layers) if data else ()

    def of(stage: str) -> tuple[Knob, ...]:
        return tuple(knob for knob in (*small, *own) if knob.stage == stage)

    plain = tuple(one.name for one in there if one.plain)
    runtime = Knob("runtime", Choice(names), default, "resource", "import", baseline_only=plain)
    threads = Knob("threads", Integer(0, cores), 0, "resource", "predict")  # 0: as it likes
    return (
        Import(place, facts, (runtime,)),
        Rewrite(place, facts, of("simplify"), "simplify"),
        Rewrite(place, facts, of("quantise"), "quantise"),
        Compile(place, facts, of("compile")),
        Predict(place, facts, (threads, *of("predict")), cores),
    )


def _worth(there: list[Runtime], facts: Facts, cores: int) -> Iterator[dict[str, Value]]:
    """What is known to be quick: a runtime as it is and with a smaller model, then all others.

    Where libraries take seconds to import, a budget of a minute has time for few: so the first ones
    share a conversion. What is named twice is tried once.
    """
    plain = [one.name for one in there if not one.plain]
    coarse = [one for one in there if one.precisions and facts.metric and facts.layers]
    for one in coarse[:1]:
        yield {"runtime": one.name, "threads": 1}
        for change in SMALL[:2]:
            yield {"runtime": one.name, "threads": 1, **change}
    for count in dict.fromkeys((1, cores)):
        for name in plain:
            yield {"runtime": name, "threads": count}
    for change in SMALL:
        for one in coarse:
            if change.get("precision", one.precisions[0]) in one.precisions:
                yield {"runtime": one.name, "threads": 1, **change}
