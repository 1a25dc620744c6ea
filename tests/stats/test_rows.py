"""Comparisons of the same rows under two models: against published numbers and by invariants."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri, stdtrit

from tunewright.stats.rows import LEAST_OF_A_CLASS, Rows, blocks_of, compare_rows, influence
from tunewright.workloads.tabular.quality import contributions


def rights(both, candidate, baseline, neither):
    """Rows of a table of rights and wrongs."""
    base = [1.0] * both + [0.0] * candidate + [1.0] * baseline + [0.0] * neither
    cand = [1.0] * (both + candidate) + [0.0] * (baseline + neither)
    return Rows(base, cand)


def losses(seed, n, worse=0.0):
    chance = np.random.default_rng(seed)
    base = chance.exponential(size=n)
    return Rows(base.tolist(), (base * chance.uniform(0.5, 1.5, n) + worse).tolist())


def scored(seed, n=200, share=0.3, noise=0.5):
    chance = np.random.default_rng(seed)
    y = (chance.random(n) < share).astype(int)
    x = 1.5 * y + chance.standard_normal(n)
    return y, x, x + noise * chance.standard_normal(n)


# Tango 1998, table I (n pairs, c of them against) and its example of contact lenses; level 90 %.
@pytest.mark.parametrize(
    ("n", "against", "low", "high"),
    [
        (30, 0, -0.083, 0.083), (30, 1, -0.136, 0.052), (30, 2, -0.183, 0.022),
        (50, 0, -0.051, 0.051), (50, 1, -0.085, 0.032), (50, 2, -0.114, 0.013),
        (80, 0, -0.033, 0.033), (80, 1, -0.054, 0.021), (80, 2, -0.073, 0.009),
        (44, 1, -0.096, None),
    ],
)  # fmt: skip
def test_rights_and_wrongs_get_the_interval_that_tango_published(n, against, low, high):
    interval = compare_rows(rights(n - against, 0, against, 0), 0.1)
    assert interval.low == pytest.approx(low, abs=5e-4)
    assert high is None or interval.high == pytest.approx(high, abs=5e-4)
    assert interval.check is None


def test_airway_data_get_the_intervals_that_fagerland_and_others_published():
    rows = rights(1, 1, 7, 12)  # Fagerland, Lydersen & Laake 2014, tables V and VI
    interval = compare_rows(rows, 0.05)
    assert (interval.low, interval.high) == pytest.approx((-0.517, -0.026), abs=5e-4)
    ratio = compare_rows(rows, 0.05, ratio=True)
    assert (ratio.low, ratio.high) == pytest.approx((0.065, 0.907), abs=5e-4)
    assert ratio.estimate == 0.25


@pytest.mark.parametrize("table", [(36, 12, 2, 0), (20, 0, 5, 3), (3, 1, 1, 2), (0, 4, 9, 0)])
def test_the_score_interval_is_where_a_slow_search_finds_it(table):
    both, one, other, neither = table
    n, z = sum(table), float(ndtri(0.975))

    def score(limit):  # the likeliest chances under the limit, by looking at all of them
        other_share = np.linspace(max(0.0, -limit), (1 - limit) / 2, 200_001)
        one_share = other_share + limit
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = sum(
                np.where(m > 0, m * np.log(p), 0.0)
                for m, p in (
                    (one, one_share),
                    (other, other_share),
                    (both + neither, 1 - one_share - other_share),
                )
            )
        best = other_share[np.nanargmax(likelihood)]
        return (one - other - n * limit) / math.sqrt(n * (2 * best + limit * (1 - limit)))

    interval = compare_rows(rights(*table), 0.05)
    assert score(interval.low) == pytest.approx(z, abs=1e-3)
    assert score(interval.high) == pytest.approx(-z, abs=1e-3)


@pytest.mark.parametrize(("right", "n"), [(15, 20), (20, 20), (0, 7)])
def test_a_candidate_alone_gets_wilsons_interval(right, n):
    z, share = float(ndtri(0.975)), right / n
    half = z * math.sqrt(share * (1 - share) / n + (z / n / 2) ** 2)
    wilson = [(share + z * z / (2 * n) + side * half) / (1 + z * z / n) for side in (-1, 1)]
    rows = Rows([0.0] * (n // 2) + [1.0] * (n - n // 2), [1.0] * right + [0.0] * (n - right))
    interval = compare_rows(rows, 0.05, factor=0.0)
    assert [interval.low, interval.high] == pytest.approx(wilson, abs=1e-9)


def test_equal_rights_leave_room_for_what_so_few_rows_cannot_show():
    interval = compare_rows(rights(80, 0, 0, 20), 0.05)
    z_squared = float(ndtri(0.975)) ** 2
    assert interval.hull == pytest.approx((-z_squared / (100 + z_squared), -interval.low))


def test_a_perfect_score_counts_the_rarest_class_alone():
    rows = Rows([1.0] * 1000, [1.0] * 1000, classes=[1.0] * 20 + [0.0] * 980)
    assert compare_rows(rows, 0.05).low == pytest.approx(
        compare_rows(rights(20, 0, 0, 0), 0.05).low
    )


def test_equal_losses_are_shown_to_be_equal():
    rows = losses(1, 50)
    same = Rows(rows.baseline, rows.baseline)
    assert compare_rows(same, 0.05).hull == (0.0, 0.0)
    assert compare_rows(same, 0.05, ratio=True).hull == (1.0, 1.0)


def delong(y, base, cand):
    """The variance of the difference of two AUCs, from all pairs of rows."""
    components = []
    for s in (base, cand):
        wins = np.sign(s[y == 1][:, None] - s[y == 0][None, :]) / 2 + 0.5
        components.append((wins.mean(axis=1), wins.mean(axis=0)))
    (v10_a, v01_a), (v10_b, v01_b) = components
    return np.var(v10_b - v10_a, ddof=1) / len(v10_a) + np.var(v01_b - v01_a, ddof=1) / len(v01_a)


def test_an_auc_has_the_error_of_delong():
    y, base, cand = scored(3, n=2000)
    rows = Rows(
        contributions("roc_auc", y, base).tolist(), contributions("roc_auc", y, cand).tolist(),
        y.astype(float).tolist(),
    )  # fmt: skip
    interval = compare_rows(rows, 0.05)
    reach = float(stdtrit(y.sum() - 1, 0.975)) * math.sqrt(delong(y, base, cand))
    assert interval.high - interval.low == pytest.approx(2 * reach, rel=0.01)
    wins = [(s[y == 1][:, None] > s[y == 0][None, :]).mean() for s in (base, cand)]
    assert interval.estimate == pytest.approx(wins[1] - wins[0])


def test_losses_get_students_interval_and_the_bootstrap_as_its_check():
    rows = losses(2, 40)
    interval = compare_rows(rows, 0.05)
    changes = np.subtract(rows.candidate, rows.baseline)
    squares = (changes - changes.mean()) ** 2
    freedom = min(39.0, 2 * 40 / ((squares**2).mean() / squares.mean() ** 2 - 1))
    reach = float(stdtrit(freedom, 0.975)) * changes.std(ddof=1) / math.sqrt(40)
    assert interval.high == pytest.approx(changes.mean() + reach)
    assert interval.low == pytest.approx(changes.mean() - reach)
    assert interval.check is not None
    assert interval.check != (interval.low, interval.high)


def test_the_same_rows_get_the_same_interval():
    assert compare_rows(losses(4, 300), 0.05) == compare_rows(losses(4, 300), 0.05)


def test_the_check_reaches_further_where_the_tail_is():
    worse = np.random.default_rng(5).exponential(size=60) ** 2
    interval = compare_rows(Rows([0.5] * 60, worse.tolist()), 0.05)
    assert interval.check[1] > interval.high


def test_two_rows_that_differ_prove_nothing():
    change = [0.0] * 198 + [-1.0, -1.0]
    low, high = compare_rows(Rows([2.5] * 200, np.add(2.5, change).tolist()), 0.05).hull
    assert low == -math.inf
    assert high > 0


def test_many_symmetric_rows_need_no_check():
    chance = np.random.default_rng(6)
    base, cand = chance.normal(3.0, 1.0, (2, 2000)).tolist()
    assert compare_rows(Rows(base, cand), 0.05).check is None


def test_more_rows_than_are_resampled_give_nearly_the_same_check():
    change = np.random.default_rng(7).exponential(size=10_001) ** 3
    interval = compare_rows(Rows([1.0] * 10_001, (1 + change).tolist()), 0.05)
    assert interval.check == pytest.approx((interval.low, interval.high), rel=0.03)
    assert interval.check[1] > interval.high


def test_a_ratio_comes_from_the_relative_changes():
    rows = losses(8, 400, worse=0.1)
    interval = compare_rows(rows, 0.05, ratio=True)
    base, cand = np.asarray(rows.baseline), np.asarray(rows.candidate)
    error = (cand / cand.mean() - base / base.mean()).std(ddof=1) / 20
    assert interval.estimate == pytest.approx(cand.mean() / base.mean())
    assert math.log(interval.high / interval.low) == pytest.approx(2 * 1.97 * error, rel=0.02)


@pytest.mark.parametrize("binary", [True, False])
def test_copies_within_groups_narrow_nothing(binary):
    chance = np.random.default_rng(9)
    base, cand = (
        (chance.random((2, 100)) < 0.8) * 1.0 if binary else chance.exponential(size=(2, 100))
    )
    groups = np.arange(100.0)
    once = compare_rows(Rows(base.tolist(), cand.tolist(), groups=groups.tolist()), 0.05)
    copies = [np.repeat(x, 5).tolist() for x in (base, cand, groups)]
    often = compare_rows(Rows(copies[0], copies[1], groups=copies[2]), 0.05)
    assert often.hull == pytest.approx(once.hull, rel=1e-2)
    alone = compare_rows(Rows(copies[0], copies[1]), 0.05)
    assert alone.hull[1] - alone.hull[0] < 0.6 * (often.hull[1] - often.hull[0])


def test_equal_rights_in_groups_count_each_group_once():
    right, groups = [1.0] * 90 + [0.0] * 10, [float(i // 5) for i in range(100)]
    low, high = compare_rows(Rows(right, right, groups=groups), 0.05).hull
    assert (low, high) == pytest.approx(compare_rows(rights(20, 0, 0, 0), 0.05).hull)


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        (Rows([], []), "0 of at least 2 rows"),
        (Rows([0.5], [0.7]), "1 of at least 2 rows"),
        (Rows([0.5, 1.0], [0.7, 1.0], groups=[3.0, 3.0]), "1 of at least 2 groups"),
        (Rows([0.5, 1.0], [0.7]), "2 rows of the baseline, but 1 of the candidate"),
        (Rows([0.5, 1.0], [0.7, 1.0], [1.0]), "2 rows of the baseline, but 1 of the classes"),
        (Rows([0.5, math.inf], [0.7, 1.0]), "some values of the baseline are not finite"),
        (Rows([0.5, 1.0], [0.7, math.nan]), "some values of the candidate are not finite"),
        (Rows([0.1] * 50, [0.2] * 50, [0.0] * 50), "only one class among the rows"),
    ],
)
def test_rows_that_say_nothing_tell_why(rows, note):
    interval = compare_rows(rows, 0.05)
    assert (interval.note, interval.hull) == (note, (-math.inf, math.inf))


def test_a_ratio_of_nothing_says_nothing():
    assert "positive" in compare_rows(Rows([0.0, 0.0], [1.0, 0.0]), 0.05, ratio=True).note


@pytest.mark.parametrize(
    ("positives", "known"), [(LEAST_OF_A_CLASS - 1, False), (LEAST_OF_A_CLASS, True)]
)
def test_losses_of_few_rows_of_a_class_say_nothing(positives, known):
    rows = losses(10, 200)
    classes = [1.0] * positives + [0.0] * (200 - positives)
    interval = compare_rows(Rows(rows.baseline, rows.candidate, classes), 0.05)
    assert (interval.note == "") is known
    assert known or interval.note == "only 9 rows of class 1; at least 10 are needed"


@pytest.mark.parametrize("counts", [(4, 6), (1,) * 10, (9, 9, 9)])
def test_classes_of_very_few_rows_count_together_where_all_rows_count_the_same(counts):
    rare = [float(label) for label, count in enumerate(counts, 2) for _ in range(count)]
    classes = [*rare, *[float(i % 2) for i in range(200 - len(rare))]]
    rows = losses(10, 200)
    together = Rows(rows.baseline, rows.candidate, classes)
    pooled = [min(label, 2.0) for label in classes]
    assert not compare_rows(together, 0.05).note
    assert compare_rows(together, 0.05) == compare_rows(replace(together, classes=pooled), 0.05)
    fewest = min(counts)
    note = f"only {fewest} rows of class {2 + counts.index(fewest)}; at least 10 are needed"
    assert compare_rows(replace(together, by_class=True), 0.05).note == note


def test_few_groups_with_a_class_say_nothing_however_many_rows_they_have():
    rows, groups = losses(11, 200), [float(i // 10) for i in range(200)]
    classes = [1.0] * 30 + [0.0] * 170
    interval = compare_rows(Rows(rows.baseline, rows.candidate, classes, groups), 0.05)
    assert interval.note == "only 3 groups with class 1; at least 10 are needed"


@pytest.mark.parametrize("groups", [(), tuple(float(i // 2) for i in range(200))])
@pytest.mark.parametrize("rare", [0, 1, 2])
def test_a_class_is_called_by_its_label(groups, rare):
    rows, others = losses(12, 200), [float(i) for i in range(3) if i != rare]
    classes = [float(rare)] * 4 + others * 98
    labels = ("no", "yes, of course", "3")
    interval = compare_rows(Rows(rows.baseline, rows.candidate, classes, groups, labels), 0.05)
    assert f" class {labels[rare]}; " in interval.note


def test_the_influence_of_a_mean_is_as_good_as_its_rows():
    values = np.random.default_rng(12).exponential(size=1000)
    rows = influence(lambda i: float(values[i].mean()), 1000)
    assert np.mean(rows) == pytest.approx(values.mean())
    zeros = [0.0] * 1000
    blocks = compare_rows(Rows(zeros, rows, groups=blocks_of(1000)), 0.05)
    plain = compare_rows(Rows(zeros, values.tolist()), 0.05)
    assert blocks.high - blocks.low == pytest.approx(plain.high - plain.low, rel=0.15)


def test_the_influence_of_an_auc_has_the_error_of_its_contributions():
    y, base, cand = scored(13, n=1500)
    found = [
        influence(lambda i, s=s: contributions("roc_auc", y[i], s[i]).mean(), 1500, 100)
        for s in (base, cand)
    ]
    blocks = compare_rows(Rows(found[0], found[1], groups=blocks_of(1500, 100)), 0.05)
    plain = compare_rows(
        Rows(*(contributions("roc_auc", y, s).tolist() for s in (base, cand))), 0.05
    )
    assert blocks.estimate == pytest.approx(plain.estimate)
    assert blocks.high - blocks.low == pytest.approx(plain.high - plain.low, rel=0.25)


def test_blocks_differ_by_a_row_at_most_and_stay_the_same():
    sizes = np.unique(blocks_of(1003), return_counts=True)[1]
    assert (len(sizes), sizes.min(), sizes.max()) == (200, 5, 6)
    assert blocks_of(1003) == blocks_of(1003)
    assert len(set(blocks_of(7))) == 7


tables = st.tuples(*[st.integers(0, 40)] * 4).filter(lambda t: sum(t) >= 2)
draws = st.tuples(st.integers(0, 10_000), st.integers(5, 60))


@given(tables, st.sampled_from([0.001, 0.05, 0.3]))
@settings(max_examples=10, deadline=None)
def test_swapped_arms_mirror_rights_and_wrongs(table, alpha):
    rows = rights(*table)
    one = compare_rows(rows, alpha)
    other = compare_rows(Rows(rows.candidate, rows.baseline), alpha)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=1e-9)
    assert -1 <= one.low <= one.estimate <= one.high <= 1


@given(draws, st.floats(-5, 5))
@settings(max_examples=15, deadline=None)
def test_swapped_arms_mirror_losses_and_a_constant_shifts_them(draw, constant):
    rows = losses(*draw)
    one = compare_rows(rows, 0.05)
    low, high = one.hull
    assert compare_rows(Rows(rows.candidate, rows.baseline), 0.05).hull == pytest.approx(
        (-high, -low)
    )
    moved = Rows(rows.baseline, np.add(rows.candidate, constant).tolist())
    assert compare_rows(moved, 0.05).hull == pytest.approx((low + constant, high + constant))


@given(draws)
@settings(max_examples=10, deadline=None)
def test_swapped_arms_invert_a_ratio(draw):
    rows = losses(*draw)
    low, high = compare_rows(rows, 0.05, ratio=True).hull
    other = compare_rows(Rows(rows.candidate, rows.baseline), 0.05, ratio=True)
    assert other.hull == pytest.approx((1 / high, 1 / low))


@given(st.integers(0, 999), st.lists(st.integers(1, 4), min_size=30, max_size=60), st.booleans())
@settings(max_examples=25)
def test_a_row_of_a_larger_weight_is_a_group_of_as_many_equal_rows(seed, counts, ratio):
    plain = losses(seed, len(counts))
    weighed = Rows(plain.baseline, plain.candidate, weights=[float(count) for count in counts])
    base, cand = (np.repeat(of, counts).tolist() for of in (plain.baseline, plain.candidate))
    copies = Rows(base, cand, groups=np.repeat(np.arange(len(counts)), counts).tolist())
    one, other = (compare_rows(rows, 0.05, ratio=ratio) for rows in (weighed, copies))
    assert one.estimate == pytest.approx(other.estimate)
    assert one.hull == pytest.approx(other.hull)


def test_clusters_carry_the_weights_of_their_rows():
    plain, chance = losses(4, 300), np.random.default_rng(4)
    counts, groups = chance.integers(1, 4, 300), chance.integers(0, 40, 300)
    weighed = Rows(
        plain.baseline, plain.candidate, groups=groups.tolist(), weights=counts.astype(float)
    )
    copies = Rows(*(np.repeat(of, counts) for of in (plain.baseline, plain.candidate)),
                  groups=np.repeat(groups, counts))  # fmt: skip
    assert compare_rows(weighed, 0.05).hull == pytest.approx(compare_rows(copies, 0.05).hull)


def test_equal_weights_change_nothing_and_unequal_ones_leave_more_room():
    rows = rights(170, 8, 2, 20)
    equal = Rows(rows.baseline, rows.candidate, weights=[7.0] * 200)
    assert compare_rows(equal, 0.05).hull == pytest.approx(compare_rows(rows, 0.05).hull)
    same = Rows([1.0, 0.0] * 100, [1.0, 0.0] * 100)
    few = Rows(same.baseline, same.candidate, weights=[10.0] * 20 + [0.1] * 180)
    assert compare_rows(few, 0.05).high > 4 * compare_rows(same, 0.05).high > 0


@pytest.mark.parametrize("metric", ["accuracy", "rmse"])
def test_a_weighted_change_at_the_margin_is_rarely_accepted(metric):
    """In at most 2.5 % of cases, give or take 3 standard errors of so many of them."""
    chance, wrong, cases, n = np.random.default_rng(0), 0, 100, 300
    for _ in range(cases):
        weights = chance.exponential(size=n) + 0.1
        if metric == "accuracy":
            base, cand = (chance.random(n) < share for share in (0.80, 0.80))
            told = (base.astype(float), cand.astype(float))
        else:
            y = chance.standard_normal(n)
            said = (y + 0.5 * chance.standard_normal(n) for _ in range(2))
            told = tuple(contributions("rmse", y, one, weights) for one in said)
        rows = Rows(told[0].tolist(), told[1].tolist(), weights=weights.tolist())
        wrong += compare_rows(rows, 0.05).hull[0] > 0
    assert wrong <= cases * 0.025 + 3 * math.sqrt(cases * 0.025)
