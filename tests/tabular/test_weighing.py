"""Where rows count differently, all that is learned of them counts them so."""

import csv
import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from tunewright.core.goal import parse_goal
from tunewright.core.registry import resolve
from tunewright.stats.kish import effective_size
from tunewright.workloads.tabular import TableSpec
from tunewright.workloads.tabular import table as workload_of
from tunewright.workloads.tabular.data import (
    ColumnSchema,
    CompiledModel,
    Feature,
    Schema,
    Source,
    Training,
)
from tunewright.workloads.tabular.design import Design
from tunewright.workloads.tabular.encoding import learn_features
from tunewright.workloads.tabular.families import FAMILIES, family_of
from tunewright.workloads.tabular.features.text import TextReader
from tunewright.workloads.tabular.features.text_learning import learn_text
from tunewright.workloads.tabular.predictor import load_runtime
from tunewright.workloads.tabular.provable import provable
from tunewright.workloads.tabular.reading import read
from tunewright.workloads.tabular.transforms import skewness
from tunewright.workloads.tabular.weighing import mean_and_spread, quantiles

CHANCE = np.random.default_rng(3)
COUNTS = CHANCE.integers(1, 6, 400)


def schema_of(task, classes=()):
    return Schema(task, "t", classes, (ColumnSchema("a"),), (Feature("a", "a"),))


# Numbers


def test_mean_spread_and_quantiles_are_those_of_repeated_values():
    values = CHANCE.normal(size=400)
    many, weights = np.repeat(values, COUNTS), COUNTS / 7.0
    assert mean_and_spread(values, weights) == pytest.approx(mean_and_spread(many, None))
    shares = (0.25, 0.5, 0.75)
    expected = np.quantile(many, shares, method="inverted_cdf")
    assert quantiles(values, shares, weights) == pytest.approx(expected)


def test_rows_of_one_weight_are_worth_their_number_and_others_less():
    assert effective_size(np.full(9, 1e-300)) == pytest.approx(9)
    assert effective_size(np.array([1.0, 1.0, 1e300])) == pytest.approx(1)
    assert effective_size(np.array([1.0, 2.0])) == pytest.approx(9 / 5)


@pytest.mark.parametrize("robust", [True, False])
def test_a_design_is_that_of_repeated_rows(robust):
    x, y = CHANCE.lognormal(size=(400, 1)), np.zeros(400)
    x[CHANCE.random(400) < 0.1] = np.nan
    schema = schema_of("regression")
    got = Design.learn(Training(schema, x, y, weights=COUNTS / 3.0), robust=robust)
    many = Training(schema, np.repeat(x, COUNTS, axis=0), np.repeat(y, COUNTS))
    expected = Design.learn(many, robust=robust)
    # Between two values the quantile of many lies elsewhere than that of few.
    assert got.centre == pytest.approx(expected.centre, rel=0.02 if robust else 1e-9)
    assert got.scale == pytest.approx(expected.scale, rel=0.02 if robust else 1e-9)
    assert (got.low, got.high, got.gaps) == (expected.low, expected.high, expected.gaps)


