"""Whole studies in simulated time: run one, take it up again from any prefix of its events.

A study that costs nothing is a test of the loop: `simulate` drives the real session over simulated
trials, behind an executor that refuses whatever no session may do.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, final

from tunewright.core.config import Config, digest_of
from tunewright.core.events import Ended, Event, Started
from tunewright.core.history import History
from tunewright.core.kinds import Kind
from tunewright.core.knobs import Choice, Integer, Knob, Real
from tunewright.core.metrics import OUTPUT, Metric, Sample
from tunewright.core.roles import Effort, Executor, Resources, Untouched, Workload, space_of
from tunewright.core.trial import Measurement, Outcome, Span, Trial
from tunewright.loop.plan import Plan
from tunewright.planning import Limits, Proving, Request, make_plan
from tunewright.session import drive, opened_by, replay
from tunewright.storing.memory import MemoryStore
from tunewright.testing.simulated import (
    Model,
    SimulatedClock,
    SimulatedExecutor,
    SimulatedStage,
    SimulatedWorkload,
)
from tunewright.workloads.comparison import ProgramsSpec

KIND = "tunewright.testing.studies:SIMULATED"
MAX_WAITS = 20_000  # a study of the tests waits a few hundred times


@final
class CheckedExecutor:
    """An Executor around another one; AssertionError for what no session may ask of it.

    A trial that needs the machine alone has it (one more of its lane may queue behind it), no
    attempt is submitted twice, slots and cores bound how many run, and the session stops asking
    after `max_waits`.
    """

    def __init__(self, inner: Executor, max_waits: int = MAX_WAITS) -> None:
        self._inner, self._waits_left = inner, max_waits
        self._running: dict[tuple[int, int], Trial] = {}
        self._submitted: set[tuple[int, int]] = set()

    def free(self) -> Resources:
        """What the inner one says."""
        return self._inner.free()

    def submit(self, trial: Trial, workload: Workload) -> None:
        """Check that the trial may start now, and pass it on."""
        name = (trial.number, trial.attempt)
        assert name not in self._submitted, f"submitted twice: {name}"
        assert all(t.number != trial.number for t in self._running.values()), f"runs: {name}"
        free, need = self._inner.free(), trial.need
        together = [*self._running.values(), trial]
        if len(together) > 1 and any(t.need.alone for t in together):
            one_lane = {(t.need.alone, t.need.lane) for t in together} == {(True, need.lane)}
            queues = one_lane and need.lane and len(together) == 2
            assert queues, f"{name} shares the machine with {self._running}"
        elif len(together) > 1:
            assert need.cores <= free.cores, f"{name} has no core for itself"
        assert free.slots >= 1, f"{name} has no slot"
        self._submitted.add(name)
        self._running[name] = trial
        self._inner.submit(trial, workload)

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """The inner one's events."""
        self._waits_left -= 1
        assert self._waits_left >= 0, "the session waits forever"
        events = self._inner.wait(timeout_s)
        for event in events:
            if isinstance(event, Ended):
                self._running.pop((event.number, event.attempt), None)
        return events

    def cancel(self, number: int, attempt: int) -> None:
        """Pass it on."""
        self._running.pop((number, attempt), None)
        self._inner.cancel(number, attempt)

    def close(self) -> None:
        """Pass it on."""
        self._inner.close()


@final
class EchoingExecutor:
    """An Executor around another one that says everything twice, and once more, wrongly, later.

    The late result claims the attempt ended well with samples that would turn every ranking over.
    """

    def __init__(self, inner: Executor, claim: Measurement) -> None:
        self._inner, self._claim = inner, claim
        self._late: list[tuple[int, int]] = []

    def free(self) -> Resources:
        """What the inner one says."""
        return self._inner.free()

    def submit(self, trial: Trial, workload: Workload) -> None:
        """Pass it on."""
        self._inner.submit(trial, workload)

    def wait(self, timeout_s: float) -> Sequence[Event]:
        """The claims about what ended before, then the inner one's events, each twice."""
        claims, self._late = self._late, []
        events = self._inner.wait(timeout_s)
        self._late = [(e.number, e.attempt) for e in events if isinstance(e, Ended)]
        at_s = events[0].elapsed_s if events else 0.0
        late = [Ended(at_s, number, attempt, self._claim) for number, attempt in claims]
        return [*late, *(event for event in events for _ in range(2))]

    def cancel(self, number: int, attempt: int) -> None:
        """Pass it on; the stopped trial still sends its claim."""
        self._late.append((number, attempt))
        self._inner.cancel(number, attempt)

    def close(self) -> None:
        """Pass it on."""
        self._inner.close()


