"""The heart: `decide` says what should happen, `apply` what did. Both are pure.

No clock, no chance, no I/O: elapsed time comes in, events come out, and a study is their list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tunewright.core.events import Event, Finished
from tunewright.core.history import History
from tunewright.core.roles import Resources
from tunewright.loop.admission import admit, stops
from tunewright.loop.plan import Plan
from tunewright.loop.search import continue_search
from tunewright.loop.verification import conclude, continue_look
from tunewright.verifying.pairs import current_look


def apply(history: History, event: Event) -> History:
    """The history after an event. Raises InvalidTransition where it cannot follow."""
    return history.applied(event)


def decide(history: History, plan: Plan, free: Resources, elapsed_s: float) -> Sequence[Event]:
    """What should happen now: trials to start or stop, or the end. () means wait."""
    if history.finished is not None:
        return ()
    number = current_look(history)
    if plan.budget.over(elapsed_s):
        if history.running:
            return stops(history, elapsed_s)
        return [Finished(elapsed_s, conclude(history, plan, number, elapsed_s))]
    if history.lost:
        again = [replace(trial, attempt=trial.attempt + 1) for trial in history.lost]
        return admit(history, free, elapsed_s, again)
    if number:
        return continue_look(history, plan, free, elapsed_s, number)
    return continue_search(history, plan, free, elapsed_s)
