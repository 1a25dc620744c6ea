"""Numbers as programs print them: whole, or refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.errors import TrialFailed
from tunewright.workloads.programs.numbers import parse_number, whole_around

FORMATS = [
    "{}",
    "{:.3f}",
    "{:e}",
    "{:.2E}",
    "{:g}",
    "{:,.2f}",
    "{:_.2f}",
    "{:+.4f}",
    "{:010.3f}",
    " {} ",
]
numbers = st.floats(-1e9, 1e9) | st.integers(-(10**12), 10**12)


@given(number=numbers, form=st.sampled_from(FORMATS))
def test_a_number_is_read_as_it_was_printed(number, form):
    printed = form.format(number)
    expected = float(printed.replace(",", "").replace("_", ""))
    assert parse_number(printed, "x") == expected
    assert parse_number(printed.replace("-", "−"), "x") == expected


@given(
    st.integers(1000, 10**12),
    st.sampled_from(",'’\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"),
)
def test_marks_between_thousands_are_read_and_never_the_first_part_alone(number, mark):
    printed = f"{number:,}".replace(",", mark)
    assert parse_number(printed, "x") == number
    line = f"took {printed} units"
    start = line.index(printed)
    assert whole_around(line, start, start + printed.index(mark)) == printed
    assert whole_around(line, start, start + len(printed)) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,234", 1234), ("1_234", 1234), ("1.5e-3", 0.0015), ("12.5%", 0.125), ("1,234,567.8", 1234567.8),
     (".5", 0.5), ("5.", 5), ("+3", 3), ("-0", 0), ("1E+2", 100), ("-1,000%", -10)],
)  # fmt: skip
def test_numbers(text, number):
    assert parse_number(text, "x") == pytest.approx(number)


@pytest.mark.parametrize(
    "text",
    ["", "x", "inf", "-inf", "nan", "NaN", "1e999", "1,23", "1,5", "0,123", "12,34,567", "1.234,5", "1 234",
     "12ms", "3 s", "1.2.3", "0x1F", "1__2", "_1", "1_", "--1", "1e", "True", "５", "1,2345", "1e5.5"],
)  # fmt: skip
def test_what_is_no_number_is_refused(text):
    with pytest.raises(TrialFailed, match="x: expected a finite number"):
        parse_number(text, "x")


@given(st.text("0123456789.,_eE+-%", max_size=10))
def test_whatever_is_printed_is_read_whole_or_refused(text):
    try:
        number = parse_number(text, "x")
    except TrialFailed:
        return
    plain = text.replace(",", "").replace("_", "")
    scale = 100 if plain.endswith("%") else 1
    assert number == float(plain.rstrip("%")) / scale
    assert math.isfinite(number)


@given(
    number=numbers,
    form=st.sampled_from([form.strip() for form in FORMATS]),
    before=st.sampled_from(["", "x=", "x: ", "(", "[", "a ", "\n", "t\t", "'"]),
    after=st.sampled_from(
        ["", " ", ")", "]", "\n", " s", "s", "%", ", next", ";", ". ", "'", ".\n"]
    ),
    cut=st.tuples(st.integers(0, 30), st.integers(0, 30)),
)
def test_a_part_of_a_number_is_told_from_the_whole(number, form, before, after, cut):
    printed = form.format(number)
    text = before + printed + after
    begin, end = len(before), len(before) + len(printed)
    assert whole_around(text, begin, end) is None
    start = begin + cut[0] % len(printed)
    stop = max(end - cut[1] % len(printed), start + 1)
    part = text[start:stop]
    if part != printed and part != printed.lstrip("+") and any(c.isdigit() for c in part):
        assert whole_around(text, start, stop) == printed


@pytest.mark.parametrize(
    ("text", "part"),
    [("2026-11-26", "2026"), ("a-5", "5"), ("3/4", "3"), ("12:30", "12"), ("x1", "x1"), ("1, 2", "1"),
     ("91.2%", "91.2"), ("5ms", "5"), ("end 3.", "3"), ("none", "none"), ("12.5 (best 12.5)", "12.5")],
)  # fmt: skip
def test_what_only_stands_beside_other_things_is_whole(text, part):
    at = text.index(part)
    assert whole_around(text, at, at + len(part)) is None
