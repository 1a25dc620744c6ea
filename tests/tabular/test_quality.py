"""Per-row contributions: their mean is the metric, their spread its standard error."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from tunewright.errors import TrialFailed
from tunewright.workloads.tabular.data import Judged
from tunewright.workloads.tabular.quality import contributions, every_row, samples_of

RNG = np.random.default_rng(3)
Y = RNG.integers(0, 2, 400)
SCORE = np.clip(np.round(Y * 0.2 + RNG.random(400) * 0.8, 1), 0.01, 0.99)  # many ties
RARE = (RNG.random(400) < 0.15).astype(int)
LOW = np.clip(0.3 * RARE + RNG.random(400) * 0.7, 0, 1)
CLASSES = RNG.integers(0, 4, 300)
TABLE = RNG.dirichlet(np.ones(4), 300)
VALUES = RNG.normal(size=300)
GUESSES = VALUES + RNG.normal(size=300)


@pytest.mark.parametrize(
    ("metric", "y", "prediction", "expected"),
    [
        ("roc_auc", Y, SCORE, roc_auc_score(Y, SCORE)),
        ("accuracy", Y, SCORE, accuracy_score(Y, SCORE >= 0.5)),
        ("log_loss", Y, SCORE, log_loss(Y, SCORE)),
        ("balanced_accuracy", Y, SCORE, balanced_accuracy_score(Y, SCORE >= 0.5)),
        ("balanced_accuracy", RARE, LOW, balanced_accuracy_score(RARE, LOW >= 0.5)),
        ("f1", Y, SCORE, f1_score(Y, SCORE >= 0.5)),
        ("f1", RARE, LOW, f1_score(RARE, LOW >= 0.5)),
        ("accuracy", CLASSES, TABLE, accuracy_score(CLASSES, TABLE.argmax(axis=1))),
        ("log_loss", CLASSES, TABLE, log_loss(CLASSES, TABLE)),
        ("balanced_accuracy", CLASSES, TABLE, balanced_accuracy_score(CLASSES, TABLE.argmax(1))),
        ("rmse", VALUES, GUESSES, root_mean_squared_error(VALUES, GUESSES)),
        ("mae", VALUES, GUESSES, mean_absolute_error(VALUES, GUESSES)),
        ("r2", VALUES, GUESSES, r2_score(VALUES, GUESSES)),
    ],
)
def test_the_mean_is_the_metric_as_scikit_learn_has_it(metric, y, prediction, expected):
    assert contributions(metric, y, prediction).mean() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "y", "prediction"),
    [
        ("roc_auc", Y, SCORE),
        ("balanced_accuracy", RARE, LOW),
        ("balanced_accuracy", CLASSES, TABLE),
        ("f1", RARE, LOW),
        ("rmse", VALUES, GUESSES),
        ("r2", VALUES, GUESSES),
    ],
)
def test_the_standard_error_agrees_with_the_bootstrap(metric, y, prediction):
    values = contributions(metric, y, prediction)
    picks = [RNG.integers(0, len(y), len(y)) for _ in range(600)]
    spread = np.std([contributions(metric, y[i], prediction[i]).mean() for i in picks])
    assert values.std(ddof=1) / np.sqrt(len(y)) == pytest.approx(spread, rel=0.15)


def test_roc_auc_of_one_class_is_refused():
    with pytest.raises(TrialFailed, match="both classes"):
        contributions("roc_auc", np.ones(5), np.arange(5.0))


def test_a_class_that_no_row_has_is_no_class_and_nothing_found_is_an_f1_of_0():
    y, said = np.array([0, 0, 2]), np.eye(4)[[0, 1, 2]]
    assert contributions("balanced_accuracy", y, said).mean() == pytest.approx(0.75)
    assert contributions("f1", np.zeros(5, int), np.zeros(5)).tolist() == [0.0] * 5
    assert contributions("f1", np.array([0, 1, 1]), np.zeros(3)).mean() == 0.0


def test_changes_are_paired_and_rows_are_given_when_asked_for():
    base, own = {"mae": np.array([1.0, 2.0, 4.0])}, {"mae": np.array([0.5, 1.5, 3.5])}
    samples = samples_of(own, base)
    assert samples["mae_change"].values == (-0.5,)
    assert samples["mae_change"].error == 0.0
    assert set(samples_of(own, None)) == {"mae"}
    numbers = Judged(np.empty(0), np.array([0.5, 1.5, 3.5]), ())
    rows = every_row(own, numbers, np.array([1.0, 2.0, 3.0]), ())
    assert {name: sample.values for name, sample in rows.items()} == {
        "mae_rows": (0.5, 1.5, 3.5), "answer": (0.5, 1.5, 3.5), "said": (1.0, 2.0, 3.0),
    }  # fmt: skip
    said = np.array([0.25, 0.75, 0.5])
    weights, groups = np.array([0.5, 2.0, 0.5]), np.array([4, 4, 7])
    classes = Judged(np.empty(0), np.array([0, 1, 0]), (), groups, weights=weights)
    rows = every_row(own, classes, said, ("no", "yes"))
    assert set(rows) == {"mae_rows", "class", "group", "weight", "said"}
    assert rows["said"].values == (0.25, 0.75, 0.5)
    assert rows["class"].values == (0.0, 1.0, 0.0)
    assert rows["class"].labels == ("no", "yes")
    assert rows["group"].values == (4.0, 4.0, 7.0)
    assert rows["weight"].values == (0.5, 2.0, 0.5)


def test_parts_are_held_against_one_spread_so_that_none_counts_less():
    chance = np.random.default_rng(0)
    won = 0
    for _ in range(200):
        y = chance.lognormal(0, 1.5, 200)
        said = [np.full(200, share * np.exp(1.125)) for share in (1.1, 0.9)]  # err alike
        parts = np.array_split(np.arange(200), 5)
        means = [
            np.mean([contributions("r2", y[i], one[i], spread=y.var()).mean() for i in parts])
            for one in said
        ]
        whole = [contributions("r2", y, one).mean() for one in said]
        assert means == pytest.approx(whole)
        won += means[1] > means[0]
    assert 0.5 < won / 200 < 0.8  # most samples are calm, so that the low one wins more often
