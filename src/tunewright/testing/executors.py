"""ExecutorContract: what every Executor keeps; and a toy workload that does as a knob says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from tunewright.core.config import Config
from tunewright.core.events import Ended, Event, Reported
from tunewright.core.knobs import Choice, Integer, Knob
from tunewright.core.metrics import Metric, Sample
from tunewright.core.roles import (
    NO_PORTFOLIO,
    NO_ROWS,
    Artifact,
    Context,
    Effort,
    Executor,
    Portfolio,
    Untouched,
)
from tunewright.core.trial import Fidelity, Measurement, Need, Outcome, Piece, Process, Trial
from tunewright.errors import InputError, TrialFailed

ACTS = (
    "work",
    "report",
    "fail",
    "reject",
    "exhaust",
    "crash",
    "exit",
    "hang",
    "die",
    "daemon",
    "grow",
    "hoard",
)
_DAEMON = "import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(600)"


@final
@dataclass(frozen=True)
class ToyStage:
    """A stage that does what the knob `act` says and reports its process.

    Samples: NAME_pid, NAME_ns (when it ran, so no two runs are equal), NAME_seed and NAME, the
    knob's value; NAME_loaded, how many modules of `loads` its process has. It leaves a file, and
    reports its progress if asked to. loads: a module to be imported before, by runtime.
    """

    name: str
    acts: bool = False
    lanes: bool = False
    process: Process = "any"
    loads: tuple[tuple[str, str], ...] = ()

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """One number of its own, and `act` and `runtime` where they were asked for."""
        knobs = [Knob(f"{self.name}_n", Integer(0, 9), 0, "hyperparameter", self.name)]
        if self.acts:
            knobs.append(Knob("act", Choice(ACTS), "work", "algorithm", self.name))
        if self.lanes:
            runtimes = Choice(("a", "b"))
            knobs.append(Knob("runtime", runtimes, "a", "algorithm", self.name, own_process=True))
        return tuple(knobs)

    def needs(self, config: Config) -> Need:
        """A core, and the process that it was made with."""
        runtime = str(config.get("runtime", ""))
        imports = tuple(module for of, module in self.loads if of == runtime)
        return Need(process=self.process, lane=runtime, imports=imports)

    def run(self, upstream: tuple[Artifact, ...], config: Config, context: Context) -> Artifact:
        """Act, then hand down the names of the stages so far."""
        (context.directory / "scratch").write_text(self.name)
        if self.acts:
            _act(str(config["act"]), context)
        number = config[f"{self.name}_n"]
        samples = {
            self.name: Sample((float(number),)),
            f"{self.name}_pid": Sample((float(os.getpid()),)),
            f"{self.name}_ns": Sample((float(time.monotonic_ns()),)),
            f"{self.name}_seed": Sample((float(context.seed),)),
        }
        if self.loads:
            loaded = sum(module in sys.modules for _, module in self.loads)
            samples[f"{self.name}_loaded"] = Sample((float(loaded),))
        files = context.directory / "kept"
        files.mkdir()
        (files / "name").write_text(self.name)
        above = "+".join(artifact.value for artifact in upstream)
        return Artifact(f"{above}/{self.name}{number}", samples, files=files)


@final
@dataclass(frozen=True)
class ToyWorkload:
    """A chain of toy stages: `fit` acts, `compile` chooses a runtime, `predict` is timed."""

    stages: tuple[ToyStage, ...] = (
        ToyStage("fit", acts=True),
        ToyStage("compile", lanes=True),
        ToyStage("predict", process="lane"),
    )
    name: str = "toy"
    metrics: tuple[Metric, ...] = (
        Metric("fit", "higher", "fit", evidence="fixed"),
        Metric("predict_ns", "lower", "predict", quiet=True),
    )
    digest: str = "toy"
    untouched: Untouched = NO_ROWS
    efforts: tuple[Effort, ...] = ()
    portfolio: Portfolio = NO_PORTFOLIO

    @property
    def baseline(self) -> Config:
        """All defaults."""
        return self.config()

    def config(self, **values: str | int) -> Config:
        """A config with these values and defaults elsewhere."""
        knobs = (knob for stage in self.stages for knob in stage.knobs)
        return Config({knob.name: values.get(knob.name, knob.default) for knob in knobs})


def _act(act: str, context: Context) -> None:
    match act:
        case "report":
            for step in range(3):
                context.report(float(step), {"loss": Sample((1.0 / (step + 1),))})
        case "fail":
            raise TrialFailed("gave up for a reason")
        case "reject":
            raise InputError("expected something else")
        case "exhaust":
            raise MemoryError("no room")
        case "crash":
            raise ZeroDivisionError("first line\nlast line")
        case "exit":
            sys.exit(3)
        case "hang":
            subprocess.Popen([sys.executable, "-c", _DAEMON])
            time.sleep(600)
        case "die":
            subprocess.Popen([sys.executable, "-c", _DAEMON]).wait()
            os.kill(os.getpid(), signal.SIGKILL)
        case "daemon":
            subprocess.Popen([sys.executable, "-c", _DAEMON]).wait()
        case "hoard":
            hoard = bytearray(os.urandom(1)) * 2**27
            del hoard
        case "grow":
            hoard = bytearray(os.urandom(1)) * 2**29
            time.sleep(600)
            del hoard


def drain(executor: Executor, count: int = 1, patience_s: float = 60.0) -> list[Event]:
    """The events until this many trials have ended."""
    events: list[Event] = []
    deadline_s = time.monotonic() + patience_s
    while sum(isinstance(event, Ended) for event in events) < count:
        assert time.monotonic() < deadline_s, events
        events += executor.wait(0.5)
    return events


def measure(executor: Executor, trial: Trial, workload: ToyWorkload | None = None) -> Measurement:
    """The measurement of one trial, with nothing else under way."""
    executor.submit(trial, workload or ToyWorkload())
    ended = [event for event in drain(executor) if isinstance(event, Ended)]
    assert [(event.number, event.attempt) for event in ended] == [(trial.number, trial.attempt)]
    return ended[0].measurement


def toy_trial(number: int, through: str = "compile", **values: str | int) -> Trial:
    """A trial of the toy workload; `predict` runs anew, in the lane of its runtime."""
    config = ToyWorkload().config(**values)
    if through != "predict":
        return Trial(number, config, Fidelity(through))
    need = Need(alone=True, process="lane", lane=str(config["runtime"]))
    return Trial(number, config, Fidelity(through, "predict"), need=need)


class ExecutorContract:
    """Every executor passes this suite unchanged."""

    def make(self, tmp_path: Path) -> Executor:
        """A new executor that keeps its files below this directory."""
        raise NotImplementedError

    def test_a_new_executor_is_free(self, tmp_path: Path) -> None:
        """All its workers are, there is nothing to wait for, and a submission takes one."""
        with closing(self.make(tmp_path)) as executor:
            before = executor.free()
            assert before.slots >= 1
            assert list(executor.wait(0.0)) == []
            executor.submit(toy_trial(1), ToyWorkload())
            assert executor.free().slots == before.slots - 1
            drain(executor)
            assert executor.free() == before

    def test_a_trial_tells_how_it_ended(self, tmp_path: Path) -> None:
        """With the time of each stage on the study's clock, in the order of the chain."""
        with closing(self.make(tmp_path)) as executor:
            executor.submit(toy_trial(1, "predict", fit_n=3), ToyWorkload())
            events = drain(executor)
            assert isinstance(events[-1], Ended)
            measurement = events[-1].measurement
            stages = [span.stage for span in measurement.spans]
            assert stages == ["fit", "compile", "predict"]
            assert measurement.outcome is Outcome.OK
            assert measurement.samples["fit"].values == (3.0,)
            assert not any(span.cached for span in measurement.spans)
            times = [t for span in measurement.spans for t in (span.start_s, span.end_s)]
            assert times == sorted(times)
            assert 0 <= times[0] <= times[-1] <= events[-1].elapsed_s
            assert measurement.key

    def test_a_shared_prefix_is_run_once(self, tmp_path: Path) -> None:
        """Its samples come back, its spans say that they are cached, and timing is never reused."""
        with closing(self.make(tmp_path)) as executor:
            first = measure(executor, toy_trial(1, "predict"))
            second = measure(executor, toy_trial(2, "predict"))
            assert second.key == first.key
            assert [span.cached for span in second.spans] == [True, True, False]
            assert second.samples["fit_ns"] == first.samples["fit_ns"]
            assert second.samples["predict_ns"] != first.samples["predict_ns"]
            third = measure(executor, toy_trial(3, compile_n=1))
            assert [span.cached for span in third.spans] == [True, False]
            assert third.key != first.key

    def test_what_runs_anew_has_chance_of_its_own(self, tmp_path: Path) -> None:
        """What is shared has the seed of its piece, and what is not another one a repeat."""
        with closing(self.make(tmp_path)) as executor:
            seeds = []
            for number, repeat in ((1, 0), (2, 1), (3, 7)):
                trial = toy_trial(number, "predict")
                piece = Piece(seed=5, repeat=repeat)
                trial = replace(trial, fidelity=replace(trial.fidelity, piece=piece))
                seeds.append(measure(executor, trial).samples)
            assert {one["fit_seed"].values for one in seeds} == {(5.0,)}
            assert len({one["predict_seed"].values for one in seeds}) == 3

    def test_everything_runs_anew_where_that_is_asked(self, tmp_path: Path) -> None:
        """Not a single stage of it comes from the cache, however often it is repeated."""
        with closing(self.make(tmp_path)) as executor:
            runs = []
            for number in (1, 2, 3):
                trial = toy_trial(number)
                fidelity = replace(trial.fidelity, since="fit", piece=Piece(repeat=number))
                runs.append(measure(executor, replace(trial, fidelity=fidelity)))
            assert len({run.samples["fit_ns"].values for run in runs}) == 3
            assert not any(span.cached for run in runs for span in run.spans)

    def test_a_trial_reports_its_progress(self, tmp_path: Path) -> None:
        """Each step once, in order, before its end."""
        with closing(self.make(tmp_path)) as executor:
            executor.submit(toy_trial(1, act="report"), ToyWorkload())
            events = drain(executor)
            reports = [event for event in events if isinstance(event, Reported)]
            assert [report.step for report in reports] == [0.0, 1.0, 2.0]
            assert [report.samples["loss"].values[0] for report in reports] == [1, 1 / 2, 1 / 3]
            assert isinstance(events[-1], Ended)

    def test_failures_are_typed(self, tmp_path: Path) -> None:
        """Each way to fail has its outcome and says why; the executor goes on."""
        expected = {
            "fail": (Outcome.CRASHED, "gave up for a reason"),
            "reject": (Outcome.REJECTED, "expected something else"),
            "exhaust": (Outcome.OUT_OF_MEMORY, "no room"),
            "crash": (Outcome.CRASHED, "ZeroDivisionError: last line"),
            "exit": (Outcome.CRASHED, "SystemExit: 3"),
        }
        with closing(self.make(tmp_path)) as executor:
            for number, (act, (outcome, detail)) in enumerate(expected.items(), start=1):
                measurement = measure(executor, toy_trial(number, act=act))
                assert (measurement.outcome, measurement.detail) == (outcome, detail)
                assert [span.stage for span in measurement.spans] == ["fit"]
            wrong = replace(toy_trial(8), fidelity=Fidelity("nowhere"))
            assert measure(executor, wrong).outcome is Outcome.REJECTED
            assert measure(executor, toy_trial(9)).outcome is Outcome.OK

    def test_each_trial_ends_once(self, tmp_path: Path) -> None:
        """Also when more are submitted than there is room for."""
        with closing(self.make(tmp_path)) as executor:
            for number in range(1, 8):
                executor.submit(toy_trial(number, fit_n=number), ToyWorkload())
            events = drain(executor, 7)
            assert sorted(e.number for e in events if isinstance(e, Ended)) == list(range(1, 8))
            assert list(executor.wait(0.0)) == []

    def test_a_cancelled_trial_never_ends(self, tmp_path: Path) -> None:
        """And an unknown one may be cancelled."""
        with closing(self.make(tmp_path)) as executor:
            executor.cancel(7, 1)
            before = executor.free()
            executor.submit(toy_trial(1), ToyWorkload())
            executor.cancel(1, 1)
            assert executor.free() == before
            assert measure(executor, toy_trial(2)).outcome is Outcome.OK

    def test_nothing_is_left_of_a_trial(self, tmp_path: Path) -> None:
        """Its private files are gone when it has ended."""
        with closing(self.make(tmp_path)) as executor:
            measure(executor, toy_trial(1, act="fail"))
            measure(executor, toy_trial(2, "predict"))
            assert not list(tmp_path.rglob("scratch"))

    def test_it_may_be_closed_twice(self, tmp_path: Path) -> None:
        """With a trial under way, too."""
        executor = self.make(tmp_path)
        executor.submit(toy_trial(1), ToyWorkload())
        executor.close()
        executor.close()
