"""What is compared of a run, whether two runs put out the same, and what is kept to tell."""

import shutil
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.errors import InputError, TrialFailed
from tunewright.measuring.processes import run_program
from tunewright.workloads.programs import outputs
from tunewright.workloads.programs.metrics import stamps
from tunewright.workloads.programs.outputs import Check, Kept, read_check, why_different

WORDS = st.lists(st.sampled_from(["loss", "=", "x:", "(", ")", ",", "a1", "%", "é"]), min_size=1)
NUMBERS = st.floats(-1e6, 1e6)
LINES = st.lists(st.tuples(WORDS, NUMBERS), min_size=1, max_size=6)


def text(lines):
    return "".join(f"{' '.join(words)} {number!r}\n" for words, number in lines)


@pytest.fixture(scope="module")
def why(tmp_path_factory):
    """How one text differs from another."""
    place = tmp_path_factory.mktemp("texts")

    def told(expected, got, **options):
        for name, content in (("expected", expected), ("got", got)):
            body = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
            (place / name).write_bytes(body)
        return why_different(place / "expected", place / "got", **options)

    return told


@given(lines=LINES, tolerance=st.sampled_from([1e-9, 1e-6, 1e-2]), data=st.data())
def test_numbers_may_differ_within_the_tolerance_and_nothing_else_may(why, lines, tolerance, data):
    at = data.draw(st.integers(0, len(lines) - 1))
    words, number = lines[at]

    def moved(by):
        other = number + by * tolerance * max(1.0, abs(number))
        return text([*lines[:at], (words, other), *lines[at + 1 :]])

    assert why(text(lines), moved(0.4), tolerance=tolerance) is None
    assert f"line {at + 1} is" in why(text(lines), moved(3), tolerance=tolerance)
    assert (why(text(lines), moved(3)) is None) == (moved(3) == text(lines))
    other = text([*lines[:at], ([*words, "new"], number), *lines[at + 1 :]])
    assert why(text(lines), other, tolerance=tolerance)


@given(one=st.binary() | st.text(), other=st.binary() | st.text())
def test_without_a_tolerance_only_equal_bytes_are_the_same(why, one, other):
    def body(content):
        return content if isinstance(content, bytes) else content.encode("utf-8", "replace")

    assert (why(one, other) is None) == (body(one) == body(other))
    assert why(one, one, tolerance=1e-6) is None


@given(one=st.binary(min_size=1), other=st.binary(min_size=1))
def test_bytes_that_are_no_text_are_never_near_each_other(why, one, other):
    unlike = b"\xff" + one, b"\xff" + other
    assert (why(*unlike, tolerance=0.5) is None) == (one == other)


@given(lines=LINES, more=st.integers(1, 3))
def test_lines_more_or_fewer_are_said(why, lines, more):
    one, other = text(lines), text(lines) + "more\n" * more
    assert f"more than expected, from line {len(lines) + 1}" in why(one, other, tolerance=0.9)
    assert f"less than expected, from line {len(lines) + 1}" in why(other, one, tolerance=0.9)


def test_a_difference_before_the_last_mebibyte_is_seen(why):
    tail = "the same\n" * 300_000
    assert why("a\n" + tail, "b\n" + tail, tolerance=1e-6) == "line 1 is 'b', not 'a'"


def test_of_long_lines_what_differs_is_shown(why):
    one, other = "x" * 10_000 + "a" + "y" * 10_000, "x" * 10_000 + "b" + "y" * 10_000
    told = why(one, other)
    assert len(told) < 300
    assert "xb" in told
    assert "xa" in told


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("1.00 x", "1.0 x", True), ("x  9.99", "x 10.00", True), ("nan", "NaN", True), ("inf", "inf", True),
     ("inf", "-inf", False), ("1", "nan", False), ("1e-9", "0", True), ("v1.2.3", "v1.2.4", False),
     ("a1", "a2", False), ("x1b", "x2b", False), ("1,2", "1,2.001", True), ("5%", "5.001%", True), ("-0.001", "0.001", True),
     ("a", "b", False), ("1 2", "1", False), ("a\r\n", "a\n", True)],
)  # fmt: skip
def test_what_counts_as_a_number(why, one, other, same):
    assert (why(one, other, tolerance=0.01) is None) == same


# What is compared of a run


