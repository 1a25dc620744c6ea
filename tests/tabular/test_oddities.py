"""What people's files do: each is read for what it says, or said to be in doubt."""

import csv
import datetime as dt
import io
import random
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunewright.deploying.rows import read_rows
from tunewright.errors import InputError
from tunewright.workloads.tabular.column_kinds import Reading, learn_column
from tunewright.workloads.tabular.data import ColumnSchema, Feature, Schema, Source
from tunewright.workloads.tabular.reading import read

N = 300
BIG = 2**53


@pytest.fixture
def got(tmp_path):
    """What reading a file of this content gives."""

    def reading(content, target="y", **said):
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read(Source(str(path), target, **said))

    return reading


def text(sep=",", n=N, **columns):
    """A file of these columns, each a function of the row's number, and of a target of classes."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sep, lineterminator="\n")
    every = {"x": lambda i: i * 37 % 101 + 0.5, "y": lambda i: "ab"[i * 7 % 2]} | columns
    writer.writerow(every)
    writer.writerows([of(i) for of in every.values()] for i in range(n))
    return out.getvalue()


def cells(table, name):
    """The texts or numbers of a column, None where there is no value."""
    (column,) = (one for one in table.columns if one.name == name)
    if column.categories is not None:
        return [column.categories[i] if i >= 0 else None for i in column.values]
    return [None if np.isnan(value) else value for value in column.values]


def told(table, words):
    """The notes that hold these words."""
    return [note for note in table.facts.notes if words in note]


# Whole numbers of many digits


@pytest.mark.parametrize("start", [BIG - 1, 10**17 + 3, -(10**18), 2**63 + 9, 10**24 + 1])
@pytest.mark.parametrize("kind", [None, pa.int64(), pa.uint64(), pa.decimal128(30, 0)])
def test_whole_numbers_that_are_no_floats_stay_apart(tmp_path, start, kind):
    typed = kind is not None and (kind.bit_width > 64 or -(2**63) <= start < 2**63 - 9)
    kind = pa.int64() if kind == pa.uint64() and start < 0 else kind
    codes = [start + i % 4 for i in range(N)]
    columns = {"x": [i * 37 % 101 for i in range(N)], "code": codes, "y": codes[::-1]}
    if typed:
        columns |= {name: pa.array(columns[name], kind) for name in ("code", "y")}
        path = tmp_path / "t.parquet"
        pq.write_table(pa.table(columns), path)
    else:
        path = tmp_path / "t.csv"
        lines = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
        path.write_text("\n".join([",".join(columns), *lines]))
    table = read(Source(str(path), "y"))
    assert sorted(table.facts.classes) == sorted({str(code) for code in codes})
    assert cells(table, "code") == [str(code) for code in codes]
    assert len(told(table, "is read as codes")) == 2
    groups = read(Source(str(path), "y", group="code")).groups
    assert [len(set(groups[i::4].tolist())) for i in range(4)] == [1] * 4
    assert len(set(groups.tolist())) == 4


def test_a_hundred_groups_of_many_digits_are_a_hundred(got):
    table = got(text(who=lambda i: BIG * 4 + i % 100), group="who")
    assert len(set(table.groups.tolist())) == 100


def test_moments_of_many_digits_order_the_rows(got):
    table = got(text(ns=lambda i: 1_514_764_800_123_456_789 + i // 3 * 10**9), time="ns")
    assert table.facts.split.startswith("by 'ns'")
    assert table.test[0].tolist() == list(range(180, N))


def test_numbers_of_many_digits_are_rounded_with_a_note(got):
    content = text(price=lambda i: BIG + (i * 7919 % 4001) * 12_345, y=lambda i: 10**17 + 7 * i * i)
    table = got(content)
    assert table.facts.task == "regression"
    assert table.y.tolist() == [float(10**17 + 7 * i * i) for i in range(N)]
    assert cells(table, "price") == [float(BIG + (i * 7919 % 4001) * 12_345) for i in range(N)]
    assert len(told(table, "of too many digits, which are rounded")) == 2
    assert not told(table, "read as codes")


@pytest.mark.parametrize("value", [lambda i: 2**60 + 1024 * i, lambda i: 10**20, lambda i: i / 7])
def test_numbers_that_are_floats_are_numbers(got, value):
    table = got(text(x2=lambda i: i % 7, z=lambda i: value(i % 5)))
    assert dict(table.facts.kinds).get("z", "number") == "number"
    assert not told(table, "digits")


# Texts that are odd as files


@pytest.mark.parametrize("row", [1, 2, 150, 299])
@pytest.mark.parametrize("above", ["", "\n\n", "# one\n# two\n", "sep=,\n"])
def test_a_line_that_breaks_off_is_named(got, row, above):
    lines = text().splitlines()
    lines[row] = lines[1][:2]  # it stands at the begin of an earlier line
    with pytest.raises(InputError, match=f"in line {above.count(chr(10)) + row + 1}: ") as caught:
        got(above + "\n".join(lines))
    assert "expected 2 cells" in str(caught.value)


ESCAPED = {
    "a comma behind": 'say "a", ok',
    "a comma inside": 'say "a, b" ok',
    "at the begin": '"a" it is',
    "at the end": 'it is "a"',
    "alone": '"',
    "objects": '{"a": 1, "b": [2, 3]}',
}


@pytest.mark.parametrize("name", ESCAPED)
@pytest.mark.parametrize("sep", [",", ";", "\t"])
@pytest.mark.parametrize("often", [1, 40])
def test_quotes_that_are_escaped_are_read(got, name, sep, often):
    said = [ESCAPED[name] if i % often == 0 else f"plain {i % 9}, or so" for i in range(N)]
    rows = [
        sep.join([str(i * 37 % 101), '"{}"'.format(said[i].replace('"', '\\"')), "ab"[i % 2]])
        for i in range(N)
    ]
    table = got("\n".join([sep.join(["x", "said", "y"]), *rows]), types=(("said", "category"),))
    if often == 1:
        assert ("said", "constant") in table.facts.dropped
    else:
        assert cells(table, "said") == said


def test_a_cell_that_ends_with_a_backslash_is_no_escape(got):
    rows = [f'{i * 37 % 101},"C:\\{"abc"[i % 3]}\\",{"ab"[i % 2]}' for i in range(N)]
    table = got("\n".join(["x,path,y", *rows]))
    assert cells(table, "path") == [f"C:\\{'abc'[i % 3]}\\" for i in range(N)]


@pytest.mark.parametrize("end", ["   ", "   \n", "\n \t \n\n", "\t"])
def test_a_last_line_of_blanks_is_none(got, end):
    assert got(text() + end).content == got(text()).content


@pytest.mark.parametrize(
    "above", ["# made today\n", "#\n#a, b\n\n# c\n", "#x,y,z\n", "# by me, 2024\n"]
)
def test_comments_above_the_header_are_left_out(got, above):
    table = got(above + text())
    assert table.content == got(text()).content
    assert told(table, f"{above.count('#')} lines that begin with # above the header are left out")


def test_a_header_that_begins_with_a_number_sign_is_one(got):
    table = got("# made today\n#" + text())
    assert [column.name for column in table.columns] == ["#x"]


def test_a_name_is_the_same_however_its_accents_are_written(got, tmp_path):
    composed, apart = (unicodedata.normalize(form, "größe") for form in ("NFC", "NFD"))
    contents = [text(**{name: lambda i: i % 7}) for name in (composed, apart)]
    tables = [got(one, drop=(name,)) for one in contents for name in (composed, apart)]
    assert {table.facts.dropped for table in tables} == {((composed, "asked for"),)}
    (tmp_path / "rows.csv").write_text(contents[1])
    schema = Schema("regression", "y", (), (ColumnSchema(composed),), (Feature("f", composed),))
    assert read_rows(tmp_path / "rows.csv", schema).columns[0].values[:3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("role", ["group", "time", "weight"])
def test_a_name_that_a_guessed_encoding_hides_says_so(got, role):
    with pytest.raises(InputError, match="read as cp1252; --encoding names another"):
        got(text(größe=lambda i: i % 7).encode("cp850"), **{role: "größe"})


# Thousands and decimals


def dotted(value, mark="."):
    return f"{value:,}".replace(",", mark)


@pytest.mark.parametrize("most", [5_000, 40_000, 3_000_000])
def test_points_in_threes_part_thousands_beside_semicolons(got, most):
    chance = random.Random(most)
    prices = [chance.randrange(most) for _ in range(N)]
    prices[:2] = [950, 31_290]
    content = text(";", x=lambda i: i % 7, price=lambda i: dotted(prices[i]))
    table = got(content)
    assert cells(table, "price") == prices
    if most < 1_000_000:
        note = '--decimal "." reads them as decimals'
        assert [one.endswith(note) for one in told(table, "are read as thousands")] == [True]
    else:
        assert not told(table, "are read as")  # 1.234.567 is no decimal
    assert not told(got(content, decimal=","), "are read as")


@pytest.mark.parametrize("sep", [",", "\t", "|"])
def test_points_in_threes_are_decimals_elsewhere_with_a_note(got, sep):
    values = [f"{i % 90 + 10}.{i * 37 % 1000:03}" if i % 3 else str(i) for i in range(N)]
    content = text(sep, x=lambda i: i % 7, price=lambda i: values[i])
    table = got(content)
    assert cells(table, "price") == [float(value) for value in values]
    (note,) = told(table, "are read as decimals")
    assert "'price'" in note
    assert note.endswith('; --decimal "," reads them as thousands')
    assert cells(got(content, decimal=","), "price")[1] == float(values[1].replace(".", ""))


@pytest.mark.parametrize("proof", ["0.125", "3.5", "12.0625"])
def test_another_column_proves_the_point(got, proof):
    content = text(";", x=lambda i: proof, a=lambda i: f"{i % 90 + 10}.125", b=lambda i: i % 9)
    table = got(content)
    assert cells(table, "a") == [i % 90 + 10.125 for i in range(N)]
    assert not told(table, "are read as")


def test_another_column_proves_the_comma(got):
    price = [31_290 + i * 37 if i % 2 else 950 - i for i in range(N)]
    content = text(";", x=lambda i: f"{i % 9},5", price=lambda i: dotted(price[i]))
    table = got(content)
    assert cells(table, "price") == price
    assert not told(table, "are read as")


def test_decimals_that_all_have_three_places_stay_decimals(got):
    values = [f"{48 + i % 9}.{100 + i * 37 % 900}" for i in range(N)]
    table = got(text(";", x=lambda i: i % 7, degrees=lambda i: values[i]))
    assert cells(table, "degrees") == [float(value) for value in values]
    assert told(table, "are read as decimals")


# Words among numbers


def learned(texts, **said):
    return learn_column("ldl", pa.chunked_array([pa.array(texts, pa.string())]), Reading(**said))


@pytest.mark.parametrize("share", [0.06, 0.12, 0.25, 0.4])
@pytest.mark.parametrize("words", [["unknown"], ["missing", "Not measured", "<LOD", "(none)"]])
def test_words_among_numbers_are_missing(share, words):
    chance = random.Random(share)
    texts = [
        chance.choice(words) if i < share * 500 else f"{chance.gauss(100, 20):.1f}"
        for i in range(500)
    ]
    chance.shuffle(texts)
    got = learned(texts)
    assert got.schema.kind == "number"
    expected = [np.nan if one in words else float(one) for one in texts]
    np.testing.assert_array_equal(got.column.values, expected)
    assert got.exceptions is None
    assert f"{words[0]!r} ({texts.count(words[0])})" in got.notes[0]
    assert got.notes[0].endswith("; --types ldl=category keeps them")
    assert not learned(texts, missing=tuple(words)).notes
    assert learned(texts, kind="category").column.categories is not None


@pytest.mark.parametrize("sign", ["<", "> ", "<=", "≥"])
@pytest.mark.parametrize("often", [7, 50])
def test_limits_among_numbers_are_their_numbers(sign, often):
    texts = [f"{sign}3.0" if i % often == 0 else f"{3 + i * 37 % 101 / 8}" for i in range(500)]
    got = learned(texts)
    values = [3.0 if i % often == 0 else 3 + i * 37 % 101 / 8 for i in range(500)]
    np.testing.assert_array_equal(got.column.values, values)
    assert f"such as '{sign}3.0', are read as their numbers" in got.notes[-1]


@pytest.mark.parametrize(
    "texts",
    [
        [f"{i * 37 % 400}" if i % 8 else f"V{i % 90}" for i in range(500)],  # codes of diagnoses
        [f"{i % 30}" if i % 8 else "ABCDEF"[i // 8 % 6] for i in range(500)],  # platforms
        [("<18", "18-35", ">35")[i % 3] for i in range(500)],
        [("<5", ">=5")[i % 2] for i in range(500)],
        [("1", "2", "3", "unknown")[i % 4] for i in range(500)],
        [f"{i:06}" if i % 3 else "unknown" for i in range(500)],
        [f"{i * 7919 % 4001}" if i % 5 < 2 else f"name {i}" for i in range(500)],
    ],
)
def test_codes_are_no_numbers(texts):
    assert learned(texts).schema.kind == "category"


def test_what_names_the_rows_is_dropped_and_can_be_kept(got):
    content = text(ref=lambda i: f"A{i}B", number=lambda i: i)
    dropped = dict(got(content).facts.dropped)
    assert dropped["ref"].endswith("; --types ref=category|text keeps it")
    assert dropped["number"].endswith("; --types number=number keeps it")
    kept = got(content, types=(("ref", "category"), ("number", "number")))
    assert dict(kept.facts.kinds) == {"x": "number", "ref": "category", "number": "number"}


# Days and months


def dates(n=60, form="%d/%m/%Y", **ranges):
    start = dt.date(2018, 1, 1)
    days = [start + dt.timedelta(days=i * 37 % 365) for i in range(n)]
    if ranges.get("early"):
        days = [day for day in days if day.day <= 12]
    return [day.strftime(form) for day in days], days


@pytest.fixture
def asked(tmp_path):
    """The days that a file to predict holds, by a schema, and what is noted."""

    def reading(texts, day_first=None):
        (tmp_path / "rows.csv").write_text("\n".join(["day,z", *(f"{one},1" for one in texts)]))
        column = ColumnSchema("day", "date", day_first=day_first)
        schema = Schema("regression", "y", (), (column,), (Feature("day", "day"),))
        got = read_rows(tmp_path / "rows.csv", schema)
        days = [dt.date(1970, 1, 1) + dt.timedelta(seconds=s) for s in got.columns[0].values]
        return days, got.notes

    return reading


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m.%d.%Y"])
@pytest.mark.parametrize("trained", [None, True, False])
def test_the_order_that_one_cell_proves_holds_for_all(asked, form, trained):
    texts, days = dates(form=form)
    assert asked(texts, trained)[0] == days
    day_first = form.startswith("%d")
    notes = asked(texts, trained)[1]
    assert bool(notes) == (trained is (not day_first))
    assert all("first, as '" in note for note in notes)


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%y"])
def test_an_order_that_nothing_proves_is_told(asked, form):
    texts, days = dates(form=form, early=True)
    got, (note,) = asked(texts)
    assert (got == days) == ("/" not in form)
    assert ("the month first" in note) == ("/" in form)
    assert "no cell of it proves that" in note
    assert asked(texts, day_first=True) == (days, ())


def test_the_order_of_the_file_to_learn_from_is_proven_or_told(got):
    texts, _ = dates(N)
    early, _ = dates(3 * N, early=True)
    assert not told(got(text(day=lambda i: texts[i])), "first, ")
    for said in ({}, {"time": "day"}):
        table = got(text(day=lambda i: early[i], odd=lambda i: i % 9), **said)
        assert len(told(table, "no cell of it proves that")) == 1
    assert not told(got(text(day=lambda i: f"2018-01-{i % 28 + 1:02}")), "first, ")


# Files to predict


def asking(tmp_path, content, *columns, codes=None):
    (tmp_path / "rows.csv").write_text(content)
    features = tuple(Feature(one.name, one.name, codes=codes) for one in columns)
    return read_rows(tmp_path / "rows.csv", Schema("regression", "y", (), columns, features))


def test_a_column_of_another_kind_is_refused(tmp_path):
    content = "a\n" + "".join(f"{'abc' if i % 3 else i}\n" for i in range(30))
    with pytest.raises(InputError, match=r"expected 'a' to be a number in .*; got 'abc'"):
        asking(tmp_path, content, ColumnSchema("a"))
    few = "a\n" + "".join(f"{i if i % 3 else 'abc'}\n" for i in range(30))
    assert asking(tmp_path, few, ColumnSchema("a")).exceptions[0].count == 10


def test_many_categories_that_nobody_knows_are_told(tmp_path):
    codes = {f"{i:05}": i for i in range(1060, 1080)}
    zips = "zip\n" + "".join(f"{1060 + i % 20}\n" for i in range(40))
    (note,) = asking(tmp_path, zips, ColumnSchema("zip", "category"), codes=codes).notes
    assert note.startswith("40 of 40 cells of 'zip' hold categories that were not learned from")
    assert "such as '1060', where '01060' is known" in note
    known = "zip\n" + "".join(f"0{1060 + i % 20}\n" for i in range(40)) + "99999\n"
    assert not asking(tmp_path, known, ColumnSchema("zip", "category"), codes=codes).notes


def test_a_column_that_is_missing_says_what_came_and_what_was_meant(tmp_path):
    with pytest.raises(InputError) as caught:
        asking(tmp_path, "sepal lenght,b\n1,2\n", ColumnSchema("sepal length"), ColumnSchema("c"))
    assert "expected the column 'sepal length', and 1 more in " in str(caught.value)
    assert "got 'sepal lenght', 'b': did you mean 'sepal lenght'?" in str(caught.value)
    with pytest.raises(InputError, match="got 'b': name it so, or add it without values"):
        asking(tmp_path, "b\n2\n", ColumnSchema("a"))


# Classes that may be slips


@pytest.mark.parametrize("slip", ["400", "0", "-3"])
def test_a_class_of_hardly_a_row_is_named_with_it(got, slip):
    content = text(y=lambda i: i * 7 % 2 + 1) + f"Total,{slip}\n"
    table = got(content)
    assert slip in table.facts.classes
    (note,) = told(table, "few rows hold these classes of 'y'")
    assert f"{slip!r} (1; row {N + 1})" in note


@pytest.mark.parametrize(
    "names", [("Yes", "yes", "YES"), ("straße", "STRASSE"), ("no", "n o", "NO")]
)
def test_classes_that_differ_in_their_spelling_are_named(got, names):
    table = got(text(y=lambda i: (*names, "other")[i * 7 % (len(names) + 1)]))
    (note,) = told(table, "differ only in their spelling")
    assert "'n o'" not in note
    assert all(repr(name) in note for name in names if name != "n o")


def test_plain_classes_are_not_in_doubt(got):
    table = got(text(y=lambda i: "abc"[i * 7 % 3]))
    assert not told(table, "these classes")