@final
@dataclass(frozen=True)
class SimulatedStudy:
    """What a simulated study was, and everything that happened.

    live: the history after each of the events that its last driver saw, in their order.
    """

    plan: Plan
    events: tuple[Event, ...]
    live: tuple[tuple[Event, History], ...]
    history: History

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Every attempt that was started, in order."""
        return tuple(event.trial for event in self.events if isinstance(event, Started))

    @cached_property
    def wishes(self) -> tuple[tuple[object, ...], ...]:
        """What was tried, in order, each once however often it was attempted."""
        first = (t for t in self.trials if t.attempt == 1)
        return tuple((t.number, t.config, t.fidelity, t.purpose) for t in first)


def request(goal: str, budget: str, *, seed: int = 0, limit_s: float | None = None) -> Request:
    """The Request of a simulated study."""
    limits = Limits(trial_s=limit_s)
    return Request("simulated", KIND, None, goal, budget=budget, seed=seed, limits=limits)


def simulate(  # noqa: PLR0913 - a study's own parts, nearly all with defaults
    workload: Workload,
    asked: Request,
    model: Model,
    *,
    workers: int = 1,
    past: Sequence[Event] = (),
    around: Callable[[Executor], Executor] = CheckedExecutor,
    looks_before: int = 0,
) -> SimulatedStudy:
    """Run a study to its end; with `past`, take it up where these events leave it.

    The model is shown the trials that have ended already, so that it may know what is cached.
    """
    store, clock = MemoryStore(), SimulatedClock()
    plan = make_plan(workload, asked, looks_before, "simulated")
    store.append(past)
    history = replay(store)
    clock.now_s = history.elapsed_s
    for trial, _ in history.ended():
        model(trial)
    if history.finished is None:
        opened = opened_by(asked, workload, plan, clock())
        store.append([opened])
        history = history.applied(opened)
    live: list[tuple[Event, History]] = []
    executor = around(SimulatedExecutor(clock, model, workers))
    history = drive(
        history, plan, workload, store, executor, clock, lambda *seen: live.append(seen)
    )
    return SimulatedStudy(plan, tuple(store.read()), tuple(live), history)


# A workload that resembles the tabular one: a dear fit, cheap stages below it, one timing stage.

AUC: Final = Metric(
    "auc", "higher", "compile", scale="difference", margin=0.005, evidence="rows"
)  # fmt: skip
LATENCY: Final = Metric("latency_p50", "lower", "predict", "s", sample="latency", quiet=True)
SIZE: Final = Metric("size", "lower", "compile", "B", evidence="fixed")
_STAGES = (
    SimulatedStage("fit", (
        Knob("rate", Real(0.01, 0.3, log=True), 0.1, "hyperparameter", "fit"),
        Knob("leaves", Integer(4, 255, log=True), 31, "hyperparameter", "fit"),
        Knob("fit_threads", Integer(1, 2), 1, "resource", "fit", exact=True),
    )),
    SimulatedStage("simplify", (Knob("keep", Real(0.05, 1), 1.0, "simplification", "simplify"),)),
    SimulatedStage("compile", (
        Knob("runtime", Choice(("library", "native", "other")), "library", "resource", "compile",
             own_process=True),
    )),
    SimulatedStage("predict", (Knob("threads", Integer(1, 2), 2, "resource", "predict"),)),
)  # fmt: skip
TABLE: Final = SimulatedWorkload(
    _STAGES,
    (LATENCY, SIZE, AUC),
    space_of(SimulatedWorkload(_STAGES, (), Config({}))).default,
    untouched=Untouched(folds=1),
    efforts=(Effort("rows", 0.05, 1.0),),
)
_ROWS = 300
_RUNTIME_S = {"library": 5e-4, "native": 5e-6, "other": 1e-5}


@final
class TableModel:
    """What trials of TABLE give: the same for the same trial, whatever its number and attempt.

    A fit costs time once; trials that share it find it cached, as in the artifact cache.
    """

    def __init__(self) -> None:
        self._fitted: set[str] = set()

    def __call__(self, trial: Trial) -> Measurement:
        """The measurement of this trial."""
        config, piece = trial.config, trial.fidelity.piece
        share = trial.fidelity.effort.get("rows", 1.0)
        rate, leaves, keep = (float(config[name]) for name in ("rate", "leaves", "keep"))
        made = [piece.split, piece.fold, piece.seed, share]
        fit = digest_of([rate, leaves, *made])
        fit_s = 0.0 if fit in self._fitted else share * leaves / 31
        self._fitted.add(fit)
        spans = [Span("fit", 0.0, fit_s, cached=not fit_s), Span("compile", fit_s, fit_s + 0.1)]
        change = _quality(rate, leaves, keep) - _quality(0.1, 31, 1.0)
        samples = {
            "auc": Sample((0.9 + change,), error=0.002),
            "auc_change": Sample((change,), error=0.0008),
            "size": Sample((1000 * keep * leaves,), "B"),
        }
        if piece.split == "test":
            chance = random.Random(digest_of([fit, keep]))  # noqa: S311 - the model's own
            rows = [0.05 * ((i * 37 % 101) / 50 - 1) + 0.01 * chance.gauss() for i in range(_ROWS)]
            samples["auc_rows"] = Sample(tuple(0.9 + change + row for row in rows))
        if trial.need.alone:
            chance = random.Random(digest_of([config.id, made, piece.repeat]))  # noqa: S311
            one_s = _RUNTIME_S[str(config["runtime"])] * (0.3 + keep * leaves / 31)
            noisy = (one_s * math.exp(0.05 * chance.gauss()) for _ in range(60))
            samples["latency"] = Sample(tuple(noisy), "s")
            took_s = 1.5 if config["runtime"] == "library" else 0.15
            spans.append(Span("predict", fit_s + 0.1, fit_s + 0.1 + took_s))
        made_s = share * leaves / 31 + 0.1
        return Measurement(Outcome.OK, samples, tuple(spans), key=fit, made_s=made_s)


# Two programs to be compared: nothing is searched, and all there is are pairs of their runs.

WALL: Final = Metric("wall_s", "lower", "run", "s", quiet=True)
PEAK: Final = Metric("peak_bytes", "lower", "run", "B", evidence="same data")
PROGRAMS: Final = SimulatedWorkload(
    (SimulatedStage("run", (Knob("program", Choice(("A", "B")), "A", "algorithm", "run"),)),),
    (WALL, PEAK),
    Config({"program": "A"}),
)


SIMULATED: Final = Kind(
    name="simulated",
    spec=ProgramsSpec,
    build=lambda *_: TABLE,
    describe=lambda *_: [],
    arms=lambda spec: spec.lines if spec else {},
    same_output=lambda spec: bool(spec) and spec.same_output is not None,
)


def comparison(  # noqa: PLR0913 - what a comparison may be told
    goal: str = "minimize wall_s",
    budget: str = "1000s",
    *,
    pairs: int = 40,
    seed: int = 0,
    ignore_failures: bool = False,
    same_output: bool = False,
) -> Request:
    """The Request to hold program B of PROGRAMS against A."""
    check = "" if same_output else None
    spec = ProgramsSpec({"A": "sort --old", "B": "sort --new"}, same_output=check)
    proof = Proving({"program": "B"}, pairs, ignore_failures)
    return Request("verify-sort", KIND, spec, goal, budget=budget, seed=seed, proof=proof)


@final
class ProgramModel:
    """What runs of PROGRAMS give: B takes `factor` times as long as A, and each run varies.

    fails: which trials crash. The first run of each program is a slow one, as on a cold machine.
    """

    def __init__(
        self,
        factor: float = 1.0,
        spread: float = 0.02,
        fails: Callable[[Trial], bool] = lambda _: False,
    ) -> None:
        self._factor, self._spread, self._fails = factor, spread, fails

    def __call__(self, trial: Trial) -> Measurement:
        """The measurement of this trial, the same for the same trial."""
        second, cold = trial.config["program"] == "B", trial.purpose.block < 0
        piece = trial.fidelity.piece
        chance = random.Random(digest_of([trial.config.id, piece.seed, piece.repeat]))  # noqa: S311
        took_s = (self._factor if second else 1.0) * math.exp(self._spread * chance.gauss())
        took_s *= 10 if cold else 1
        spans = (Span("run", 0.0, took_s),)
        if self._fails(trial):
            return Measurement(Outcome.CRASHED, spans=spans, detail="segfault")
        samples = {
            "wall_s": Sample((took_s,), "s"),
            "peak_bytes": Sample((1e6 * (2 if second else 1) * (1 + 1e-4 * chance.random()),), "B"),
            OUTPUT: Sample((7.0,)),
        }
        return Measurement(Outcome.OK, samples, spans)


def _quality(rate: float, leaves: float, keep: float) -> float:
    off = 0.02 * abs(math.log(rate / 0.05)) / 3 + 0.003 * abs(math.log(leaves / 60))
    return -off - 0.01 * max(0.0, 0.3 - keep)
