"""Class weights: rows of rare classes may count as much in a fit as those of frequent ones do.

What is learned then is what balanced classes would be like: the likeliest class is no longer nearly
always the frequent one, and probabilities are too large for the rare ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.core.conditions import Condition
from tunewright.core.config import Value
from tunewright.core.knobs import Choice, Knob
from tunewright.workloads.tabular.data import Floats, Prepared, Table

KNOB, NONE, BALANCED = "class_weight", "none", "balanced"
IMBALANCED = 1.5  # times as many rows of the most frequent class as of the rarest
# Metrics of the likeliest class gain. Rankings do not (AUC by -0.00004 in the mean of five tables
# and two families), and every log loss was worse: probabilities are what the weights distort.
GAIN = frozenset({"balanced_accuracy", "f1"})


def knobs_of(table: Table, quality: Sequence[str], when: Condition | None) -> tuple[Knob, ...]:
    """The knob, where the classes are imbalanced and the goal reads a metric that gains.

    quality: the metrics of the goal that rows judge.
    """
    if not table.facts.classes or GAIN.isdisjoint(quality):
        return ()
    weights = None if table.weights is None else table.weights[table.train]
    counts = np.bincount(table.y[table.train], weights)
    if counts.max() < IMBALANCED * counts[counts > 0].min():
        return ()
    return (Knob(KNOB, Choice((NONE, BALANCED)), NONE, "hyperparameter", "fit", when=when),)


def weights_of(asked: Value, data: Prepared) -> tuple[Floats | None, Floats | None]:
    """How much each row to learn from counts, and each by whose loss a fit may stop early."""
    if asked == NONE:
        return data.weights, data.judged_weights
    factors = _factors(data.y, data.weights, len(data.schema.classes))
    learned, judged = factors[data.y], factors[data.judged_y]
    return (
        learned if data.weights is None else learned * data.weights,
        judged if data.judged_weights is None else judged * data.judged_weights,
    )


def _factors(y: NDArray[Any], weights: Floats | None, classes: int) -> Floats:
    """What makes the sums of the classes equal and leaves their total; 1 for one without rows."""
    sums = np.bincount(y, weights, classes)
    there = sums > 0
    return np.where(there, sums.sum() / (there.sum() * np.where(there, sums, 1.0)), 1.0)
