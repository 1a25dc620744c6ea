"""Calibration: shares of trees or of neighbours become probabilities by one temperature.

Each is raised to the power 1 / temperature and their sum made 1 again (Guo et al. 2017): below 1
they are told as surer than the model said, above 1 as less sure. A floor is added before, for what
a model has never seen is not impossible. The order of two probabilities of a row never changes, nor
that of two rows where there are two classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.core.conditions import Condition
from tunewright.core.config import Value
from tunewright.core.knobs import Choice, Knob
from tunewright.errors import TrialFailed
from tunewright.workloads.tabular.data import Calibration, Floats, Runtime
from tunewright.workloads.tabular.families import Family

KNOB, NONE, LEARNED = "temperature", "none", "learned"
COLDEST, HOTTEST = 0.25, 4.0  # few judged rows that are all right would let it be 0
ROWS = 10_000  # one number is known well enough from so many
_HALVINGS = 24  # of the range of its logarithm: six digits


def knobs_of(families: Sequence[Family], quality: Sequence[str]) -> tuple[Knob, ...]:
    """The knob, for the families that can gain, where the goal reads the probabilities themselves.

    A search proposes to learn the temperature; a config that is settled says what it was.
    quality: the metrics of the goal that rows judge.
    """
    names = tuple(family.name for family in families if family.calibrated)
    if not names or "log_loss" not in quality:
        return ()
    when = Condition.one_of("family", names)
    return (Knob(KNOB, Choice((NONE, LEARNED)), NONE, "hyperparameter", "compile", when=when),)


def calibration_of(
    asked: Value, rows: int, judged: tuple[Floats, NDArray[Any], Floats | None] | None
) -> Calibration | None:
    """What a config asks for: nothing, a temperature that is known, or one to be learned here.

    rows: those that the model learned from; half of one is the floor. judged: what the model says
    of others, their classes and weights, in a search; these rows judge it, too, which flatters one
    number learned from hundreds of rows by next to nothing, and the verdict has rows of its own.
    """
    floor = 0.5 / rows
    if asked == NONE:
        return None
    if asked != LEARNED:
        return Calibration(float(asked), floor)
    if judged is None:
        raise TrialFailed(
            f"expected {KNOB}={NONE}, or a {KNOB} that a search has learned; got {LEARNED}, and no "
            f"rows to learn it from; leave {KNOB} out of a baseline"
        )
    return Calibration(_temperature(*judged, floor), floor)


def _temperature(said: Floats, y: NDArray[Any], weights: Floats | None, floor: float) -> float:
    """The one of the least log loss, which is convex in the power."""
    step = -(-len(y) // ROWS)
    counts = None if weights is None else weights[::step]
    logs = np.log(_by_class(said[::step]) + floor)
    right = logs[np.arange(len(logs)), np.asarray(y[::step], dtype=np.int64)]
    logs_less = logs - logs.max(axis=1, keepdims=True)
    low, high = -np.log(HOTTEST), -np.log(COLDEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        shares = np.exp(np.exp(middle) * logs_less)
        expected = (shares * logs).sum(axis=1) / shares.sum(axis=1)
        falls = np.average(expected - right, weights=counts) < 0
        low, high = (middle, high) if falls else (low, middle)
    return float(f"{np.exp(-middle):.6g}")


def _by_class(said: Floats) -> Floats:
    return np.stack((1.0 - said, said), axis=1) if said.ndim == 1 else said


def calibrated(said: Floats, calibration: Calibration | None) -> Floats:
    """Probabilities as a Runtime's batch says them, calibrated."""
    if calibration is None:
        return said
    shares = (_by_class(said) + calibration.floor) ** (1.0 / calibration.temperature)
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares[:, 1] if said.ndim == 1 else shares)


def told(runtime: Runtime, calibration: Calibration | None) -> Runtime:
    """The runtime with its probabilities calibrated; one row costs a few powers."""
    if calibration is None:
        return runtime
    answer, floor, power = runtime.row, calibration.floor, 1.0 / calibration.temperature

    def row(values: Any) -> Sequence[float]:
        said = answer(values)
        if len(said) == 1:
            yes, no = (said[0] + floor) ** power, (1.0 - said[0] + floor) ** power
            return (yes / (yes + no),)
        shares = [(share + floor) ** power for share in said]
        total = sum(shares)
        return [share / total for share in shares]

    return Runtime(row, lambda x: calibrated(runtime.batch(x), calibration))
