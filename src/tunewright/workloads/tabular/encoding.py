"""Encoding: columns become features, whose codes are learned from training rows alone."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.cells import MICRO
from tunewright.workloads.tabular.data import (
    Column,
    ColumnSchema,
    Feature,
    Floats,
    Ints,
    Row,
    Schema,
    Table,
)
from tunewright.workloads.tabular.parts import ALWAYS, PARTS, part_of

SMOOTHING = 10.0  # rows' worth of the overall mean that each category's mean is mixed with


def learn_schema(table: Table, rows: Ints, *, ordered: bool) -> Schema:
    """The schema that these rows teach; a category that they lack will count as missing.

    Codes run from the most frequent category to the rarest; `ordered` ranks categories by their
    smoothed mean target instead (of the most frequent class, where there are three or more).
    """
    facts, answers = table.facts, table.y[rows]
    if facts.task == "multiclass":
        answers = answers == np.bincount(answers).argmax()
    features: list[Feature] = []
    for column, schema in zip(table.columns, table.schemas, strict=True):
        values = column.values[rows]
        if column.categories is not None:
            codes = _codes(values, column.categories, answers if ordered else None)
            features.append(Feature(column.name, column.name, codes=codes, nominal=not ordered))
        elif schema.kind == "date":
            features += [
                Feature(f"{column.name} {part}", column.name, part)
                for part in PARTS
                if part == ALWAYS or _varies(part_of(values, part))
            ]
        else:
            features.append(Feature(column.name, column.name))
    return Schema(facts.task, facts.target, facts.classes, table.schemas, tuple(features))


def encode_columns(columns: Sequence[Column], schema: Schema, rows: Ints | None = None) -> Floats:
    """Numbers for these rows, one column a feature; missing and unknown values are NaN."""
    by_name = {column.name: column for column in columns}
    count = len(rows) if rows is not None else len(columns[0].values)
    x = np.empty((count, len(schema.features)))
    for i, feature in enumerate(schema.features):
        column = by_name[feature.column]
        values: NDArray[Any] = column.values if rows is None else column.values[rows]
        if column.categories is not None and feature.codes is not None:
            codes = [float(feature.codes.get(name, np.nan)) for name in column.categories]
            values = np.array([*codes, np.nan])[values]
        x[:, i] = values if feature.part == "value" else part_of(values, feature.part)
    return x


def encode_rows(table: Table, schema: Schema, rows: Ints) -> Floats:
    """The numbers for these rows of a table."""
    return encode_columns(table.columns, schema, rows)


def plain_rows(table: Table, rows: Ints) -> tuple[Row, ...]:
    """These rows as a caller of the predictor would give them: dicts of plain values."""
    columns = plain_columns(taken(table, rows), table.schemas)
    keys = [column.name for column in table.columns]
    return tuple(dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True))


def plain_columns(columns: Sequence[Column], schemas: Sequence[ColumnSchema]) -> list[list[Any]]:
    """The cells of each column as plain values, None where there is none."""
    return [_plain(column, schema) for column, schema in zip(columns, schemas, strict=True)]


def taken(table: Table, rows: Ints) -> tuple[Column, ...]:
    """The columns of these rows alone."""
    return tuple(replace(column, values=column.values[rows]) for column in table.columns)


def _codes(
    values: NDArray[Any], categories: tuple[str, ...], answers: NDArray[Any] | None
) -> dict[str, int]:
    """The categories that are there, ranked by their number, or by the mean of the answers."""
    seen = values >= 0
    counts = np.bincount(values[seen], minlength=len(categories))
    score = -counts
    if answers is not None:
        sums = np.bincount(values[seen], answers[seen], len(categories))
        score = (sums + SMOOTHING * answers.mean()) / (counts + SMOOTHING)
    ranked = [int(code) for code in np.argsort(score, kind="stable") if counts[code]]
    return {categories[code]: rank for rank, code in enumerate(ranked)}


def _varies(values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 0 and bool(known.min() < known.max())


def _plain(column: Column, schema: ColumnSchema) -> list[Any]:
    values, names = column.values.tolist(), column.categories
    if names is not None:
        return [names[code] if code >= 0 else None for code in values]
    make = _MAKE.get(schema.kind, float)
    return [None if math.isnan(value) else make(value) for value in values]


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime(1970, 1, 1) + dt.timedelta(  # noqa: DTZ001 - as it was written
        microseconds=round(seconds * MICRO)
    )


_MAKE: dict[str, Callable[[float], Any]] = {
    "date": _moment,
    "time": lambda seconds: _moment(seconds % 86_400).time(),
}
