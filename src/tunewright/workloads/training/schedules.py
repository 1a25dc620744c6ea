"""Schedules: what the learning rate is multiplied by on the way, whatever the framework."""

from __future__ import annotations

import math

SCHEDULES = ("constant", "cosine", "one_cycle", "step", "linear")
WARM = 0.2  # of a one-cycle's way goes up
LOW = 0.04  # where a one-cycle begins, and about where it ends


def factor(name: str, progress: float) -> float:
    """The factor where `progress`, from 0 to 1, of all steps are over.

    cosine: down to 0. one_cycle: up from a low one, then down to 0 (Smith 2018). step: a tenth
    after half of the way, a hundredth after three quarters. linear: straight down to 0.
    """
    match name:
        case "cosine":
            return 0.5 * (1 + math.cos(math.pi * progress))
        case "one_cycle":
            if progress < WARM:
                return LOW + (1 - LOW) * progress / WARM
            return 0.5 * (1 + math.cos(math.pi * (progress - WARM) / (1 - WARM)))
        case "step":
            return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
        case "linear":
            return 1 - progress
        case _:
            return 1.0
