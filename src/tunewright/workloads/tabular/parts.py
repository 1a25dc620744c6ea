"""Parts: the numbers that a date gives a model. One arithmetic for a row and for a whole column."""

from __future__ import annotations

from typing import Any

PARTS = ("year", "month", "day", "weekday", "hour", "days")
ALWAYS = "days"  # the part that orders all dates: kept even where nothing varies


def part_of(seconds: Any, part: str) -> Any:
    """A part of seconds since 1970: of a float, or of each in an array; NaN stays NaN.

    days: since 1970, with the time of day as a fraction. weekday: Monday is 0. The calendar is that
    of Hinnant's "chrono-compatible low-level date algorithms".
    """
    days = seconds // 86_400.0
    if part == "days":
        return seconds / 86_400.0
    if part == "weekday":
        return (days + 3) % 7
    if part == "hour":
        return (seconds - days * 86_400.0) / 3600.0
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
