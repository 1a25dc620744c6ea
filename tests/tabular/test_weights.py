"""Rows may count differently: in fits, in judgements and in their errors, and nowhere else."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    r2_score,
    roc_auc_score,
)

from tunewright.core.registry import resolve
from tunewright.core.roles import space_of
from tunewright.core.trial import Fidelity, Piece, Trial
from tunewright.errors import InputError
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.workloads.tabular import TableSpec, table
from tunewright.workloads.tabular.asked import source_of
from tunewright.workloads.tabular.blending import weights_of
from tunewright.workloads.tabular.data import ColumnSchema, CompiledModel, Feature, Schema, Training
from tunewright.workloads.tabular.families import FAMILIES, family_of
from tunewright.workloads.tabular.predictor import Predictor, load_runtime
from tunewright.workloads.tabular.quality import METRICS, contributions, samples_of
from tunewright.workloads.tabular.reading import read
from tunewright.workloads.tabular.transforms import smeared, transform_of

QUICK = {
    "lightgbm": {"n_trees": 30}, "forest": {"forest_trees": 20}, "xgboost": {"xgboost_trees": 30},
    "catboost": {"catboost_trees": 30}, "network": {"net_epochs": 20, "net_width": 64},
    "neighbours": {"neighbours": 100}, "kernel": {}, "sgd": {"sgd_epochs": 40},
}  # fmt: skip
ROWS = 400


def said_with(family, task, weights, **values):
    """What a family says of one and the same row whose answers are 0 and 1 by turns."""
    classes = () if task == "regression" else ("no", "yes")
    schema = Schema(task, "t", classes, (ColumnSchema("a"),), (Feature("a", "a"),))
    x, y = np.random.default_rng(0).normal(size=(ROWS, 1)) * 1e-3, np.arange(ROWS) % 2
    y = y.astype(float) if task == "regression" else y
    knobs = {knob.name: knob.default for knob in family_of(family).space(1)}
    training = Training(schema, x, y, (x, y), weights, weights)
    config = {**knobs, **QUICK.get(family, {}), **values}
    text = resolve(family_of(family).fit)(training, config, 0).text
    model = CompiledModel(schema, family, "native", {family_of(family).file: text.encode()})
    return float(np.mean(load_runtime(model, 1).batch(x)))


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("family", [name for name in FAMILIES if family_of(name).installed])
def test_every_family_believes_the_rows_that_count_more(family, task):
    weights = np.where(np.arange(ROWS) % 2 == 1, 1.8, 0.2)
    assert said_with(family, task, None) == pytest.approx(0.5, abs=0.1)
    assert said_with(family, task, weights) == pytest.approx(0.9, abs=0.1)


STOPPING = {
    "lightgbm": ("n_trees", {"early_stopping": "yes", "n_trees": 300}),
    "xgboost": ("xgboost_trees", {"xgboost_stopping": "yes", "xgboost_trees": 300}),
    "catboost": ("catboost_trees", {"catboost_stopping": "yes", "catboost_trees": 300}),
    "network": ("net_epochs", {"net_epochs": 40, "net_width": 64}),
}


@pytest.mark.parametrize("family", [name for name in STOPPING if family_of(name).installed])
def test_early_stopping_judges_by_weight(family):
    """Half of the judged rows have the answers that were learned, the others the opposite ones."""
    schema = Schema("binary", "t", ("no", "yes"), (ColumnSchema("a"),), (Feature("a", "a"),))
    x, y = np.arange(ROWS)[:, np.newaxis] % 7.0, (np.arange(ROWS) % 7 > 2).astype(int)
    judged, right = (np.vstack((x, x)), np.concatenate((y, 1 - y))), np.arange(2 * ROWS) < ROWS
    knobs = {knob.name: knob.default for knob in family_of(family).space(1)}
    rounds, config = STOPPING[family]
    chosen = [
        resolve(family_of(family).fit)(
            Training(schema, x, y, judged, None, np.where(heavy, 1.99, 0.01)),
            {**knobs, **config},
            0,
        ).chosen[rounds]
        for heavy in (right, ~right)
    ]
    assert chosen[0] > 2 * chosen[1]


WEIGHTS = st.lists(st.integers(1, 5), min_size=40, max_size=60)


@given(WEIGHTS, st.integers(0, 99))
def test_a_row_that_counts_twice_is_two_rows(counts, seed):
    rng = np.random.default_rng(seed)
    n, weights = len(counts), np.array(counts) / np.mean(counts)
    shares = rng.dirichlet(np.ones(3), n)
    for task, y, said in (
        ("binary", np.arange(n) % 2, np.round(rng.random(n), 1)),
        ("multiclass", rng.integers(0, 3, n), shares),
        ("regression", rng.normal(size=n), rng.normal(size=n)),
    ):
        for metric in METRICS[task]:
            own = contributions(metric.name, y, said, weights)
            many = contributions(metric.name, np.repeat(y, counts), np.repeat(said, counts, axis=0))
            assert np.average(own, weights=weights) == pytest.approx(many.mean())
            assert np.repeat(own, counts) == pytest.approx(many)
            sample = samples_of({"m": own}, None, None, weights)["m"]
            copies = samples_of({"m": many}, None, np.repeat(np.arange(n), counts))["m"]
            assert sample.values == pytest.approx(copies.values)
            assert sample.error == pytest.approx(copies.error)
        found = weights_of([said, said[::-1]], y, task, weights)
        again = weights_of(
            [np.repeat(one, counts, axis=0) for one in (said, said[::-1])],
            np.repeat(y, counts), task,
        )  # fmt: skip
        assert found == pytest.approx(again)


def test_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, said, weights = rng.integers(0, 2, 300), np.round(rng.random(300), 2), rng.random(300) + 0.1

    def mean(metric, *rows):
        return np.average(contributions(metric, *rows, weights), weights=weights)

    kept = {"sample_weight": weights}
    assert mean("roc_auc", y, said) == pytest.approx(roc_auc_score(y, said, **kept))
    assert mean("accuracy", y, said) == pytest.approx(accuracy_score(y, said >= 0.5, **kept))
    guess = said >= 0.5
    balanced = balanced_accuracy_score(y, guess, **kept)
    assert mean("balanced_accuracy", y, said) == pytest.approx(balanced)
    assert mean("f1", y, said) == pytest.approx(f1_score(y, guess, **kept))
    inner = np.clip(said, 0.01, 0.99)
    assert mean("log_loss", y, inner) == pytest.approx(log_loss(y, inner, **kept))
    assert mean("r2", y, said) == pytest.approx(r2_score(y, said, **kept))


def test_the_factor_of_a_transform_counts_rows_as_they_weigh():
    y, said = np.array([1.0, 4.0]), np.array([1.0, 2.0])
    transform = transform_of("sqrt", y)
    assert smeared(transform, y, said, None).factor == pytest.approx(5 / 3)
    assert smeared(transform, y, said, np.array([2.0, 0.0])).factor == pytest.approx(1.0)


def written(place, weight, target=lambda i: i % 2):
    with (place / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "w", "y"])
        writer.writerows([i * 37 % 101, i * i % 89, weight(i), target(i)] for i in range(300))
    return TableSpec(str(place / "t.csv"), "y", weight="w", cores=1)


def read_of(spec):
    return read(source_of(spec, spec.target))


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (lambda i: -1.5 if i == 6 else 1, "from 0 on in 'w'; got -1.5 in row 7, one of 1;"),
        (lambda i: "" if i % 30 == 29 else 1, "got no value in row 30, one of 10;"),
        (lambda i: "inf" if i % 99 == 9 else 1 + i % 7, "from 0 on in 'w'; got"),
        (lambda _: 0, "a weight above 0 in 'w'; got 0 in every row"),
        (lambda i: "abc"[i % 3], "--weight to hold numbers; got 'w': kind category"),
    ],
)
def test_weights_that_cannot_be_meant_are_one_sentence(tmp_path, weight, said):
    with pytest.raises(InputError) as error:
        read_of(written(tmp_path, weight))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_weight_is_no_feature_and_its_scale_says_nothing(tmp_path):
    spec = written(tmp_path, lambda i: i % 5)
    made = read_of(spec)
    assert [column.name for column in made.columns] == ["a", "b"]
    assert ("w", "weighs the rows") in made.facts.dropped
    assert any("60 rows whose weight 'w' is 0 are left out" in note for note in made.facts.notes)
    assert len(made.y) == len(made.weights) == 240
    assert made.weights.mean() == pytest.approx(1.0)
    huge = read_of(written(tmp_path, lambda i: f"{i % 5}e307"))
    assert huge.weights == pytest.approx(made.weights)
    assert made.content != read_of(written(tmp_path, lambda i: 1 + i % 3)).content


def test_a_column_of_weights_must_be_there(tmp_path):
    spec = written(tmp_path, lambda _: 1)
    with pytest.raises(InputError, match="--weight to name a column"):
        read_of(TableSpec(spec.path, "y", weight="v"))
    with pytest.raises(InputError, match="another column than the target"):
        read_of(TableSpec(spec.path, "y", weight="y"))


def test_a_chain_learns_and_judges_by_weight_and_answers_without(tmp_path):
    spec = written(tmp_path, lambda i: 9 if i % 4 < 2 else 1, target=lambda i: i // 2 % 2)
    workload = table(spec)
    config = space_of(workload).config({"family": "linear"})
    cache = ArtifactCache(tmp_path / "artifacts")
    trial = Trial(1, config, Fidelity("blend", piece=Piece("test", 0, 0)))
    measured = run_chain(trial, workload, cache, tmp_path / "trial", lambda: 0.0)
    artifact, samples = cache.get(measured.key).artifact, measured.samples
    weights = np.array(samples["weight"].values)
    assert set(np.round(weights, 2)) == {1.8, 0.2}
    rows = np.array(samples["accuracy_rows"].values)
    assert samples["accuracy"].values[0] == pytest.approx(np.average(rows, weights=weights))
    predictor = Predictor(artifact.value)
    told = [predictor.predict_row({"a": a, "b": a})["0"] for a in range(0, 100, 9)]
    assert np.mean(told) > 0.75  # those of the heavy rows, and half of all rows
