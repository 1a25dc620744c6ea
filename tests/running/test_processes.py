"""The process executor joins the contract, and leaves no process behind whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from tunewright.core.config import Config
from tunewright.core.events import Ended
from tunewright.core.roles import NO_PORTFOLIO, Artifact, Portfolio
from tunewright.core.trial import Fidelity, Need, Outcome, Trial
from tunewright.errors import StoreError
from tunewright.running.processes import ProcessExecutor, Stand
from tunewright.running.reaping import COOKIE, cookie, kill_strays
from tunewright.testing.executors import (
    ExecutorContract,
    ToyStage,
    ToyWorkload,
    drain,
    measure,
    toy_trial,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prctl and /proc are Linux's")


def open_executor(directory, workers=1, **options):
    origin_s = time.monotonic()
    return ProcessExecutor(directory, workers, lambda: time.monotonic() - origin_s, **options)


AT_REST = 3  # one worker, and two spares for the toy's lanes


def marked(directory):
    """The processes that carry the study's cookie."""
    entry, found = f"{COOKIE}={cookie(directory)}".encode(), []
    for pid in psutil.pids():
        try:
            if entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
        except OSError:
            continue
    return found


def eventually(condition, patience_s=20.0):
    deadline_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def timed(number, lane="a", process="lane", **values):
    return replace(
        toy_trial(number, "predict", **values),
        need=Need(alone=True, process=process, lane=lane),
    )  # fmt: skip


class TestProcessExecutor(ExecutorContract):
    def make(self, tmp_path):
        return open_executor(tmp_path, 2)


def test_a_dead_worker_loses_its_trial_alone_and_is_replaced(tmp_path):
    with closing(open_executor(tmp_path)) as executor:
        measurement = measure(executor, toy_trial(1, act="die"))
        assert measurement.outcome is Outcome.LOST
        assert "Killed" in measurement.detail
        assert measure(executor, toy_trial(2)).outcome is Outcome.OK
        assert len(marked(tmp_path)) == AT_REST  # the daemon of the dead worker is gone, too


def test_a_trial_does_not_wait_for_the_processes_of_later_ones(tmp_path, monkeypatch):
    stands = []
    with closing(open_executor(tmp_path)) as executor:
        seen = lambda *_: stands.append([job.stand for job in executor._jobs])  # noqa: E731
        monkeypatch.setattr(executor._pool, "prepare", seen)
        assert measure(executor, toy_trial(1)).outcome is Outcome.OK
    assert stands == [[Stand.RUNNING]]


def test_cancelling_kills_the_whole_tree(tmp_path):
    with closing(open_executor(tmp_path)) as executor:
        executor.submit(toy_trial(1, act="hang"), ToyWorkload())
        eventually(lambda: executor.wait(0.0) == [] and len(marked(tmp_path)) > AT_REST)
        executor.cancel(1, 1)
        eventually(lambda: len(marked(tmp_path)) == AT_REST)
        assert measure(executor, toy_trial(2)).outcome is Outcome.OK
        assert not list(tmp_path.rglob("scratch"))


def test_a_daemon_is_gone_when_its_trial_has_ended(tmp_path):
    with closing(open_executor(tmp_path)) as executor:
        assert measure(executor, toy_trial(1, act="daemon")).outcome is Outcome.OK
        assert len(marked(tmp_path)) == AT_REST


def test_closing_leaves_nothing(tmp_path):
    executor = open_executor(tmp_path, 2)
    executor.submit(toy_trial(1, act="hang"), ToyWorkload())
    eventually(lambda: executor.wait(0.0) == [] and len(marked(tmp_path)) > AT_REST + 1)
    executor.close()
    assert marked(tmp_path) == []
    assert not list(tmp_path.rglob("scratch"))


def test_a_trial_beyond_its_memory_is_killed(tmp_path):
    with closing(open_executor(tmp_path, memory_limit_mib=256)) as executor:
        measurement = measure(executor, toy_trial(1, act="grow"))
        assert measurement.outcome is Outcome.OUT_OF_MEMORY
        assert "the limit is 256 MiB" in measurement.detail
        assert measure(executor, toy_trial(2)).outcome is Outcome.OK


