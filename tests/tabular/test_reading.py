"""Reading a file: types, task, split, and one clear sentence for what cannot be used."""

import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunewright.errors import InputError
from tunewright.workloads.tabular import TableSpec
from tunewright.workloads.tabular import table as made
from tunewright.workloads.tabular.data import Source
from tunewright.workloads.tabular.reading import read


def rows(n=200, **columns):
    """A table of n rows: x, colour and the given columns, each a function of the row's number."""
    made = {"x": lambda i: (i * 37) % 101, "colour": lambda i: "rgb"[i % 3]} | columns
    return {name: [of(i) for i in range(n)] for name, of in made.items()}


def table(path, target=None, **said):
    return made(TableSpec(path, target, **said))


def held(got):
    """The untouched rows of a table, all parts together."""
    return np.concatenate(got.test)


def csv(path, data):
    lines = [",".join(data), *(",".join(map(str, row)) for row in zip(*data.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_strings_are_categories_and_the_rarer_class_is_positive(tmp_path):
    path = csv(tmp_path / "t.csv", rows(y=lambda i: "no" if i % 4 else "yes"))
    facts = table(path, "y").facts
    assert (facts.task, facts.classes, facts.positive) == ("binary", ("no", "yes"), "yes")
    assert facts.train + facts.test == facts.rows == 200
    assert table(path, "y", positive="no").facts.classes == ("yes", "no")


@pytest.mark.parametrize(
    ("answer", "task"),
    [
        (lambda i: i % 3, "multiclass"),
        (lambda i: i % 2 + 0.5, "binary"),
        (lambda i: (i % 3) / 2, "regression"),
        (lambda i: i % 50, "regression"),
        (lambda i: i % 2 == 0, "binary"),
        (lambda i: "abc"[i % 3], "multiclass"),
    ],
)
def test_few_whole_numbers_are_classes_and_other_numbers_a_regression(tmp_path, answer, task):
    assert table(csv(tmp_path / "t.csv", rows(y=answer)), "y").facts.task == task


def test_useless_columns_are_dropped_with_the_reason(tmp_path):
    data = rows(
        one=lambda i: 7,
        none=lambda i: "",
        id=lambda i: 1000 - i,
        name=lambda i: f"n{i}",
        day=lambda i: f"2024-01-{i % 28 + 1:02}",
        unwanted=lambda i: i % 9,
        y=lambda i: i % 2,
    )
    facts = table(csv(tmp_path / "t.csv", data), "y", drop=["unwanted"]).facts
    assert {name: why.split(":")[0] for name, why in facts.dropped} == {
        "one": "constant",
        "none": "all missing",
        "id": "identifier-like",
        "name": "identifier-like",
        "unwanted": "asked for",
    }


def test_missing_values_are_known_by_their_spellings(tmp_path):
    spellings = ["?", "", "NA", "NaN", "null", " ?"]
    data = rows(
        v=lambda i: spellings[i % 6] if i % 2 else i % 5,
        c=lambda i: spellings[i % 6] if i % 2 else f" {'ab'[i % 4 // 2]} ",
        y=lambda i: "?" if i < 10 else i % 2,
    )
    got = read(Source(csv(tmp_path / "t.csv", data), "y"))
    v, c = (next(column for column in got.columns if column.name == name) for name in "vc")
    assert got.facts.rows_without_target == 10
    assert np.isnan(v.values).sum() == (c.values < 0).sum() == 95
    assert sorted(c.categories) == ["a", "b"]


def test_the_same_data_in_another_format_gives_the_same_digest_and_split(tmp_path):
    data = rows(y=lambda i: i % 2, b=lambda i: i % 7 == 0)
    path = csv(tmp_path / "t.csv", data)
    (tmp_path / "t2.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    columns = pa.table(data)
    colour = columns["colour"].dictionary_encode()
    columns = columns.set_column(columns.column_names.index("colour"), "colour", colour)
    pq.write_table(columns, tmp_path / "t3.parquet")
    (tmp_path / "t4.csv").write_text((tmp_path / "t.csv").read_text().replace(",", ";"))
    first, *others = (
        read(Source(str(tmp_path / name), "y"))
        for name in ("t.csv", "t2.csv.gz", "t3.parquet", "t4.csv")
    )
    for other in others:
        assert other.content == first.content
        assert len(other.test) == len(first.test)
        assert (held(other) == held(first)).all()
        assert other.answers == first.answers
    assert table(path, "y").digest == table(str(tmp_path / "t3.parquet"), "y").digest
    assert table(path, "y").digest != table(path, "y", seed=1).digest


def test_equal_rows_stay_together_and_the_split_is_deterministic(tmp_path):
    path = csv(tmp_path / "t.csv", rows(600, x=lambda i: i % 150, y=lambda i: i % 2))
    one, two = read(Source(path, "y")), read(Source(path, "y"))
    assert (one.train == two.train).all()
    seen = [set(one.columns[0].values[part]) for part in (one.train, held(one))]
    assert not seen[0] & seen[1]
    folds = [set(one.columns[0].values[part]) for part in one.folds[:5]]
    assert sum(map(len, folds)) == len(seen[0]) == len(set.union(*folds))
    assert abs(len(held(one)) - 240) < 10
    other = read(Source(path, "y", seed=1))
    assert set(held(other)) != set(held(one))


def test_rows_of_a_group_stay_together_and_the_group_is_no_feature(tmp_path):
    data = rows(400, who=lambda i: f"p{i % 40}", y=lambda i: i % 3 == 0)
    got = read(Source(csv(tmp_path / "t.csv", data), "y", group="who"))
    assert "who" not in [column.name for column in got.columns]
    people = [{i % 40 for i in part.tolist()} for part in (*got.folds[:5], held(got))]
    assert sum(map(len, people)) == len(set.union(*people)) == 40


BAD = {
    "missing file": (None, {}, "does not exist"),
    "directory": ("dir", {}, "directory"),
    "unknown ending": ("t.xls", {}, "ending in"),
    "empty": ("", {}, "empty"),
    "header only": ("x,y\n", {}, "only a header"),
    "ragged": ("x,y\n1,2\n1\n", {}, "expected 2 cells in each row"),
    "binary": (bytes(range(256)) * 9, {}, "no text"),
    "duplicate names": ("x,x,y\n1,2,3\n", {}, "unique column names"),
    "few rows": ("x,y\n" + "1,2\n3,4\n" * 20, {}, "at least 50 rows"),
    "constant target": ("x,y\n" + "1,2\n3,2\n" * 40, {}, "the same value"),
    "one class": ("x,y\n" + "1,a\n3,a\n" * 40, {}, "the same value"),
    "target missing": ("x,y\n" + "1,\n3,?\n" * 40, {}, "all missing"),
    "names as target": (
        "x,y\n" + "".join(f"{i},n{i}\n" for i in range(200)),
        {},
        "got 200 different values in 200 rows",
    ),
    "no feature": ("x,y\n" + "1,2\n1,4\n" * 40, {}, "at least one usable feature"),
    "all rows equal": ("x,z,y\n" + "1,,2\n1,,4\n" * 40 + "2,1,2\n", {}, "different rows"),
    "wrong positive": ("x,y\n" + "1,yes\n2,no\n" * 40, {"positive": "yess"}, "did you mean 'yes'"),
    "needless positive": (
        "x,y\n" + "".join(f"{i % 9},{i * 1.5}\n" for i in range(99)),
        {"positive": "1"},
        "leave it out",
    ),
    "wrong drop": ("x,y\n" + "1,2\n2,4\n" * 40, {"drop": ["z"]}, "--drop"),
    "wrong group": ("x,y\n" + "1,2\n2,4\n" * 40, {"group": "z"}, "--group"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_clear_sentence(tmp_path, name):
    content, options, said = BAD[name]
    path = tmp_path / (content if content in ("t.xls", "dir") else "t.csv")
    if content == "dir":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=said) as caught:
        table(str(path), "y", **options)
    assert "\n" not in str(caught.value)
    assert "expected" in str(caught.value)


def test_a_broken_parquet_file_is_one_clear_sentence(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="readable table"):
        table(str(tmp_path / "t.parquet"), "y")


def test_a_wrong_or_absent_target_says_what_to_type(tmp_path):
    path = csv(tmp_path / "t.csv", rows(churn=lambda i: i % 2))
    with pytest.raises(InputError, match="did you mean 'churn'"):
        table(path, "chrun")
    with pytest.raises(InputError, match="x, colour, churn: say --target churn"):
        table(path)
