"""Estimators of scikit-learn are cross-validated, on other folds for each seed."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tunewright as tw
from tunewright.errors import InputError
from tunewright.workloads.functions.estimators import FOLDS, cross_validated

chance = np.random.default_rng(0)
X = chance.normal(size=(60, 3))
Y = (X[:, 0] + chance.normal(0, 0.5, 60) > 0).astype(int)
SPACE = {"sgdclassifier__alpha": tw.real(1e-6, 1e3, log=True, default=100.0)}


def pipeline():
    return make_pipeline(StandardScaler(), SGDClassifier(random_state=0))


def test_a_run_is_a_cross_validation_and_each_fold_a_report(study):
    data = (X, Y)
    one = cross_validated(pipeline(), SPACE, data, "maximize accuracy")
    done = study(one, goal="maximize accuracy", data=data)
    good = done.run({"sgdclassifier__alpha": 1e-3})
    assert good.samples["accuracy"].values[0] > 0.7, good.detail
    assert [step for step, _ in done.told] == [*range(1, FOLDS + 1)]
    again, other = (
        done.run({"sgdclassifier__alpha": 1e-3}),
        done.run({"sgdclassifier__alpha": 1e-3}, repeat=1),
    )
    assert again.samples["accuracy"] == good.samples["accuracy"] != other.samples["accuracy"]


def test_losses_have_the_sign_that_their_name_says(study):
    space = {"alpha": tw.real(1e-3, 1e3, log=True)}
    data = (X, X[:, 0])
    done = study(
        cross_validated(Ridge(), space, data, "minimize rmse"), goal="minimize rmse", data=data
    )
    low, high = (done.run({"alpha": a}).samples["rmse"].values[0] for a in (1e-3, 1e3))
    assert 0 < low < high


@pytest.mark.parametrize(
    ("space", "data", "goal", "said"),
    [
        ({"alpha": tw.real(0, 1)}, (X, Y), "maximize accuracy", "unknown parameter 'alpha' of Pipeline"),
        (SPACE, None, "maximize accuracy", "expected data=(X, y) for an estimator; got NoneType"),
        (SPACE, (X, Y[1:]), "maximize accuracy", "expected as many rows in X as in y"),
        (SPACE, (X, Y), "maximize acuracy", "did you mean 'accuracy'?"),
        (None, (X, Y), "maximize accuracy", "expected knobs of Pipeline; got none"),
    ],
)  # fmt: skip
def test_what_an_estimator_does_not_have_is_refused(tmp_path, monkeypatch, space, data, goal, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        tw.tune(pipeline(), space=space, data=data, goal=goal)
    assert said in str(caught.value)
