"""What is no model, and rows that do not fit one, are told in a sentence."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tunewright.errors import InputError
from tunewright.workloads.inference.importing import Quality, split
from tunewright.workloads.inference.spec import facts_of


def test_what_was_understood_of_a_model_and_its_rows(mlp, rows, take_in, tmp_path):
    spec, own = take_in(mlp, rows.x[:4], Quality(rows.x, rows.y, "accuracy"))
    facts = facts_of(tmp_path / "model")
    assert (facts.framework, facts.batch, facts.layers, facts.reads) == ("onnx", 4, 3, "scores")
    assert facts.search + facts.untouched == len(rows.y)
    assert spec.label == "ModelProto"
    assert own(rows.x[:2]).shape == (2, 3)


def test_equal_rows_stay_on_one_side_of_the_split(rows):
    x = np.repeat(rows.x, 2, axis=0)
    search, untouched = split((x,), np.repeat(rows.y, 2))
    both = {x[i].tobytes() for i in search} & {x[i].tobytes() for i in untouched}
    assert not both


@pytest.mark.parametrize(
    ("example", "quality", "words"),
    [
        (lambda r: r.x[:1, :5], lambda r: None, "expected rows of the shape (6,)"),
        (lambda r: r.x[0], lambda r: None, "x[None]"),
        (lambda r: None, lambda r: Quality(r.x, r.y[:-1], "accuracy"), "a label for each of 400 rows"),
        (lambda r: None, lambda r: Quality(r.x, r.y + 1, "accuracy"), "labels from 0 to 2"),
        (lambda r: None, lambda r: Quality(r.x, r.y, "acuracy"), "did you mean 'accuracy'?"),
        (lambda r: None, lambda r: Quality(r.x, r.y, "rmse"), "expected one number a row for rmse"),
        (lambda r: None, lambda r: Quality(r.x, r.y, "roc_auc"), "expected two classes"),
        (lambda r: None, lambda r: Quality(r.x[:9], r.y[:9], "accuracy"), "at least 20 rows"),
        (lambda r: None, lambda r: Quality(r.x * np.nan, r.y, "accuracy"), "NaN or infinite"),
        (lambda r: None, lambda r: Quality(r.x, r.y / 2, "accuracy"), "whole numbers as labels"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_are_told(mlp, rows, take_in, example, quality, words):
    with pytest.raises(InputError) as error:
        take_in(mlp, example(rows), quality(rows))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_model_is_told(rows, take_in, tmp_path):
    (tmp_path / "rubbish.onnx").write_bytes(b"no model at all")
    (tmp_path / "model.bin").write_bytes(b"")
    (tmp_path / "weights.pt").write_bytes(b"")
    cases = (
        (tmp_path / "rubbish.onnx", "cannot be read"),
        (tmp_path / "model.bin", "expected a model's file"),
        (tmp_path / "none.onnx", "does not exist"),
        (tmp_path / "weights.pt", "weights without their model"),
        (object(), "expected a trained model"),
        (rows, "expected a trained model"),
    )
    for number, (model, words) in enumerate(cases):
        with pytest.raises(InputError) as error:
            take_in(model, rows.x[:1], None, f"made{number}")
        assert words in str(error.value)


def test_an_estimator_that_was_not_fitted_is_told(rows, take_in, tmp_path):
    with pytest.raises(InputError, match="expected a fitted estimator"):
        take_in(LogisticRegression(), rows.x[:1], None)


def test_labels_that_an_estimator_does_not_know_are_told(logistic, rows, take_in, tmp_path):
    with pytest.raises(InputError, match="labels that the model knows"):
        take_in(logistic, rows.x[:1], Quality(rows.x, rows.y + 7, "accuracy"))


def test_a_metric_of_the_users_own_may_say_one_number_of_all_rows(mlp, rows, take_in, tmp_path):
    def right(y, answers):
        return float((answers.argmax(axis=1) == y).mean())

    take_in(mlp, None, Quality(rows.x, rows.y, right))
    facts = facts_of(tmp_path / "model")
    assert (facts.metric, facts.own, facts.better) == ("right", True, "higher")
