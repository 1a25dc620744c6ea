"""Calling a pickled function in a process of its own, here without the process."""

import json
import pickle
import sys

import pytest

from tunewright.measuring import calls as module
from tunewright.measuring.calls import Calls, main


class Unpicklable:
    """An answer that has a text alone."""

    def __reduce__(self):
        raise RuntimeError("no")

    def __repr__(self):
        return "Unpicklable()"


def answers(x, y=0):
    return {"sum": x + y}


def same(x, y=0):
    return {"sum": y + x}


def other(x, y=0):
    return {"sum": x - y}


def odd(x, y=0):
    return Unpicklable()


@pytest.fixture
def called(tmp_path, monkeypatch, capsys):
    """The times of a function's calls, and what its process printed."""
    monkeypatch.setattr(module, "BUDGET_S", 0.001)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def call(function):
        body = pickle.dumps(Calls({"A": function}, (5, 2)))
        payload, output = tmp_path / "payload", tmp_path / "calls.json"
        payload.write_bytes(pickle.dumps((list(sys.path), body)))
        main(str(payload), "A", str(output))
        return json.loads(output.read_text())["calls"], capsys.readouterr().out

    return call


def test_each_call_is_timed(called):
    times_s, _ = called(answers)
    assert len(times_s) > 1
    assert all(time_s > 0 for time_s in times_s)


def test_equal_answers_are_told_alike_and_others_apart(called):
    assert called(answers)[1] == called(same)[1] != called(other)[1]
    assert called(answers)[1].startswith("answer ")


def test_an_answer_that_cannot_be_pickled_is_told_by_its_text(called):
    assert called(odd)[1] == called(odd)[1] != called(answers)[1]
