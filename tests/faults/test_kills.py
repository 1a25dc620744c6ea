"""The benchmark that kills, at a few points of two small studies: nothing is lost, no process stays."""

import importlib.util
import random
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tunewright.core.events import Refitted
from tunewright.core.verdict import Decision
from tunewright.storing.journal import Journal

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "kill.py"


@pytest.fixture(scope="module")
def kill():
    spec = importlib.util.spec_from_file_location("kill", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill"] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["kill"]


@pytest.fixture(scope="module")
def killed(kill, tmp_path_factory):
    """A study of a program that leaves helpers behind, killed many times and finished."""
    study = kill.Study(tmp_path_factory.mktemp("killed"), kill.WORKLOADS[3], random.Random(0))
    points = [
        (kill.GENERAL, kill.SEARCH), (kill.BOTH, kill.SEARCH), (kill.DRIVER, kill.COMMIT),
        (kill.ALL, kill.PAIR),
    ]  # fmt: skip
    study.run(points, len(points))
    return study


@pytest.fixture(scope="module")
def finished(kill, killed):
    """All its events."""
    with kill.Reader(killed.directory) as reader:
        return list(reader.read())


def test_a_program_that_leaves_helpers_survives_every_kill(killed):
    assert killed.broken == []
    assert killed.lines[-1]["verdict"]


def test_a_table_survives_every_kill(tmp_path, kill):
    arguments = (*kill.TABLE, "--budget", "6s")
    workload = replace(kill.WORKLOADS[0], arguments=arguments, budget_s=6.0)
    study = kill.Study(tmp_path, workload, random.Random(0))
    points = [(kill.GENERAL, kill.SEARCH), (kill.LEAN, kill.SEARCH), (kill.BOTH, kill.REFIT)]
    study.run(points, len(points))
    assert study.broken == []
    assert study.lines[-1]["verdict"]


def test_the_check_finds_nothing_wrong_with_it(kill, finished):
    assert kill.check(finished, float("inf")) == []


def turned(end):
    """The end with a verdict that does not follow, whatever the kills have left to judge."""
    accepted = end.verdict.decision is Decision.ACCEPT
    other = Decision.REJECT if accepted else Decision.ACCEPT
    return replace(end, verdict=replace(end.verdict, decision=other))


def test_a_model_that_was_fitted_once_more_is_no_fault_and_hides_none(kill, finished, tmp_path):
    refitted = Refitted(finished[-1].elapsed_s, "all", "key")
    with Journal(tmp_path) as journal:
        journal.append([*finished, refitted])
    with closing(kill.Watched(tmp_path)) as watched:
        assert not watched.running()
    assert kill.check([*finished, refitted], float("inf")) == []
    wrong = [*finished[:-1], turned(finished[-1]), refitted]
    assert "the verdict is" in " ".join(kill.check(wrong, float("inf")))
    assert "the last event is" in " ".join(kill.check([*finished[:-1], refitted], float("inf")))


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda events, started: [*events[:3], started, *events[3:]], "begun twice"),
        (lambda events, started: [e for e in events if e is not started], "attempts of trial 1"),
        (lambda events, _: events[:-1], "the last event is"),
        (lambda events, _: [*events[:-1], turned(events[-1])], "the verdict is"),
    ],
)
def test_the_check_finds_what_is_wrong(kill, finished, broken, told):
    started = next(event for event in finished if isinstance(event, kill.Started))
    assert told in " ".join(kill.check(broken(finished, started), float("inf")))
