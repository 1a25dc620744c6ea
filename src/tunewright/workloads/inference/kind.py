"""The kind of workload that a trained model is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tunewright.core.config import Config
from tunewright.core.events import decode, encode
from tunewright.core.goal import Goal
from tunewright.core.kinds import HandOver, Kind, Later
from tunewright.core.metrics import Metric
from tunewright.core.roles import Artifact
from tunewright.core.verdict import alpha_of
from tunewright.errors import InputError
from tunewright.stats.intervals import smallest_margin
from tunewright.workloads.inference.data import Compiled, Signature
from tunewright.workloads.inference.predictor import ModelPredictor
from tunewright.workloads.inference.runtimes import runtime_of
from tunewright.workloads.inference.spec import ModelSpec
from tunewright.workloads.inference.workload import ModelWorkload, build

SPREAD = {"accuracy": 0.1, "roc_auc": 0.05}  # of what a coarser model changes row by row


def describe(workload: ModelWorkload, goal: Goal, looks: int) -> Iterator[tuple[str, str]]:
    """The model, its rows, how it is judged, and which runtimes there are."""
    facts = workload.facts
    wanted = facts.signature.inputs
    inputs = ", ".join(f"{one.name} {one.dtype}{list(one.shape)}" for one in wanted)
    rows = "a row" if facts.batch == 1 else f"{facts.batch} rows"
    yield "model", f"{workload.name} ({facts.framework}): {inputs}; a call is {rows}"
    if facts.metric:
        yield (
            "split",
            (
                f"{facts.search:,} rows to calibrate and choose by, {facts.untouched:,} untouched; "
                "by a hash of each row: equal rows stay together"
            ),
        )
        yield from _provable(workload, goal, looks)
    else:
        yield (
            "quality",
            (
                "no rows with labels were given, so only conversions compete whose answers are the "
                "original's within 0.01% of their range"
            ),
        )
    yield from (("note", note) for note in facts.notes)
    yield from (
        ("lacking", f"{one.name} is not installed and left out; {one.install}")
        for one in workload.lacking
    )
    base = " ".join(f"{knob}={value}" for knob, value in workload.baseline.items())
    yield "baseline", f"the model as it is called today: {base}"


def _provable(workload: ModelWorkload, goal: Goal, looks: int) -> Iterator[tuple[str, str]]:
    for constraint in goal.constraints:
        spread = SPREAD.get(constraint.metric.name)
        if spread is None or constraint.metric.name != workload.facts.metric:
            continue
        margin = smallest_margin(spread, workload.facts.untouched, alpha_of(1 + looks))
        short = 0 < abs(constraint.offset) < margin
        yield (
            "provable",
            (
                f"{constraint.metric.name}: margins from about {margin:.2g} on "
                f"{workload.facts.untouched:,} untouched rows (modelled)"
                + (
                    "; yours is smaller, so what is not exact may stay inconclusive"
                    if short
                    else ""
                )
                + "; an exact conversion answers as the original does, which is checked instead"
            ),
        )


def hand_over(workload: Later, config: Config, artifact: Artifact | None) -> HandOver | None:
    """The files of the model that was verified, and the settings it is called with."""
    if artifact is None:
        return None
    compiled: Compiled = artifact.value
    if runtime_of(compiled.runtime).plain:
        return None  # it is the user's own already
    made: ModelWorkload = workload()
    predict = {knob.name for knob in made.stages[-1].knobs}
    late = {name: value for name, value in config.items() if name in predict}
    index = {
        "runtime": compiled.runtime,
        "settings": {**compiled.settings, **late},
        "signature": encode(compiled.signature),
        "files": sorted(compiled.files),
    }
    return HandOver(index, compiled.files, "tunewright.load('{bundle}').predict(x)")


def answering(index: Mapping[str, Any], files: Mapping[str, bytes]) -> ModelPredictor:
    """What a bundle of this kind answers with. Raises InputError for one that holds a pickle."""
    if runtime_of(index["runtime"]).plain:
        raise InputError(
            f"expected a bundle of ours; got one for {index['runtime']}, which holds a pickle; "
            "deploy it again"
        )
    named = {name: files[name] for name in index["files"]}
    signature: Signature = decode(Signature, index["signature"])
    return ModelPredictor(Compiled(index["runtime"], named, index["settings"], signature))


def aims(workload: ModelWorkload) -> list[Metric]:
    """The time of a call."""
    return [metric for metric in workload.metrics if metric.name == "latency_p50"]


MODEL = Kind(
    name="model",
    spec=ModelSpec,
    build=build,
    describe=lambda *told: list(describe(*told)),
    hand_over=hand_over,
    called=lambda spec: spec.label,
    aims=aims,
    answering=answering,
)
