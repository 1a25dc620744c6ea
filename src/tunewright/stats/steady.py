"""Steady state: whether a series kept its level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

LEAST = 10  # values; of fewer a shift cannot be told from chance
SURE = 0.01
LARGE = 0.05  # a shift below five per cent changes little


@final
@dataclass(frozen=True)
class Shift:
    """The level of a series changed by `factor` behind its first `after` values."""

    after: int
    factor: float


def level_shift(values: Sequence[float]) -> Shift | None:
    """The clearest shift of the level of a positive series, or None where it kept its level.

    Pettitt's rank test for one change point (Applied Statistics 28, 1979) with its approximate
    p-value; a drift counts as a shift. Assumes values that are independent but for that.
    """
    n = len(values)
    if n < LEAST or min(values) <= 0:
        return None
    x = np.asarray(values)
    signs = np.sign(np.subtract.outer(x, x))
    statistic = np.abs(np.cumsum(signs.sum(axis=1)))[:-1]
    after = int(statistic.argmax()) + 1
    p = 2 * math.exp(-6 * float(statistic.max()) ** 2 / (n**3 + n**2))
    factor = float(np.median(x[after:]) / np.median(x[:after]))
    return Shift(after, factor) if p < SURE and abs(math.log(factor)) > LARGE else None
