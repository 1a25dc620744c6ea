"""What was learned once is read the same for ever: whatever file a row comes from, and whoever asks."""

import datetime as dt
import gzip
import math
import random
import subprocess
import sys
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather

from tunewright.cli import predict
from tunewright.core.config import Config
from tunewright.core.events import decode, encode
from tunewright.deploying.rows import read_rows
from tunewright.errors import InputError
from tunewright.workloads.tabular import predictor
from tunewright.workloads.tabular.data import (
    Blended,
    ColumnSchema,
    CompiledModel,
    Feature,
    Schema,
    Source,
    Training,
)
from tunewright.workloads.tabular.encoding import learn_features, plain_rows
from tunewright.workloads.tabular.files import Dialect
from tunewright.workloads.tabular.linear_library import fit
from tunewright.workloads.tabular.predictor import Predictor
from tunewright.workloads.tabular.reading import read


def trained(path, target="y", *, encoding="category", **said):
    """A linear model of all training rows, and the table."""
    table = read(Source(str(path), target, **said))
    schema, x = learn_features(table, table.train, encoding)
    text = fit(Training(schema, x, table.y[table.train]), Config({"linear_c": 1.0}), 0).text
    model = CompiledModel(schema, "linear", "native", {"linear.json": text.encode()})
    return table, Predictor(Blended(((model, 1.0),)))


def columns(n=160):
    chance = random.Random(1)
    start = dt.date(2021, 3, 1)
    return {
        "real": [None if i % 19 == 0 else chance.gauss(0, 1e3) for i in range(n)],
        "whole": [chance.randrange(5) for _ in range(n)],
        "zone": [("01", "02", "03", "X1")[chance.randrange(4)] for _ in range(n)],
        "flag": [chance.random() < 0.4 for _ in range(n)],
        "three": [("True", "False", "Unknown")[chance.randrange(3)] for _ in range(n)],
        "grade": [(1.0, 2.0, 3.5, None)[chance.randrange(4)] for _ in range(n)],
        "day": [start + dt.timedelta(days=chance.randrange(900)) for _ in range(n)],
        "at": [
            dt.datetime.fromisoformat("2021-01-01") + dt.timedelta(seconds=chance.randrange(10**8))
            for _ in range(n)
        ],
        "y": [("no", "yes")[chance.randrange(2)] for _ in range(n)],
    }


DATA = columns()
TABLE = pa.table(DATA)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("predicting")
    pq.write_table(TABLE, place / "t.parquet")
    pa.csv.write_csv(TABLE, place / "t.csv")
    return place


@pytest.fixture(scope="module", params=["t.parquet", "t.csv"])
def model(place, request):
    return trained(place / request.param)


def answers(predictor, path):
    return list(predictor.predict_columns(read_rows(path, predictor.schema).columns))


def test_learning_from_one_format_and_predicting_another_is_the_same(place):
    got = {}
    for learned in ("t.parquet", "t.csv"):
        for encoding in ("category", "ordered"):
            _, predictor = trained(place / learned, encoding=encoding)
            for rows in ("t.parquet", "t.csv"):
                got[learned, encoding, rows] = answers(predictor, place / rows)
    for encoding in ("category", "ordered"):
        first, *others = (found for (_, one, _), found in got.items() if one == encoding)
        assert len(first) == 160
        assert all(other == first for other in others)


def flat(answer):
    return [*answer.values()] if isinstance(answer, dict) else [answer]


@given(st.sets(st.integers(0, 159), min_size=1), st.sampled_from(["csv", "parquet"]))
def test_a_row_is_answered_alone_as_in_any_company(model, tmp_path_factory, chosen, ending):
    _, predictor = model
    path = tmp_path_factory.mktemp("some") / f"some.{ending}"
    some = TABLE.take(sorted(chosen)).drop_columns("y")
    if ending == "csv":
        pa.csv.write_csv(some, path)
    else:
        pq.write_table(some, path)
    rows = TABLE.to_pylist()
    alone = [predictor.predict_row(rows[i]) for i in sorted(chosen)]
    assert answers(predictor, path) == alone
    together = predictor.predict_rows(rows)
    assert [flat(together[i]) for i in sorted(chosen)] == [
        pytest.approx(flat(answer), rel=1e-12) for answer in alone
    ]


def test_rows_of_python_mean_what_the_file_means(model):
    table, predictor = model
    every = predictor.predict_rows(TABLE.to_pylist())
    assert predictor.predict_rows(plain_rows(table, np.arange(160))) == every
    texts = [
        {key: None if value is None else str(value) for key, value in row.items()}
        for row in TABLE.to_pylist()
    ]
    assert predictor.predict_rows(texts) == every
    moments = [
        {
            **row,
            "day": np.datetime64(row["day"]),
            "whole": np.int8(row["whole"]),
            "flag": np.bool_(row["flag"]),
        }
        for row in TABLE.to_pylist()
    ]
    assert predictor.predict_rows(moments) == every