DRIVER = """
import sys, time
from pathlib import Path
from tunewright.running.processes import ProcessExecutor
from tunewright.testing.executors import ToyWorkload, toy_trial
executor = ProcessExecutor(Path(sys.argv[1]), 2, time.monotonic)
executor.submit(toy_trial(1, act="hang"), ToyWorkload())
while True:
    executor.wait(1.0)
"""


def test_a_killed_driver_leaves_no_process(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], env=environment) as driver:
        eventually(lambda: len(marked(tmp_path)) > AT_REST + 1)  # a second worker and a daemon
        driver.send_signal(signal.SIGKILL)
    eventually(lambda: marked(tmp_path) == [])


def test_strays_of_an_earlier_driver_are_killed_and_others_are_not(tmp_path):
    code = [sys.executable, "-c", "import time; time.sleep(600)"]
    stray = subprocess.Popen(code, env={**os.environ, COOKIE: cookie(tmp_path / "a")})
    other = subprocess.Popen(code, env={**os.environ, COOKIE: cookie(tmp_path / "b")})
    with stray, other:
        eventually(lambda: marked(tmp_path / "a") and marked(tmp_path / "b"))
        assert kill_strays(tmp_path / "a") == 1
        assert stray.wait() == -signal.SIGKILL
        assert other.poll() is None
        other.kill()


def test_a_lanes_tail_runs_in_a_process_of_its_own_that_is_kept(tmp_path):
    with closing(open_executor(tmp_path)) as executor:
        first, second = measure(executor, timed(1)), measure(executor, timed(2))
        assert first.samples["fit_pid"] != first.samples["predict_pid"]
        assert [span.stage for span in first.spans] == ["fit", "compile", "predict"]
        assert [span.cached for span in first.spans] == [False, False, False]
        assert [span.cached for span in second.spans] == [True, True, False]
        assert second.samples["predict_pid"] == first.samples["predict_pid"]
        assert second.key == first.key != ""
        assert second.samples["fit_ns"] == first.samples["fit_ns"]
        other = measure(executor, timed(3, lane="b"))
        assert other.samples["predict_pid"] != first.samples["predict_pid"]


def test_each_arm_of_a_pair_has_a_fresh_process(tmp_path):
    with closing(open_executor(tmp_path)) as executor:
        refit = measure(executor, replace(toy_trial(1), need=Need(keep=True)))
        pids = {refit.samples["fit_pid"]}
        for number in range(2, 6):
            measurement = measure(executor, timed(number, process="fresh"))
            assert [span.cached for span in measurement.spans] == [True, True, False]
            pids.add(measurement.samples["predict_pid"])
        assert len(pids) == 5


def test_a_fresh_process_has_loaded_what_its_own_arm_needs_and_no_more(tmp_path):
    loads = (("a", "colorsys"), ("b", "sched"))
    *above, last = ToyWorkload().stages
    workload = ToyWorkload((*above, replace(last, loads=loads)), digest="loads")
    with closing(open_executor(tmp_path)) as executor:
        for number, (runtime, module) in enumerate(loads * 4, start=1):
            refit = replace(toy_trial(2 * number, runtime=runtime), need=Need(keep=True))
            measure(executor, refit, workload)
            pair = timed(2 * number + 1, runtime, "fresh", runtime=runtime)
            pair = replace(pair, need=replace(pair.need, imports=(module,)))
            assert measure(executor, pair, workload).samples["predict_loaded"].values == (1.0,)


HEAVY = """
from dataclasses import dataclass
import os, sys
from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact, Portfolio
from tunewright.core.trial import Need
@dataclass(frozen=True)
class Heavy:
    name: str = "fit"
    knobs: tuple = ()
    def needs(self, config):
        return Need()
    def run(self, upstream, config, context):
        return Artifact("plain")
"""
LIGHT = """
from dataclasses import dataclass
import sys
from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact
from tunewright.core.trial import Need
@dataclass(frozen=True)
class Light:
    name: str = "predict"
    knobs: tuple = ()
    def needs(self, config):
        return Need(process="lane", lane="a")
    def run(self, upstream, config, context):
        loaded = "heavy_stage_module" in sys.modules
        return Artifact(None, {"loaded": Sample((float(loaded),))})
"""


