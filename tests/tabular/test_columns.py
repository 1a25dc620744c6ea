"""A cell means the same wherever it is read: in a text, typed, alone or among others."""

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.errors import InputError
from tunewright.workloads.tabular.cells import (
    category_of,
    date_of,
    number_of,
    read_text,
    read_value,
    time_of,
)
from tunewright.workloads.tabular.column_kinds import Reading, learn_column
from tunewright.workloads.tabular.columns import read_column
from tunewright.workloads.tabular.data import ColumnSchema
from tunewright.workloads.tabular.features.dates import PARTS, part_of


def chunked(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


def learned(texts, **options):
    return learn_column("c", chunked(texts, pa.string()), Reading(**options))


def values_of(schema, data):
    """Plain values, None where one is missing."""
    column, _ = read_column(schema, data)
    if column.categories is not None:
        return [column.categories[i] if i >= 0 else None for i in column.values]
    return [None if math.isnan(value) else value for value in column.values]


EPOCH = dt.datetime.fromisoformat("1970-01-01")
MOMENTS = st.datetimes(*map(dt.datetime.fromisoformat, ("1900-01-01", "2200-01-01")))
TYPED = {
    "int64": (pa.int64(), st.integers(-(10**15), 10**15)),
    "uint8": (pa.uint8(), st.integers(0, 255)),
    "float64": (pa.float64(), st.floats(allow_nan=False)),
    "float32": (pa.float32(), st.floats(allow_nan=False, allow_infinity=False, width=32)),
    "decimal": (pa.decimal128(14, 3), st.decimals(-(10**9), 10**9, places=3)),
    "bool": (pa.bool_(), st.booleans()),
    "date": (pa.date32(), st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1))),
    "moment": (pa.timestamp("us"), MOMENTS),
    "text": (pa.string(), st.text(st.characters(min_codepoint=33, max_codepoint=500), min_size=1)),
    "codes": (pa.string(), st.from_regex("0[0-9]{2}", fullmatch=True)),
}


def spelled(kind, value):
    """What a writer of CSV makes of a typed value."""
    if kind == "float32":
        return str(np.float32(value))
    return str(value)


@pytest.mark.parametrize("kind", TYPED)
@given(data=st.data())
def test_typed_cells_and_their_texts_are_the_same_to_either_schema(kind, data):
    of, values = TYPED[kind]
    given_ = data.draw(st.lists(st.one_of(st.none(), values), min_size=4, max_size=30))
    typed = chunked(given_, of)
    texts = chunked([None if v is None else spelled(kind, v) for v in given_], pa.string())
    one = learn_column("c", typed, Reading())
    if isinstance(one, str):
        return
    other = learn_column("c", texts, Reading())
    for schema in [one.schema] + ([] if isinstance(other, str) else [other.schema]):
        assert values_of(schema, typed) == values_of(schema, texts)
    if not isinstance(other, str) and kind not in ("text", "int64", "float64"):
        kinds = {one.schema.kind, other.schema.kind}
        assert len(kinds) == 1


ODD = st.sampled_from(
    [
        "",
        "NA",
        " n/a ",
        "-",
        "?",
        "abc",
        "1,234.50",
        "$12",
        "15 %",
        "12.5x",
        "True",
        "1e400",
        "-0",
        "+5",
        ".5",
        "5.",
        "01",
        "(3)",
        "1,5",
        "inf",
        "2024-01-31",
        "1_0",
        "0x1F",
        "١",
    ]
)


@given(
    st.lists(
        st.one_of(ODD, st.floats(-1e6, 1e6).map(str), st.integers(0, 99).map(str)), min_size=1
    ),
    st.sampled_from(
        [
            ColumnSchema("c"),
            ColumnSchema("c", decimal=","),
            ColumnSchema("c", unit="%", missing=("5", "abc")),
            ColumnSchema("c", "category"),
            ColumnSchema("c", "date"),
        ]
    ),
)
def test_a_cell_is_read_alone_as_it_is_among_others(texts, schema):
    together = values_of(schema, chunked(texts, pa.string()))
    alone = [values_of(schema, chunked([text], pa.string()))[0] for text in texts]
    assert together == alone
    for text, value in zip(texts, alone, strict=True):
        try:
            assert read_text(schema, text) == value
            assert read_value(schema, text) == value
        except ValueError:
            assert value is None


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("0,123", ".", None),
        ("0.123", ",", None),
        ("0,123", ",", (0.123, "")),
        ("1,234.50", ".", (1234.5, "")), ("1.234,5", ",", (1234.5, "")), ("1,5", ".", None), ("12.5x", ".", (12.5, "x")),
        ("$1,200", ".", (1200.0, "$")), ("US$ 3", ".", (3.0, "us$")), ("-€5", ".", (-5.0, "€")), ("15 %", ".", (15.0, "%")),
        ("36 months", ".", (36.0, "month")), ("(2.5)", ".", (-2.5, "")), ("(2.5", ".", None), ("A1", ".", None), ("1A2", ".", None),
        ("1-2", ".", None), ("", ".", None), (".", ".", None), ("-inf", ".", (-math.inf, "")), ("1 234", ".", (1234.0, "")),
        ("12,34", ".", None), ("1,23,456", ".", None), ("2024-01-01", ".", None), ("12:30", ".", None), ("1.2.3", ".", None),
    ],
)  # fmt: skip
def test_a_number_is_read_whole_or_not_at_all(text, decimal, number):
    assert number_of(text, decimal) == number


