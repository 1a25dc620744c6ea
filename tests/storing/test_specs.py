"""What a user says from Python is recorded as it can be read again, or refused in one sentence."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tunewright as tw
from tunewright.comparing import compared
from tunewright.core.kinds import Kind
from tunewright.errors import InputError
from tunewright.planning import Limits, Proving, Request, from_json, to_json
from tunewright.storing.studies import Studies

words = st.text("abcé中 -?.", min_size=1, max_size=8).filter(lambda word: word.strip())
names = st.one_of(words, st.lists(words, max_size=3), st.lists(words, max_size=3).map(tuple))
codes = st.one_of(words, st.integers(), st.floats())
by_column = st.one_of(
    st.dictionaries(st.one_of(words, st.integers()), words, max_size=3),
    st.lists(words.map(lambda word: f"a={word}"), max_size=3),
    words.map(lambda word: f"a={word}"),
)
paths = st.one_of(words, words.map(Path))
tables = st.builds(
    tw.Table, paths, target=st.none() | words, drop=names, families=names, metrics=names,
    positive=st.none() | words | st.integers() | st.booleans() | st.floats(allow_nan=False),
    types=by_column, monotone=by_column, missing=st.one_of(codes, st.lists(codes, max_size=3)),
    seed=st.integers(), test=st.none() | paths, baseline=paths, weight=st.none() | words,
    delimiter=st.none() | words,
)  # fmt: skip
commands = st.builds(
    tw.Command, st.lists(words, min_size=1, max_size=3), knob=names, metric=names, step=names,
    env=names, cwd=st.none() | paths, cores=st.none() | st.integers(1, 8),
    same_output=st.none() | paths, tolerance=st.floats(0, 1) | st.integers(0, 1),
)  # fmt: skip


def again(kind, spec):
    request = Request("study", kind, spec, "", limits=Limits(2, 5), proof=Proving({"a": 1}))
    return from_json(json.loads(json.dumps(to_json(request)))) == request


@given(tables)
def test_whatever_a_table_accepts_is_read_again_equal(table):
    assert again("table", table)


@given(commands)
def test_whatever_a_command_accepts_is_read_again_equal(program):
    assert again("command", program)


@given(names, names, st.none() | words, st.booleans() | words)
def test_whatever_a_comparison_accepts_is_read_again_equal(metrics, env, setup, same_output):
    question = tw.Question(same_output=same_output, tolerance=0)
    programs = tw.Programs(metrics, env, setup)
    assert again("programs", programs.spec({"A": "a", "B": "b"}, question))


def test_a_comparison_of_programs_is_read_again_equal():
    request, _ = compared({"A": "true", "B": "false"}, tw.Programs(), tw.Question(), tw.Sampling())
    assert from_json(json.loads(json.dumps(to_json(request)))) == request


@pytest.mark.parametrize("types", [["a=number"], ("a=number",), {"a": "number"}, "a=number"])
def test_a_study_of_accepted_options_is_resumed(tmp_path, types):
    rows = "\n".join(f"{at % 37},{at % 11},{'xy'[at % 7 > 2]}" for at in range(120))
    (tmp_path / "t.csv").write_text(f"a,b,y\n{rows}\n")
    table = tw.Table(tmp_path / "t.csv", "y", types=types, missing=[-999], families=["linear"])
    result = tw.tune(
        table, goal="maximize accuracy", budget="2 trials", root=tmp_path / "studies",
        limits=tw.Limits(workers=0),
    )  # fmt: skip
    assert tw.resume(str(result.directory)).verdict == result.verdict


NOTHING_BEGINS = [
    {"argv": ("no-such-program",)},
    {"argv": ("echo", "{n}"), "knob": ("n=2:3..1",)},
    {"argv": ("echo", "{m}")},
]


@pytest.mark.parametrize("said", NOTHING_BEGINS)
def test_what_cannot_begin_leaves_no_directory(tmp_path, said):
    with pytest.raises(InputError):
        tw.tune(tw.Command(**said), goal="minimize wall_s", root=tmp_path / "studies")
    assert not (tmp_path / "studies").exists()


class Odd:
    """No value that can be recorded."""


def odd(_spec, _baseline, _stated):
    return tw_workload()


def tw_workload():
    from tunewright.workloads.command import command  # noqa: PLC0415 - what the kind below builds

    return command(tw.Command(("true", "{n}"), knob="n=1:1..2"))


ODD = Kind(name="odd", spec=Mapping, build=odd, describe=lambda *_: [])


@pytest.mark.parametrize("spec", [Odd(), {"a": Odd()}, {Path("a"): 1}, {"a": {1, 2}}])
def test_a_spec_that_could_not_be_resumed_is_refused_before_anything_begins(
    tmp_path, monkeypatch, spec
):
    monkeypatch.setattr(sys.modules[__name__], "ODD", ODD, raising=False)
    with pytest.raises(InputError, match="that JSON can hold"):
        tw.tune(
            spec, kind=f"{__name__}:ODD", goal="minimize wall_s", budget="2 trials",
            root=tmp_path / "studies",
        )  # fmt: skip
    assert Studies(tmp_path / "studies").names() == ()
    assert not (tmp_path / "studies").exists()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: tw.load(3), "directory: expected such as"),
        (lambda: tw.load(None), "directory: expected such as"),
        (lambda: tw.resume(3), "directory: expected such as"),
        (lambda: tw.deploy("study-1"), "result: expected such as"),
        (lambda: tw.verify(3, "true"), "expected two command lines or two functions; got int"),
        (lambda: tw.verify("true", print), "got str and builtin_function_or_method"),
        (lambda: tw.Command(("true",), cwd=3), "cwd: expected such as"),
        (lambda: tw.Command(("true",), cores="2"), "cores: expected such as"),
        (lambda: tw.Command(("true",), cores=True), "cores: expected such as"),
        (lambda: tw.Command(("true",), same_output=True), "same_output: expected such as"),
        (lambda: tw.Command(("true",), tolerance="1%"), "tolerance: expected such as"),
        (lambda: tw.Limits(workers="2"), "workers: expected such as"),
        (lambda: tw.Limits(trial_s="2s"), "trial_s: expected such as"),
        (lambda: tw.Limits(memory_mib="1GB"), "memory_mib: expected such as"),
        (lambda: tw.Question(tolerance="1%"), "tolerance: expected such as"),
        (lambda: tw.Programs(setup=["make"]), "setup: expected such as"),
        (lambda: tw.Table("t.csv", missing=object()), "expected names as missing"),
        (lambda: tw.Table("t.csv", drop=3), "expected names as drop"),
    ],
)
def test_an_argument_of_another_type_is_refused_in_one_sentence(call, told):
    with pytest.raises(InputError) as caught:
        call()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_program_runs_in_a_directory_that_is_a_path(tmp_path):
    result = tw.tune(
        tw.Command(("echo", "{n}"), knob="n=1:1..2", cwd=tmp_path), goal="minimize wall_s",
        budget="2 trials", root=tmp_path / "studies",
    )  # fmt: skip
    assert tw.resume(str(result.directory)).verdict == result.verdict
