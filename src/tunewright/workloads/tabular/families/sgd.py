"""A linear model with an elastic net, learned from few rows at a time: for more than memory holds.

Columns are made for one batch and forgotten, so what a fit needs does not grow with the rows.
"""

from __future__ import annotations

import numpy as np

from tunewright.core.config import Config
from tunewright.core.knobs import Integer, Knob, Real
from tunewright.core.registry import resolve
from tunewright.errors import TrialFailed
from tunewright.knobs import tuned
from tunewright.workloads.tabular.data import Floats, Learned, Task, Training
from tunewright.workloads.tabular.design import Design, link
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.linear import Linear
from tunewright.workloads.tabular.weighing import mean_and_spread

_BATCH, _STEPS = 512, 32  # rows of one step, and steps of an epoch where there are few rows
_LATEST = 8.0  # the mean of the weights is over about the last eighth of all steps


def _knobs(_cores: int) -> tuple[Knob, ...]:
    return (
        tuned("sgd_epochs", Integer(1, 100, log=True), 10),
        tuned("sgd_rate", Real(1e-3, 0.3, log=True), 0.02),
        tuned("sgd_penalty", Real(1e-7, 0.1, log=True), 1e-5),
        tuned("sgd_l1", Real(0.0, 1.0), 0.15),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The weights. `sgd_l1` is the share of `sgd_penalty` that is absolute and not squared."""
    schema, y = training.schema, training.y
    count, classes = len(y), len(schema.classes)
    if classes and len(np.unique(y)) < 2:
        raise TrialFailed("expected training rows of at least two classes; got one")
    design = Design.learn(training)
    mean, spread, weights_of = 0.0, 1.0, training.weights
    if not classes:
        mean, spread = mean_and_spread(y, weights_of)
        spread = spread or 1.0
    outputs = classes if classes > 2 else 1
    weights = np.zeros((design.width + 1, outputs))  # the last row is the intercept
    first, second, average = (np.zeros_like(weights) for _ in range(3))
    squared = float(config["sgd_penalty"]) * (1.0 - float(config["sgd_l1"]))
    absolute = float(config["sgd_penalty"]) * float(config["sgd_l1"])
    rng, step = np.random.default_rng(seed), 0
    batch = min(_BATCH, max(count // _STEPS, 8), count)
    with resolve("threadpoolctl:threadpool_limits")(1):  # more would change the last digits
        for _ in range(int(config["sgd_epochs"])):
            order = rng.permutation(count)
            for start in range(0, count - batch + 1, batch):
                picked = np.sort(order[start : start + batch])
                columns = np.hstack((design(training.x[picked]), np.ones((batch, 1))))
                targets = np.eye(outputs)[y[picked]] if outputs > 1 else y[picked].reshape(-1, 1)
                error = _error(columns @ weights, (targets - mean) / spread, schema.task)
                if weights_of is not None:
                    error *= weights_of[picked, np.newaxis]
                slopes = columns.T @ error / batch
                slopes[:-1] += squared * weights[:-1]
                step += 1
                first += 0.1 * (slopes - first)
                second += 0.01 * (np.square(slopes) - second)
                size = np.sqrt(second / (1 - 0.99**step)) + 1e-8
                rate = float(config["sgd_rate"]) / (1 - 0.9**step)
                weights -= rate * first / size
                shrunk = np.maximum(np.abs(weights[:-1]) - rate * absolute / size[:-1], 0.0)
                weights[:-1] = np.sign(weights[:-1]) * shrunk
                average += (weights - average) * min(_LATEST / (step + _LATEST), 1.0)
    coef, intercept = average[:-1].T * spread, average[-1] * spread + mean
    return Learned(Linear(design, coef, intercept).to_text())


def _error(z: Floats, targets: Floats, task: Task) -> Floats:
    """The slope of the log loss, or of half the squared error."""
    return link(z, task).reshape(targets.shape) - targets


FAMILY = Family(
    name="sgd",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit="tunewright.workloads.tabular.families.sgd:fit",
    runtimes={"native": Backend("tunewright.workloads.tabular.linear:native")},
    runtime="sgd_runtime",
    default_runtime="native",
    file="linear.json",
)
