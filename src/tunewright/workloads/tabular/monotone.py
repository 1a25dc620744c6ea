"""Monotone: columns along which the answer may move one way only, all else equal.

A row that differs from another in such a column alone is answered no lower (1), or no higher (-1),
the larger the column is. A model keeps that where it keeps it for every number that it sees of the
column; a missing value has no place in the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tunewright.errors import InputError
from tunewright.workloads.tabular.data import ColumnSchema, Feature, Schema, Task

WORDS = {"increasing": 1, "decreasing": -1}
ORDERED = ("number", "boolean", "date", "time")  # kinds of columns that grow
_GROW = ("value", "days", "year")  # parts that never fall as their column grows


def promised(
    schemas: Sequence[ColumnSchema],
    asked: Mapping[str, int],
    dropped: Mapping[str, str],
    task: Task,
) -> tuple[ColumnSchema, ...]:
    """The columns with what is asked of them. Raises InputError for what no model could keep.

    dropped: columns that are left out, each with the reason.
    """
    if asked and task == "multiclass":
        raise InputError(
            "expected two classes or a regression for --monotone; got three classes or more, whose "
            "answer neither grows nor falls; leave it out"
        )
    kinds = {schema.name: schema.kind for schema in schemas}
    for name in asked:
        if name in dropped:
            raise InputError(
                f"expected --monotone to name a column to learn from; got {name!r}, which is left "
                f"out: {dropped[name]}; leave it out there, too"
            )
        if kinds[name] not in ORDERED:
            raise InputError(
                f"expected --monotone to name a column of numbers or dates; got {name!r}, whose "
                f"kind is {kinds[name]}; say --types {name}=number if it is one"
            )
    return tuple(replace(schema, monotone=asked.get(schema.name, 0)) for schema in schemas)


def direction(feature: Feature, asked: Mapping[str, int]) -> int | None:
    """Where the answer may move as this feature grows: up (1), down (-1) or anywhere (0).

    None where it must not be seen: it does not move one way with its column, or two promises
    contradict each other in it. asked: by column.
    """
    own, other = asked.get(feature.column, 0), -asked.get(feature.other, 0)
    if feature.part == "after":
        return own or other if not (own and other) or own == other else None
    return own if not own or feature.part in _GROW else None


def directions(schema: Schema) -> list[int]:
    """The direction of each feature, as the libraries that keep them want it."""
    asked = {column.name: column.monotone for column in schema.columns}
    return [direction(feature, asked) or 0 for feature in schema.features]


def in_words(schemas: Sequence[ColumnSchema]) -> str:
    """What is promised, "" for nothing."""
    up, down = (
        ", ".join(repr(one.name) for one in schemas if one.monotone == way) for way in (1, -1)
    )
    told = [f"falls as {up} grows" if up else "", f"rises as {down} grows" if down else ""]
    return "the answer never " + " or ".join(filter(None, told)) if up or down else ""