@pytest.mark.parametrize(
    ("typed", "pattern", "path"),
    [("", "", ""), ("acc=(.*)", "acc=(.*)", ""), ("^loss .*$", "^loss .*$", ""), ("loss", "loss", ""),
     ("{dir}/out", "", "{dir}/out"), ("out.txt", "", "out.txt"), ("./a b/c", "", "./a b/c"),
     ("a/b=(.*)", "a/b=(.*)", ""), ("a{3}", "a{3}", ""), ("regex:out.txt", "out.txt", ""),
     ("file:loss", "", "loss"), ("regex:file:x", "file:x", "")],
)  # fmt: skip
def test_a_file_or_a_pattern_is_known_by_its_looks_or_as_it_is_said(typed, pattern, path):
    check = read_check(typed, 0.0)
    assert (check.pattern, check.path) == (pattern, path)
    assert (path or pattern or "all that is printed") in check.told.replace("\\\\", "\\")


@pytest.mark.parametrize(
    ("typed", "tolerance", "said"),
    [("(", 0.0, "a file or a regular expression; got '('"), ("", 1.0, "from 0 to 1"), ("", -1e-6, "from 0 to 1"),
     ("", float("nan"), "from 0 to 1"), (None, 1e-6, "expected --same-output with --tolerance")],
)  # fmt: skip
def test_what_can_be_no_check_is_refused(typed, tolerance, said):
    with pytest.raises(InputError, match=said.replace("(", "\\(")):
        read_check(typed, tolerance)


def parts(check, where, code):
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir()
    places = {"dir": str(where)}
    reader = check.reader(str(where))
    before = stamps([reader] if reader else [], places)
    run = run_program([sys.executable, "-S", "-c", code], where, cwd=where)
    return check.parts(run, str(where), places, before)


def differing(check, tmp_path, one, other):
    return check.why_different(
        parts(check, tmp_path / "a", one), parts(check, tmp_path / "b", other)
    )


def test_a_pattern_restricts_what_is_compared(tmp_path):
    one = "print('took 1 s\\nacc=0.5\\nacc=0.6')"
    other = "print('took 2 s\\nacc=0.5\\nacc=0.6001')"
    assert differing(Check(), tmp_path, one, other) == "line 1 is 'took 2 s', not 'took 1 s'"
    assert differing(Check("acc=(.*)", tolerance=0.001), tmp_path, one, other) is None
    assert differing(Check("acc=(.*)"), tmp_path, one, other) == "match 2 is '0.6001', not '0.6'"
    assert differing(Check("^acc=0.5$"), tmp_path, one, other) is None
    with pytest.raises(TrialFailed, match=r"expected 'loss' in the output; it is not there"):
        parts(Check("loss"), tmp_path / "c", one)


def test_both_streams_are_compared(tmp_path):
    code = "import sys; print('same'); print({}, file=sys.stderr)"
    told = differing(Check(), tmp_path, code.format(1), code.format(2))
    assert told == "standard error: line 1 is '2', not '1'"
    assert differing(Check("same"), tmp_path, code.format(1), code.format(2)) is None


def test_a_file_is_compared_and_must_be_this_runs(tmp_path):
    check = Check(path="{dir}/out")
    assert differing(
        check, tmp_path, "open('out', 'w').write('1')", "open('out', 'w').write('2')"
    ) == ("line 1 is '2', not '1'")
    with pytest.raises(TrialFailed, match="the file is not there"):
        parts(check, tmp_path / "a", "pass")


# What is kept of a study


@pytest.fixture
def named(tmp_path):
    """The name that a study gives an output, and how it differs."""
    kept, at = Kept(tmp_path / "outputs"), tmp_path / "printed"

    def name(content, seed=0, tolerance=0.0):
        at.write_text(content)
        return kept.name(Check(tolerance=tolerance), {"standard output": at}, seed)

    return name


def test_equal_outputs_have_one_name_and_a_difference_is_told_once_it_is_one(named):
    first, why = named("1.0\n")
    assert why == ""
    assert named("1.0\n") == (first, "")
    assert named("1.0\n", seed=5) == (first, "")
    other, why = named("2.0\n")
    assert other != first
    assert why == "line 1 is '2.0', not '1.0'"
    assert named("2.0\n") == (other, why)
    assert named("3.0\n", seed=9)[1] == ""  # nothing of that seed is there to be unlike


def test_within_the_tolerance_outputs_have_the_name_of_the_first(named):
    first, _ = named("1.0\n", tolerance=1e-3)
    assert named("1.0001\n", tolerance=1e-3) == (first, "")
    assert named("1.1\n", tolerance=1e-3)[0] != first


def test_of_very_many_outputs_the_first_and_the_latest_are_kept(named, tmp_path):
    names = [named(f"{i}\n", seed=i)[0] for i in range(outputs.LATEST + 20)]
    assert len(set(names)) == len(names)
    assert (
        sum(path.is_dir() for path in (tmp_path / "outputs").iterdir())
        <= outputs.FIRST + outputs.LATEST + 1
    )
    assert named("0\n", seed=-1)[0] == names[0]
    last = len(names) - 1
    assert named(f"{last}\n", seed=last) == (names[last], "")