@given(MOMENTS)
def test_a_date_is_read_in_every_order(moment):
    seconds = (moment - EPOCH) // dt.timedelta(microseconds=1) / 1e6
    assert date_of(moment.isoformat(sep=" ")) == seconds
    assert read_value(ColumnSchema("c", "date"), moment) == seconds
    day = seconds // 86400 * 86400
    assert date_of(f"{moment.day}.{moment.month}.{moment.year}", day_first=True) == day
    assert date_of(f"{moment:%m/%d/%Y}") == day
    assert date_of(f"{moment:%d %B %Y}") == day
    assert read_value(ColumnSchema("c", "date"), moment.date()) == day


@given(st.datetimes(*map(dt.datetime.fromisoformat, ("0001-01-02", "9999-12-30"))))
def test_the_parts_of_a_date_are_the_calendars(moment):
    seconds = (moment - EPOCH).total_seconds()
    got = {part: part_of(seconds, part) for part in PARTS}
    assert [got[part] for part in ("year", "month", "day", "weekday")] == [
        moment.year,
        moment.month,
        moment.day,
        moment.weekday(),
    ]
    since = moment - moment.replace(hour=0, minute=0, second=0, microsecond=0)
    assert got["hour"] == pytest.approx(since.total_seconds() / 3600, abs=1e-6)
    assert part_of(np.array([seconds]), "month")[0] == got["month"]
    assert all(np.isnan(part_of(np.array([math.nan]), part)[0]) for part in PARTS)


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-30",
        "13/13/2024",
        "2024-1",
        "1/2/345",
        "Foo 3, 2024",
        "24.12.",
        "10:30",
        "2024-01-01 25:00:00",
        "2024",
    ],
)
def test_what_is_no_date_is_none(text):
    assert date_of(text) is None


def test_times_of_day():
    assert time_of("01:02:03.5") == 3723.5
    assert time_of("1:00 pm") == 13 * 3600
    assert time_of("13:00 pm") is None
    data = chunked([dt.time(1, 2, 3), None], pa.time64("us"))
    assert values_of(ColumnSchema("c", "time"), data) == [3723.0, None]
    assert learned(["10:00", "11:30", "12:45"]).schema.kind == "time"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        ("3.0", "3"),
        ("3.10", "3.10"),
        ("03.0", "03.0"),
        (True, "True"),
        ("TRUE", "True"),
        (2.5, "2.5"),
        (np.float32(0.1), "0.1"),
        (" a ", "a"),
        ("-1.00", "-1"),
    ],
)
def test_a_category_has_one_spelling(value, text):
    assert category_of(value) == text


# What nearly all cells say


@given(
    st.sampled_from(["n", "d", "b"]),
    st.lists(st.text(st.characters(codec="ascii", categories=["L"]), min_size=1), max_size=5),
    st.integers(0, 2**32),
)
def test_few_odd_cells_never_decide_what_a_column_is(kind, odd, seed):
    chance = np.random.default_rng(seed)
    make = {
        "n": lambda x: f"{x:.3f}",
        "d": lambda x: str(dt.date(2000, 1, 1) + dt.timedelta(days=int(abs(x) * 1000))),
        "b": lambda x: str(x > 0),
    }[kind]
    texts = [make(x) for x in chance.normal(size=200)]
    plain = learned(texts)
    for text in odd:
        texts[chance.integers(200)] = text
    got = learned(texts)
    assert got.schema == plain.schema
    count = got.exceptions.count if got.exceptions else 0
    same = got.column.values == plain.column.values
    assert (~same).sum() <= len(odd)
    assert count <= (~same).sum() + (0 if kind != "b" else len(odd))


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["01", "02", "03", "X1"] * 20, "category"),
        (["True", "False", "Unknown"] * 20, "category"),
        (["1.0", "2.0", "3.5", "n.a."] * 20, "number"),
        (["1", "2", "3", "X"] * 20, "category"),
        (["94110", "02134", "10001", "60614"] * 20, "category"),
        (["A1", "B2", "12C"] * 20, "category"),
        (["0", "0", "0.5", "00.5"] * 20, "number"),
        (["1.2.3", "1.10.0"] * 20, "category"),
        (["5kg", "10lb", "3in"] * 20, "category"),
        ([None] * 990 + ["7"] * 10, "number"),
    ],
)
def test_what_texts_are(texts, kind):
    assert learned(texts).schema.kind == kind


def test_what_the_user_says_goes_first():
    assert learned(["94110", "12345"], kind="category").schema.kind == "category"
    assert learned(["01", "02", "X"], kind="number").exceptions.count == 1
    with pytest.raises(InputError, match="expected 'c' to hold cells of kind number"):
        learned(["a", "b"], kind="number")
    got = learned(["-999", "5", "?", "none of it"] * 10, missing=("-999", "none of it"))
    assert np.isfinite(got.column.values).sum() == 10
    typed = learn_column("c", chunked([-999, 5]), Reading(missing=("-999",)))
    assert np.isnan(typed.column.values).tolist() == [True, False]
    assert read_value(typed.schema, -999) is None
    assert values_of(
        learn_column("c", chunked([1, 2]), Reading(kind="category")).schema, chunked([2, 1])
    ) == ["2", "1"]


def test_values_that_no_text_is():
    number, date, text = (ColumnSchema("c", kind) for kind in ("number", "date", "category"))
    assert read_value(number, Decimal("1.5")) == 1.5
    assert read_value(number, np.float32(0.1)) == 0.1
    assert read_value(number, 10**400) == math.inf
    assert read_value(number, np.bool_(True)) == 1.0
    assert read_value(date, np.datetime64("1970-01-02")) == 86400.0
    assert read_value(date, np.datetime64("NaT")) is None
    assert read_value(text, np.int8(3)) == "3"
    for schema, value in ((number, [1]), (date, 5), (text, ["a"]), (number, b"1"), (number, 1j)):
        with pytest.raises(TypeError):
            read_value(schema, value)
