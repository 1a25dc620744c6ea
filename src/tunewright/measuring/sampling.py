"""Sampling: time a call again and again until the median is known."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from math import sqrt
from typing import TypeVar

T = TypeVar("T")

WARM_UP = 20  # calls that fill caches and branch predictors first
BLOCK = 50
PRECISE = 0.01  # relative standard error of the block medians
LEAST_SHARE = 0.5  # of the budget: a median taken within a few milliseconds knows one moment alone


def sample_calls(  # noqa: PLR0913 - what to call, how often at most, and the clock
    call: Callable[[T], object],
    inputs: Sequence[T],
    *,
    budget_s: float = 0.1,
    most: int = 500,
    warm_up: int = WARM_UP,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[float]:
    """Seconds that single calls took, in order: at most `most` values.

    The inputs take turns. Stops after half the budget once the median is precise, else when all of
    it is spent; of more calls than `most`, every n-th is kept, so that they span the whole time.
    Calls so slow that a block takes longer than the budget end with it, after one call at least.
    """
    turn = cycle(inputs)
    started = clock_ns()
    for value in islice(turn, warm_up):
        call(value)
        if clock_ns() - started > budget_s * 1e9:  # a slow call needs no warm-up of many
            break
    taken: list[int] = []
    medians: list[float] = []
    started = clock_ns()
    while True:
        for value in islice(turn, BLOCK):
            before = clock_ns()
            call(value)
            after = clock_ns()
            taken.append(after - before)
            if after - started > budget_s * 1e9:
                break
        medians.append(statistics.median(taken[-BLOCK:]))
        spent = (clock_ns() - started) / (budget_s * 1e9)
        precise = len(taken) >= most and _relative_error(medians) < PRECISE
        if spent >= (LEAST_SHARE if precise else 1.0):
            stride = -(-len(taken) // most)
            return [taken_ns / 1e9 for taken_ns in taken[::stride]]


def _relative_error(medians: Sequence[float]) -> float:
    """The standard error of the medians' mean, as a share of it."""
    if len(medians) < 2:
        return float("inf")
    return statistics.stdev(medians) / sqrt(len(medians)) / max(statistics.fmean(medians), 1e-9)
