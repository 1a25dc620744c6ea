"""Admission: which of the wanted trials start now, by what the machine has left."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.core.events import Event, Started, Stopped
from tunewright.core.history import History
from tunewright.core.roles import Resources
from tunewright.core.trial import Trial


def stops(history: History, elapsed_s: float) -> list[Event]:
    """The end of everything that runs, since the budget is over."""
    return [Stopped(elapsed_s, t.number, t.attempt, "budget") for t in history.running]


def admit(
    history: History, free: Resources, elapsed_s: float, wanted: Sequence[Trial]
) -> list[Event]:
    """Starts for the first of `wanted` that the machine has room for.

    A trial that wants the machine alone waits until it is empty, or queues behind one of its own
    lane: the executor runs them one after the other, without asking us in between. The others share
    the machine as far as its slots, cores, memory and GPUs go; one that wants more than there is
    gets what there is.
    """
    running, started = list(history.running), list[Event]()
    slots, cores, memory, gpus = free.slots, free.cores, free.memory_mib, free.gpus
    for trial in wanted:
        need = trial.need
        if need.alone or any(t.need.alone for t in running):
            lane = need.lane and all(t.need.lane == need.lane for t in running)
            fits = len(running) < (2 if lane else 1)
        else:
            fits = need.cores <= cores and need.memory_mib <= memory and need.gpus <= gpus
        if not slots or (running and not fits):
            break
        running.append(trial)
        started.append(Started(elapsed_s, trial))
        slots, cores = slots - 1, cores - need.cores
        memory, gpus = memory - need.memory_mib, gpus - need.gpus
    return started


def can_start(history: History, free: Resources) -> bool:
    """Whether anything at all could start now: if not, nobody need be asked what."""
    alone = [trial for trial in history.running if trial.need.alone]
    if not alone:
        return bool(free.slots) and (free.cores >= 1 or not history.running)
    return bool(free.slots) and len(history.running) == 1 and bool(alone[0].need.lane)
