"""Selection: which columns are kept, and that nobody asks for the others any more."""

import datetime as dt
import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import tunewright as tw
from tunewright.cli.predict import command as predict
from tunewright.core.config import Config
from tunewright.core.events import decode, encode
from tunewright.core.roles import space_of
from tunewright.core.trial import Fidelity, Piece
from tunewright.deploying.bundle import load, write_index
from tunewright.errors import InputError
from tunewright.workloads.tabular import TableSpec, selection
from tunewright.workloads.tabular import table as workload_of
from tunewright.workloads.tabular.data import (
    Blended,
    ColumnSchema,
    CompiledModel,
    Feature,
    Schema,
    Training,
)
from tunewright.workloads.tabular.kind import hand_over
from tunewright.workloads.tabular.predictor import Predictor
from tunewright.workloads.tabular.selection import KNOB
from tunewright.workloads.tabular.stages import divided

N, NOISE = 600, 12
SMALL = {"n_trees": 20, "num_leaves": 8, "runtime": "native"}
FIRST = dt.datetime(2024, 3, 1)  # noqa: DTZ001 - as files have them


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Rows whose answer depends on a number, a name and the days between two dates."""
    chance, rows = random.Random(0), []
    for i in range(N):
        row = {f"noise {k}": chance.gauss(0, 1) for k in range(NOISE)}
        row["a"] = chance.gauss(0, 1)
        row["name"] = None if i % 17 == 0 else chance.choice(["red", "green", "blue"])
        row["begin"] = FIRST + dt.timedelta(days=chance.randrange(3000))
        row["end"] = row["begin"] + dt.timedelta(days=chance.randrange(90))
        days = (row["end"] - row["begin"]).days
        signal = row["a"] + 2 * (row["name"] == "red") + days / 30 + chance.gauss(0, 0.1)
        rows.append({**row, "weight": 1 + i % 3, "y": signal})
    path = tmp_path_factory.mktemp("data") / "t.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture(scope="module")
def workload(file):
    return workload_of(TableSpec(str(file), "y", metrics=("columns", "rmse"), weight="weight"))


def config_of(workload, **values):
    return space_of(workload).config({**SMALL, **values})


def read(workload):
    return workload.stages[0].run((), Config({}), None).value


def names(schema):
    return [column.name for column in schema.columns]


def test_what_tells_the_answer_is_kept_and_noise_is_left_out(workload, blended):
    artifact, samples = blended(workload, config_of(workload, **{KNOB: 4}))
    schema = artifact.value.schema
    assert names(schema) == ["a", "name", "begin", "end"]
    assert samples["columns"].values == (4.0,)
    assert schema.left_out == tuple(f"noise {k}" for k in range(NOISE))
    assert "end - begin" in [feature.name for feature in schema.features]
    assert decode(Schema, encode(schema)) == schema


def test_all_columns_are_the_default_and_are_not_ranked(workload, blended, monkeypatch):
    monkeypatch.setattr(selection, "resolve", None)
    artifact, samples = blended(workload, config_of(workload))
    assert samples["columns"].values == (NOISE + 4.0,)
    assert artifact.value.schema.left_out == ()


def test_a_bundle_asks_only_for_what_is_kept_whatever_the_file(workload, blended, file, tmp_path):
    artifact, _ = blended(workload, config_of(workload, **{KNOB: 4}))
    made = hand_over(None, Config({"threads": 1}), artifact)
    assert made.index["inputs"] == "4 of 16 columns: a, name, begin, end"
    bundle = write_index(tmp_path / "bundle", made.index, made.files)
    whole = pq.read_table(file)
    few = whole.select(["end", "a", "begin", "name"])
    pq.write_table(few, tmp_path / "few.parquet")
    pc.write_csv(few, tmp_path / "few.csv")
    told = [
        CliRunner().invoke(predict, [str(bundle), str(rows)])
        for rows in (file, tmp_path / "few.parquet", tmp_path / "few.csv")
    ]
    assert [one.exit_code for one in told] == [0, 0, 0]
    assert told[0].stdout == told[1].stdout == told[2].stdout
    assert len(told[0].stdout.splitlines()) == N + 1
    predictor, rows = load(bundle), few.to_pylist()
    answers = [predictor.predict_row(row) for row in rows]
    assert answers == pytest.approx(predictor.predict_rows(rows))
    assert [*map(float, told[0].stdout.split()[1:])] == pytest.approx(answers)
    with pytest.raises(InputError, match="'begin'"):
        predictor.predict_row({"a": 1.0, "name": "red", "end": FIRST})


@pytest.mark.parametrize("split", ["search", "test", "all"])
def test_columns_are_ranked_by_the_rows_that_are_learned_from_alone(
    workload, blended, monkeypatch, split
):
    seen, resolve = [], selection.resolve

    def watched(name):
        return lambda training, seed: (seen.append(training), resolve(name)(training, seed))[1]

    monkeypatch.setattr(selection, "resolve", watched)
    blended(workload, config_of(workload, **{KNOB: 8}), split=split)
    table = read(workload)
    rows, judged = divided(table, Fidelity("blend", piece=Piece(split=split)))
    (training,) = seen
    assert np.array_equal(training.y, table.y[rows])
    assert np.array_equal(training.weights, table.weights[rows])
    assert split == "all" or not set(training.y) & set(table.y[judged])


def test_many_rows_are_ranked_by_some_of_them(monkeypatch):
    seen = []
    monkeypatch.setattr(selection, "MOST_ROWS", 100)
    monkeypatch.setattr(
        selection, "resolve",
        lambda _: lambda training, _seed: (seen.append(training), np.array([1.0, 2.0]))[1],
    )  # fmt: skip
    training = Training(schema_of("a", "b"), np.zeros((250, 2)), np.arange(250))
    schema, x = selection.selected(1, training, 0)
    assert (names(schema), x.shape) == (["b"], (250, 1))
    assert seen[0].y.tolist() == [*range(0, 250, 3)]


def schema_of(*columns):
    made = [ColumnSchema(name) for name in columns]
    features = tuple(Feature(name, name) for name in columns)
    return Schema("regression", "y", (), tuple(made), features)


def test_a_blend_asks_for_what_any_of_its_members_asks_for(workload, blended):
    few, some = (config_of(workload, **{KNOB: count}) for count in (4, 8))
    joined = Config({}, [(few, 0.5), (some, 0.5)])
    artifact, samples = blended(workload, joined)
    alone = [blended(workload, one)[0] for one in (few, some)]
    asked = {name for one in alone for name in names(one.value.schema)}
    assert set(names(artifact.value.schema)) == asked
    assert samples["columns"].values == (float(len(asked)),)
    assert set(artifact.value.schema.left_out) == {
        column.name for column in read(workload).columns if column.name not in asked
    }
    rows = [{name: row[name] for name in asked} for row in artifact.judged.rows]
    parts = [Predictor(one.value).predict_rows(rows) for one in alone]
    expected = np.mean(parts, axis=0)
    assert Predictor(artifact.value).predict_rows(rows) == pytest.approx(expected)


def test_members_without_a_column_in_common_are_asked_for_both():
    schemas = [replace(schema_of(name), left_out=(other, "c")) for name, other in ("ab", "ba")]
    models = [CompiledModel(schema, "lightgbm", "native", {}) for schema in schemas]
    schema = Blended(tuple((model, 0.5) for model in models)).schema
    assert (names(schema), schema.left_out) == (["a", "b"], ("c",))


def test_an_estimator_of_yours_is_given_all_columns(file, blended, tmp_path, monkeypatch):
    (tmp_path / "own_dummy.py").write_text(
        "from sklearn.dummy import DummyRegressor\nmodel = DummyRegressor()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    numbers = {"drop": ("name", "begin", "end"), "metrics": ("columns",)}
    workload = workload_of(TableSpec(str(file), "y", baseline="own_dummy:model", **numbers))
    config = Config({**workload.baseline, KNOB: 1})
    artifact, samples = blended(workload, config)
    assert artifact.value.schema.left_out == ()
    assert samples["columns"].values == (NOISE + 2.0,)  # the weight is a feature here


def test_the_knob_is_there_where_the_goal_names_columns(file):
    one = workload_of(TableSpec(str(file), "y", metrics=("rmse",)))
    other = workload_of(TableSpec(str(file), "y", metrics=("rmse", "columns")))
    assert KNOB not in space_of(one).by_name
    first, *rest = other.portfolio.best
    assert [config[KNOB] for config in rest[:3]] == [8, 4, 2]
    assert all({**config, KNOB: NOISE + 5} == dict(first) for config in rest[:3])


def test_fewer_columns_that_are_as_good_are_proven(file, tmp_path):
    result = tw.tune(
        tw.Table(str(file), "y", families=("lightgbm",)),
        goal="minimize columns subject to rmse <= 0.6",
        budget="6 trials", limits=tw.Limits(workers=0), root=tmp_path,
    )  # fmt: skip
    assert result.accepted
    (columns,) = [c for c in result.verdict.comparisons if c.metric == "columns"]
    assert columns.candidate < columns.baseline == NOISE + 5
