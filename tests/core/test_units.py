"""Quantities as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.budget import parse_budget
from tunewright.core.units import SECONDS, parse_quantity
from tunewright.errors import InputError

DESCENDING = ["d", "h", "m", "s", "ms", "us", "ns"]


@given(
    parts=st.dictionaries(st.sampled_from(DESCENDING), st.integers(0, 999), min_size=1),
    space=st.sampled_from(["", " "]),
    inner=st.sampled_from(["", " "]),
)
def test_a_time_of_several_parts_is_their_sum(parts, space, inner):
    named = [unit for unit in DESCENDING if unit in parts]
    text = space.join(f"{parts[unit]}{inner}{unit}" for unit in named)
    assert parse_quantity(text, "s") == pytest.approx(sum(parts[u] * SECONDS[u] for u in named))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2m", 120), ("1h30m", 5400), ("1.5h", 5400), ("90", 90), ("1min 30s", 90), (" 3 ms ", 0.003),
     ("1e3ms", 1), (".5s", 0.5), ("1d", 86400), ("5 μs", 5e-6), ("-1s", -1)],
)  # fmt: skip
def test_times(text, seconds):
    assert parse_quantity(text, "s") == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2 hours", 7200), ("1 hour 30 minutes", 5400), ("90 seconds", 90), ("1 day", 86400),
     ("2hours", 7200), ("1,000 s", 1000), ("10,000ms", 10), ("1,234.5s", 1234.5), ("3 mins", 180),
     ("5 secs", 5), ("250 milliseconds", 0.25)],
)  # fmt: skip
def test_times_in_words_and_with_thousands(text, seconds):
    assert parse_quantity(text, "s") == pytest.approx(seconds)
    assert parse_budget(text).seconds == pytest.approx(seconds)


@given(st.integers(1, 10**9), st.sampled_from(["{:,}", "{}"]), st.sampled_from([" ", ""]))
def test_a_budget_of_trials(count, form, space):
    for word in ("trial", "trials"):
        assert parse_budget(f"{form.format(count)}{space}{word}").trials == count


@pytest.mark.parametrize(
    "text", ["1,00 trials", "0,100 trials", "1,0000 trials", "2.5 trials", "2 fortnights"]
)
def test_what_is_no_budget_is_refused_with_what_would_be_one(text):
    with pytest.raises(InputError, match="such as 60s, 5min or '50 trials'"):
        parse_budget(text)


@pytest.mark.parametrize(
    "text",
    ["", "m", "1h30", "30m1h", "1m1m", "1min2m", "1,5s", "1:30", "inf", "nan", "1e999", "1 2", "1_000s",
     "1h-30m", "２s", "1h,30m", "1.2.3s", "s1", "--1s", "1hs"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InputError):
        parse_quantity(text, "s")


@given(st.text("0123456789.,:hms -+e_%", max_size=8))
def test_whatever_is_written_is_read_or_refused(text):
    for unit in ("s", "B", ""):
        try:
            value = parse_quantity(text, unit)
        except InputError:
            continue
        assert math.isfinite(value)


@pytest.mark.parametrize("text", ["1kB 2B", "1% 2%", "1 2"])
def test_only_times_have_parts(text):
    for unit in ("B", ""):
        with pytest.raises(InputError):
            parse_quantity(text, unit)


def test_a_budget_may_be_any_time():
    assert parse_budget("1h30m").seconds == 5400
    assert parse_budget("2m").seconds == 120
