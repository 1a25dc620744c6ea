"""Trainings with Keras: the classic script works as it is."""

import os

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")

# Keras has its own with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

import tunewright as tw  # noqa: E402 - the backend is chosen first
from tunewright.errors import InputError  # noqa: E402


def build(units=8):
    """Two dense layers, as in the classic script."""
    model = keras.Sequential(
        [
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.0002), loss="sparse_categorical_crossentropy")
    return model


@pytest.mark.slow
def test_a_compiled_model_is_tuned_from_its_own_learning_rate(blobs, tmp_path):
    """The baseline is the model as it was compiled; the bundle answers without a pickle."""
    training = tw.keras.Training(build, blobs, epochs=2, batch=64, seeds=5)
    study = tw.tune(
        training, goal="maximize accuracy", budget="14 trials", limits=tw.Limits(workers=0),
        baseline={"threads": 1}, root=tmp_path,
    )  # fmt: skip
    bundle = tw.deploy(study)
    first, _ = next(iter(study.history.ended()))

    assert first.config["lr"] == pytest.approx(0.0002)
    assert first.config["units"] == 8
    assert study.verdict.parts == 5
    assert set(tw.load(bundle).predict(blobs[0])) <= {0, 1, 2}
    assert {"architecture.json", "weights.safetensors"} <= {p.name for p in bundle.iterdir()}


def test_a_function_of_one_mapping_gets_its_knobs(blobs, tmp_path):
    """`build(hp)` reads what `space` declares."""
    training = tw.keras.Training(
        lambda hp: build(hp["units"]), blobs, space={"units": tw.integer(4, 16, default=8)}
    )

    spec = training.left(tmp_path, in_process=True)

    assert {"units", "lr", "optimizer", "batch"} <= {knob.name for knob in spec.knobs}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: keras.Sequential([keras.layers.Dense(3)]), "got one that is not"),
        (lambda: 3, "expected a compiled keras.Model; got int"),
    ],
)
def test_what_is_no_compiled_model_is_refused(blobs, tmp_path, model, said):
    """In one sentence."""
    with pytest.raises(InputError, match=said):
        tw.keras.Training(model, blobs).left(tmp_path, in_process=True)
    with pytest.raises(InputError, match="builds a compiled model anew"):
        tw.keras.Training(build(), blobs)
