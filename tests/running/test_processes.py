"""The process executor joins the contract, and leaves no process behind whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tunewright.core.trial import Fidelity, Outcome, Purpose, Trial
from tunewright.running.processes import ProcessExecutor
from tunewright.running.reaping import COOKIE, cookie, kill_strays
from tunewright.testing.executors import (
    ExecutorContract,
    ToyWorkload,
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


def timed(number, lane="a", kind="search", **values):
    return replace(
        toy_trial(number, "predict", **values),
        exclusive=True, lane=lane, purpose=Purpose(kind),
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
        refit = measure(executor, replace(toy_trial(1), purpose=Purpose("refit")))
        pids = {refit.samples["fit_pid"]}
        for number in range(2, 6):
            measurement = measure(executor, timed(number, kind="pair"))
            assert [span.cached for span in measurement.spans] == [True, True, False]
            pids.add(measurement.samples["predict_pid"])
        assert len(pids) == 5


HEAVY = """
from dataclasses import dataclass
import os, sys
from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact
@dataclass(frozen=True)
class Heavy:
    name: str = "fit"
    knobs: tuple = ()
    timing: bool = False
    def run(self, upstream, config, context):
        return Artifact("plain")
"""
LIGHT = """
from dataclasses import dataclass
import sys
from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact
@dataclass(frozen=True)
class Light:
    name: str = "predict"
    knobs: tuple = ()
    timing: bool = True
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
    trial = Trial(1, workload.config(), Fidelity("predict"), exclusive=True, lane="a")
    with closing(open_executor(tmp_path, warm=("heavy_stage_module",))) as executor:
        assert measure(executor, trial, workload).samples["loaded"].values == (0.0,)
        together = replace(trial, number=2, lane="")
        assert measure(executor, together, workload).samples["loaded"].values == (1.0,)


def test_an_artifact_that_cannot_be_cached_still_reaches_its_tail(tmp_path):
    with closing(open_executor(tmp_path, cache_bytes=1)) as executor:
        assert measure(executor, timed(1)).outcome is Outcome.OK


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
