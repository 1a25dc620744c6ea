"""Calling a pickled function in a process of its own, mostly here without the process."""

import asyncio
import functools
import json
import pickle
import re
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.errors import InputError
from tunewright.measuring import calls as module
from tunewright.measuring.calls import Calls, main, pack, why_no_call


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


async def awaited(x, y=0):
    await asyncio.sleep(0)
    return {"sum": x + y}


def lazily(x, y=0):
    yield x + y


async def lazily_awaited(x, y=0):
    yield x + y


def ends(code):
    sys.exit(code)


async def ends_awaited(code):
    raise SystemExit(code)


LEFT = []  # calls that end well


def ends_later(code):
    if not LEFT:
        sys.exit(code)
    LEFT.pop()


def mapped(x, y=0):
    return map(str, range(x))


@pytest.fixture
def called(tmp_path, monkeypatch, capfd):
    """The times of a function's calls, and what its process printed."""
    monkeypatch.setattr(module, "BUDGET_S", 0.001)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def call(function, args=(5, 2)):
        body = pickle.dumps(Calls({"A": function}, args))
        payload, output = tmp_path / "payload", tmp_path / "calls.json"
        payload.write_bytes(pickle.dumps((list(sys.path), body)))
        main(str(payload), "A", str(output))
        return json.loads(output.read_text())["calls"], capfd.readouterr().out

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


def test_a_coroutine_is_awaited_and_answers_like_a_function(called):
    times_s, printed = called(awaited)
    assert len(times_s) > 1
    assert printed == called(answers)[1]


def test_what_is_printed_later_is_printed_once(called):
    def shell(*_):
        subprocess.run(["echo", "hello"], check=True)

    with pytest.raises((AttributeError, pickle.PicklingError)):  # a plain pickle cannot take it
        called(shell)
    assert called(functools.partial(subprocess.run, ["echo", "hello"]), ())[1].count("hello") == 1


SEEN = []


def changes(values, by):
    SEEN.append(json.dumps(values))
    if isinstance(values, dict):
        values["new"] = 1
    else:
        values.sort()
        values.append(by)


NESTED = st.recursive(st.integers(), lambda inner: st.lists(inner, min_size=1), max_leaves=8)


@given(
    values=st.lists(st.integers()) | st.dictionaries(st.text(), NESTED),
    how=st.sampled_from(["plain", "partial", "named"]),
)
def test_every_call_gets_equal_arguments_whatever_it_does_to_them(tmp_path_factory, values, how):
    place = tmp_path_factory.mktemp("calls")
    function, args = {
        "plain": (changes, (values, 1)),
        "partial": (functools.partial(changes, values), (1,)),
        "named": (functools.partial(functools.partial(changes, by=1), values=values), ()),
    }[how]
    body = pickle.dumps(Calls({"A": function}, args))
    (place / "payload").write_bytes(pickle.dumps((list(sys.path), body)))
    SEEN.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BUDGET_S", 0.0005)
        main(str(place / "payload"), "A", str(place / "out"))
    assert len(SEEN) > 1
    assert set(SEEN) == {json.dumps(values)}


@pytest.mark.parametrize(
    "function",
    [lazily, lazily_awaited, functools.partial(lazily, 1), functools.lru_cache(lazily)],
)
def test_what_does_no_work_when_it_is_called_is_refused_with_a_remedy(function):
    assert "list(lazily" in why_no_call(function)
    with pytest.raises(InputError, match="does its work when it is called"):
        pack({"A": answers, "B": function}, (1,))
    assert why_no_call(answers) is None
    assert why_no_call(awaited) is None


def test_an_answer_that_is_still_to_be_read_is_refused(called):
    with pytest.raises(SystemExit, match=r"one that gives a map: mapped; .*list\(mapped"):
        called(mapped)


@pytest.mark.parametrize("function", [ends, functools.partial(ends), ends_awaited, ends_later])
@pytest.mark.parametrize(("code", "status"), [(0, 0), (None, 0), (3, 3)])
def test_a_function_that_ends_its_process_is_named(called, function, code, status):
    LEFT[:] = [1]
    with pytest.raises(
        SystemExit, match=rf"ends\w*, which ended its process with status {status}$"
    ):
        called(function, (code,))


def test_a_function_that_ends_its_process_with_a_text_has_said_why(called):
    with pytest.raises(SystemExit, match=r"^no licence$"):
        called(ends, ("no licence",))


def test_arguments_that_cannot_travel_are_refused():
    with pytest.raises(InputError, match="can be pickled"):
        pack({"A": answers}, [iter(x for x in "abc")])


PROGRAM = """
import asyncio, functools, sys
from pathlib import Path
from tunewright.measuring.calls import pack

LIMIT = 40
def logged(f):
    @functools.wraps(f)
    def inner(*args):
        return f(*args)
    return inner
class Point:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return self.x == other.x
class Holder:
    factor = 2
    def method(self, x): return x * self.factor
    @classmethod
    def on_class(cls, x): return x * cls.factor
    @staticmethod
    def static(x): return 2 * x
    def __call__(self, x): return x * self.factor
@logged
def decorated(x): return 2 * x
@functools.lru_cache(maxsize=None)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
@functools.cache
def cached(x): return 2 * min(x, LIMIT)
@logged
@functools.lru_cache(maxsize=7)
def both(x): return 2 * x
def add(x, y): return x + y
async def later(x):
    await asyncio.sleep(0)
    return 2 * x
def cases(n): return 2 * n
functions = {
    "plain": cases, "lambda": lambda x: 2 * x, "decorated": decorated, "cached": cached,
    "both": both, "partial": functools.partial(add, 6), "nested": functools.partial(functools.partial(add), 6),
    "method": Holder().method, "class": Holder.on_class, "static": Holder.static,
    "object": Holder(), "later": later, "partial cached": functools.partial(cached),
    "fib": lambda n: fib(n) + 4,
}
Path(sys.argv[1]).write_bytes(pack(functions, (6,)))
Path(sys.argv[2]).write_bytes(pack({"fib": fib}, (6,)))
Path(sys.argv[3]).write_bytes(pack({"own": lambda p: p.x}, (Point([12]),)))
"""
FUNCTIONS = re.findall(r'"([a-z ]+)": ', PROGRAM.partition("functions = {")[2].partition("}")[0])


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    place = tmp_path_factory.mktemp("packed")
    (place / "program.py").write_text(PROGRAM)
    files = [str(place / name) for name in ("all", "fib", "own")]
    subprocess.run([sys.executable, str(place / "program.py"), *files], check=True)
    (place / "program.py").unlink()
    return place


def told(payload, arm, tmp_path):
    code = "import sys; from tunewright.measuring import calls; calls.BUDGET_S = 0.001; calls.main(*sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, payload, arm, tmp_path / "out"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip


@pytest.mark.parametrize("arm", FUNCTIONS)
def test_functions_of_the_program_itself_travel(packed, tmp_path, arm):
    assert told(packed / "all", arm, tmp_path) == f"answer {zlib.crc32(module._content(12)):08x}\n"


def test_a_cached_function_that_calls_itself_travels(packed, tmp_path):
    assert told(packed / "fib", "fib", tmp_path) == f"answer {zlib.crc32(module._content(8)):08x}\n"


def test_objects_of_the_programs_own_classes_travel(packed, tmp_path):
    assert len(told(packed / "own", "own", tmp_path)) == len("answer 12345678\n")
