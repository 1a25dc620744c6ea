"""Arms: what each part of a search has brought for its seconds, and which one is next."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from tunewright.core.config import Value

MOST_GAP = 20.0  # times what an arm has spent: what it may need to catch up, at most


@final
@dataclass
class Arm:
    """One arm's targets (less is better) and seconds.

    first, best: its first and its best target. spent_s: all of it; at the last improvement, and at
    the one before that. fits, fits_s: of it, what was not made of an earlier fit.
    """

    first: float = math.inf
    best: float = math.inf
    spent_s: float = 0.0
    improved_s: float = 0.0
    before_s: float = 0.0
    trials: int = 0
    fits: int = 0
    fits_s: float = 0.0

    @property
    def mean_s(self) -> float:
        """What one of its fits takes."""
        return self.fits_s / self.fits if self.fits else 0.0

    def learn(self, target: float | None, cost_s: float, *, fitted: bool = True) -> None:
        """Take in one more trial; None for one that failed or does not hold."""
        self.trials += 1
        self.fits += fitted
        self.fits_s += cost_s if fitted else 0.0
        self.spent_s += cost_s
        if target is not None and target < self.best:
            self.first = target if self.best == math.inf else self.first
            self.best = target
            self.before_s, self.improved_s = self.improved_s, self.spent_s

    def seconds_to_improve(self, best: float) -> float:
        """About how many seconds it takes until this arm improves on the best of all.

        Source: the estimated cost for improvement of FLAML (Wang et al. 2021): as long as its last
        improvements took, or as long as it needs to catch up at the speed that it had.
        """
        own_s = max(self.spent_s - self.improved_s, self.improved_s - self.before_s, 1e-6)
        gap = self.best - best
        if gap <= 0:
            return own_s
        most_s = MOST_GAP * max(self.spent_s, 1e-6)
        gained = self.first - self.best
        catch_up_s = 2 * gap * self.spent_s / gained if gained > 0 else most_s
        return max(own_s, min(catch_up_s, most_s))


def choose(arms: Mapping[Value, Arm], chance: random.Random) -> Value:
    """The arm whose turn it is: the less it needs to improve the best, the likelier.

    What is drawn is a share of the trials, so a dear arm gets its share of the seconds, too.
    """
    best = min(arm.best for arm in arms.values())
    speeds = [1 / max(arm.seconds_to_improve(best), 1e-9) for arm in arms.values()]
    return chance.choices([*arms], speeds)[0]
