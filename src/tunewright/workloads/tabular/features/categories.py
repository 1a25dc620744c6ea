"""Categories: codes of texts that are names, by how frequent they are or by their mean answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Floats
from tunewright.workloads.tabular.weighing import picked, weighed

SMOOTHING = 10.0  # rows' worth of the overall mean that each category's mean is mixed with


def codes_of(
    values: NDArray[Any],
    categories: tuple[str, ...],
    answers: NDArray[Any] | None,
    weights: Floats | None,
) -> dict[str, int]:
    """The categories that are there, ranked by how many rows have them, or by the mean answer."""
    seen = values >= 0
    counts = np.bincount(values[seen], picked(weights, seen), len(categories))
    score = -counts
    if answers is not None:
        sums = np.bincount(values[seen], weighed(answers, weights)[seen], len(categories))
        overall = np.average(answers, weights=weights)
        score = (sums + SMOOTHING * overall) / (counts + SMOOTHING)
    ranked = [int(code) for code in np.argsort(score, kind="stable") if counts[code]]
    return {categories[code]: rank for rank, code in enumerate(ranked)}
