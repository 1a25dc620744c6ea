"""Budget: wall time, or a number of trials for runs that use no clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

from tunewright.core.units import THOUSANDS, parse_quantity
from tunewright.errors import InputError

CLOSING, CLOSING_S = 0.03, 2.0  # of a budget, at most, for the model's files and the report


@final
@dataclass(frozen=True)
class Budget:
    """At most so many seconds, or so many search trials; exactly one of them is set."""

    seconds: float | None = None
    trials: int | None = None

    def closed(self) -> Budget:
        """What a study itself may take: what comes after it belongs to the budget, too."""
        if self.seconds is None:
            return self
        return Budget(self.seconds - min(CLOSING * self.seconds, CLOSING_S))

    def over(self, elapsed_s: float) -> bool:
        """Whether everything must end now."""
        return self.seconds is not None and elapsed_s >= self.seconds

    def search_over(self, elapsed_s: float, trials: int, reserve_s: float) -> bool:
        """Whether the search must end, so that refit and verification fit into what is left."""
        if self.trials is not None:
            return trials >= self.trials
        return self.reserve_reached(elapsed_s, reserve_s)

    def reserve_reached(self, elapsed_s: float, left_s: float) -> bool:
        """Whether less than `left_s` is left of a budget of time."""
        return self.seconds is not None and elapsed_s >= self.seconds - left_s

    def trials_left(self, trials: int) -> int:
        """How many search trials may still be begun."""
        return 1_000_000 if self.trials is None else max(self.trials - trials, 0)


def parse_budget(text: str) -> Budget:
    """The budget that "60s", "5min" or "50 trials" states."""
    trials = re.fullmatch(rf"\s*({THOUSANDS}|\d+)\s*trials?\s*", text)
    if trials:
        budget = Budget(trials=int(trials[1].replace(",", "")))
    else:
        try:
            budget = Budget(seconds=parse_quantity(text, "s"))
        except InputError as error:
            raise InputError(
                f"expected a budget such as 60s, 5min or '50 trials'; got {text!r}"
            ) from error
    if (budget.seconds or budget.trials or 0) <= 0:
        raise InputError(f"expected a budget above 0; got {text!r}")
    return budget
