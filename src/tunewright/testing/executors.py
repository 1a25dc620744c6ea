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
from tunewright.core.events import Ended, Event, Progressed
from tunewright.core.knobs import Choice, Integer, Knob
from tunewright.core.metrics import Metric, Sample
from tunewright.core.roles import NO_ROWS, Artifact, Context, Evidence, Executor
from tunewright.core.trial import Fidelity, Measurement, Outcome, Trial
from tunewright.errors import InputError, TrialFailed

ACTS = ("work", "fail", "reject", "exhaust", "crash", "exit", "hang", "die", "daemon", "grow")
_DAEMON = "import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(600)"


@final
@dataclass(frozen=True)
class ToyStage:
    """A stage that does what the knob `act` says and reports its process.

    Samples: NAME_pid, NAME_ns (when it ran, so no two runs are equal) and NAME, the knob's value.
    """

    name: str
    timing: bool = False
    acts: bool = False
    lanes: bool = False

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

    def run(self, upstream: Artifact | None, config: Config, context: Context) -> Artifact:
        """Act, then hand down the names of the stages so far."""
        (context.directory / "scratch").write_text(self.name)
        if self.acts:
            _act(str(config["act"]))
        number = config[f"{self.name}_n"]
        samples = {
            self.name: Sample((float(number),)),
            f"{self.name}_pid": Sample((float(os.getpid()),)),
            f"{self.name}_ns": Sample((float(time.monotonic_ns()),)),
        }
        above = upstream.value if upstream else ""
        return Artifact(f"{above}/{self.name}{number}", samples)


@final
@dataclass(frozen=True)
class ToyWorkload:
    """A chain of toy stages: `fit` acts, `compile` chooses a runtime, `predict` is timed."""

    stages: tuple[ToyStage, ...] = (
        ToyStage("fit", acts=True),
        ToyStage("compile", lanes=True),
        ToyStage("predict", timing=True),
    )
    name: str = "toy"
    metrics: tuple[Metric, ...] = (Metric("fit", "higher", "fit"),)
    digest: str = "toy"
    evidence: Evidence = NO_ROWS

    @property
    def baseline(self) -> Config:
        """All defaults."""
        return self.config()

    def config(self, **values: str | int) -> Config:
        """A config with these values and defaults elsewhere."""
        knobs = (knob for stage in self.stages for knob in stage.knobs)
        return Config({knob.name: values.get(knob.name, knob.default) for knob in knobs})


def _act(act: str) -> None:
    match act:
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
    """A trial of the toy workload."""
    return Trial(number, ToyWorkload().config(**values), Fidelity(through))


class ExecutorContract:
    """Every executor passes this suite unchanged."""

    def make(self, tmp_path: Path) -> Executor:
        """A new executor that keeps its files below this directory."""
        raise NotImplementedError

    def test_a_new_executor_is_free(self, tmp_path: Path) -> None:
        """All its workers are, there is nothing to wait for, and a submission takes one."""
        with closing(self.make(tmp_path)) as executor:
            before = executor.free()
            assert before.free == before.workers >= 1
            assert list(executor.wait(0.0)) == []
            executor.submit(toy_trial(1), ToyWorkload())
            assert executor.free().free == before.free - 1
            drain(executor)
            assert executor.free() == before

    def test_a_trial_tells_its_stages_and_its_end(self, tmp_path: Path) -> None:
        """In the order of the chain, on the study's clock; short stages may go untold."""
        with closing(self.make(tmp_path)) as executor:
            executor.submit(toy_trial(1, "predict", fit_n=3), ToyWorkload())
            events = drain(executor)
            told = [event.stage for event in events if isinstance(event, Progressed)]
            assert isinstance(events[-1], Ended)
            measurement = events[-1].measurement
            stages = [span.stage for span in measurement.spans]
            assert stages == ["fit", "compile", "predict"]
            assert told == [stage for stage in stages if stage in told]
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
            executor.submit(toy_trial(1), ToyWorkload())
            executor.cancel(1, 1)
            assert executor.free().free == executor.free().workers
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