def test_a_lean_worker_never_imports_what_is_above_the_tail(tmp_path, monkeypatch):
    (tmp_path / "heavy_stage_module.py").write_text(HEAVY)
    (tmp_path / "light_stage_module.py").write_text(LIGHT)
    monkeypatch.syspath_prepend(tmp_path)
    from heavy_stage_module import Heavy  # noqa: PLC0415 - written above
    from light_stage_module import Light  # noqa: PLC0415 - the same

    workload = replace(ToyWorkload(), stages=(Heavy(), Light()))
    need = Need(alone=True, process="lane", lane="a")
    trial = Trial(1, workload.config(), Fidelity("predict", "predict"), need=need)
    with closing(open_executor(tmp_path, warm=("heavy_stage_module",))) as executor:
        assert measure(executor, trial, workload).samples["loaded"].values == (0.0,)
        together = replace(trial, number=2, need=Need(alone=True))
        assert measure(executor, together, workload).samples["loaded"].values == (1.0,)


def test_an_artifact_that_cannot_be_kept_for_its_tail_fails_the_study_and_not_the_config(tmp_path):
    with (
        closing(open_executor(tmp_path, cache_bytes=1)) as executor,
        pytest.raises(StoreError, match="cannot keep what stage compile made"),
    ):
        measure(executor, timed(1))


def test_an_artifact_that_cannot_be_kept_is_no_harm_where_no_other_process_needs_it(tmp_path):
    with closing(open_executor(tmp_path, cache_bytes=1)) as executor:
        together = replace(timed(1), need=Need(alone=True))
        assert measure(executor, together).outcome is Outcome.OK


def test_a_corrupt_artifact_is_made_again_for_the_tail(tmp_path):
    with closing(open_executor(tmp_path)) as executor:
        first = measure(executor, timed(1))
        (tmp_path / "artifacts" / f"{first.key}.artifact").write_bytes(b"junk")
        # The lane's process holds the artifact in memory; another one has to read it.
        second = measure(executor, timed(2, lane="b"))
        assert second.outcome is Outcome.OK
        assert second.key == first.key


def test_a_workload_that_cannot_travel_says_so(tmp_path):
    with closing(open_executor(tmp_path)) as executor:
        workload = replace(ToyWorkload(), name=sys._getframe())
        measurement = measure(executor, toy_trial(1), workload)
        assert measurement.outcome is Outcome.CRASHED
        assert "cannot be pickled" in measurement.detail


# Limits, and trials that share a worker


@dataclass(frozen=True)
class Waits:
    """A stage that leaves a sign, and waits until it may go on."""

    signs: Path
    name: str = "predict"
    knobs: tuple = ()

    def needs(self, config):
        return Need(process="lane", lane="a")

    def run(self, upstream, config, context):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        sign = self.signs / str(config["n"])
        sign.write_text(f"{os.getpid()} {child.pid}")
        while not (self.signs / f"{config['n']}.go").exists():
            time.sleep(0.005)
        sign.unlink()
        return Artifact(None)


@dataclass(frozen=True)
class Waiting:
    """The workload of that stage, below one that can be cached."""

    stages: tuple
    name: str = "waiting"
    metrics: tuple = ()
    digest: str = "waiting"
    untouched: object = None
    efforts: tuple = ()
    portfolio: Portfolio = NO_PORTFOLIO
    baseline: object = None


class Pair:
    """Two trials of one lane, sent to one worker: the second is queued behind the first."""

    def __init__(self, executor, signs, limit_s=3600.0):
        self.executor, self.signs = executor, signs
        workload = Waiting((ToyStage("compile"), Waits(signs)))
        for n in (1, 2):
            need = Need(alone=True, process="lane", lane="a")
            fidelity = Fidelity("predict", "predict")
            trial = Trial(n, Config({"compile_n": 0, "n": n}), fidelity, need=need, limit_s=limit_s)
            executor.submit(trial, workload)
            if n == 1:
                self.pids = self.begun(1)

    def begun(self, n):
        """Its processes, once it has begun."""
        sign = self.signs / str(n)
        self.events = []
        eventually(lambda: self._look() and sign.exists() and len(sign.read_text().split()) == 2)
        return [int(pid) for pid in sign.read_text().split()]

    def _look(self):
        self.events += self.executor.wait(0.0)
        return True

    def go(self, *numbers):
        for n in numbers:
            (self.signs / f"{n}.go").touch()

    def outcomes(self, count):
        return {
            event.number: event.measurement.outcome
            for event in [*self.events, *drain(self.executor, count - len(self.events))]
            if isinstance(event, Ended)
        }


