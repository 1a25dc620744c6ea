"""The weights of a blend: never worse than the best member on the rows that chose them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.workloads.tabular.blending import weights_of
from tunewright.workloads.tabular.quality import contributions


def answers(task, n, models, seed):
    """Targets, and what models say of them that know them more or less well."""
    chance = np.random.default_rng(seed)
    if task == "regression":
        y = chance.normal(size=n)
        return y, [y + chance.normal(size=n) * noise for noise in chance.uniform(0.1, 2.0, models)]
    classes = 2 if task == "binary" else 4
    y = chance.integers(0, classes, n)
    scores = [
        np.eye(classes)[y] * skill + chance.normal(size=(n, classes))
        for skill in chance.uniform(0.0, 3.0, models)
    ]
    sure = [np.exp(s) / np.exp(s).sum(axis=1, keepdims=True) for s in scores]
    return y, [one[:, 1] if task == "binary" else one for one in sure]


@given(
    st.sampled_from(["binary", "multiclass", "regression"]), st.integers(20, 300),
    st.integers(1, 6), st.integers(0, 99),
)  # fmt: skip
def test_a_blend_loses_nothing_on_the_rows_that_chose_it(task, n, models, seed):
    y, predictions = answers(task, n, models, seed)
    weights = weights_of(predictions, y, task)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    metric = "rmse" if task == "regression" else "log_loss"
    blended = sum(w * p for w, p in zip(weights, predictions, strict=True))
    best = min(contributions(metric, y, p).mean() for p in predictions)
    assert contributions(metric, y, blended).mean() <= best + 1e-6


def test_models_that_err_apart_share_the_weight_and_a_useless_one_gets_none():
    chance = np.random.default_rng(0)
    y = chance.normal(size=2000)
    equal = [y + chance.normal(size=2000) for _ in range(2)]
    weights = weights_of([*equal, np.full(2000, 50.0)], y, "regression")
    assert weights[:2] == pytest.approx([0.5, 0.5], abs=0.1)
    assert weights[2] == 0
