"""What pairs say about their change: early after each pair, and at the end."""

import math
import random
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, nct, t, ttest_1samp, ttest_ind, wilcoxon

from tunewright.stats.intervals import t_confidence_sequence
from tunewright.stats.pairs import (
    EARLY_SHARE,
    MOST_RANKED,
    POWER,
    detectable,
    early,
    hodges_lehmann,
    last,
    rank_interval,
    t_interval,
    unpaired,
)

ALPHA = 0.05
LEVEL = (1 - EARLY_SHARE) * ALPHA  # what is left for the end
seeds, counts = st.integers(0, 999), st.integers(6, 30)
levels = st.sampled_from([0.01, 0.05, 0.2])


def normals(seed, n, mean=0.0, spread=1.0):
    chance = random.Random(seed)
    return [chance.gauss(mean, spread) for _ in range(n)]


def p_of_ranks(values, centre, method="exact"):
    return wilcoxon([x - centre for x in values], method=method).pvalue


# Ranks


@given(seeds, counts, levels)
def test_wilcoxons_test_is_passed_inside_the_rank_interval_alone(seed, n, alpha):
    values = normals(seed, n)
    low, high = rank_interval(values, alpha)
    if math.isinf(low):
        assert 2 / 2**n > alpha  # even the most extreme ranks could not reach the level
        return
    step = 1e-9
    assert p_of_ranks(values, low - step) <= alpha < p_of_ranks(values, low + step)
    assert p_of_ranks(values, high + step) <= alpha < p_of_ranks(values, high - step)


def test_of_many_values_the_normal_approximation_is_as_good_as_exact():
    values = normals(1, 80)
    for end in rank_interval(values, ALPHA):
        assert p_of_ranks(values, end) == pytest.approx(ALPHA, rel=0.03)


@pytest.mark.parametrize(("n", "alpha"), [(0, 0.05), (1, 0.05), (5, 0.05), (6, 0.03), (7, 0.015)])
def test_ranks_of_too_few_values_say_nothing(n, alpha):
    assert rank_interval([1.0] * n, alpha) == (-math.inf, math.inf)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=15))
def test_the_hodges_lehmann_estimate_is_the_median_of_all_averages(values):
    averages = [(a + b) / 2 for i, a in enumerate(values) for b in values[: i + 1]]
    assert hodges_lehmann(values) == pytest.approx(float(np.median(averages)))


# Student


@given(seeds, st.integers(2, 40), levels)
def test_the_t_interval_is_scipys(seed, n, alpha):
    values = normals(seed, n, mean=3.0)
    assert t_interval(values, alpha) == pytest.approx(
        tuple(ttest_1samp(values, 0.0).confidence_interval(1 - alpha)), rel=1e-9
    )


def test_the_t_interval_of_fewer_than_two_values_is_everything():
    assert t_interval([], ALPHA) == t_interval([1.0], ALPHA) == (-math.inf, math.inf)


# Early and last


@given(seeds, st.integers(3, 30))
def test_early_is_wider_than_one_plain_test(seed, n):
    values = normals(seed, n, mean=1.0)
    low, high = early(values, ALPHA).hull
    plain = t_interval(values, ALPHA)
    assert low < plain[0] < plain[1] < high
    assert (early(values, ALPHA).low, early(values, ALPHA).high) == t_confidence_sequence(
        values, EARLY_SHARE * ALPHA
    )
    assert early(values, ALPHA).estimate in (fmean(values), hodges_lehmann(values))


@given(seeds, st.integers(0, 9))
def test_early_asks_the_ranks_too_where_they_can_say_something(seed, more):
    values = normals(seed, 6 + more)
    assert early(values, ALPHA).check == rank_interval(values, ALPHA)


