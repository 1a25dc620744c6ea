"""A file of rows for the verdict: what was learned from is no evidence, and is not learned from."""

import numpy as np
import pytest

from tunewright.errors import InputError
from tunewright.workloads.tabular.data import Source
from tunewright.workloads.tabular.reading import read
from tunewright.workloads.tabular.splitting import keys_of

N = 600
LINES = [f"{i * 37 % 1009 / 8},{'rgb'[i % 3]},p{i % 60},{i * 7 % 2}" for i in range(N)]
OTHERS = [f"{i * 31 % 997 / 8 + 500},{'rgb'[i % 3]},q{i % 20},{i * 7 % 2}" for i in range(100)]


@pytest.fixture
def got(tmp_path, monkeypatch):
    """What is read of a file of rows, and of others for the verdict."""
    monkeypatch.chdir(tmp_path)

    def reading(lines, held, **said):
        for name, rows in (("t.csv", lines), ("held.csv", held)):
            (tmp_path / name).write_text("\n".join(["x,colour,who,y", *rows]))
        return read(Source("t.csv", "y", test="held.csv", **said))

    return reading


@pytest.mark.parametrize("copied", [0, 1, 40, 300])
def test_rows_that_the_test_file_holds_too_are_not_learned_from(got, copied):
    table = got(LINES, OTHERS + LINES[:copied])
    assert (table.facts.train, table.facts.test) == (N - copied, 100 + copied)
    keys = keys_of(table.columns, len(table.y), 0)
    assert not np.isin(keys[table.train], keys[table.test[0]]).any()
    assert all(np.isin(fold, table.train).all() for fold in table.folds)
    told = [note for note in table.facts.notes if "are not learned from" in note]
    expected = f"{copied} rows with equal features as rows of held.csv are not learned from"
    assert told == [expected] * (copied > 0)


def test_an_equal_row_with_another_answer_is_a_copy_too(got):
    other = [line[:-1] + str(1 - int(line[-1])) for line in LINES[:40]]
    assert got(LINES, OTHERS + other).facts.train == N - 40


def test_rows_of_a_group_that_the_test_file_holds_are_not_learned_from(got):
    table = got(LINES, OTHERS + LINES[:2], group="who")
    assert table.facts.train == N - 2 * N // 60
    assert "20 rows with the same 'who' as rows of held.csv are not learned from" in (
        table.facts.notes
    )


@pytest.mark.parametrize("left", [0, 1, 49])
def test_a_test_file_that_leaves_hardly_a_row_is_refused(got, left):
    with pytest.raises(InputError, match=f"got {left}, since the other {N - left} have") as caught:
        got(LINES, LINES[left:])
    assert "at least 50 rows to learn from in t.csv that are not in held.csv" in str(caught.value)
    assert "\n" not in str(caught.value)
