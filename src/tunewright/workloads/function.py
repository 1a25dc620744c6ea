"""A Python function as a workload: its knobs are declared, its metrics are what it gives."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, final

from tunewright.core.config import Config, Value, digest_of
from tunewright.core.goal import Goal
from tunewright.core.kinds import HandOver, Kind, Later, Stated
from tunewright.core.knobs import Knob, Space
from tunewright.core.metrics import Metric, Sample
from tunewright.core.roles import (
    NO_PORTFOLIO,
    NO_ROWS,
    Artifact,
    Context,
    Effort,
    Portfolio,
    Untouched,
)
from tunewright.core.trial import Need
from tunewright.errors import InputError, TrialFailed
from tunewright.measuring import payloads
from tunewright.measuring.disturbance import Snapshot, disturbance
from tunewright.measuring.forked import Tell
from tunewright.workloads.apart import apart
from tunewright.workloads.checkpoints import CHECKPOINTS, Checkpoint
from tunewright.workloads.functions.answers import Numbers, samples_of
from tunewright.workloads.functions.knobs import STAGE
from tunewright.workloads.functions.performing import Answer, Call, loaded, perform
from tunewright.workloads.programs.metrics import SCORE_MARGIN, Better, is_score

STEPS = "steps"  # the effort of a function that reports: how far it runs
OWN = (
    Metric("wall_s", "lower", STAGE, "s", quiet=True),
    Metric("cpu_s", "lower", STAGE, "s", quiet=True),
    Metric("peak_bytes", "lower", STAGE, "B", evidence="same data"),
)
MEASURED = {metric.name: metric.unit for metric in OWN}


@final
@dataclass(frozen=True)
class FunctionSpec:
    """A function in the directory of a study, and what is known of it.

    payload: the directory that `payloads.write` made. label: what it is called. units: of the
    metrics that the goal names. in_process: its runs may share a process. takes_run: it may report.
    """

    payload: str
    label: str
    knobs: tuple[Knob, ...]
    units: Mapping[str, str] = field(default_factory=dict)
    in_process: bool = False
    takes_run: bool = False


@final
@dataclass(frozen=True)
class Calls:
    """The stage that calls the function: in a process forked for it, or in the worker itself."""

    knobs: tuple[Knob, ...]
    payload: str
    wanted: tuple[Metric, ...]
    in_process: bool
    name: Literal["run"] = "run"

    def needs(self, config: Config) -> Need:
        """As many cores as it has threads."""
        threads = config.get("threads", 1)
        return Need(cores=threads if isinstance(threads, int) else 1)

    def run(self, _upstream: tuple[Artifact, ...], config: Config, context: Context) -> Artifact:
        """Call it. Raises TrialFailed where it raises, dies, or gives no metric."""
        payload = loaded(self.payload)
        store = context.lasting / CHECKPOINTS / f"{config.id}-{context.seed}"
        call = Call(config, context.seed, Checkpoint(store, context.directory / "checkpoint"))
        units = {metric.name: metric.unit for metric in self.wanted}

        def report(step: float, numbers: Mapping[str, Numbers]) -> None:
            context.report(step, samples_of(numbers, units))

        if self.in_process:
            answer, others = perform(payload, call, self.wanted, report), {}
        else:
            before = Snapshot.now()

            def work(tell: Tell) -> Answer:
                return perform(payload, call, self.wanted, lambda *told: tell(told))

            answer = apart("function", work, lambda told: report(*told), context)
            others = disturbance(before, Snapshot.now(), answer.cpu_s)
        _check(answer, config, context)
        call.checkpoint.drop()
        return Artifact(None, {**others, **samples_of(answer.numbers, units), **_used(answer)})


def _check(answer: Answer, config: Config, context: Context) -> None:
    """Raise for a call that failed; its traceback and its config are kept to be looked at."""
    if answer.outcome == "ok":
        return
    rest = ""
    if answer.trace:
        context.failure.parent.mkdir(parents=True, exist_ok=True)
        text = f"config: {dict(config)}\nseed: {context.seed}\n\n{answer.trace}\n"
        context.failure.write_text(text, encoding="utf-8", errors="replace")
        rest = f"; more in {context.failure}"
    if answer.outcome == "out of memory":
        raise MemoryError(answer.why + rest)
    raise TrialFailed(answer.why + rest)


def _used(answer: Answer) -> dict[str, Sample]:
    used = {"wall_s": answer.wall_s, "cpu_s": answer.cpu_s, "peak_bytes": answer.peak_bytes}
    return {n: Sample((v,), MEASURED[n]) for n, v in used.items() if v is not None}


@final
@dataclass(frozen=True)
class FunctionWorkload:
    """A function, called with the config of its knobs."""

    name: str
    stages: tuple[Calls, ...]
    metrics: tuple[Metric, ...]
    baseline: Config
    digest: str
    efforts: tuple[Effort, ...] = ()
    untouched: Untouched = NO_ROWS
    portfolio: Portfolio = NO_PORTFOLIO


def build(spec: FunctionSpec, baseline: Mapping[str, Value], stated: Stated) -> FunctionWorkload:
    """The workload; its metrics are those that are measured, and those that the goal states."""
    payload = Path(spec.payload)
    if not (payload / payloads.VALUE).is_file():
        raise InputError(f"expected the pickled function in {payload}; it is gone; tune again")
    named = tuple(
        _metric(name, better, spec.units.get(name, ""))
        for name, better in stated.items()
        if name not in MEASURED
    )
    steps = Effort(STEPS, 1.0, math.inf, continues=True, halved=True)
    return FunctionWorkload(
        name=spec.label,
        stages=(Calls(spec.knobs, spec.payload, named, spec.in_process),),
        metrics=(*named, *OWN),
        baseline=Space(spec.knobs).asked(baseline),
        digest=digest_of([spec.label, _content(payload)]),
        efforts=(steps,) if spec.takes_run else (),
    )


def _metric(name: str, better: Better, unit: str) -> Metric:
    score = is_score(name) and not unit
    scale: Literal["difference", "ratio"] = "difference" if score else "ratio"
    margin = SCORE_MARGIN if score else 0.02
    return Metric(name, better, STAGE, unit, scale, margin, evidence="same data")


def _content(payload: Path) -> str:
    """A digest of the function; of its large arrays the size."""
    body = hashlib.blake2b((payload / payloads.VALUE).read_bytes(), digest_size=16).hexdigest()
    return f"{body} {(payload / payloads.BUFFERS).stat().st_size}"


def describe(workload: FunctionWorkload, _goal: Goal, _looks: int) -> list[tuple[str, str]]:
    """The function, how it runs, and what is measured."""
    stage = workload.stages[0]
    apart = "each run in a process forked for it"
    inside = "runs share a process, as in_process=True says they may; pairs have fresh ones"
    said = [f"{m.name} ({m.better} is better)" for m in workload.metrics if m not in OWN]
    said += [m.name for m in OWN]
    base = " ".join(f"{knob}={value}" for knob, value in workload.baseline.items())
    return [
        ("function", workload.name),
        ("runs", inside if stage.in_process else apart),
        ("metrics", f"{', '.join(said)}; quality is judged on the same data as the search saw"),
        ("baseline", base),
    ]


def hand_over(workload: Later, _config: Config, _artifact: object) -> HandOver:
    """The config, to be called with."""
    return HandOver({"function": workload().name})


FUNCTION = Kind(
    name="function",
    spec=FunctionSpec,
    build=build,
    describe=describe,
    hand_over=hand_over,
    called=lambda spec: spec.label,
)
