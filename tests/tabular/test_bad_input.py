"""Tables at the edge of what a table is: they work, or one sentence says what to do."""

import math
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunewright.errors import InputError
from tunewright.workloads.tabular.data import Source
from tunewright.workloads.tabular.encoding import encode_rows, learn_features
from tunewright.workloads.tabular.reading import read

N = 600
CHANCE = random.Random(1)
X, Z = ([CHANCE.gauss(0, 1) for _ in range(N)] for _ in range(2))
YES = ["no", "no", "yes"] * (N // 3)


@pytest.fixture
def got(tmp_path, monkeypatch):
    """What reading a table of these columns gives; `test` is a second file."""
    monkeypatch.chdir(tmp_path)

    def reading(columns, test=None, **said):
        pq.write_table(pa.table({"x": X, "z": Z} | columns), "t.parquet")
        if test is not None:
            pq.write_table(pa.table(test), "test.parquet")
        return read(Source("t.parquet", "y", test=None if test is None else "test.parquet", **said))

    return reading


def refused(got, *tables, **said):
    with pytest.raises(InputError) as caught:
        got(*tables, **said)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.startswith("expected ")
    assert "; got " in sentence
    return sentence


def test_ten_thousand_columns_are_read(got):
    wide = np.random.default_rng(0).normal(size=(10_000, N))
    table = got({f"c{i}": column for i, column in enumerate(wide)} | {"y": YES})
    assert len(table.columns) == 10_002
    schema, x = learn_features(table, table.train, "category")
    assert x.shape == (len(table.train), len(schema.features))


def test_a_thousand_classes_are_learned_from(got, tmp_path):
    n = 5_000
    columns = {"x": [i * 37 % 4_999 / 7 for i in range(n)], "y": [f"c{i % 1000}" for i in range(n)]}
    columns["town"] = [f"t{i % 300}" for i in range(n)]
    pq.write_table(pa.table(columns), tmp_path / "many.parquet")
    table = read(Source(str(tmp_path / "many.parquet"), "y"))
    assert (table.facts.task, len(table.facts.classes)) == ("multiclass", 1000)
    schema, x = learn_features(table, table.train, "means")
    assert x.shape[1] == len(schema.features) < 20


def test_a_class_of_one_row_is_a_class(got):
    table = got({"y": [*["a", "b"] * 299, "c", "d"]})
    assert table.facts.classes == ("a", "b", "c", "d")
    assert table.facts.rarest == 0
    for how in ("category", "ordered", "means"):
        schema, _ = learn_features(table, table.train, how)
        assert np.isfinite(encode_rows(table, schema, np.arange(N))).all()


@pytest.mark.parametrize("rare", [1, 2])
def test_two_classes_with_hardly_a_row_are_refused(got, rare):
    assert "rarer class" in refused(got, {"y": ["no"] * (N - rare) + ["yes"] * rare})


@pytest.mark.parametrize("endless", [math.inf, -math.inf])
def test_infinite_targets_are_left_out_and_told(got, endless):
    table = got({"y": [endless if i % 50 == 7 else i * 1.5 for i in range(N)]})
    assert table.facts.rows_without_target == 12
    assert np.isfinite(table.y).all()
    assert "12 rows whose 'y' is infinite are left out" in table.facts.notes


def test_numbers_near_the_end_of_what_is_a_number_are_read(got):
    table = got({"y": [1.5e308 * (-1) ** i * (i / N) for i in range(N)]})
    assert table.facts.task == "regression"


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ([("mon", "tue", "wed")[i % 3] for i in range(N)], "dates or numbers"),
        ([f"it was on day {i} or so" for i in range(N)], "dates or numbers"),
        ([5] * N, "3 different moments"),
        ([5, 6] * (N // 2), "3 different moments"),
        (pa.array([None] * N, pa.float64()), "3 different moments"),
        (pa.array([None] * N, pa.string()), "all missing"),
    ],
)
def test_a_time_that_orders_nothing_is_refused(got, when, sentence):
    told = refused(got, {"when": when, "y": YES}, time="when")
    assert "--time" in told
    assert sentence in told


HELD = {"x": X[:90], "z": Z[:90], "y": YES[:90]}


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ({"x": X[:90], "w": Z[:90], "y": YES[:90]}, "got no 'z'"),
        ({"x": X[:90], "z": Z[:90]}, "got no 'y'"),
        (HELD | {"y": ["no", "yes", "maybe"] * 30}, "got 'maybe', too"),
        (HELD | {"y": ["never", "maybe"] * 45}, "the classes that t.parquet has; got "),
        (HELD | {"y": ["no"] * 90}, "both classes"),
        (HELD | {"y": pa.array([None] * 90, pa.string())}, "got none"),
        (HELD | {"x": ["a", "b", "c"] * 30}, "expected 'x' to be a number in test.parquet"),
    ],
)
def test_a_test_file_that_asks_something_else_is_refused(got, test, sentence):
    assert sentence in refused(got, {"y": YES}, test)


def test_a_test_file_of_texts_is_refused_for_a_regression(got):
    told = refused(got, {"y": [x * 2 + z for x, z in zip(X, Z, strict=True)]}, HELD)
    assert "expected 'y' to be a number in test.parquet" in told


def test_more_columns_and_unseen_categories_in_a_test_file_do_no_harm(got):
    colour = [("red", "blue")[i % 5 > 2] for i in range(N)]
    held = {"more": X[:90], **HELD, "colour": ["green", "red", "blue"] * 30}
    table = got({"colour": colour, "y": YES}, held)
    schema, _ = learn_features(table, table.train, "category")
    x = encode_rows(table, schema, table.test[0])
    assert np.isnan(x[::3, 2]).all()
    assert np.isfinite(x[1::3, 2]).all()
