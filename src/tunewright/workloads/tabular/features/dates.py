"""Dates: the numbers that a moment gives a model. One arithmetic for a row and a whole column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tunewright.workloads.tabular.data import Feature, Floats

PARTS = ("year", "month", "day", "weekday", "hour", "days")
ALWAYS = "days"  # the part that orders all dates: kept even where nothing varies
DAY_S = 86_400.0
MOST_OTHERS = 4  # date columns, from which the differences of a further one are taken


def date_features(column: str, seconds: Floats, others: Mapping[str, Floats]) -> Iterator[Feature]:
    """The parts of these moments that vary, and how many days after those of others they are."""
    for part in PARTS:
        if part == ALWAYS or _varies(part_of(seconds, part)):
            yield Feature(f"{column} {part}", column, part)
    for other, before in list(others.items())[:MOST_OTHERS]:
        if _varies(seconds - before):
            yield Feature(f"{column} - {other}", column, "after", other=other)


def part_of(seconds: Any, part: str) -> Any:
    """A part of seconds since 1970: of a float, or of each in an array; NaN stays NaN.

    days: since 1970, with the time of day as a fraction. weekday: Monday is 0. The calendar is that
    of Hinnant's "chrono-compatible low-level date algorithms".
    """
    days = seconds // DAY_S
    if part == "days":
        return seconds / DAY_S
    if part == "weekday":
        return (days + 3) % 7
    if part == "hour":
        return (seconds - days * DAY_S) / 3600.0
    shifted = days + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    years = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * years + years // 4 - years // 100)
    month = (5 * of_year + 2) // 153  # March is 0
    if part == "day":
        return of_year - (153 * month + 2) // 5 + 1
    in_next = month >= 10
    if part == "month":
        return month + 3 - 12 * in_next
    return years + era * 400 + in_next


def _varies(values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 0 and bool(known.min() < known.max())
