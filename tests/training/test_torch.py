"""Trainings with PyTorch: searched, judged over seeds, handed over."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import tunewright as tw
from tunewright.core.trial import Outcome
from tunewright.errors import InputError

INLINE = tw.Limits(workers=0)


class Net(nn.Module):
    """A hidden layer, whose width is a knob by its name."""

    def __init__(self, width: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 3)
        )

    def forward(self, x):
        """Logits."""
        return self.layers(x)


@pytest.fixture(scope="module")
def study(blobs, tmp_path_factory):
    """A study in this process: a slow learning rate is the baseline."""
    training = tw.torch.Training(Net, blobs, epochs=4, batch=32, seeds=3)
    return tw.tune(
        training, goal="maximize accuracy", budget="20 trials", limits=INLINE,
        baseline={"lr": 1e-4, "threads": 1}, root=tmp_path_factory.mktemp("studies"),
    )  # fmt: skip


def test_a_better_training_is_proven_over_seeds_and_untouched_rows(study):
    """The verdict rests on three trainings of each arm, all judged on the same rows."""
    refits = [m for t, m in study.history.ended() if t.purpose.kind == "refit"]

    assert study.accepted
    assert len(refits) == 6
    assert len({m.samples["accuracy_rows"].values for m in refits}) > 2
    assert len({m.samples["class"].values for m in refits}) == 1


def test_trainings_that_are_behind_are_stopped(study):
    """Reports of progress let the search halt a trial; in one process it only hears of them."""
    assert study.history.reported > 0


def test_a_bundle_answers_with_what_was_verified(study, blobs, tmp_path):
    """Weights as safetensors, the network as ONNX, and no pickle."""
    bundle = tw.deploy(study, tmp_path / "bundle")
    predictor = tw.load(bundle)

    assert (predictor.predict(blobs[0]) == blobs[1]).mean() > 0.8
    assert np.allclose(predictor.predict_proba(blobs[0][:5]).sum(axis=1), 1)
    assert "layers.0.weight" in load_file(bundle / "weights.safetensors")
    with pytest.raises(InputError, match="each of the shape"):
        predictor.predict(blobs[0][0])


def test_names_of_arguments_make_knobs(study):
    """Sizes and shares of dropout are knobs, and were searched."""
    assert {"width", "dropout", "optimizer", "schedule"} <= set(study.best)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": lambda: nn.Linear(5, 3)}, "to take rows of the shape"),
        ({"model": lambda: nn.Linear(4, 2)}, "labels are out of its range"),
        ({"model": "mpl"}, "did you mean 'mlp'"),
        ({"loss": "crossentropy"}, "did you mean 'cross_entropy'"),
        ({"loss": "mse"}, "to answer"),
        ({"device": "nonsense"}, "expected a device that is there"),
        ({"seeds": 1}, "at least 3"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(blobs, tmp_path, change, said):
    """Before anything is searched."""
    said_of = {"model": Net, "data": blobs, "epochs": 1, **change}
    with pytest.raises(InputError, match=said):
        tw.torch.Training(**said_of).left(tmp_path, in_process=True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ((np.full((80, 4), np.nan), np.arange(80) % 2), "NaN or infinity in 80 of 80 rows"),
        ((np.zeros((80, 4)), np.arange(79)), "as many rows in X as answers"),
        ((np.zeros((80, 4)), np.zeros(80, int)), "at least two classes"),
        ((np.zeros((80, 4)), np.linspace(0, 1, 80)), 'say loss="mse"'),
        ((np.array([["a"] * 4] * 80), np.arange(80) % 2), "expected numbers in X"),
        ("data.csv", "expected \\(X, y\\)"),
    ],
)
def test_data_that_nothing_learns_from_are_refused(tmp_path, data, said):
    """In one sentence each."""
    with pytest.raises(InputError, match=said):
        tw.torch.Training("mlp", data).left(tmp_path, in_process=True)


def test_a_training_that_diverges_is_an_outcome(blobs, tmp_path):
    """NaN from the first batch on fails the baseline, and says why."""

    def broken():
        class Broken(nn.Module):
            def __init__(self):
                super().__init__()
                self.scale = nn.Parameter(torch.zeros(3))

            def forward(self, x):
                return x[:, :3] * self.scale / self.scale.sum()

        return Broken()

    result = tw.tune(
        tw.torch.Training(broken, blobs, epochs=1), goal="maximize accuracy", budget="3 trials",
        limits=INLINE, root=tmp_path,
    )  # fmt: skip

    _, measurement = next(iter(result.history.ended()))
    assert measurement.outcome is Outcome.CRASHED
    assert "the training diverged" in measurement.detail


@pytest.mark.parametrize("model", ["mlp", "resnet", "cnn"])
def test_networks_by_name_learn(model, tmp_path):
    """Each of them trains, on images and on numbers."""
    chance = np.random.default_rng(1)
    y = np.arange(120) % 2
    x = (chance.integers(0, 40, (120, 8, 8)) + 150 * y[:, None, None]).astype(np.uint8)
    result = tw.tune(
        tw.torch.Training(model, (x, y), epochs=2, batch=16, seeds=3), goal="maximize accuracy",
        budget="1 trials", limits=INLINE, root=tmp_path,
    )  # fmt: skip

    assert next(m.outcome for _, m in result.history.ended()) is Outcome.OK


def test_numbers_are_learned_with_a_loss_of_numbers(tmp_path):
    """Regression: rmse is what is tuned for."""
    chance = np.random.default_rng(2)
    x = chance.normal(size=(200, 3)).astype(np.float32)
    result = tw.tune(
        tw.torch.Training("mlp", (x, x.sum(axis=1)), loss="mse", epochs=2, seeds=3),
        goal="minimize rmse", budget="4 trials", limits=INLINE, root=tmp_path,
    )  # fmt: skip
    bundle = tw.deploy(result, tmp_path / "bundle")

    assert "rmse" in repr(result) or result.best
    if bundle:
        assert tw.load(bundle).predict(x).shape == (200,)