# Features


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A table with columns of each kind that is learned from, by its task."""
    chance, rows = random.Random(1), []
    for _ in range(600):
        good = chance.random() < 0.4
        rows.append(
            {
                "shop": f"s{chance.randrange(90)}",
                "size": chance.gauss(0, 1),
                "good": ("no", "yes")[good],
                "stars": f"{1 + int(good) + chance.randrange(2)} stars",
                "spent": 10.0 + 5 * good + chance.random(),
            }
        )
    path = tmp_path_factory.mktemp("weighing") / "t.parquet"
    pa.parquet.write_table(pa.Table.from_pylist(rows), path)
    targets = {"binary": "good", "multiclass": "stars", "regression": "spent"}
    return {
        task: read(Source(str(path), name, drop=tuple(set(targets.values()) - {name})))
        for task, name in targets.items()
    }


@pytest.mark.parametrize("how", ["category", "ordered", "means"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_features_are_those_of_repeated_rows(tables, task, how):
    table = tables[task]
    counts = np.random.default_rng(0).integers(1, 6, len(table.y))
    every = np.arange(len(table.y))
    some = replace(table, weights=counts.astype(float))
    many = replace(
        table,
        columns=tuple(replace(c, values=np.repeat(c.values, counts)) for c in table.columns),
        y=np.repeat(table.y, counts), groups=np.repeat(every, counts),
    )  # fmt: skip
    schema, x = learn_features(some, every, how)
    expected, copies = learn_features(many, np.repeat(every, counts).argsort(), how)
    assert [f.name for f in schema.features] == [f.name for f in expected.features]
    for got, wanted in zip(schema.features, expected.features, strict=True):
        assert got.codes == wanted.codes
        assert got.table == pytest.approx(wanted.table)
    means = [i for i, f in enumerate(schema.features) if f.name.endswith("mean 0")]
    assert x[:, means] == pytest.approx(copies[np.cumsum(counts) - 1][:, means])


def test_what_words_say_is_that_of_repeated_texts():
    chance, words = random.Random(0), ["good", "bad", "late", "soon", "dear", "cheap"]
    texts = [" ".join(chance.sample(words, 3)) for _ in range(120)]
    answers = np.array([[float("good" in text) + chance.random()] for text in texts])
    counts, fold = np.random.default_rng(1).integers(1, 5, 120), np.arange(120) % 3
    text, own = learn_text(texts, answers, fold, counts.astype(float))
    many, theirs = learn_text(
        list(np.repeat(texts, counts)), np.repeat(answers, counts, axis=0),
        np.repeat(fold, counts), None,
    )  # fmt: skip
    assert np.repeat(own, counts, axis=0) == pytest.approx(theirs, abs=1e-6)
    answer = len(text.offsets) - 1
    readers = [{t: TextReader(one)(t)[answer] for t in texts} for one in (text, many)]
    assert readers[0] == pytest.approx(readers[1], abs=1e-4)  # kept as single floats


def test_topics_are_those_of_the_texts_that_count():
    common, rare = ["red green blue"] * 60, ["one two three"] * 60
    weights = np.repeat([1.0, 1e-9], 60)
    text, _ = learn_text([*common, *rare], np.zeros((120, 1)), np.arange(120) % 2, weights)
    first = np.abs([TextReader(text)(one)[0] for one in ("red green blue", "one two three")])
    assert first[0] > 0.9
    assert first[1] < 0.1


# Models


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_linear_model_is_that_of_repeated_rows(task):
    classes = {"binary": ("a", "b"), "multiclass": ("a", "b", "c")}.get(task, ())
    x = CHANCE.normal(size=(400, 1)) * 50
    y = x[:, 0] + CHANCE.normal(size=400) * 30
    y = np.digitize(y, [0, 60][: len(classes) - 1]) if classes else y
    schema, config = schema_of(task, classes), {"linear_c": 1e-3}  # so that its penalty is felt
    fit = resolve(family_of("linear").fit)

    def said(training):
        text = fit(training, config, 0).text
        model = CompiledModel(schema, "linear", "native", {"linear.json": text.encode()})
        return load_runtime(model, 1).batch(x)

    got = said(Training(schema, x, y, weights=COUNTS.astype(float)))
    many = said(Training(schema, np.repeat(x, COUNTS, axis=0), np.repeat(y, COUNTS)))
    assert got == pytest.approx(many, rel=1e-5)


FAR = {
    "lightgbm": {"n_trees": 30}, "forest": {"forest_trees": 20}, "xgboost": {"xgboost_trees": 30},
    "catboost": {"catboost_trees": 30}, "network": {"net_epochs": 20, "net_width": 64},
    "sgd": {"sgd_epochs": 40},
}  # fmt: skip


@pytest.mark.parametrize("family", [name for name in FAMILIES if family_of(name).installed])
def test_rows_that_hardly_count_set_no_scale(family):
    """Rows far away in column and answer, and many of them, are as good as absent."""
    x, far = np.linspace(-1, 1, 300)[:, np.newaxis], np.linspace(900, 1000, 150)[:, np.newaxis]
    schema = schema_of("regression")
    every, y = np.vstack((x, far)), np.concatenate((x[:, 0], far[:, 0] * 1e4))
    weights = np.repeat([1.5, 1e-12], [300, 150])
    knobs = {knob.name: knob.default for knob in family_of(family).space(1)}
    training = Training(schema, every, y, None, weights)
    text = resolve(family_of(family).fit)(training, {**knobs, **FAR.get(family, {})}, 0).text
    model = CompiledModel(schema, family, "native", {family_of(family).file: text.encode()})
    said = load_runtime(model, 1).batch(x)
    assert np.abs(said - x[:, 0]).mean() < 0.25


# Tables


def written(place, rows, names=("a", "b", "w", "y")):
    with (place / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return str(place / "t.csv")


def test_a_class_of_rows_without_weight_is_none(tmp_path):
    rows = [(i * 37 % 101, i % 7, int(i % 3 > 0), "xyz"[i % 3]) for i in range(300)]
    got = read(Source(written(tmp_path, rows), "y", weight="w"))
    assert got.facts.classes == ("y", "z")
    assert (got.facts.task, got.facts.rows_without_target) == ("binary", 0)
    assert np.bincount(got.y).tolist() == [100, 100]


def test_where_nothing_is_held_back_weights_are_numbers_of_rows(tmp_path):
    rows = [(i * 37 % 101, i % 7, i % 3, i % 2) for i in range(60)]
    got = read(Source(written(tmp_path, rows), "y", weight="w", whole=True))
    assert sorted(set(got.weights)) == [1.0, 2.0]


def test_a_skew_is_that_of_the_rows_that_count(tmp_path):
    rows = [(i * 37 % 101, i % 7, 1e-9 if i % 10 == 0 else 1, 1 + i * 7 % 11) for i in range(400)]
    skewed = [(a, b, w, y if w == 1 else 1000 + a) for a, b, w, y in rows]
    table = read(Source(written(tmp_path, skewed), "y", weight="w", task="regression"))
    assert abs(skewness(table)) < 0.5
    assert skewness(replace(table, weights=None)) > 1


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_what_can_be_proven_shrinks_as_weights_differ(tmp_path, task):
    rows = [
        (i * 37 % 997, i % 89, 20 if i % 4 == 0 else 1, i % 2 if task == "binary" else i * 7 % 113)
        for i in range(1200)
    ]
    path = written(tmp_path, rows)
    even = workload_of(TableSpec(path, "y", drop=("w",), task=task, cores=1))
    uneven = workload_of(TableSpec(path, "y", weight="w", task=task, cores=1))
    assert even.facts.worth == even.facts.clusters
    assert uneven.facts.worth / uneven.facts.clusters == pytest.approx(0.33, abs=0.04)
    metric = "accuracy" if task == "binary" else "r2"
    margins = []
    for workload in (even, uneven):
        goal = parse_goal(f"maximize {metric}", workload.metrics)
        (said,) = (text for _, text in provable(workload.facts, goal, 0))
        margins.append(float(said.partition("about ")[2].split()[0]))
    assert margins[1] == pytest.approx(margins[0] / 0.33**0.5, rel=0.1)
    assert "untouched rows, by weight worth 1" in said
