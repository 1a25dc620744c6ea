"""Features: the numbers that a model sees of a column, one file for each kind of them."""

from __future__ import annotations

from typing import Any

from tunewright.workloads.tabular.data import Feature
from tunewright.workloads.tabular.features.dates import DAY_S, part_of
from tunewright.workloads.tabular.features.means import day_looked_up, looked_up


def number_of(feature: Feature, base: Any, other: Any) -> Any:
    """A feature's number, of one row or of each row in an array: the same arithmetic for both.

    base, other: what its columns hold: a number, a code, or of a text the list of its numbers.
    """
    match feature.part:
        case "value":
            return base
        case "table":
            return looked_up(feature.table, base)
        case "same day":
            return day_looked_up(feature.table, feature.place, base)
        case "text":
            return base[feature.place]
        case "after":
            return (base - other) / DAY_S
        case part:
            return part_of(base, part)
