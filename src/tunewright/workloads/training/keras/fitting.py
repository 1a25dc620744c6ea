"""Fitting a model with Keras: the user's own compiled model and its own `fit`."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, cast

import keras
import numpy as np
from safetensors.numpy import load as load_weights
from safetensors.numpy import save as save_weights

from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.training.framework import REPORTS, Array, Job, Trained
from tunewright.workloads.training.schedules import factor
from tunewright.workloads.training.workload import Recipe

ANSWERED = 1024  # rows at a time
CLASSES = {
    "sparse_categorical_crossentropy": "places",
    "categorical_crossentropy": "one-hot",
    "binary_crossentropy": "second",
}
NUMBERS = ("mse", "mean_squared_error", "mae", "mean_absolute_error", "huber", "log_cosh")
_OPTIMIZERS: dict[str, Any] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": lambda lr: keras.optimizers.SGD(lr, momentum=0.9, nesterov=True),
}


def _warm_up() -> None:
    """One step of a network of no account: what the backend does on first use is no training."""
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("adam", loss="mse")
    model.fit(np.zeros((8, 1)), np.zeros((8, 1)), verbose=0)


def train(job: Job) -> Trained:
    """Train once. Raises TrialFailed where the loss is no number any more."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(int(job.config.get("threads", 1)))
    os.environ["OMP_NUM_THREADS"] = str(job.config.get("threads", 1))
    _warm_up()
    keras.utils.set_random_seed(job.seed)
    began_s = time.perf_counter()
    model = built(job.model, job.arguments)
    name, config = str(job.config["optimizer"]), job.config
    lr = float(config["sgd_lr"] if name == "sgd" else config["lr"])
    if name != optimizer_of(model):
        model.compile(optimizer=_OPTIMIZERS[name](lr), loss=model.loss)
    loss, y = loss_of(model), job.y
    if CLASSES.get(loss) == "one-hot":
        y = np.eye(job.classes, dtype=np.float32)[y]
    epochs, batch = int(config["epochs"]), min(int(config["batch"]), len(job.x))
    steps = epochs * math.ceil(len(job.x) / batch)
    watch = _Watch(job, lr, str(config["schedule"]), steps)
    model.fit(job.x, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[watch])
    train_s = time.perf_counter() - began_s - watch.looked_s
    weights = {f"{i:04d}": np.ascontiguousarray(w) for i, w in enumerate(model.get_weights())}
    return Trained(
        save_weights(weights), lambda rows: probabilities(model, rows, job.classes), train_s, epochs
    )


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Sets the learning rate of each step, ends what diverges, and tells of what is watched."""

    def __init__(self, job: Job, lr: float, schedule: str, steps: int) -> None:
        super().__init__()
        self._job, self._lr, self._schedule, self._steps = job, lr, schedule, steps
        self._step, self._next, self.looked_s = 0, 1, 0.0

    # Keras hands these over by their names.
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Set the learning rate."""
        if self._schedule != "constant" or not self._step:
            scale = factor(self._schedule, self._step / self._steps)
            self.model.optimizer.learning_rate = self._lr * scale
        self._step += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the loss, and at what is watched."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise TrialFailed(f"the loss was {loss} in epoch {epoch + 1}: the training diverged")
        done, job = self._step / self._steps, self._job
        if job.report and job.watched is not None and self._next <= done * REPORTS < REPORTS:
            paused_s = time.perf_counter()
            job.report(
                math.floor(done * REPORTS), probabilities(self.model, job.watched, job.classes)
            )
            self._next = math.floor(done * REPORTS) + 1
            self.looked_s += time.perf_counter() - paused_s


def built(build: Any, arguments: Mapping[str, Any]) -> Any:
    """The compiled model that the user's function builds. Raises InputError for anything else."""
    model = build(**arguments)
    if not isinstance(model, keras.Model):
        raise InputError(f"expected a compiled keras.Model; got {type(model).__name__}")
    if getattr(model, "optimizer", None) is None:
        raise InputError(
            'expected a compiled model; got one that is not: model.compile("adam", loss=…)'
        )
    return model


def probabilities(model: Any, rows: Array, classes: int) -> Array:
    """Probabilities of (rows, classes), or values of (rows,)."""
    said = np.asarray(model.predict(rows, batch_size=ANSWERED, verbose=0), np.float64)
    if not classes:
        return said.reshape(len(rows))
    if getattr(model.loss, "from_logits", False):
        said = said - said.max(axis=1, keepdims=True)
        said = np.exp(said) if said.shape[1] > 1 else 1 / (1 + np.exp(-said))
    if said.shape[1] == 1:
        said = np.concatenate((1 - said, said), axis=1)
    return cast("Array", said / said.sum(axis=1, keepdims=True))


def loss_of(model: Any) -> str:
    """The name of a model's loss."""
    loss = model.loss
    named = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
    return str(named)


def optimizer_of(model: Any) -> str:
    """The name of a model's optimizer, as the knob has it."""
    return type(model.optimizer).__name__.lower()


def task_of(build: Any, arguments: Mapping[str, Any]) -> tuple[str, str, float]:
    """What a model learns ("classes", "numbers"), with which optimizer, at which learning rate.

    Raises InputError for a loss that nothing is known of.
    """
    try:
        model = built(build, arguments)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected the function to build a model of its knobs; got {error}"
        ) from error
    loss = loss_of(model)
    if loss not in (*CLASSES, *NUMBERS):
        raise InputError(
            f"expected one of the losses {', '.join((*CLASSES, *NUMBERS))}; got {loss!r}; "
            "compile the model with one of them"
        )
    lr = float(f"{float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)):.6g}")
    return "classes" if loss in CLASSES else "numbers", optimizer_of(model), lr


def check(recipe: Recipe, config: Mapping[str, Any], device: str) -> None:
    """Raise InputError, in one sentence, where the model does not fit the data."""
    del device
    arrays, model = recipe.arrays, built(recipe.model, recipe.valued(config))
    few = arrays.x[arrays.learned[:2]]
    try:
        said = np.asarray(model.predict(few, verbose=0))
    except Exception as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"expected a model that takes rows of the shape {few.shape[1:]}; got an error: {first}"
        ) from error
    outputs = max(len(arrays.classes), 1)
    second = CLASSES.get(loss_of(model)) == "second" and outputs == 2
    if said.ndim != 2 or said.shape[1] < (1 if second else outputs):
        raise InputError(
            f"expected a model that answers 2 rows with (2, {outputs}) numbers, one for each class "
            f"in y; got {said.shape}: labels are out of its range, or its last layer is another"
        )


def restored(model: Any, weights: bytes) -> Any:
    """The model with learned weights. Raises TrialFailed for those of another one."""
    found = load_weights(weights)
    try:
        model.set_weights([found[name] for name in sorted(found)])
    except ValueError as error:
        first = str(error).strip().splitlines()[0]
        raise TrialFailed(f"expected the weights of this model; got others: {first}") from error
    return model
