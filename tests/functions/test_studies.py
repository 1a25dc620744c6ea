"""Whole studies of functions, through real processes and a real journal."""

import math
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest

import tunewright as tw
from tunewright import session
from tunewright.core.trial import Outcome
from tunewright.core.verdict import Decision
from tunewright.planning import Limits, Proving, Request
from tunewright.workloads.functions.declared import Function, spec_of

ONE = Limits(workers=1)


def prove(root, function, space, goal, budget, pairs=7, in_process=False):
    """A study whose proof has so many pairs."""
    with session.prepare("f", "function", ONE, root) as workspace:
        spec = spec_of(Function(function, space, in_process), goal, None, workspace.directory)
        request = Request("f", "function", spec, goal, {}, budget, 0, ONE, Proving(pairs=pairs))
        return session.begin(request, workspace=workspace)


@dataclass(frozen=True)
class Setting:
    lr: float = 0.1


def better(setting: Setting, run):
    """Best at 0.01, and its runs vary with their seeds."""
    noise = np.random.default_rng([run.seed, int(setting.lr * 1e6)]).normal(0, 0.01)
    return {"accuracy": 0.9 - 0.1 * abs(math.log10(setting.lr) + 2) + noise, "note": 1}


def test_a_gain_is_found_proven_reported_and_resumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = {"lr": tw.real(1e-4, 1.0, log=True, default=0.5)}
    result = prove(tmp_path, better, space, "maximize accuracy", "12 trials")
    assert result.accepted
    assert 1e-3 < result.best["lr"] < 0.3
    (told,) = result.verdict.comparisons
    assert (told.evidence, told.metric) == ("same data", "accuracy")
    pairs = [t for t, _ in result.history.ended() if t.purpose.kind == "pair"]
    assert {t.need.process for t in pairs} == {"fresh"}
    repeats = [t.fidelity.piece.repeat for t in pairs]
    assert len(set(repeats)) == len(repeats) / 2
    assert session.resume(result.directory).verdict == result.verdict
    assert tw.deploy(result) is not None


def null(config, run):
    """Nothing in the config matters; its runs vary with it and the seed."""
    return {"loss": math.exp(np.random.default_rng([run.seed, hash(config["x"])]).normal(0, 0.1))}


def same(config):
    """Nothing matters, and every run gives the same."""
    return {"loss": 1.0}


def told(config, run):
    """Noise that is reported, so that runs are stopped by it."""
    for epoch in run.epochs(9):
        chance = np.random.default_rng([run.seed, hash(config["x"]), epoch])
        run.report(loss=math.exp(chance.normal(0, 0.1)))


@pytest.mark.parametrize(
    ("function", "in_process"), [(null, False), (null, True), (told, False), (same, False)]
)
def test_where_nothing_is_to_be_found_nothing_is_accepted(tmp_path, function, in_process):
    """By their seeds; benchmarks/null_real.py counts more of them."""
    space = {"x": tw.real(0.0, 1.0, default=0.5)}
    asked = (function, space, "minimize loss", "10 trials")
    result = prove(tmp_path, *asked, in_process=in_process)
    assert result.verdict.decision is not Decision.ACCEPT


SCRIPT = """
import tunewright as tw

TABLE = {1: 0.5, 2: 0.9}

@tw.workload(n=tw.choice(1, 2))
def train(config):
    return {"accuracy": TABLE[config["n"]]}

result = tw.tune(train, goal="maximize accuracy", budget="2 trials", limits=tw.Limits(workers=1))
print(result.accepted, dict(result.best))
"""


def test_a_script_needs_no_guard_and_its_globals_travel(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "True {'n': 2}\n", done.stderr


def slowly(config, run):
    """Good or bad from its first epoch on."""
    for _ in run.epochs(30):
        time.sleep(0.01)
        run.report(accuracy=1 - abs(config["x"] - 0.2))


def test_what_is_behind_is_stopped_and_its_worker_lives_on(tmp_path):
    space = {"x": tw.real(0.0, 1.0, default=0.5)}
    result = prove(tmp_path, slowly, space, "maximize accuracy", "30 trials")
    outcomes = [m.outcome for t, m in result.history.ended() if t.purpose.kind == "search"]
    assert outcomes.count(Outcome.STOPPED) > 5
    assert set(outcomes) == {Outcome.OK, Outcome.STOPPED}
    assert result.accepted
