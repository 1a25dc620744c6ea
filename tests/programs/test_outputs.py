"""Whether two runs put out the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.errors import InputError
from tunewright.workloads.programs.outputs import check_pattern, why_different, why_files_differ

WORDS = st.lists(st.sampled_from(["loss", "=", "x:", "(", ")", ",", "a1", "%", "é"]), min_size=1)
NUMBERS = st.floats(-1e6, 1e6)
LINES = st.lists(st.tuples(WORDS, NUMBERS), min_size=1, max_size=6)


def text(lines):
    return "".join(f"{' '.join(words)} {number!r}\n" for words, number in lines)


@given(LINES, st.sampled_from([1e-9, 1e-6, 1e-2]), st.data())
def test_numbers_may_differ_within_the_tolerance_and_nothing_else_may(lines, tolerance, data):
    at = data.draw(st.integers(0, len(lines) - 1))
    words, number = lines[at]

    def moved(by):
        other = number + by * tolerance * max(1.0, abs(number))
        return text([*lines[:at], (words, other), *lines[at + 1 :]])

    assert why_different(text(lines), moved(0.4), tolerance=tolerance) is None
    assert f"line {at + 1} is" in why_different(text(lines), moved(3), tolerance=tolerance)
    assert (why_different(text(lines), moved(3)) is None) == (moved(3) == text(lines))
    other = text([*lines[:at], ([*words, "new"], number), *lines[at + 1 :]])
    assert why_different(text(lines), other, tolerance=tolerance)


@given(st.text(), st.text())
def test_without_a_tolerance_only_equal_outputs_are_the_same(one, other):
    assert (why_different(one, other) is None) == (one == other)
    assert why_different(one, one, tolerance=1e-6) is None


@given(LINES, st.integers(1, 3))
def test_lines_more_or_fewer_are_said(lines, more):
    one, other = text(lines), text(lines) + "more\n" * more
    assert f"more lines, from line {len(lines) + 1}" in why_different(one, other, tolerance=1)
    assert f"fewer lines, from line {len(lines) + 1}" in why_different(other, one, tolerance=1)


def test_a_difference_before_the_last_mebibyte_is_seen():
    tail = "the same\n" * 300_000
    assert "line 1 is 'b', not 'a'" in why_different("a\n" + tail, "b\n" + tail, tolerance=1e-6)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("1.00 x", "1.0 x", True), ("x  9.99", "x 10.00", True), ("nan", "NaN", True), ("inf", "inf", True),
     ("inf", "-inf", False), ("1", "nan", False), ("1e-9", "0", True), ("v1.2.3", "v1.2.4", False),
     ("a1", "a2", False), ("x1b", "x2b", False), ("1,2", "1,2.001", True), ("5%", "5.001%", True), ("-0.001", "0.001", True),
     ("a", "b", False), ("1 2", "1", False)],
)  # fmt: skip
def test_what_counts_as_a_number(one, other, same):
    assert (why_different(one, other, tolerance=0.01) is None) == same


def test_a_pattern_restricts_what_is_compared():
    one, other = "took 1 s\nacc=0.5\nacc=0.6\n", "took 2 s\nacc=0.5\nacc=0.6001\n"
    assert why_different(one, other, pattern="acc=(.*)", tolerance=0.001) is None
    assert "match 2 of" in why_different(one, other, pattern="acc=(.*)")
    assert "matches 0 times, not 2" in why_different(one, "took", pattern="^acc=.*$")
    assert "matches 0 times, not at least once" in why_different("", "", pattern="acc")
    assert why_different(one, other, pattern="^acc=0.5$") is None
    check_pattern("a(b)")
    with pytest.raises(InputError, match="regular expression"):
        check_pattern("(")


def test_files(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("a 1.0\n")
    assert why_files_differ(one, other) == "other is not there"
    other.write_text("a 1.0000001\n")
    assert why_files_differ(one, other, tolerance=1e-6) is None
    assert "line 1" in why_files_differ(one, other)
    one.write_bytes(b"\xff\x00\x01")
    other.write_bytes(b"\xff\x00\x02")
    assert why_files_differ(one, other, tolerance=1) == "other differs from byte 2 on"
    other.write_bytes(b"\xff\x00\x01")
    assert why_files_differ(one, other) is None
