"""The estimators: scikit-learn's own checks, data frames, and what cannot be tuned."""

import pickle
import warnings

import numpy as np
import pyarrow as pa
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedKFold, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import tunewright as tw

QUICK = {"budget": "2 trials", "workers": 0, "families": ("linear",)}
IRIS, KINDS = load_iris(return_X_y=True)


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [tw.TunedClassifier, tw.TunedRegressor])
def test_it_passes_the_checks_of_scikit_learn(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = check_estimator(estimator(budget="2 trials", workers=0), on_fail=None, on_skip=None)
    wrong = {one["check_name"]: one["exception"] for one in done if one["status"] == "failed"}
    assert wrong == {}
    skipped = {one["check_name"] for one in done if one["status"] == "skipped"}
    assert skipped <= {
        "check_array_api_input",  # asks for a setting of scipy's
        "check_classifier_data_not_an_array",  # these ask for pandas
        "check_regressor_data_not_an_array",
        "check_sample_weights_pandas_series",
    }


def test_it_works_in_a_pipeline_and_in_cross_validation():
    pipeline = make_pipeline(StandardScaler(), tw.TunedClassifier(**QUICK))
    assert cross_val_score(pipeline, IRIS, KINDS, cv=2).min() > 0.8


# Data frames


def rows(count):
    """A column of each kind, with gaps, and answers that the colour and the number decide."""
    colours = [("red", "green", None)[i % 3] for i in range(count)]
    numbers = [None if i % 11 == 0 else i * 37 % 101 / 7 for i in range(count)]
    days = pa.array([i * 86_400 for i in range(count)], pa.timestamp("s"))
    answers = ["yes" if i % 3 == 0 and i * 37 % 101 > 30 else "none" for i in range(count)]
    return pa.table({"colour": colours, "number": numbers, "day": days}), np.array(answers)


@pytest.fixture(scope="module")
def fitted():
    frame, answers = rows(120)
    return tw.TunedClassifier(**QUICK).fit(frame, answers)


def test_a_data_frame_keeps_its_names_and_what_its_cells_mean(fitted):
    frame, answers = rows(120)
    assert list(fitted.feature_names_in_) == ["colour", "number", "day"]
    assert list(fitted.classes_) == ["none", "yes"]
    assert (fitted.predict(frame) == answers).mean() > 0.8
    assert np.allclose(fitted.predict_proba(frame).sum(axis=1), 1)


def test_unseen_categories_and_missing_values_are_answered(fitted):
    odd = pa.table(
        {
            "colour": ["mauve", None],
            "number": [1.0, None],
            "day": pa.array([0, None], pa.timestamp("s")),
        }
    )
    assert np.isfinite(fitted.predict_proba(odd)).all()


@pytest.mark.parametrize(
    ("make", "answers"),
    [
        (tw.TunedRegressor, [2.5] * 60),
        (tw.TunedRegressor, [0] * 60),
        (tw.TunedRegressor, [-1] * 60),
    ],
)
def test_answers_that_are_all_the_same_are_refused_in_words_of_y(make, answers):
    x = [[at, at * 7 % 11] for at in range(60)]
    with pytest.raises(ValueError, match=r"in y; got .* in every row; give more varied") as caught:
        make(budget="2 trials", workers=0).fit(x, answers)
    assert "--" not in str(caught.value)


def test_a_frame_with_other_columns_is_refused(fitted):
    frame, _ = rows(120)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame.rename_columns(["colour", "number", "month"]))
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame.select(["colour", "number"]))


def test_labels_that_read_like_something_else_stay_labels():
    labels = np.array(["none", "007", "7", "nan"])[np.arange(120) % 4]
    x = np.column_stack((np.arange(120) % 4 + 0.25, np.arange(120) * 37 % 101 / 3))
    model = tw.TunedClassifier(**QUICK).fit(x, labels)
    assert list(model.classes_) == sorted(set(labels))
    assert (model.predict(x) == labels).mean() > 0.9


# Weights

EVERY = np.random.default_rng(0).permutation(200)
TWICE = np.repeat(IRIS[50:], 2, axis=0)[EVERY]  # of two kinds, each row with either answer
EITHER = EVERY % 2
RIGHT = (np.repeat(KINDS[50:], 2)[EVERY] == EITHER + 1) + 0.0
HEAVY = np.where(RIGHT, 9.0, 1.0)


def test_rows_that_weigh_more_are_believed():
    model = tw.TunedClassifier(**QUICK).fit(TWICE, EITHER, sample_weight=HEAVY)
    assert model.score(TWICE, EITHER, sample_weight=HEAVY) > 0.8
    other = tw.TunedClassifier(**QUICK).fit(TWICE, EITHER, 10 - HEAVY)
    assert other.score(TWICE, EITHER, HEAVY) < 0.2


@pytest.mark.parametrize("weights", [RIGHT, RIGHT * (1 + np.arange(200) % 3)])
@pytest.mark.parametrize("estimator", [tw.TunedClassifier, tw.TunedRegressor])
def test_rows_of_weight_0_are_as_good_as_absent(estimator, weights):
    some, kept = weights > 0, weights[weights > 0]
    whole = estimator(**QUICK).fit(TWICE, EITHER, weights)
    fewer = estimator(**QUICK).fit(TWICE[some], EITHER[some], None if kept.max() == 1 else kept)
    assert np.array_equal(whole.predict(TWICE), fewer.predict(TWICE))
    assert whole.verdict_ == fewer.verdict_


