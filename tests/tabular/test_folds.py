"""Cross-fitting: each untouched row is judged once, by a model that never learned from it."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.roles import Context, space_of
from tunewright.core.trial import Fidelity, Piece
from tunewright.errors import InputError
from tunewright.workloads.tabular import TableSpec, table
from tunewright.workloads.tabular.data import Column, Source
from tunewright.workloads.tabular.parts import FOLDS
from tunewright.workloads.tabular.reading import read
from tunewright.workloads.tabular.splitting import SMALL, hold_out, keys_of
from tunewright.workloads.tabular.splitting import test_share as share_held
from tunewright.workloads.tabular.stages import prepared_of


def written(path, answers, **columns):
    """A CSV of these answers and columns; `x` tells rows apart, as no identifier does."""
    chance = random.Random(0)
    data = {"x": [chance.random() for _ in answers], **columns, "y": answers}
    lines = [",".join(data), *(",".join(map(str, row)) for row in zip(*data.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def answers(n, rare=2):
    return [int(i % rare == 0) for i in range(n)]


@pytest.fixture
def prepared(tmp_path):
    """What a fold is learned from and judged on, told apart by the first feature."""
    places = (tmp_path / str(i) for i in itertools.count())

    def made(workload, fold, split="test"):
        config, upstream = space_of(workload).config({}), ()
        fidelity = Fidelity("prepare", piece=Piece(split, fold))
        for stage in workload.stages[:2]:
            directory = next(places)
            directory.mkdir()
            context = Context(
                fidelity, directory, 0, 60.0, above=lambda name: None, baseline=lambda: None,
                earlier=lambda: None, report=lambda *_: None, failure=directory / "failure",
                lasting=directory,
            )  # fmt: skip
            upstream = (stage.run(upstream, config, context),)
        return prepared_of(upstream[0])

    return made


def told_apart(x):
    return set(x[:, 0].tolist())


# Splitting


@given(
    st.lists(st.integers(0, 60), min_size=120, max_size=300),
    st.integers(0, 2**63),
    st.sampled_from(FOLDS),
)
def test_every_row_is_in_one_part_and_equal_rows_are_together(values, salt, folds):
    column = Column("x", np.array(values, np.float64))
    train, test = hold_out(keys_of([column], len(values), salt), folds)
    parts = [train, *test]
    assert len(test) == folds
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(values)))
    assert all((np.diff(part) > 0).all() for part in parts)
    seen = [set(column.values[part].tolist()) for part in parts]
    assert sum(map(len, seen)) == len(set.union(*seen))


@pytest.mark.parametrize("folds", FOLDS)
def test_the_parts_are_of_about_one_size_and_the_others_do_not_depend_on_them(folds):
    column = Column("x", np.random.default_rng(0).random(1000))
    train, test = hold_out(keys_of([column], 1000, 7), folds)
    whole_train, (whole,) = hold_out(keys_of([column], 1000, 7), 1)
    assert (train == whole_train).all()
    assert sorted(np.concatenate(test).tolist()) == whole.tolist()
    assert max(map(len, test)) - min(map(len, test)) <= 1
    assert len(train) == pytest.approx(600, abs=1)


# Learning and judging


@pytest.mark.parametrize("n", [60, 300])
def test_each_untouched_row_is_judged_once_after_learning_from_all_others(prepared, tmp_path, n):
    path = written(tmp_path / "t.csv", answers(n))
    workload, got = table(TableSpec(path, "y")), read(Source(path, "y"))
    held = set(got.columns[0].values[np.concatenate(got.test)].tolist())
    every = set(got.columns[0].values.tolist())
    judged = []
    for fold in range(workload.untouched.folds):
        found = prepared(workload, fold)
        mine = told_apart(found.judged_x)
        assert not mine & told_apart(found.x)
        assert mine | told_apart(found.x) == every
        judged.append(mine)
    assert len(judged) == 5
    assert set.union(*judged) == held
    assert sum(map(len, judged)) == len(held) == workload.facts.test


def test_the_search_reads_no_untouched_row_whatever_the_fold(prepared, tmp_path):
    path = written(tmp_path / "t.csv", answers(300))
    got = read(Source(path, "y"))
    held = set(got.columns[0].values[np.concatenate(got.test)].tolist())
    every = set(got.columns[0].values.tolist())
    found = [prepared(table(TableSpec(path, "y")), fold, split="search") for fold in (0, 1)]
    for one in found:
        assert not held & (told_apart(one.x) | told_apart(one.judged_x))
    assert not told_apart(found[0].judged_x) & told_apart(found[1].judged_x)
    assert told_apart(found[0].x) | told_apart(found[0].judged_x) == every - held


def test_a_group_is_in_one_part_and_the_verdict_knows_it(prepared, tmp_path):
    people = [f"p{i % 40}" for i in range(400)]
    path = written(tmp_path / "t.csv", answers(400, 3), who=people)
    got = read(Source(path, "y", group="who"))
    assert len(got.test) > 1
    parts = [{people[i] for i in part} for part in (*got.folds[:5], *got.test)]
    assert sum(map(len, parts)) == len(set(people))
    workload, ids = table(TableSpec(path, "y", group="who")), []
    for fold in range(workload.untouched.folds):
        groups = prepared(workload, fold).groups
        assert len(set(groups.tolist())) == len({people[i] for i in got.test[fold]})
        ids.append(set(groups.tolist()))
    assert sum(map(len, ids)) == len(set.union(*ids))  # another group, another number


def test_without_groups_each_row_is_its_own(prepared, tmp_path):
    assert (
        prepared(table(TableSpec(written(tmp_path / "t.csv", answers(100)), "y")), 0).groups is None
    )


# How many parts


@pytest.mark.parametrize("rare", [2, 4, 12, 25, 40])
def test_each_part_holds_both_classes_or_there_are_fewer(tmp_path, rare):
    got = read(Source(written(tmp_path / "t.csv", answers(400, rare)), "y"))
    assert len(got.test) in FOLDS
    for part in got.test:
        assert set(got.y[part].tolist()) == {0, 1}


def test_the_rarer_a_class_the_fewer_the_parts(tmp_path):
    counts = [
        len(read(Source(written(tmp_path / f"{rare}.csv", answers(400, rare)), "y")).test)
        for rare in (2, 40, 80)
    ]
    assert counts[0] == 5
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < counts[0]


def test_a_class_too_rare_for_any_split_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected both classes in each part"):
        read(Source(written(tmp_path / "t.csv", [int(i < 2) for i in range(100)]), "y"))


def test_a_regression_and_many_classes_have_as_many_parts_as_can_be_judged(tmp_path):
    numbers = written(tmp_path / "r.csv", [i * 1.5 for i in range(300)])
    classes = written(tmp_path / "m.csv", [i % 7 for i in range(300)])
    assert (
        table(TableSpec(numbers, "y")).untouched.folds
        == table(TableSpec(classes, "y")).untouched.folds
        == 5
    )


@pytest.mark.parametrize(("n", "folds"), [(SMALL - 1, 5), (SMALL, 1)])
def test_only_a_small_table_is_judged_in_parts(tmp_path, n, folds):
    got = read(Source(written(tmp_path / "t.csv", answers(n)), "y"))
    assert len(got.test) == folds
    assert share_held(n) == pytest.approx(0.4 if n < SMALL else 0.2)
    assert sum(map(len, got.test)) == pytest.approx(share_held(n) * n, abs=2)
    assert ("5 parts, each judged after learning from all others" in got.facts.split) == (
        folds == 5
    )


# Which rows they are


def test_other_columns_are_no_other_rows(tmp_path):
    colour = ["rgb"[i % 3] for i in range(200)]
    path = written(tmp_path / "t.csv", answers(200), colour=colour)
    whole, fewer = table(TableSpec(path, "y")), table(TableSpec(path, "y", drop=("colour",)))
    assert whole.untouched.rows == fewer.untouched.rows != ""
    assert whole.digest != fewer.digest
    assert table(TableSpec(path, "y", seed=1)).untouched.rows == whole.untouched.rows
    assert table(TableSpec(path, "colour")).untouched.rows != whole.untouched.rows
    other = written(tmp_path / "u.csv", answers(200, 3), colour=colour)
    assert table(TableSpec(other, "y")).untouched.rows != whole.untouched.rows


def test_another_positive_class_is_no_other_data(tmp_path):
    """Looks at the same answers are counted together, whatever a study calls them."""
    path = tmp_path / "t.csv"
    rows = "\n".join(f"{i * 37 % 101},{'yes' if i % 3 else 'no'}" for i in range(200))
    path.write_text(f"x,answer\n{rows}\n")
    digests = {read(Source(str(path), "answer", positive)).answers for positive in ("yes", "no")}
    assert len(digests) == 1
