"""Each example is understood as it stands, and its baseline runs once."""

import shutil
import sys
import time
from pathlib import Path

import pytest

from tunewright import planning
from tunewright.cli.written import read_request
from tunewright.core.trial import Fidelity, Outcome, Piece, Trial
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/tune.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_understood_and_runs_once(path, tmp_path, monkeypatch):
    needs = {"compiler": "gcc", "java": "javac"}.get(path.parent.name, sys.executable)
    if shutil.which(needs) is None:
        pytest.skip(f"there is no {needs}")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    request = read_request(path)
    workload = planning.build_workload(request)
    goal = planning.understood_goal(request, workload)
    assert workload.facts.notes is not None
    trial = Trial(1, workload.baseline, Fidelity("run", "run", piece=Piece(repeat=1)))
    done = run_chain(
        trial, workload, ArtifactCache(tmp_path / "kept"), tmp_path / "trial", time.monotonic
    )
    assert done.outcome is Outcome.OK, done.detail
    assert all(metric.of(done.samples) is not None for metric in goal.metrics)
    assert (path.parent / "README.md").is_file()
