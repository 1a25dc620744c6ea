"""Rows of rare classes may count as much as others in fits, where the goal gains from that alone."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_sample_weight

from tunewright.core.roles import space_of
from tunewright.workloads.tabular import TableSpec, table
from tunewright.workloads.tabular.class_weights import BALANCED, KNOB, NONE, weights_of
from tunewright.workloads.tabular.data import Prepared, Schema

ROWS = 1500


def written(place, shares, **more):
    """A table whose classes overlap and have these shares; further columns by class."""
    rng = np.random.default_rng(0)
    y = rng.choice(len(shares), ROWS, p=shares)
    x = rng.normal(size=(ROWS, 2)) + np.column_stack((y, -y))
    path = place / "t.parquet"
    columns = {"a": x[:, 0], "b": x[:, 1], "y": [f"c{one}" for one in y]}
    columns |= {name: np.take(values, y) for name, values in more.items()}
    pq.write_table(pa.table(columns), path)
    return str(path)


def knobs_of(path, *metrics, **more):
    return space_of(table(TableSpec(path, "y", cores=1, metrics=metrics, **more))).by_name


@pytest.mark.parametrize(
    ("shares", "metrics", "offered"),
    [
        ((0.9, 0.1), ("balanced_accuracy",), True),
        ((0.9, 0.1), ("f1", "latency_p50"), True),
        ((0.9, 0.1), ("roc_auc", "balanced_accuracy"), True),
        ((0.9, 0.1), ("roc_auc",), False),
        ((0.9, 0.1), ("log_loss",), False),
        ((0.9, 0.1), (), False),
        ((0.55, 0.45), ("balanced_accuracy",), False),
        ((0.7, 0.2, 0.1), ("balanced_accuracy",), True),
        ((0.7, 0.2, 0.1), ("accuracy",), False),
    ],
)
def test_it_is_offered_where_classes_are_imbalanced_and_the_goal_gains(
    tmp_path, shares, metrics, offered
):
    assert (KNOB in knobs_of(written(tmp_path, shares), *metrics)) is offered


def test_rows_that_weigh_say_how_imbalanced_classes_are(tmp_path):
    path = written(tmp_path, (0.9, 0.1), w=(1.0, 9.0))
    assert KNOB in knobs_of(path, "f1", drop="w")
    assert KNOB not in knobs_of(path, "f1", weight="w")


def test_numbers_have_no_classes(tmp_path):
    path = written(tmp_path, (0.9, 0.1))
    assert KNOB not in space_of(table(TableSpec(path, "a", cores=1))).by_name


def prepared(y, judged, weights=None):
    nothing = np.empty(0)
    schema = Schema("multiclass", "y", ("a", "b", "c"), (), ())
    own, theirs = weights if weights is not None else (None, None)
    return Prepared(schema, nothing, y, nothing, judged, (), None, own, theirs)


LABELS = st.lists(st.integers(0, 2), min_size=1, max_size=40).map(np.array)


@given(LABELS, LABELS)
def test_balanced_weights_are_those_of_scikit_learn(y, judged):
    learned, theirs = weights_of(BALANCED, prepared(y, judged))
    assert learned == pytest.approx(compute_sample_weight("balanced", y))
    by_class = dict(zip(y.tolist(), learned.tolist(), strict=True))
    assert theirs.tolist() == [by_class.get(one, 1.0) for one in judged.tolist()]


@given(LABELS, st.integers(0, 99))
def test_classes_that_are_there_count_the_same_whatever_their_rows_weigh(y, seed):
    own = np.random.default_rng(seed).random(len(y)) + 0.1
    data = prepared(y, y, (own, own))
    assert weights_of(NONE, data) == (own, own)
    learned, judged = weights_of(BALANCED, data)
    assert judged == pytest.approx(learned)
    sums = np.bincount(y, learned)
    assert sums[sums > 0] == pytest.approx(own.sum() / np.count_nonzero(sums))


@pytest.mark.parametrize("shares", [(0.9, 0.1), (0.8, 0.15, 0.05)])
@pytest.mark.parametrize("family", ["lightgbm", "linear", "forest"])
def test_likeliest_classes_are_right_more_evenly(tmp_path, blended, family, shares):
    path = written(tmp_path, shares)
    workload = table(TableSpec(path, "y", cores=1, metrics=("balanced_accuracy",)))
    values = {"lightgbm": {"n_trees": 30}, "forest": {"forest_trees": 50, "forest_leaf": 5}}
    plain, even = (
        blended(
            workload,
            space_of(workload).config({"family": family, **values.get(family, {}), KNOB: asked}),
            split="test",
        )[1]
        for asked in (NONE, BALANCED)
    )
    gained = even["balanced_accuracy"].values[0] - plain["balanced_accuracy"].values[0]
    assert gained > 0.05
    assert even["log_loss"].values[0] > plain["log_loss"].values[0]


def test_a_family_stops_early_by_the_weights_that_it_learns_by(tmp_path, blended, trained):
    workload = table(TableSpec(written(tmp_path, (0.9, 0.1)), "y", cores=1, metrics=("f1",)))
    blended(workload, space_of(workload).config({"family": "linear", KNOB: BALANCED}))
    training = trained[0]
    sums = np.bincount(training.y, training.weights)
    assert sums[0] == pytest.approx(sums[1])
    assert set(training.judged_weights) == set(training.weights)


def test_what_is_known_to_pay_is_tried_with_it(tmp_path):
    workload = table(TableSpec(written(tmp_path, (0.9, 0.1)), "y", cores=1, metrics=("f1",)))
    assert {config[KNOB] for config in workload.portfolio.best} == {BALANCED}
    assert workload.baseline[KNOB] == NONE
