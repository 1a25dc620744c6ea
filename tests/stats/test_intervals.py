"""Intervals keep their level, also when they are looked at after every value."""

import math
import random
from statistics import NormalDist, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.stats.intervals import (
    EFFECT_VARIANCE,
    smallest_margin,
    t_confidence_sequence,
)


def width(interval):
    return interval[1] - interval[0]


def normals(seed, n, mean=0.0, spread=1.0):
    chance = random.Random(seed)
    return [chance.gauss(mean, spread) for _ in range(n)]


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0], [3.0, 4.0]])
def test_too_few_values_say_nothing(values):
    assert t_confidence_sequence(values, 0.05) == (-math.inf, math.inf)


def test_the_interval_is_centred_and_shrinks_with_values_of_equal_spread():
    widths = [
        width(t_confidence_sequence([0.0, 1.0] * n, 0.05)) for n in (2, 3, 5, 10, 30, 100, 1000)
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.12
    low, high = t_confidence_sequence([1.0, 2.0, 3.0, 4.0], 0.05)
    assert (low + high) / 2 == pytest.approx(2.5)


@given(st.integers(3, 40), st.integers(0, 99), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_the_interval_moves_and_scales_with_the_values(n, seed, shift, scale):
    values = normals(seed, n)
    plain = t_confidence_sequence(values, 0.05)
    moved = t_confidence_sequence([shift + scale * value for value in values], 0.05)
    assert moved == pytest.approx([shift + scale * end for end in plain], rel=1e-6, abs=1e-6)


@given(st.integers(3, 40), st.integers(0, 99))
def test_less_error_asks_for_a_wider_interval_than_one_plain_t_test(n, seed):
    values = normals(seed, n)
    assert width(t_confidence_sequence(values, 0.01)) >= width(t_confidence_sequence(values, 0.05))
    plain = 2 * NormalDist().inv_cdf(0.975) * stdev(values) / math.sqrt(n)
    assert width(t_confidence_sequence(values, 0.05)) > plain


def bayes_factor(values):
    """Marginal likelihoods by brute force: effect ~ N(0, EFFECT_VARIANCE) and dσ/σ against none."""
    x, n = np.asarray(values), len(values)
    log_s = np.linspace(math.log(np.std(x)) - 8, math.log(np.std(x)) + 8, 1601)[:, None]
    effect = np.linspace(-60, 60, 4801)[None, :]
    s = np.exp(log_s)
    squares = (x @ x) / s**2 - 2 * effect * x.sum() / s + n * effect**2
    prior = -(effect**2) / (2 * EFFECT_VARIANCE) - 0.5 * math.log(2 * math.pi * EFFECT_VARIANCE)
    some = np.exp(-n * log_s - squares / 2 + prior).sum() * (effect[0, 1] - effect[0, 0])
    none = np.exp(-n * log_s - (x @ x) / (2 * s**2)).sum()
    return some / none


@pytest.mark.parametrize(("n", "alpha"), [(3, 0.05), (5, 0.05), (5, 0.025), (8, 0.01), (15, 0.05)])
def test_at_its_ends_the_bayes_factor_is_one_in_alpha(n, alpha):
    values = normals(n, n, mean=0.3)
    for end in t_confidence_sequence(values, alpha):
        assert bayes_factor([value - end for value in values]) == pytest.approx(1 / alpha, rel=1e-3)


def test_looked_at_after_every_value_it_misses_as_seldom_as_it_says():
    """2,000 normal sequences of up to 30 values: the bound leaves three standard errors to chance."""
    alpha, sequences, missed, below = 0.05, 2000, 0, 0
    for seed in range(sequences):
        values = normals(seed, 30, mean=1.0, spread=2.0)
        ends = [t_confidence_sequence(values[:n], alpha) for n in range(3, 31)]
        above = any(low > 1.0 for low, _ in ends)
        under = any(high < 1.0 for _, high in ends)
        missed += above or under
        below += under
    assert missed / sequences <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / sequences)
    half = alpha / 2  # each end on its own, as a one-sided bound
    assert below / sequences <= half + 3 * math.sqrt(half * (1 - half) / sequences)


def test_the_smallest_margin_is_the_one_that_an_equal_candidate_passes_with_that_power():
    spread, n, alpha, power = 0.3, 400, 0.025, 0.8
    margin = smallest_margin(spread, n, alpha, power)
    error = spread / math.sqrt(n)
    passing = NormalDist(0.0, error).cdf(margin - NormalDist().inv_cdf(1 - alpha) * error)
    assert passing == pytest.approx(power)
    assert smallest_margin(spread, 4 * n, alpha) == pytest.approx(margin / 2)
    assert smallest_margin(spread, n, alpha, 0.9) > margin
    assert smallest_margin(spread, n, alpha / 2) > margin