@pytest.fixture
def queued(tmp_path):
    with closing(open_executor(tmp_path / "study", 2)) as executor:
        (tmp_path / "signs").mkdir()
        yield Pair(executor, tmp_path / "signs")


def stands(executor):
    return [job.stand for job in executor._jobs]


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_two_trials_of_a_lane_share_a_worker_and_both_end(queued):
    queued.go(1, 2)
    assert queued.outcomes(2) == {1: Outcome.OK, 2: Outcome.OK}


def test_a_killed_worker_loses_its_trial_and_the_one_behind_it_runs_elsewhere(queued):
    worker, child = queued.pids
    assert stands(queued.executor) == [Stand.RUNNING, Stand.QUEUED]
    os.kill(worker, signal.SIGKILL)
    other, _ = queued.begun(2)
    assert other != worker
    queued.go(2)
    assert queued.outcomes(2) == {1: Outcome.LOST, 2: Outcome.OK}
    eventually(lambda: gone(child))


def test_a_cancelled_trial_takes_its_worker_and_not_the_one_behind_it(queued):
    queued.executor.cancel(1, 1)
    assert all(map(gone, queued.pids))
    queued.begun(2)
    queued.go(2)
    assert queued.outcomes(1) == {2: Outcome.OK}


def test_a_trial_ahead_of_a_cancelled_one_is_run_again_from_nothing(queued):
    (queued.signs / "1").unlink()
    assert stands(queued.executor) == [Stand.RUNNING, Stand.QUEUED]
    queued.executor.cancel(2, 1)
    again = queued.begun(1)
    assert not set(again) & set(queued.pids)
    queued.go(1)
    assert queued.outcomes(1) == {1: Outcome.OK}


def test_beyond_its_limit_a_trial_is_killed_with_its_tree_and_the_next_has_its_own_time(tmp_path):
    (tmp_path / "signs").mkdir()
    with closing(open_executor(tmp_path / "study", 2)) as executor:
        pair = Pair(executor, tmp_path / "signs", limit_s=0.3)
        (first,) = (event for event in drain(executor) if isinstance(event, Ended))
        assert (first.number, first.measurement.outcome) == (1, Outcome.TIMEOUT)
        assert first.measurement.detail == "it ran longer than 0.3 s, which is what a trial may"
        (span,) = first.measurement.spans
        assert span.end_s - span.start_s >= 0.3
        assert all(map(gone, pair.pids))
        pair.go(2)  # it began when the first had ended: queued for longer than it may run
        assert pair.outcomes(1) == {2: Outcome.OK}


def test_the_limit_counts_from_when_a_trial_begins_and_not_from_when_its_worker_starts(
    tmp_path, monkeypatch
):
    (tmp_path / "slow_to_import.py").write_text("import time; time.sleep(2.0)")
    monkeypatch.syspath_prepend(tmp_path)
    with closing(open_executor(tmp_path / "study", warm=("slow_to_import",))) as executor:
        trial = replace(toy_trial(1), limit_s=0.4)  # with the grace it is over before the import
        assert measure(executor, trial).outcome is Outcome.OK


def test_fresh_processes_are_taken_one_a_trial_however_many_trials_there_are(tmp_path):
    with closing(open_executor(tmp_path)) as executor:
        pids = {
            measure(executor, timed(n, process="fresh")).samples["predict_pid"]
            for n in range(1, 13)
        }
        assert len(pids) == 12
        assert len(marked(tmp_path)) <= AT_REST


def test_the_most_memory_that_a_trial_held_comes_back(tmp_path):
    with closing(open_executor(tmp_path)) as executor:
        large = measure(executor, toy_trial(1, act="hoard"))
        small = measure(executor, toy_trial(2))
        assert large.peak_mib > small.peak_mib + 100  # and is forgotten before the next
        assert small.peak_mib > 1
