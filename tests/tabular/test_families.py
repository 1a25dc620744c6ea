"""What every family of models keeps to, whatever the table: one test, all families."""

import json
import subprocess
import sys
from array import array
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.knobs import Choice, Knob, Space
from tunewright.core.registry import resolve
from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.tabular import families
from tunewright.workloads.tabular.conversion import odd_rows, why_unequal
from tunewright.workloads.tabular.data import (
    ColumnSchema,
    CompiledModel,
    Feature,
    Schema,
    Training,
)
from tunewright.workloads.tabular.families import (
    FAMILIES,
    catboost,
    families_for,
    family_of,
    forest,
    xgboost,
)
from tunewright.workloads.tabular.network import scores
from tunewright.workloads.tabular.network_training import Recipe, Trainer, divided
from tunewright.workloads.tabular.predictor import load_runtime
from tunewright.workloads.tabular.trees import as_singles, single

TASKS = ("binary", "multiclass", "regression")
CLASSES = {"binary": ("no", "yes"), "multiclass": ("x", "y", "z"), "regression": ()}
QUICK = {
    "lightgbm": {"n_trees": 30},
    "forest": {"forest_trees": 20},
    "xgboost": {"xgboost_trees": 30},
    "catboost": {"catboost_trees": 30},
    "network": {"net_epochs": 10, "net_width": 64},
}
INSTALLED = [name for name in FAMILIES if family_of(name).installed]
every_family = pytest.mark.parametrize("family", INSTALLED)
every_task = pytest.mark.parametrize("task", TASKS)


def schema_of(task, numbers=3, categories=1):
    codes = {str(code): code for code in range(5)}
    named = [(f"n{i}", None) for i in range(numbers)] + [
        (f"c{i}", codes) for i in range(categories)
    ]
    features = tuple(Feature(name, name, codes=c, nominal=c is not None) for name, c in named)
    columns = tuple(ColumnSchema(name, "category" if c else "number") for name, c in named)
    return Schema(task, "target", CLASSES[task], columns, features)


