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
BLOCK = 50  # calls at least between two looks at how precise the median is
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
    fresh: Callable[[T], T] | None = None,
) -> list[float]:
    """Seconds that single calls took, in order: whole passes over the inputs, one at least.

    So each input is timed equally often, and two functions are timed with the same inputs. Stops
    after half the budget once the median is precise, else after the pass in which all of it is
    spent. Of more passes than make `most` values, those are kept that span the whole time evenly.
    fresh: makes of an input what the call gets, outside the time that counts.
    """
    started = clock_ns()
    for value in islice(cycle(inputs), warm_up):
        call(fresh(value) if fresh else value)
        if clock_ns() - started > budget_s * 1e9:  # a slow call needs no warm-up of many
            break
    passes: list[list[int]] = []
    medians: list[float] = []
    block: list[int] = []
    started = clock_ns()
    while True:
        taken: list[int] = []
        for value in inputs:
            given = fresh(value) if fresh else value
            before = clock_ns()
            call(given)
            taken.append(clock_ns() - before)
        passes.append(taken)
        block += taken
        spent = (clock_ns() - started) / (budget_s * 1e9)
        if len(block) >= BLOCK:
            medians.append(statistics.median(block))
            block = []
        enough = len(passes) * len(inputs) >= most and _relative_error(medians) < PRECISE
        if spent >= (LEAST_SHARE if enough else 1.0):
            return [ns / 1e9 for taken in _spread(passes, most // len(inputs)) for ns in taken]


def _spread(passes: Sequence[list[int]], most: int) -> list[list[int]]:
    """At most so many of the passes, one at least, spread evenly over all of them."""
    kept = min(max(most, 1), len(passes))
    return [passes[turn * len(passes) // kept] for turn in range(kept)]


def _relative_error(medians: Sequence[float]) -> float:
    """The standard error of the medians' mean, as a share of it."""
    if len(medians) < 2:
        return float("inf")
    return statistics.stdev(medians) / sqrt(len(medians)) / max(statistics.fmean(medians), 1e-9)
