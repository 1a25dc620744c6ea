"""Categories: codes of texts that are names, by how frequent they are or by their mean answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMOOTHING = 10.0  # rows' worth of the overall mean that each category's mean is mixed with


def codes_of(
    values: NDArray[Any], categories: tuple[str, ...], answers: NDArray[Any] | None
) -> dict[str, int]:
    """The categories that are there, ranked by their number, or by the mean of the answers."""
    seen = values >= 0
    counts = np.bincount(values[seen], minlength=len(categories))
    score = -counts
    if answers is not None:
        sums = np.bincount(values[seen], answers[seen], len(categories))
        score = (sums + SMOOTHING * answers.mean()) / (counts + SMOOTHING)
    ranked = [int(code) for code in np.argsort(score, kind="stable") if counts[code]]
    return {categories[code]: rank for rank, code in enumerate(ranked)}
