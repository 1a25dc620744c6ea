"""How much rows of unequal weight, or clusters of unequal size, tell of a mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def effective_size(weights: npt.NDArray[np.floating[Any]]) -> float:
    """As many equal ones as tell as much of a mean as these.

    weights: at least one, none negative, not all zero. Source: Kish 1965, (Σ w)² / Σ w².
    """
    scaled = weights / weights.max()  # so that no sum overflows
    return float(scaled.sum() ** 2 / (scaled @ scaled))