def test_a_class_without_weight_is_none():
    model = tw.TunedClassifier(**QUICK).fit(IRIS, KINDS, KINDS > 0)
    assert list(model.classes_) == [1, 2]
    assert model.predict_proba(IRIS).shape == (150, 2)
    with pytest.raises(ValueError, match="at least two classes"):
        tw.TunedClassifier(**QUICK).fit(IRIS, KINDS, KINDS > 1)


def test_the_scale_of_weights_says_nothing_where_something_is_tuned():
    said = [
        tw.TunedClassifier(**QUICK).fit(TWICE, EITHER, scale * HEAVY).predict_proba(IRIS)
        for scale in (1.0, 1e-6)
    ]
    assert np.allclose(*said)


def test_a_data_frame_may_have_a_column_that_is_called_weight():
    frame = pa.table({"weight": IRIS[:, 2], "target": IRIS[:, 3]})
    model = tw.TunedClassifier(**QUICK).fit(frame, KINDS, pa.array(1 + np.arange(150) % 2))
    assert list(model.feature_names_in_) == ["weight", "target"]
    assert model.score(frame, KINDS) > 0.9


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (-HEAVY, "Negative values"),
        (np.where(RIGHT, np.nan, 1.0), "NaN"),
        (np.where(RIGHT, np.inf, 1.0), "infinity"),
        (HEAVY[1:], r"sample_weight for each of 200 rows; got an array of the shape \(199,\)"),
        (HEAVY[:, None], r"got an array of the shape \(200, 1\)"),
        (0 * HEAVY, "a finite sum above zero; got 0 at most"),
        (HEAVY * 1e306, r"a finite sum above zero; got 9e\+306 at most"),
        (0, "a finite sum above zero; got 0 at most"),
    ],
)
@pytest.mark.parametrize("estimator", [tw.TunedClassifier, tw.TunedRegressor])
def test_weights_that_cannot_be_meant_are_a_value_error_in_one_sentence(estimator, weights, said):
    with pytest.raises(ValueError, match=said) as caught:
        estimator(**QUICK).fit(TWICE, EITHER, sample_weight=weights)
    assert "\n" not in str(caught.value)


def test_weights_are_routed_through_cross_validation():
    with config_context(enable_metadata_routing=True):
        model = tw.TunedClassifier(**QUICK).set_fit_request(sample_weight=True)
        model = model.set_score_request(sample_weight=True)
        made = cross_validate(
            model, TWICE, EITHER, cv=2, params={"sample_weight": HEAVY}, return_estimator=True
        )
    assert made["test_score"].min() > 0.8
    learned, _ = next(StratifiedKFold(2).split(TWICE, EITHER))
    own = tw.TunedClassifier(**QUICK).fit(TWICE[learned], EITHER[learned], HEAVY[learned])
    assert np.array_equal(made["estimator"][0].predict_proba(TWICE), own.predict_proba(TWICE))


def test_weights_reach_it_through_a_pipeline():
    pipeline = Pipeline([("scale", StandardScaler()), ("model", tw.TunedClassifier(**QUICK))])
    pipeline.fit(TWICE, EITHER, model__sample_weight=HEAVY)
    assert pipeline.score(TWICE, EITHER, sample_weight=HEAVY) > 0.8


# Models


def test_a_fitted_estimator_survives_pickling_and_a_clone_is_unfitted(fitted):
    frame, _ = rows(120)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(frame), fitted.predict_proba(frame))
    assert again.verdict_ == fitted.verdict_
    assert not hasattr(clone(fitted), "model_")


def test_its_notebook_form_says_the_verdict(fitted):
    drawn = fitted._repr_html_()
    assert fitted.verdict_.decision.name in drawn
    assert "TunedClassifier" in drawn
    assert "INCONCLUSIVE" not in tw.TunedClassifier()._repr_html_()


# What cannot be


def test_too_few_rows_are_fitted_plainly_and_it_says_so():
    x = np.arange(20.0)[:, None] + 0.5
    with pytest.warns(UserWarning, match="nothing is tuned"):
        model = tw.TunedRegressor(**QUICK).fit(x, 3 * x[:, 0])
    assert model.verdict_ is None
    assert model.score(x, 3 * x[:, 0]) > 0.9


def test_where_too_few_rows_are_fitted_plainly_a_weight_of_2_is_as_good_as_two_rows():
    x, counts = np.arange(20.0)[:, None] ** 2, np.arange(20) % 3
    with pytest.warns(UserWarning, match="nothing is tuned"):
        weighed = tw.TunedRegressor(**QUICK).fit(x, np.sqrt(x[:, 0]), counts)
    with pytest.warns(UserWarning, match="nothing is tuned"):
        many = tw.TunedRegressor(**QUICK).fit(
            *(np.repeat(a, counts, axis=0) for a in (x, x[:, 0] ** 0.5))
        )
    assert np.allclose(weighed.predict(x), many.predict(x))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"goal": "minimize latency_p50"}, "need no clock"),
        ({"budget": "60s"}, "need no clock"),
        ({"goal": "maximize beauty"}, "unknown metric 'beauty'"),
        ({"families": ("foretsr",)}, "family"),
        ({"baseline": {"linear_x": 1}}, "unknown knob"),
    ],
)
def test_what_cannot_be_asked_is_a_value_error_in_one_sentence(said, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        tw.TunedClassifier(**{**QUICK, **said}).fit(IRIS, KINDS)
    assert "\n" not in str(caught.value)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least two classes"):
        tw.TunedClassifier(**QUICK).fit(IRIS, np.zeros(150))