def test_early_asks_the_ranks_of_as_many_pairs_as_an_odd_one_could_decide():
    assert early([0.0, 1.0] * (MOST_RANKED // 2), ALPHA).check is not None
    assert early([0.0, 1.0] * MOST_RANKED, ALPHA).check is None


@given(seeds, counts)
def test_last_is_the_ranks_interval_and_students_must_agree(seed, n):
    values = normals(seed, n, mean=0.5)
    found = last(values, ALPHA)
    assert (found.low, found.high) == rank_interval(values, LEVEL)
    assert found.check == t_interval(values, LEVEL)
    assert found.estimate == hodges_lehmann(values)
    ends = (found.low, found.high, *found.check)
    assert found.hull == (min(ends), max(ends))


def test_last_claims_nothing_where_one_odd_pair_makes_students_test_doubt():
    values = [1.0 + 0.01 * i for i in range(11)] + [-100.0]
    found = last(values, ALPHA)
    assert found.low > 0 > found.check[0]
    assert found.hull[0] < 0


def test_last_is_students_interval_alone_where_few_pairs_cannot_be_ranked_at_this_level():
    values = [1.0 + 0.01 * i for i in range(6)]
    assert rank_interval(values, 0.02) == (-math.inf, math.inf)
    found = last(values, 0.02)
    assert found.check is None
    assert found.low > 0
    assert early(values, 0.02).check == (-math.inf, math.inf)  # nothing is decided early


@pytest.mark.parametrize("n", [2, 3, 6 - 1])
def test_last_is_students_interval_alone_for_few_pairs(n):
    values = normals(n, n)
    found = last(values, ALPHA)
    assert (found.low, found.high, found.check) == (*t_interval(values, LEVEL), None)
    assert found.estimate == fmean(values)


@pytest.mark.parametrize("ask", [early, last])
@pytest.mark.parametrize("values", [[], [1.0]])
def test_without_two_pairs_nothing_is_known(ask, values):
    assert ask(values, ALPHA).hull == (-math.inf, math.inf)
    assert math.isnan(ask([], ALPHA).estimate)


@pytest.mark.parametrize("ask", [early, last])
def test_changes_that_never_vary_are_known_exactly(ask):
    found = ask([0.25] * 13, ALPHA)
    assert found.hull == (found.low, found.high) == (0.25, 0.25)


@pytest.mark.parametrize("ask", [early, last])
@given(seed=seeds, n=st.integers(3, 25), shift=st.floats(-100, 100), scale=st.floats(0.01, 100))
def test_intervals_move_scale_and_mirror_with_the_changes(ask, seed, n, shift, scale):
    values = normals(seed, n)
    plain, near = ask(values, ALPHA), {"rel": 1e-6, "abs": 1e-6 * (scale + abs(shift))}
    moved = ask([shift + scale * x for x in values], ALPHA)
    assert moved.estimate == pytest.approx(shift + scale * plain.estimate, **near)
    assert moved.hull == pytest.approx(tuple(shift + scale * end for end in plain.hull), **near)
    mirrored = ask([-x for x in values], ALPHA)
    assert mirrored.hull == pytest.approx((-plain.hull[1], -plain.hull[0]), **near)


@pytest.mark.parametrize(
    "draw",
    [
        lambda chance: chance.gauss(0, 1),
        lambda chance: chance.gauss(0, 1) * (10 if chance.random() < 0.1 else 1),
        lambda chance: chance.choice([-1, 1]) * chance.expovariate(1),
    ],
    ids=["normal", "with outliers", "with heavy tails"],
)
def test_early_and_last_together_are_wrong_as_seldom_as_they_say(draw):
    """1,000 studies of up to 20 pairs; the bound leaves three standard errors to chance."""
    studies, wrong = 1000, 0
    for seed in range(studies):
        chance = random.Random(seed)
        values = [draw(chance) for _ in range(20)]
        hulls = [early(values[:n], ALPHA).hull for n in range(5, 20)] + [last(values, ALPHA).hull]
        wrong += any(low > 0 or high < 0 for low, high in hulls)
    assert wrong / studies <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / studies)


# Two samples that are no pairs


@given(seeds, st.integers(2, 25), st.integers(2, 25), levels)
def test_unpaired_is_welchs_interval(seed, n, m, alpha):
    a, b = normals(seed, n), normals(seed + 1000, m, mean=2.0, spread=3.0)
    found = unpaired(a, b, alpha)
    wanted = ttest_ind(b, a, equal_var=False).confidence_interval(1 - alpha)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9)
    assert found.estimate == pytest.approx(fmean(b) - fmean(a))


@given(seeds, st.integers(6, 25), st.integers(6, 25))
def test_the_ranks_of_two_samples_must_agree(seed, n, m):
    a, b = normals(seed, n), normals(seed + 1000, m, mean=2.0)
    low, high = unpaired(a, b, ALPHA).check

    def p(shift):
        options = {"use_continuity": False, "method": "asymptotic"}
        return mannwhitneyu([x - shift for x in b], a, **options).pvalue

    assert p(low - 1e-9) <= ALPHA < p(low + 1e-9)
    assert p(high + 1e-9) <= ALPHA < p(high - 1e-9)


@given(seeds, st.floats(-100, 100), st.floats(0.01, 100))
def test_unpaired_intervals_move_scale_and_mirror_with_the_values(seed, shift, scale):
    a, b = normals(seed, 9), normals(seed + 1000, 7, mean=1.0)
    plain = unpaired(a, b, ALPHA)
    near = {"rel": 1e-6, "abs": 1e-6 * (scale + abs(shift))}
    moved = unpaired([scale * x for x in a], [shift + scale * x for x in b], ALPHA)
    assert moved.hull == pytest.approx(tuple(shift + scale * end for end in plain.hull), **near)
    mirrored = unpaired(b, a, ALPHA)
    assert mirrored.hull == pytest.approx((-plain.hull[1], -plain.hull[0]), **near)


def test_one_odd_run_cannot_make_two_samples_differ():
    same = [0.01 * i for i in range(10)]
    assert unpaired(same, [*same[:-1], 50.0], ALPHA).hull[0] < 0


def test_two_samples_that_never_vary_are_known_exactly():
    found = unpaired([1.0] * 5, [3.0] * 6, ALPHA)
    assert (found.estimate, *found.hull) == (2.0, 2.0, 2.0)


# What could have been seen


@given(seeds, st.integers(3, 20))
def test_more_pairs_less_noise_and_more_error_make_smaller_changes_visible(seed, n):
    values = normals(seed, n)
    least = detectable(values, ALPHA)
    assert detectable(values * 2, ALPHA) < least
    assert detectable([2 * x for x in values], ALPHA) == pytest.approx(2 * least)
    assert detectable([x + 7 for x in values], ALPHA) == pytest.approx(least)
    assert detectable(values, ALPHA / 2) > least > detectable(values, 2 * ALPHA)


def test_of_a_single_pair_nothing_could_have_been_seen():
    assert detectable([], ALPHA) == detectable([1.0], ALPHA) == math.inf
    assert detectable([1.0, 1.0], ALPHA) == 0.0


@pytest.mark.parametrize("n", [6, 15, 100])
def test_a_change_of_that_size_is_found_with_the_power_that_it_names(n):
    values = normals(n, n)
    noncentral = detectable(values, ALPHA) / (stdev(values) / math.sqrt(n))
    power = 1 - nct.cdf(t.ppf(1 - LEVEL / 2, n - 1), n - 1, noncentral)
    assert power == pytest.approx(POWER, abs=0.03)
