"""What tests of models of tables share."""

import pytest

from tunewright.core.trial import Fidelity, Piece, Trial
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.workloads.tabular import stages


@pytest.fixture
def blended(tmp_path):
    """Runs a config of a workload to its blend: the artifact, and its samples."""

    def go(workload, config, **piece):
        cache = ArtifactCache(tmp_path / "artifacts")
        trial = Trial(1, config, Fidelity("blend", piece=Piece(**piece)))
        measured = run_chain(trial, workload, cache, tmp_path / "trial", lambda: 0.0)
        assert measured.detail == ""
        return cache.get(measured.key).artifact, measured.samples

    return go


@pytest.fixture
def trained(monkeypatch):
    """What each fit from here on learns from, in order."""
    seen, resolve = [], stages.resolve

    def spy(name):
        found = resolve(name)
        if not name.endswith(":fit"):
            return found
        return lambda training, *rest: seen.append(training) or found(training, *rest)

    monkeypatch.setattr(stages, "resolve", spy)
    return seen
