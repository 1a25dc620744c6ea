"""What every family of models keeps to, whatever the table: one test, all families."""

import numpy as np
import pytest

from tunewright.core.knobs import Choice, Knob, Space
from tunewright.core.registry import resolve
from tunewright.workloads.tabular.data import (
    ColumnSchema,
    Feature,
    Schema,
    Training,
)
from tunewright.workloads.tabular.families import FAMILIES, family_of

TASKS = ("binary", "multiclass", "regression")
CLASSES = {"binary": ("no", "yes"), "multiclass": ("x", "y", "z"), "regression": ()}


def schema_of(task, numbers=3, categories=1):
    names = [f"n{i}" for i in range(numbers)] + [f"c{i}" for i in range(categories)]
    features = [
        Feature(
            name,
            name,
            codes={str(v): v for v in range(5)} if name[0] == "c" else None,
            nominal=name[0] == "c",
        )
        for name in names
    ]
    columns = tuple(
        ColumnSchema(name, "category" if name[0] == "c" else "number") for name in names
    )
    return Schema(task, "target", CLASSES[task], columns, tuple(features))


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
    return resolve(family_of(family).fit)(training, config_of(family, **values), seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_setting_of_a_portfolio_is_a_config(family):
    configs = [config_of(family, **values) for values in family_of(family).portfolio]
    assert len(set(configs)) == len(configs)


STOPPING = {"lightgbm": ("n_trees", {"early_stopping": "yes", "n_trees": 1000})}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", STOPPING)
def test_early_stopping_chooses_rounds_and_a_refit_with_them_makes_the_same_model(family, task):
    knob, values = STOPPING[family]
    schema = schema_of(task)
    rows, judged = rows_of(task), rows_of(task, seed=1)
    stopped = fitted(family, Training(schema, *rows, judged), **values)
    (rounds,) = stopped.chosen.values()
    assert set(stopped.chosen) == {knob}
    assert rounds < 1000
    again = fitted(family, Training(schema, *rows), **{**values, knob: int(rounds)})
    assert again.text == stopped.text
    assert not again.chosen
    whole = fitted(
        family, Training(schema, *rows, judged), **{**values, "early_stopping": "no", knob: 60}
    )
    assert not whole.chosen
