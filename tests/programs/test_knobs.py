"""Knobs as they are typed."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tunewright.core.knobs import Choice, Integer, Real
from tunewright.errors import InputError
from tunewright.workloads.programs.knobs import knob_name, read_knob

TEXTS = st.text(st.characters(exclude_characters=",\0", exclude_categories=["Cs"]), max_size=8)


def read(text, cores=8):
    return read_knob(text, "run", cores)


@given(st.lists(TEXTS, min_size=2, unique=True), st.data())
def test_values_of_a_choice_reach_the_program_as_they_were_typed(texts, data):
    default = data.draw(st.sampled_from(texts))
    assume(":" not in default and "files:" not in ",".join(texts))
    knob = read(f"k={default}:{','.join(texts)}").knob
    assert [str(value) for value in knob.domain.values] == texts
    assert str(knob.default) == default


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, unique=True))
def test_whole_numbers_are_numbers(values):
    knob = read(f"k={values[0]}:{','.join(map(str, values))}").knob
    assert knob.domain == Choice(tuple(values))


@given(st.integers(-1000, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_range_of_whole_numbers_says_so_and_what_to_type_for_reals(low, up, more):
    stated = read(f"k={low + up}:{low}..{low + up + more}")
    assert stated.knob.domain == Integer(low, low + up + more)
    (note,) = stated.notes
    assert "takes whole numbers" in note
    reals = read(note.rpartition("for reals: ")[2])
    assert reals.knob.domain == Real(low, low + up + more)
    assert reals.knob.default == low + up


@pytest.mark.parametrize(
    ("text", "domain", "default"),
    [
        ("x=1:0..1", Integer(0, 1), 1),
        ("x=0.5:0..1", Real(0, 1), 0.5),
        ("x=1:.5..2", Real(0.5, 2), 1.0),
        ("x=1.:1...2.", None, None),
        ("x=-1:-2..-0.5", Real(-2, -0.5), -1.0),
        ("x=1e-3:1e-5..1e-1:log", Real(1e-5, 1e-1, log=True), 1e-3),
        ("n=64:1..128:log", Integer(1, 128, log=True), 64),
        ("p=../a:../a,../b", Choice(("../a", "../b")), "../a"),
        ("p=a/../b:a/../b,../c", Choice(("a/../b", "../c")), "a/../b"),
        ("u=http://a:http://a,http://b", Choice(("http://a", "http://b")), "http://a"),
        ("t=10:30:10:30,11:00", Choice(("10:30", "11:00")), "10:30"),
        ("f=:,-O2", Choice(("", "-O2")), ""),
        ("f=-O2:,-O2", Choice(("", "-O2")), "-O2"),
        ("v=01:01,02", Choice(("01", "02")), "01"),
        ("v=1:1,2.5", Choice(("1", "2.5")), "1"),
        ("v=0.1:0.1,0.25", Choice((0.1, 0.25)), 0.1),
        ("v=1_000:1_000,2_000", Choice(("1_000", "2_000")), "1_000"),
        ("batch-size=16:16,32", Choice((16, 32)), 16),
        ("学习率=0.1:0.01..1", Real(0.01, 1), 0.1),
        ("x=1,000:100..10,000", Integer(100, 10000), 1000),
        ("x=1,000.5:100..10,000", Real(100, 10000), 1000.5),
        ("x=-1,000:-2,000,000..0", Integer(-2000000, 0), -1000),
        ("x=100:100..10,000:log", Integer(100, 10000, log=True), 100),
        ("x=1:1..10,00", None, None),
        ("x=000:1,000", Choice(("1", "000")), "000"),
        ("threads", Integer(1, 8), 8),
        ("threads=2", Integer(1, 8), 2),
        ("fit-threads=2:1,2,4", Choice((1, 2, 4)), 2),
    ],
)
def test_knobs(text, domain, default):
    if domain is None:
        with pytest.raises(InputError):
            read(text)
        return
    knob = read(text).knob
    assert (knob.domain, knob.default) == (domain, default)
    assert type(knob.default) is type(default)
    assert knob.family == ("resource" if knob.name.endswith("threads") else "hyperparameter")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("level", "expected NAME=DEFAULT"),
        ("level=6", "expected NAME=DEFAULT"),
        ("level=6:9..1", r"low\.\.high"),
        ("level=12:1..9", "default does not fit"),
        ("level=a:b..c", "expected numbers .* put commas"),
        ("level=c:a,b", "default does not fit"),
        ("level=0:0..9:log", "above 0"),
        ("level=1:0..1e999", "finite"),
        ("1x=1:1..2", "begins with a letter"),
        ("=1:1..2", "begins with a letter"),
        ("a b=1:1..2", "begins with a letter"),
        ("threads=many", "whole number of threads"),
    ],
)
def test_what_is_no_knob_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        read(text)


def test_what_was_read_in_one_of_two_ways_is_said():
    assert "for whole numbers: n=100:100..10000:log" in read("n=100:1e2..1e4:log").notes[0]
    assert "--env X={flags}" in read("flags=-O2:-O2,-O2 -g").notes[0]
    assert read("flags=-O2:-O2,-O3").notes == ()
    assert read("x=0.5:0..1").notes == ()
    assert knob_name("学习-率=1:1..2") == "学习-率"
