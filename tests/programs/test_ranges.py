"""Ranges with steps, factors and units, flags, files, and conditions behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.knobs import Choice, Integer, Real
from tunewright.errors import InputError
from tunewright.workloads.programs.knobs import read_knob


def read(text, where="."):
    return read_knob(text, "run", 8, where).knob


@pytest.mark.parametrize(
    ("text", "domain", "default", "unit"),
    [
        ("w=64:16..64:16", Choice((16, 32, 48, 64)), 64, ""),
        ("w=16:16..60:16", Choice((16, 32, 48)), 16, ""),
        ("b=32:8..64:x2", Choice((8, 16, 32, 64)), 32, ""),
        ("p=0.5:0.0..1.0:0.25", Choice((0.0, 0.25, 0.5, 0.75, 1.0)), 0.5, ""),
        ("p=0.1:0.001..1:x10", Choice((0.001, 0.01, 0.1, 1.0)), 0.1, ""),
        ("c=64MB:1MB..1GB", Integer(1, 1000), 64, "MB"),
        ("c=512KiB:256KiB..1MiB:x2", Choice((256, 512, 1024)), 512, "KiB"),
        ("t=100ms:10ms..1s:log", Integer(10, 1000, log=True), 100, "ms"),
        ("t=1.5s:100ms..2s", Real(0.1, 2.0), 1.5, "s"),
        ("h=512m:256m..1024m:256", Choice((256, 512, 768, 1024)), 512, "m"),
        ("q=50%:10%..90%:20%", Choice((10, 30, 50, 70, 90)), 50, "%"),
    ],
)
def test_ranges(text, domain, default, unit):
    knob = read(text)
    assert (knob.domain, knob.default, knob.unit) == (domain, default, unit)


@given(st.integers(-50, 50), st.integers(0, 40), st.integers(1, 9), st.integers(0, 40))
def test_steps_reach_from_the_first_as_far_as_they_may(low, count, step, more):
    high = low + count * step + more % step
    (*values,) = read(f"n={low}:{low}..{high}:{step}").domain.values
    assert values == list(range(low, high + 1, step))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("w=65:16..512:16", "expected one of 16, 32, 48 … 512; got 65"),
        ("w=16:16..512:0", "a step above 0"),
        ("w=16:16..512:x1", "a factor above 1"),
        ("w=0:0..512:x2", "must start above 0"),
        ("w=0:0..1000000:1", "at most 10,000 steps"),
        ("c=64MB:1..1000", "in one unit"),
        ("c=64MB:1ms..1000ms", "in one unit"),
        ("c=1m:1m..1g", "write all of them in the same"),
        ("f=maybe:flag", "expected NAME=DEFAULT"),
        ("w=1:1..9 when", "expected numbers in NAME=DEFAULT"),
        ("w=1:1..9 when a >", "knob 'w': expected a condition"),
        ("w=1:1..9 when open('x')", "may not stand in a condition"),
        ("d=a.txt:files:*.txt", "there is none"),
    ],
)
def test_what_is_none_is_refused(text, said, tmp_path):
    with pytest.raises(InputError) as error:
        read(text, tmp_path)
    assert said in str(error.value)


def test_a_condition_stands_behind_when():
    knob = read("w=64:16..512:log when layers > 1 and kind == 'a when b'")
    assert knob.domain == Integer(16, 512, log=True)
    assert knob.when.text == "layers > 1 and kind == 'a when b'"


def test_files_are_those_that_are_there(tmp_path):
    for name in ("b.csv", "a.csv", "c.txt", "sub/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert read("d=b.csv:files:*.csv", tmp_path).domain == Choice(("a.csv", "b.csv"))
    assert read("d=a.csv:files:**/*.csv", tmp_path).domain.values == ("a.csv", "b.csv", "sub/d.csv")
    with pytest.raises(InputError, match=r"there are a\.csv, b\.csv"):
        read("d=x.csv:files:*.csv", tmp_path)