def rows_of(task, n=300, seed=0):
    """Encoded rows with a signal, missing values and one category; and their answers."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    x[:, 3] = rng.integers(0, 5, n)
    signal = x[:, 0] + (x[:, 3] == 2) + 0.3 * rng.normal(size=n)
    x[rng.random((n, 4)) < 0.05] = np.nan
    if task == "regression":
        return x, 50 + 10 * signal
    return x, np.digitize(signal, [0.3] if task == "binary" else [-0.3, 0.7])


def config_of(family, **values):
    chosen = Knob("family", Choice((family,)), family, "algorithm", "fit")
    return Space((chosen, *family_of(family).space(2))).config(values)


def fitted(family, training, seed=0, **values):
    config = config_of(family, **{**QUICK.get(family, {}), **values})
    return resolve(family_of(family).fit)(training, config, seed)


def served(family, schema, text):
    """The runtime that answers without the library that fits."""
    native = CompiledModel(schema, family, "native", {family_of(family).file: text.encode()})
    return load_runtime(native, 1)


def right(family, task, **values):
    """How much better than saying the mean, on rows that were not seen."""
    schema = schema_of(task)
    learned = fitted(family, Training(schema, *rows_of(task)), **values)
    x, y = rows_of(task, 500, seed=9)
    said = served(family, schema, learned.text).batch(x)
    if task == "regression":
        return 1 - np.mean((said - y) ** 2) / y.var()
    picked = said > 0.5 if task == "binary" else said.argmax(axis=1)
    return np.mean(picked == y) - np.bincount(y).max() / len(y)


ODD = np.array([
    [np.nan, np.nan, np.nan, np.nan],
    [np.inf, -np.inf, 1e300, np.nan],
    [-1e300, 1e-300, -np.inf, 4.0],
    [1e39, -1e39, 3.5e38, 0.0],
])  # fmt: skip


@every_task
@every_family
def test_a_family_learns_what_there_is_to_learn(family, task):
    assert right(family, task) > (0.6 if task == "regression" else 0.15)


@every_task
@every_family
def test_a_row_is_answered_as_in_a_batch_whatever_is_in_it(family, task):
    schema = schema_of(task)
    learned = fitted(family, Training(schema, *rows_of(task)))
    runtime = served(family, schema, learned.text)
    x = np.vstack((ODD, rows_of(task, 40, seed=3)[0]))
    answers = runtime.batch(x)
    alone = [list(runtime.row(array("d", row))) for row in x]
    assert np.isfinite(answers).all()
    assert answers.reshape(len(x), -1) == pytest.approx(np.array(alone), rel=1e-5, abs=1e-6)
    if task != "regression":
        assert answers.min() >= 0
        assert answers.max() <= 1
    if task == "multiclass":
        assert answers.sum(axis=1) == pytest.approx(1.0, abs=1e-6)


@every_family
def test_the_same_seed_fits_the_same_model(family):
    training = Training(schema_of("multiclass"), *rows_of("multiclass"))
    one, two = (fitted(family, training, seed=3).text for _ in range(2))
    assert one == two


def spoilt():
    """Tables that a family must survive, by what is wrong with them."""
    for task in TASKS:
        x, y = rows_of(task, 120)
        schema = schema_of(task)
        constant, empty, huge = x.copy(), x.copy(), x.copy()
        constant[:, 1] = 7.0
        empty[:, (1, 3)] = np.nan
        huge[::7, 0], huge[::11, 1], huge[::13, 2] = 1e300, -np.inf, np.inf
        yield f"{task}, a constant column", schema, constant, y
        yield f"{task}, empty columns", schema, empty, y
        yield f"{task}, huge and infinite numbers", schema, huge, y
        yield f"{task}, numbers alone", schema_of(task, 3, 0), x[:, :3], y
        yield f"{task}, categories alone", schema_of(task, 0, 1), x[:, 3:], y
        yield (
            f"{task}, few rows",
            schema,
            x[:8],
            (y if task == "regression" else np.arange(120) % 2)[:8],
        )
        if task == "regression":
            yield f"{task}, one answer", schema, x, np.full(120, 3.5)
            yield f"{task}, huge answers", schema, x, y * 1e30
        else:
            rare = np.where(y > 0, 0, y)
            rare[5] = len(schema.classes) - 1
            yield f"{task}, one row of a class", schema, x, rare
            yield f"{task}, a class alone", schema, x, np.zeros(120, int)
    x, y = rows_of("multiclass", 120)
    yield "multiclass, an absent class", schema_of("multiclass"), x, np.where(y == 1, 0, y)


SPOILT = list(spoilt())


@pytest.mark.parametrize(("schema", "x", "y"), [s[1:] for s in SPOILT], ids=[s[0] for s in SPOILT])
@every_family
def test_a_table_that_teaches_little_gives_a_model_or_a_sentence(family, schema, x, y):
    learned, failure = None, ""
    try:
        learned = fitted(family, Training(schema, x, y))
    except TrialFailed as failed:
        failure = str(failed)
    if learned is None:
        assert "expected" in failure
        assert len(np.unique(y)) < len(schema.classes)
        return
    odd = ODD[:, : x.shape[1]] if x.shape[1] > 1 else ODD[:, 3:]
    answers = served(family, schema, learned.text).batch(np.vstack((x, odd)))
    assert np.isfinite(answers).all()
    assert answers.shape[1:] == ((3,) if len(schema.classes) == 3 else ())


LEAN = """
import json, sys
import numpy as np
from tunewright.workloads.tabular.data import CompiledModel, Schema
from tunewright.workloads.tabular.predictor import load_runtime
for family, name, path in json.loads(sys.argv[1]):
    model = CompiledModel(Schema("binary", "t", ("a", "b"), (), (None,) * 4), family, "native", {name: open(path, "rb").read()})
    load_runtime(model, 1).batch(np.zeros((1, 4)))