class Series:
    """As pandas' Series: no Mapping, and missing values of its own."""

    def __init__(self, values):
        self.values = values

    def keys(self):
        return list(self.values)

    def __getitem__(self, key):
        return self.values[key]


class NAType:
    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")

    __eq__ = __ne__ = lambda self, other: self
    __hash__ = object.__hash__


def test_a_series_with_missing_values_is_a_row(model):
    _, predictor = model
    row = TABLE.to_pylist()[1]
    assert predictor.predict_row(Series(row)) == predictor.predict_row(row)
    missing = dict.fromkeys(row, NAType())
    assert predictor.predict_row(Series(missing)) == predictor.predict_row(dict.fromkeys(row))
    nans = dict.fromkeys(row, float("nan"))
    assert predictor.predict_row(nans) == predictor.predict_row(dict.fromkeys(row))


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("real", "abc", "expected a number in column 'real'; got 'abc'"),
        ("real", [1], "expected a number in column 'real'"),
        ("day", 5, "expected a date in column 'day'"),
        ("zone", ("a",), "expected a text in column 'zone'"),
    ],
)
def test_a_value_that_its_column_cannot_have_is_one_sentence(model, column, value, sentence):
    _, predictor = model
    row = TABLE.to_pylist()[1]
    with pytest.raises(InputError, match=sentence):
        predictor.predict_row({**row, column: value})
    with pytest.raises(InputError, match="expected a value for column 'real'"):
        predictor.predict_row({key: item for key, item in row.items() if key != "real"})
    with pytest.raises(InputError, match="a mapping"):
        predictor.predict_row([1, 2])


def test_a_key_is_the_same_however_its_accents_are_written(tmp_path):
    names = [unicodedata.normalize(form, "größe") for form in ("NFC", "NFD")]
    path = tmp_path / "t.parquet"
    pq.write_table(TABLE.select(["real", "y"]).rename_columns([names[1], "y"]), path)
    _, predictor = trained(path)
    one, other = (predictor.predict_row({name: 5.0}) for name in names)
    assert one == other


def test_a_schema_survives_json(model):
    schema = model[1].schema
    assert decode(Schema, encode(schema)) == schema
    assert {feature.column for feature in schema.features} == {c.name for c in schema.columns}
    assert "day month" in {feature.name for feature in schema.features}


def test_a_runtime_whose_library_is_missing_is_one_sentence(model, monkeypatch):
    schema = model[1].schema
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "tunewright.workloads.tabular.onnx_session", raising=False)
    with pytest.raises(
        InputError, match=r"the library behind the runtime 'onnxruntime'.*pip install"
    ):
        Predictor(
            Blended(((CompiledModel(schema, "linear", "onnxruntime", {"model.onnx": b""}), 1.0),))
        )


# The command


@pytest.fixture
def command(model, monkeypatch):
    monkeypatch.setattr(predict, "load", lambda _: model[1])
    return lambda *words: CliRunner().invoke(predict.command, ["bundle", *map(str, words)])


def test_the_command_writes_a_line_a_row_and_says_what_it_could_not_read(command, tmp_path):
    path = tmp_path / "rows.csv"
    text = pa.BufferOutputStream()
    pa.csv.write_csv(TABLE.slice(1, 3), text)
    lines = text.getvalue().to_pybytes().decode().splitlines()
    lines[2] = "abc" + lines[2][lines[2].index(",") :]
    path.write_text("\n".join(lines))
    done = command(path)
    assert done.exit_code == 0
    assert sorted(done.stdout.splitlines()[0].split(",")) == ["p(no)", "p(yes)", "prediction"]
    assert len(done.stdout.splitlines()) == 4
    assert "of 'real' hold no number, as 'abc' in row 2, and count as missing" in done.stderr


CLOSED = """
import sys
from tunewright.cli import predict
from tunewright.workloads.tabular.data import ColumnSchema, Feature, Schema
class Endless:
    schema = Schema("regression", "y", (), (ColumnSchema("x"),), (Feature("x", "x"),))
    def predict_columns(self, columns):
        yield from (0.5 for _ in range(1_000_000))
predict.load = lambda _: Endless()
predict.command.main(["bundle", sys.argv[1]], standalone_mode=False)
"""


