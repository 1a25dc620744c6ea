"""Rows that are equal, or belong together, are one piece of evidence: in every part, in every test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.errors import InputError
from tunewright.workloads.tabular.data import Column, Judged, Source
from tunewright.workloads.tabular.quality import every_row, samples_of
from tunewright.workloads.tabular.reading import read
from tunewright.workloads.tabular.splitting import (
    deal,
    grouped,
    groups_of,
    hold_out,
    in_blocks,
    keys_of,
    memory_of,
    only_learned,
    remixed,
    split_by_time,
)
from tunewright.workloads.tabular.splitting import test_share as share_held


def written(path, **columns):
    lines = [
        ",".join(columns),
        *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def keys(values, salt=0):
    return keys_of([Column("x", np.array(values, np.float64))], len(values), salt)


SIZES = st.lists(st.integers(1, 60), min_size=4, max_size=40)


@given(SIZES, st.integers(0, 2**63), st.sampled_from([1, 2, 3, 5]), st.sampled_from([2, 3, 5]))
def test_every_row_is_in_one_part_and_no_cluster_in_two(sizes, salt, parts, folds):
    values = np.repeat(np.arange(len(sizes)), sizes)
    found = keys(values, salt)
    train, tests = hold_out(found, parts)
    assert len(tests) == parts
    assert sorted(np.concatenate((train, *tests)).tolist()) == list(range(len(values)))
    dealt = deal(train, found, values % 3, folds)
    rest = np.setdiff1d(train, np.concatenate(dealt)) if dealt else train
    seen = [set(values[part].tolist()) for part in (*tests, rest, *dealt)]
    assert sum(map(len, seen)) == len(set.union(*seen))
    if len(sizes) >= parts + 2:
        assert all(map(len, (train, *tests)))
        assert len(dealt) == min(folds, len(set.union(set(), *seen[parts + 1 :])))


@given(st.integers(0, 2**63), st.lists(st.integers(100, 5_000), min_size=1, max_size=4))
def test_a_cluster_too_large_for_a_part_is_learned_from_as_a_whole(salt, large):
    values = np.concatenate([np.repeat(-1 - np.arange(len(large)), large), np.arange(200)])
    found = keys(values, salt)
    train, (test,) = hold_out(found, 1)
    dealt = len(values) - len(only_learned(found))
    assert 200 <= dealt < 450
    assert set(only_learned(found)) <= set(train)
    assert len(test) == pytest.approx(share_held(len(values)) * dealt, abs=60)
    for fold in deal(train, found, values % 2, 5):
        assert 0 < len(fold) < dealt
        assert not set(fold) & set(only_learned(found))


def test_a_few_large_groups_are_dealt_out():
    for groups in (3, 4, 6, 10):
        values = np.repeat(np.arange(groups), 50)
        train, (test,) = hold_out(keys(values), 1)
        folds = deal(train, keys(values), values % 2, 5)
        assert min(len(train), len(test), *map(len, folds)) >= 50
        assert len(folds) == min(5, len(set(values[train])))


@given(st.integers(0, 2**63), st.integers(2, 6), st.integers(100, 400), st.booleans())
def test_a_fold_holds_its_share_of_each_class_or_range_of_values(salt, classes, n, numbers):
    chance = np.random.default_rng(salt % 1000)
    y = chance.normal(size=n) if numbers else chance.integers(0, classes, n)
    folds = deal(np.arange(n), keys(np.arange(n), salt), y, 5)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    groups = np.digitize(y, np.quantile(y, [0.25, 0.5, 0.75])) if numbers else y
    for group in np.unique(groups):
        counts = [int((groups[fold] == group).sum()) for fold in folds]
        assert max(counts) - min(counts) <= (6 if numbers else 1)


def test_a_second_deal_is_another():
    found = keys(np.arange(300))
    first = deal(np.arange(300), found, np.zeros(300, int), 5)
    second = deal(np.arange(300), remixed(found), np.zeros(300, int), 5)
    alike = sum(len(np.intersect1d(one, other)) for one, other in zip(first, second, strict=True))
    assert alike == pytest.approx(60, abs=40)
    assert len(np.unique(remixed(keys(np.arange(300) // 3)))) == 100


def test_a_row_without_a_group_is_its_own():
    own, group = keys(range(6)), Column("g", np.array([0, 0, -1, -1, 1, 1], np.int32), ("a", "b"))
    numbers = groups_of(grouped(own, group, 0))
    assert numbers[0] == numbers[1]
    assert numbers[4] == numbers[5]
    assert len(set(numbers.tolist())) == 4
    assert groups_of(own) is None


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), min_size=60, max_size=200))
def test_the_past_is_learned_from_and_the_future_judged(times):
    when = np.array([np.nan if time is None else time for time in times])
    train, valid, test = split_by_time(when, None)
    assert sorted(np.concatenate((train, valid, test)).tolist()) == list(range(len(times)))
    ends = [when[part][~np.isnan(when[part])] for part in (train, valid, test)]
    for earlier, later in ((0, 1), (1, 2), (0, 2)):
        if len(ends[earlier]) and len(ends[later]):
            assert ends[earlier].max() < ends[later].min()


# Tables


def test_copies_of_rows_are_clusters_for_the_split_and_the_verdict(tmp_path):
    chance = np.random.default_rng(0)
    x = np.repeat(chance.normal(size=240).round(6), 10)
    path = written(tmp_path / "t.csv", x=x, y=chance.integers(0, 2, 2400))
    got = read(Source(path, "y"))
    assert len(set(got.groups.tolist())) == 240
    assert all(len(set(x[got.groups == group])) == 1 for group in range(240))
    test = np.concatenate(got.test)
    assert got.facts.clusters == len(set(x[test])) == pytest.approx(96, abs=2)
    assert got.facts.rarest <= got.facts.clusters


def test_one_giant_cluster_leaves_a_table_usable(tmp_path):
    chance = np.random.default_rng(0)
    x = np.concatenate([np.zeros(3000), chance.normal(size=600).round(6)])
    path = written(tmp_path / "t.csv", x=x, y=[int(v > 0) for v in chance.normal(size=3600)])
    got = read(Source(path, "y"))
    assert sum(map(len, got.folds[:5])) < 600 < got.facts.train
    assert any("judge nothing" in note for note in got.facts.notes)


def test_blank_groups_are_no_group(tmp_path):
    chance = np.random.default_rng(0)
    path = written(
        tmp_path / "t.csv",
        x=chance.normal(size=300).round(6),
        who=["" if i % 2 else f"p{i % 40}" for i in range(300)],
        y=chance.integers(0, 2, 300),
    )
    got = read(Source(path, "y", group="who"))
    assert len(set(got.groups.tolist())) == 150 + 20


@pytest.mark.parametrize("blank", ["", "NA"])
def test_the_future_is_judged_and_the_time_need_not_be_sorted(tmp_path, blank):
    chance = np.random.default_rng(0)
    days = chance.integers(0, 400, 500)
    when = [
        blank if i == 7 else str(np.datetime64("2020-01-01") + int(day))
        for i, day in enumerate(days)
    ]
    path = written(
        tmp_path / "t.csv", x=chance.normal(size=500), when=when, y=chance.integers(0, 2, 500)
    )
    got = read(Source(path, "y", time="when"))
    (test,) = got.test
    (then,), rest = got.folds, got.train[got.train != 7]
    assert days[test].min() > days[rest].max()
    assert days[then].min() > days[np.setdiff1d(rest, then)].max()
    assert 7 in np.setdiff1d(got.train, then)
    assert "'when'" in got.facts.split
    with pytest.raises(InputError, match="--time to hold dates or numbers"):
        read(
            Source(
                written(
                    tmp_path / "u.csv", x=days, t=["ab"[i % 2] for i in range(500)], y=days % 2
                ),
                "y",
                time="t",
            )
        )


def test_a_test_file_has_the_untouched_rows(tmp_path):
    chance = np.random.default_rng(0)

    def table(name, n, extra):
        return written(
            tmp_path / name,
            x=chance.normal(size=n),
            c=[extra if i % 3 else "a" for i in range(n)],
            y=[("no", "yes")[i % 2] for i in range(n)],
        )

    path, other = table("a.csv", 200, "b"), table("b.csv", 40, "z")
    got = read(Source(path, "y", test=other))
    assert got.test[0].tolist() == list(range(200, 240))
    assert (got.facts.rows, got.facts.test) == (240, 40)
    assert got.columns[1].categories == ("a", "b", "z")
    assert got.train.tolist() == list(range(200))
    assert [len(fold) for fold in got.folds] == [40] * 10
    (tmp_path / "c.csv").write_text("x,y\n1,no\n2,yes\n")
    with pytest.raises(InputError, match="got no 'c'"):
        read(Source(path, "y", test=str(tmp_path / "c.csv")))


@pytest.mark.parametrize(("n", "folds"), [(300, 10), (20_000, 5), (50_000, 3), (140_000, 1)])
def test_the_more_rows_the_fewer_folds_are_needed(tmp_path, n, folds):
    chance = np.random.default_rng(0)
    got = read(
        Source(written(tmp_path / "t.csv", x=chance.normal(size=n), y=chance.normal(size=n)), "y")
    )
    assert len(got.folds) == got.facts.folds == folds
    assert len(got.folds[0]) == pytest.approx(len(got.train) / 5, abs=1)
    assert (f"of which {folds} will do" in got.facts.split) == (folds < 5)


# Judging


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=30), st.integers(1, 8))
def test_copies_of_rows_do_not_make_an_error_smaller(values, copies):
    own = np.array(values)
    once = samples_of({"mae": own}, {"mae": own * 0.5})
    groups = np.repeat(np.arange(len(values)), copies)
    again = samples_of(
        {"mae": np.repeat(own, copies)}, {"mae": np.repeat(own * 0.5, copies)}, groups
    )
    for name in ("mae", "mae_change"):
        assert again[name].values[0] == pytest.approx(once[name].values[0], abs=1e-12)
        assert again[name].error == pytest.approx(once[name].error, abs=1e-12)


def test_a_verdict_is_given_the_groups():
    judged = Judged(np.empty(0), np.zeros(3, int), (), np.array([4, 4, 7]))
    rows = every_row({"mae": np.ones(3)}, judged, np.zeros(3), ("a", "b"))
    assert rows["group"].values == (4.0, 4.0, 7.0)


def remembering(share, rows, seed=0):
    chance = np.random.default_rng(seed)
    values = chance.normal(size=rows)
    for i in range(1, rows):
        values[i] += share * values[i - 1]
    return values


@pytest.mark.parametrize("of_classes", [False, True])
def test_answers_that_remember_each_other_are_told_from_those_that_do_not(of_classes):
    times = np.arange(600.0)
    found = []
    for share in (0.0, 0.8, 0.95):
        values = remembering(share, 600)
        y = (values > 0).astype(np.int64) if of_classes else values
        order = np.random.default_rng(1).permutation(600)
        found.append(memory_of(times[order], y[order]))
    assert 1.0 <= found[0] < 2.0 < found[1] < found[2] < 60.0
    assert memory_of(times, np.zeros(600)) == 1.0


@given(st.integers(20, 300), st.floats(1.0, 500.0), st.integers(0, 9))
def test_what_is_judged_by_time_is_some_blocks_that_follow_each_other(rows, memory, seed):
    times = np.random.default_rng(seed).permutation(np.arange(2.0 * rows))
    parts = (np.flatnonzero(times < rows), np.flatnonzero(times >= 1.5 * rows))
    own = keys(times)
    blocks = in_blocks(times, own, parts, memory)
    assert not set(blocks[parts[0]]) & set(blocks[parts[1]])
    for part in parts:
        in_order = blocks[part][np.argsort(times[part])]
        assert 6 <= len(np.unique(in_order)) <= 20
        assert (np.diff(in_order.astype(np.int64)) >= 0).all()
    rest = np.setdiff1d(np.arange(len(times)), np.concatenate(parts))
    assert (blocks[rest] == own[rest]).all()


def test_rows_that_follow_each_other_are_judged_together(tmp_path):
    slow = remembering(0.9, 500)
    path = written(tmp_path / "t.csv", t=range(500), a=[i * 37 % 101 for i in range(500)], y=slow)
    table = read(Source(path, "y", time="t", task="regression"))
    assert table.groups is not None
    assert 6 <= len(np.unique(table.groups[table.test[0]])) < 20
    assert any("are alike" in note for note in table.facts.notes)