print(json.dumps([m for m in sys.modules if m in ("sklearn", "scipy", "lightgbm", "pandas", "torch", "xgboost", "catboost")]))
"""


def test_every_family_answers_without_the_library_that_fitted_it(tmp_path):
    given = []
    for family in INSTALLED:
        path = tmp_path / family
        learned = fitted(family, Training(schema_of("binary"), *rows_of("binary")))
        path.write_text(learned.text)
        given.append([family, family_of(family).file, str(path)])
    done = subprocess.run(
        [sys.executable, "-c", LEAN, json.dumps(given)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_every_setting_of_a_portfolio_is_a_config(family):
    for rows in (1, 100, 5000, 5001, 40_000, 10**6, 10**9):
        configs = [config_of(family, **values) for values in family_of(family).portfolio(rows, 1)]
        assert len(set(configs)) == len(configs)


STOPPING = {
    "lightgbm": ("n_trees", "early_stopping"),
    "xgboost": ("xgboost_trees", "xgboost_stopping"),
    "catboost": ("catboost_trees", "catboost_stopping"),
    "network": ("net_epochs", ""),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", [name for name in STOPPING if name in INSTALLED])
def test_early_stopping_chooses_rounds_and_a_refit_with_them_makes_the_same_model(family, task):
    knob, stopping = STOPPING[family]
    values = {stopping: "yes", knob: 1000} if stopping else {knob: 200}
    schema = schema_of(task)
    rows, judged = rows_of(task), rows_of(task, seed=1)
    stopped = fitted(family, Training(schema, *rows, judged), **values)
    (rounds,) = stopped.chosen.values()
    assert set(stopped.chosen) == {knob}
    assert rounds < values[knob]
    again = fitted(family, Training(schema, *rows), **{**values, knob: int(rounds)})
    x, _ = rows_of(task, seed=2)
    answers = [served(family, schema, one.text).batch(x) for one in (stopped, again)]
    assert answers[1] == pytest.approx(answers[0], rel=1e-9)
    assert not again.chosen
    if not stopping:
        return
    whole = fitted(family, Training(schema, *rows, judged), **{stopping: "no", knob: 60})
    assert not whole.chosen


def test_equal_rows_are_all_neighbours_whatever_company_they_are_asked_in():
    x = np.array([[0.0, 0, 0, 0]] * 100 + [[5.0, 5, 5, 1]] * 100)
    y = np.concatenate((np.arange(100) % 4 == 0, np.ones(100))).astype(int)
    schema = schema_of("binary")
    learned = fitted("neighbours", Training(schema, x, y), neighbours=5)
    runtime = served("neighbours", schema, learned.text)
    asked = np.array([[0.0, 0, 0, 0], [5.0, 5, 5, 1], [0.1, 0, 0.2, 0]])
    assert runtime.batch(asked) == pytest.approx([0.25, 1.0, 0.25])
    assert list(runtime.row(array("d", asked[0]))) == pytest.approx([0.25])


# Trees of other libraries


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.floats(-3, 3))
def test_a_limit_is_as_if_the_row_had_been_rounded_to_single_precision(limit, ulps):
    limit = np.float32(np.clip(limit, -1e30, 1e30))
    step = float(np.nextafter(limit, np.float32(np.inf))) - float(limit)
    (as_double,) = as_singles(np.array([limit]))
    near = [
        float(limit) + ulps * step,
        float(limit) + step / 2,
        as_double,
        np.nextafter(as_double, 1e308),
    ]
    for x in near:
        assert (x <= as_double) == bool(np.float32(x) <= limit)


def test_an_oblivious_tree_is_written_as_the_same_questions():
    model = {
        "features_info": {
            "float_features": [
                {"feature_index": 0, "flat_feature_index": 0, "nan_value_treatment": "AsFalse"},
                {"feature_index": 1, "flat_feature_index": 2, "nan_value_treatment": "AsTrue"},
            ]
        },
        "oblivious_trees": [
            {"leaf_values": [1, 10, 100, 1000], "splits": [{"border": 0.5, "float_feature_index": 0}, {"border": -2.0, "float_feature_index": 1}]},
            {"leaf_values": [7], "splits": []},
        ],
        "scale_and_bias": [2, [0.25]],
    }  # fmt: skip
    schema = schema_of("regression")
    text = catboost.to_trees(model, schema, [0], 2)
    x = np.array([
        [0.5, 9, -2.0, 0], [0.6, 9, -2.0, 0], [0.5, 9, -1.9, 0], [0.6, 9, -1.9, 0],
        [np.nan, 9, -3, 0], [0.0, 9, np.nan, 0],
    ])  # fmt: skip
    expected = 0.25 + 2 * (np.array([1, 10, 100, 1000, 1, 100]) + 7)
    assert served("catboost", schema, text).batch(x) == pytest.approx(expected)


def test_trees_of_xgboost_ask_for_less_in_single_precision():
    condition = float(np.float32(0.1))
    tree = {
        "left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [1, 0, 0],
        "split_conditions": [condition, -4.0, 4.0], "default_left": [1, 0, 0],
    }  # fmt: skip
    model = {
        "learner": {
            "gradient_booster": {"model": {"trees": [tree]}},
            "learner_model_param": {"base_score": "[1.5E0]"},
        }
    }
    schema = schema_of("regression")
    below = float(np.nextafter(np.float32(0.1), np.float32(0)))
    x = np.array([[0, v, 0, 0] for v in (condition, below, 0.1, np.nan, -np.inf, np.inf)])
    said = served("xgboost", schema, xgboost.to_trees(model, schema)).batch(x)
    assert said.tolist() == [5.5, -2.5, 5.5, -2.5, -2.5, 5.5]


def test_a_family_that_is_named_twice_is_one():
    assert [f.name for f in families_for(("linear", "tree", "linear"), "binary")] == [
        "linear",
        "tree",
    ]


def test_a_family_whose_library_is_absent_is_left_out_or_named_with_what_to_type(monkeypatch):
    monkeypatch.setattr(families, "find_spec", lambda name: None)
    assert {"xgboost", "catboost"}.isdisjoint(f.name for f in families_for((), "binary"))
    with pytest.raises(InputError, match=r"run pip install 'tunewright\[catboost\]'"):
        families_for(("lightgbm", "catboost"), "binary")


# Forests


@pytest.mark.parametrize("present", [(1,), (0,), (2,), (0, 2), (1, 2)])
@pytest.mark.parametrize("family", ["forest", "tree"])
def test_trees_say_nothing_of_classes_that_no_row_has(family, present):
    x, _ = rows_of("regression")
    y = np.resize(present, len(x))
    for task in ("binary", "multiclass") if max(present) < 2 else ("multiclass",):
        schema = schema_of(task)
        said = served(family, schema, fitted(family, Training(schema, x, y)).text).batch(x)
        shares = said if task == "multiclass" else np.column_stack((1 - said, said))
        assert np.flatnonzero(shares.max(axis=0) > 0).tolist() == sorted(set(present))


@pytest.mark.parametrize("kind", ["random", "extra"])
def test_a_forest_of_many_classes_answers_as_the_library_that_grew_it(kind):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(400, 4)), 1 + rng.integers(0, 8, 400)  # of ten, two have no row
    x[rng.random(x.shape) < 0.1] = np.nan
    x[::9, 0], x[::7, 1] = 1e300, np.inf
    schema = replace(schema_of("multiclass"), classes=tuple("abcdefghij"))
    grown = resolve(f"sklearn.ensemble:{forest.GROWN[kind]}Classifier")(
        n_estimators=20, min_samples_leaf=2, max_features=0.5, random_state=6
    ).fit(single(x), y)
    config = config_of(
        "forest", forest_kind=kind, forest_trees=20, forest_leaf=2, forest_features=0.5
    )
    text = forest.fit(Training(schema, x, y), config, 6).text
    asked = np.vstack((ODD, x, np.nextafter(x, 9), rng.normal(size=(5000, 4))))
    for share, trees in ((1.0, 20), (0.4, 8), (0.05, 1)):
        kept = forest.simplify(text, config_of("forest", forest_keep=share))
        said = served("forest", schema, kept).batch(asked)
        alone = [tree.predict_proba(single(asked)) for tree in grown.estimators_[:trees]]
        assert said[:, 1:9] == pytest.approx(np.mean(alone, axis=0), abs=1e-6)
        assert not said[:, [0, 9]].any()


def test_a_forest_does_not_grow_with_the_classes_that_there_are():
    x, y = rows_of("multiclass")
    few, many = (
        fitted("forest", Training(replace(schema_of("multiclass"), classes=classes), x, y)).text
        for classes in (("x", "y", "z"), tuple(map(str, range(60))))
    )
    assert len(many) == len(few)


@pytest.mark.parametrize("classes", [0, 2, 30, 2000])
def test_leaves_grow_with_the_rows_so_that_a_forest_stays_in_bounds(classes):
    schema = replace(schema_of("multiclass"), classes=tuple(map(str, range(classes))))

    def least(rows, trees):
        return forest.least_leaf(Training(schema, np.empty((0, 4)), np.empty(rows)), trees)

    assert least(1000, 20) == 1
    for rows, trees in ((10**5, 300), (10**6, 20), (10**6, 300)):
        leaves = trees * rows / least(rows, trees)
        assert leaves <= (3_000_000 if classes else 1_000_000)
        assert leaves * max(classes, 1) <= 100_000_000


# Conversions


def test_a_conversion_that_answers_otherwise_does_not_count():
    schema = schema_of("multiclass")
    x, y = rows_of("multiclass")
    texts = [fitted("lightgbm", Training(schema, x, y), n_trees=trees).text for trees in (30, 31)]
    one, other = (
        CompiledModel(schema, "lightgbm", "native", {"model.txt": text.encode()}) for text in texts
    )
    assert not why_unequal(one, one, x)
    assert "of 300 judged rows differ" in why_unequal(one, other, x)


def test_odd_rows_are_missing_and_extreme_in_every_column_and_no_code_is_extreme():
    schema, (x, _) = schema_of("binary"), rows_of("binary")
    odd = odd_rows(np.nan_to_num(x), schema)
    for column in range(4):
        assert np.isnan(odd[:, column]).any()
        assert np.isinf(odd[:, column]).any() == (column < 3)
    assert odd_rows(x[:, 3:], schema_of("binary", 0, 1)).shape[1] == 1


@every_task
def test_the_slopes_of_the_network_are_those_of_its_loss(task):
    rng = np.random.default_rng(0)
    x, outputs = rng.normal(size=(32, 4)), 3 if task == "multiclass" else 1
    y = rng.normal(size=(32, 1)) if task == "regression" else np.eye(3)[rng.integers(0, 3, 32)]
    y, counts = y[:, :outputs], rng.random((32, 1)) * 2
    rows = tuple(array.astype(np.float32) for array in (x, y, counts))
    recipe = Recipe(task, epochs=1, width=8, rate=0.1, dropout=0.0, sigma=0.3, decay=0.0)
    trainer = Trainer(rows, 2, recipe, seed=0)
    trainer.all.flat[:] += 0.1 * rng.normal(size=trainer.all.flat.shape)
    slopes = trainer.slopes_at(rows, 0.0)

    def loss(flat):
        arrays = {
            name: flat[where].reshape(trainer.of[name].shape)
            for name, where in trainer.all.slices.items()
        }
        z = scores(divided(arrays), x)
        if task == "regression":
            return np.mean(counts * (z - y) ** 2)
        if task == "binary":
            return np.mean(counts * (np.log1p(np.exp(z)) - y * z))
        return np.mean(counts[:, 0] * (np.log(np.exp(z).sum(axis=1)) - (y * z).sum(axis=1)))

    flat = trainer.all.flat.astype(float)
    for name, where in trainer.all.slices.items():
        for i in rng.integers(where.start, where.stop, 4):
            step = np.zeros_like(flat)
            step[i] = 1e-5
            numeric = (loss(flat + step) - loss(flat - step)) / 2e-5
            assert slopes[i] == pytest.approx(numeric, rel=2e-3, abs=1e-5), name