def test_a_reader_that_goes_is_no_failure(tmp_path):
    (tmp_path / "t.csv").write_text("x\n1\n")
    running = subprocess.Popen(
        [sys.executable, "-c", CLOSED, tmp_path / "t.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout.readline() == b"prediction\r\n"
    running.stdout.close()
    assert running.stderr.read() == b""
    assert running.wait() == 0
    running.stderr.close()


def mutated(content, chance):
    """A file as accidents leave it."""
    content = bytearray(content)
    for _ in range(chance.choice([1, 1, 3, 30])):
        at = chance.randrange(len(content) + 1)
        match chance.randrange(6):
            case 0:
                del content[at:]
            case 1:
                del content[at : at + chance.randrange(40)]
            case 2:
                content[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(9)))
            case 3:
                content[at:at] = chance.choice(
                    [b'"', b"\n", b",", b"\0", b"\xff", b"\r", b";;;", b"'", b"\\", b"NA"]
                )
            case 4:
                content[at:at] = content[at // 2 : at // 2 + 200]
            case _:
                content[at : at + 1] = b""
        if not content:
            break
    return bytes(content)


def refused(use):
    """The sentence, or nothing."""
    try:
        use()
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("ending", ["csv", "parquet", "csv.gz", "arrow"])
def test_a_mutated_file_is_read_or_refused_in_one_sentence(model, place, tmp_path, ending):
    feather.write_feather(TABLE, tmp_path / "whole.arrow", compression="uncompressed")
    csv = (place / "t.csv").read_bytes()[:6_000]
    whole = {
        "csv": csv,
        "csv.gz": gzip.compress(csv),
        "parquet": (place / "t.parquet").read_bytes(),
        "arrow": (tmp_path / "whole.arrow").read_bytes(),
    }[ending]
    _, predictor = model
    chance, read_ones = random.Random(ending), 0
    path = tmp_path / f"t.{ending}"
    for _ in range(120):
        path.write_bytes(mutated(whole, chance))
        for use in (
            lambda: read_rows(path, predictor.schema),
            lambda: read(Source(str(path), "y")),
        ):
            said = refused(use)
            read_ones += not said
            assert not said or (said.startswith("expected") and "\n" not in said)
    assert read_ones < 240


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\0\0",
        b"a",
        b"a,b\n",
        b'"',
        b"a,b\n1,2\n",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"PAR1",
        b"ARROW1\0\0",
        b"\x1f\x8b",
        b"sep=;\n",
        b" \n \n",
    ],
)
def test_a_hopeless_file_is_refused_in_one_sentence(model, tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected"):
        read_rows(path, model[1].schema)


# Decimal marks


def spelled(value, mark):
    return str(value).replace(".", mark)


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A file with each mark, and a model learned from it."""
    place, made = tmp_path_factory.mktemp("marks"), {}
    chance = random.Random(3)
    rows = [
        (round(chance.uniform(-9, 9), 1 + i % 3), chance.randrange(5), i % 2) for i in range(120)
    ]
    for name, mark in (("dots", "."), ("commas", ",")):
        lines = [f"{spelled(a, mark)};{b};{y}" for a, b, y in rows]
        (place / f"{name}.csv").write_text("\n".join(["a;b;y", *lines]))
        made[mark] = place / f"{name}.csv", trained(place / f"{name}.csv")[1]
    return made


@pytest.mark.parametrize(("own", "other"), [(".", ","), (",", ".")])
def test_numbers_with_another_mark_are_refused_or_read_as_is_said(marked, own, other):
    predictor, file = marked[own][1], marked[other][0]
    with pytest.raises(
        InputError, match=f'expected "\\{own}" as the decimal mark.*--decimal "'
    ) as no:
        read_rows(file, predictor.schema)
    assert "\n" not in str(no.value)
    read = read_rows(file, predictor.schema, Dialect(decimal=other))
    assert not read.exceptions
    own_answers = answers(predictor, marked[own][0])
    assert list(predictor.predict_columns(read.columns)) == own_answers


@given(st.integers(0, 119), st.sampled_from([".", ","]))
def test_a_few_cells_with_another_mark_are_named_and_leave_the_others_as_they_are(
    marked, tmp_path_factory, row, own
):
    file, predictor = marked[own]
    lines = file.read_text().splitlines()
    lines[row + 1] = lines[row + 1].translate(str.maketrans(".,", ",."))
    odd = tmp_path_factory.getbasetemp() / "odd.csv"
    odd.write_text("\n".join(lines))
    before, after = answers(predictor, file), answers(predictor, odd)
    assert [i for i in range(120) if before[i] != after[i]] in ([], [row])


def test_the_test_file_must_have_the_mark_of_the_other(marked):
    with pytest.raises(InputError, match=r"decimal mark in .*write both files alike"):
        read(Source(str(marked["."][0]), "y", test=str(marked[","][0])))


def test_a_text_that_was_read_is_remembered_and_no_more_than_so_many_are(monkeypatch):
    read, most = list[str](), 50
    real = predictor.read_value
    monkeypatch.setattr(predictor, "MOST_TOLD", most)
    monkeypatch.setattr(
        predictor, "read_value", lambda column, value: read.append(value) or real(column, value)
    )
    column = ColumnSchema("x", "number", missing=("n.a.",))
    encoder = predictor.Encoder(Schema("regression", "y", (), (column,), (Feature("x", "x"),)))
    for texts in (["1.5", "n.a.", "", "2e3"] * 3, [f"{i}.25" for i in range(3 * most)]):
        for text in texts:
            (number,) = encoder({"x": text})
            known = real(column, text)
            assert number == known or (known is None and math.isnan(number))
        assert len(read) == len(set(texts))
        read.clear()
    (again,) = encoder({"x": "1.5"})
    assert (again, read) == (1.5, ["1.5"])
    with pytest.raises(InputError, match="expected a number in column 'x'; got 'high'"):
        encoder({"x": "high"})
