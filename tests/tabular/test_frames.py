"""A table in memory is learned from as a file is, by whatever process, and again after a resume."""

import datetime as dt
import json
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.events import decode, encode
from tunewright.errors import InputError
from tunewright.workloads.tabular import TableSpec, table
from tunewright.workloads.tabular.asked import source_of
from tunewright.workloads.tabular.files import load
from tunewright.workloads.tabular.frames import PLACE, keep
from tunewright.workloads.tabular.reading import read

N = 120
DATA = pa.table(
    {
        "x": [i * 37 % 101 / 4 for i in range(N)],
        "colour": [("red", "blé", None)[i % 3] for i in range(N)],
        "day": [dt.date(2024, 1, 1) + dt.timedelta(days=i * 17 % 300) for i in range(N)],
        "y": [i * 13 % 5 < 2 for i in range(N)],
    }
)


class Frame:
    """What pandas and polars offer of a table, and nothing else."""

    def __init__(self, data=DATA):
        self.data = data

    def __arrow_c_stream__(self, requested_schema=None):
        return self.data.__arrow_c_stream__(requested_schema)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_frame_is_the_same_table_as_its_file(here):
    pq.write_table(DATA, "t.parquet")
    frame, file = TableSpec(Frame(), "y"), TableSpec("t.parquet", "y")
    first, second = (read(source_of(spec, "y")) for spec in (frame, file))
    assert first.content == second.content
    assert first.facts.kinds == second.facts.kinds
    assert table(frame).digest == table(file).digest


def test_a_study_of_a_frame_is_json_that_means_the_same_elsewhere(here, monkeypatch):
    spec = TableSpec(Frame(), "y", test=Frame(DATA.slice(60)))
    again = decode(TableSpec, json.loads(json.dumps(encode(spec))))
    assert again == spec
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    assert table(again).facts.rows == N + 60


@given(st.lists(st.integers(1, N - 1), max_size=5))
def test_equal_frames_are_kept_once_however_they_are_cut(tmp_path_factory, cuts):
    place = tmp_path_factory.getbasetemp() / "kept"
    bounds = [0, *sorted(cuts), N]
    parts = [DATA.slice(a, b - a) for a, b in pairwise(bounds)]
    assert keep(Frame(pa.concat_tables(parts)), place) == keep(DATA, place)
    assert len(list(place.iterdir())) == 1
    assert load(keep(DATA, place)).data.equals(DATA)


def test_other_rows_are_another_file():
    assert keep(DATA) != keep(DATA.slice(1))
    assert len(list(PLACE.iterdir())) == 2


@pytest.mark.parametrize("given_as", [str, Path])
def test_a_path_is_left_where_it_is(here, given_as):
    pq.write_table(DATA, "t.parquet")
    spec = TableSpec(given_as("t.parquet"), "y", test=given_as("t.parquet"))
    assert (spec.path, spec.test) == ("t.parquet", "t.parquet")
    assert not PLACE.exists()
    json.dumps(encode(spec))


def test_row_labels_of_a_frame_are_no_feature():
    stored = json.dumps({"index_columns": ["__index_level_0__"]}).encode()
    labelled = DATA.append_column("__index_level_0__", pa.array([i * 2 for i in range(N)]))
    facts = table(
        TableSpec(Frame(labelled.replace_schema_metadata({b"pandas": stored})), "y")
    ).facts
    assert facts.dropped == (("__index_level_0__", "bookkeeping: the row labels of a data frame"),)


class Mixed:
    def __arrow_c_stream__(self, requested_schema=None):
        raise pa.ArrowTypeError("Expected bytes, got a 'int' object", "column a has type object")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (5, "a file or a data frame as data; got int"),
        ([[1, 2]], "a file or a data frame as data; got list"),
        (Mixed(), "in the data frame; got Expected bytes.* turn mixed"),
        (DATA.slice(0, 0), "expected rows of data"),
        (DATA.rename_columns(["x", "x", "z", "y"]), "unique column names"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_a_sentence(data, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        TableSpec(data, "y")
    assert "\n" not in str(caught.value)


def test_where_nothing_can_be_kept_is_said_and_nothing_is_left(here):
    (here / "taken").write_text("")
    with pytest.raises(InputError, match=r"keep the data frame in .*taken"):
        keep(DATA, here / "taken")
    assert (here / "taken").read_text() == ""
