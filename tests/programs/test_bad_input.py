"""What programs do that they should not: each has one clear outcome, and nothing is left running."""

import sys
import time
from pathlib import Path

import pytest

from tunewright.core.trial import Fidelity, Outcome, Piece, Trial
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.workloads.command import command
from tunewright.workloads.programs.spec import CommandSpec

PYTHON = sys.executable


def go(tmp_path, *argv, limit_s=30.0, seen=None, stated=None, **options):
    spec = CommandSpec((*argv, "{n}"), cwd=tmp_path, knob="n=1:1..2", **options)
    workload = command(spec, stated=stated)
    trial = Trial(1, workload.baseline, Fidelity("run", "run", piece=Piece()), limit_s=limit_s)
    reports = [] if seen is None else seen
    return run_chain(
        trial, workload, ArtifactCache(tmp_path / "artifacts"), tmp_path / "trials" / "1",
        time.monotonic, lambda *told: reports.append(told),
    )  # fmt: skip


def sh(tmp_path, script, **options):
    return go(tmp_path, "sh", "-c", script, **options)


def alive(mark):
    """The processes whose command line holds a mark."""
    lines = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(place.read_bytes())
        except OSError:
            continue
    return [line for line in lines if mark.encode() in line]


@pytest.mark.parametrize("value", ["nan", "inf", "-nan", "", "high"])
def test_a_metric_that_is_no_number_is_a_failure(tmp_path, value):
    done = sh(tmp_path, f"echo acc={value}", metric="acc=regex:acc=(.*)")
    assert done.outcome is Outcome.CRASHED
    assert "metric acc" in done.detail


def test_a_metric_that_is_not_there_is_named(tmp_path):
    done = sh(tmp_path, "echo nothing", metric="acc=regex:acc=(.*)")
    assert done.outcome is Outcome.CRASHED
    assert "expected metric acc as 'acc=(.*)' in the output; it is not there" in done.detail


def test_a_metric_of_progress_that_no_line_tells_is_named(tmp_path):
    asked = {"progress": r"regex:epoch (\d+) acc=(\S+)", "stated": {"acc": "higher"}}
    done = sh(tmp_path, "echo epoch 1 acc=nan", **asked)
    assert done.outcome is Outcome.CRASHED
    assert "expected metric acc in a line of progress" in done.detail


def test_progress_that_is_no_number_is_no_progress(tmp_path):
    seen = []
    lines = "epoch 1 acc=0.5\nepoch x acc=0.6\nepoch 2 acc=nan\nepoch 3 acc=0.7\n"
    done = sh(
        tmp_path, f"printf '{lines}'", seen=seen,
        progress=r"regex:epoch (\S+) acc=(\S+)", stated={"acc": "higher"},
    )  # fmt: skip
    assert done.samples["acc"].values == (0.7,)
    assert [step for step, _ in seen] == [1, 3]


def test_what_ignores_the_signal_to_end_is_ended(tmp_path):
    mark = f"tunewright-bad-{time.monotonic_ns()}"
    script = f"trap '' TERM INT HUP; while true; do sleep 0.05; done # {mark}"
    done = sh(tmp_path, script, limit_s=0.5)
    assert done.outcome is Outcome.TIMEOUT
    assert not alive(mark)


def test_a_child_that_became_a_daemon_is_ended_with_the_run(tmp_path):
    mark = f"tunewright-bad-{time.monotonic_ns()}"
    child = f"trap '' TERM; while true; do sleep 0.05; done # {mark}"
    done = sh(tmp_path, f'setsid sh -c "{child}" < /dev/null > /dev/null 2>&1 &')
    assert done.outcome is Outcome.OK, done.detail
    assert not alive(mark)


def test_what_waits_for_input_gets_none(tmp_path):
    done = go(tmp_path, PYTHON, "-c", "input('name? ')")
    assert done.outcome is Outcome.CRASHED
    assert "EOFError" in done.detail


def test_the_same_file_for_all_runs_is_warned_of_and_no_two_write_it_at_a_time(tmp_path):
    spec = CommandSpec(("true", "{n}"), cwd=tmp_path, knob="n=1:1..2", metric="size=file:out.bin")
    workload = command(spec)
    assert "best let it be in {dir}" in " ".join(workload.facts.notes)
    assert next(metric for metric in workload.metrics if metric.name == "size").quiet
