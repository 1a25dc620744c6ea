"""Whether a series kept its level."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.stats.steady import LEAST, SURE, level_shift


def noisy(seed, n, level=1.0, spread=0.02):
    chance = random.Random(seed)
    return [level * (1 + chance.gauss(0, spread)) for _ in range(n)]


@pytest.mark.parametrize(("before", "after"), [(10, 10), (8, 30), (30, 8), (100, 100)])
@pytest.mark.parametrize("factor", [0.5, 0.8, 1.2, 3.0])
def test_a_shift_of_the_level_is_found_about_where_it_is(before, after, factor):
    shift = level_shift([*noisy(1, before), *noisy(2, after, level=factor)])
    assert shift.after == pytest.approx(before, abs=5)  # the rank test leans to the middle
    assert shift.factor == pytest.approx(factor, rel=0.03)


def test_a_drift_counts_as_a_shift():
    shift = level_shift([1 + 0.02 * i for i in range(40)])
    assert shift.factor > 1.2
    assert 10 < shift.after < 30


@given(st.integers(LEAST, 100), st.floats(1e-9, 1e9))
def test_a_constant_series_kept_its_level(n, value):
    assert level_shift([value] * n) is None


def test_independent_noise_is_taken_for_a_shift_as_seldom_as_it_says():
    """1,000 series; the approximate p-value errs on the safe side."""
    found = sum(level_shift(noisy(seed, 30, spread=0.3)) is not None for seed in range(1000))
    assert found / 1000 <= SURE


def test_a_shift_too_small_to_matter_is_none():
    assert level_shift([*noisy(1, 50, spread=0.001), *noisy(2, 50, 1.03, spread=0.001)]) is None
    assert level_shift([*noisy(1, 50, spread=0.001), *noisy(2, 50, 1.08, spread=0.001)]) is not None


@pytest.mark.parametrize("n", [0, 1, LEAST - 1])
def test_a_short_series_says_nothing(n):
    assert level_shift([1.0, 9.0] * (n // 2) + [1.0] * (n % 2)) is None


@pytest.mark.parametrize("odd", [0.0, -1.0])
def test_a_series_that_is_not_positive_says_nothing(odd):
    assert level_shift([*[1.0] * 10, *[9.0] * 10, odd]) is None


@given(st.integers(0, 50), st.floats(1e-3, 1e3))
def test_the_unit_of_a_series_changes_nothing(seed, unit):
    values = [*noisy(seed, 12), *noisy(seed + 1, 12, level=1.5)]
    plain, scaled = level_shift(values), level_shift([unit * value for value in values])
    assert scaled.after == plain.after
    assert scaled.factor == pytest.approx(plain.factor)
