"""Encoding: texts become codes that are learned from training rows alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Field, Floats, Ints, Row, Schema, Table

SMOOTHING = 10.0  # rows' worth of the overall mean that each category's mean is mixed with


def learn_schema(table: Table, rows: Ints, *, ordered: bool) -> Schema:
    """The schema that these rows teach; a category that they lack will count as missing.

    Codes run from the most frequent category to the rarest; `ordered` ranks categories by their
    smoothed mean target instead (of the most frequent class, where there are three or more).
    """
    facts, answers = table.facts, table.y[rows]
    if facts.task == "multiclass":
        answers = answers == np.bincount(answers).argmax()
    fields = []
    for column in table.columns:
        if column.categories is None:
            fields.append(Field(column.name))
            continue
        codes = column.values[rows]
        seen = codes >= 0
        counts = np.bincount(codes[seen], minlength=len(column.categories))
        score = -counts
        if ordered:
            sums = np.bincount(codes[seen], answers[seen], len(column.categories))
            score = (sums + SMOOTHING * answers.mean()) / (counts + SMOOTHING)
        ranked = [int(code) for code in np.argsort(score, kind="stable") if counts[code]]
        ranks = {column.categories[code]: rank for rank, code in enumerate(ranked)}
        fields.append(Field(column.name, ranks, nominal=not ordered))
    return Schema(facts.task, facts.target, facts.classes, tuple(fields))


def encode_rows(table: Table, schema: Schema, rows: Ints) -> Floats:
    """Numbers for these rows, one column a field; missing and unknown values are NaN."""
    x = np.empty((len(rows), len(schema.fields)))
    for i, (column, field) in enumerate(zip(table.columns, schema.fields, strict=True)):
        values: NDArray[Any] = column.values[rows]
        if column.categories is not None and field.codes is not None:
            codes = [float(field.codes.get(name, np.nan)) for name in column.categories]
            values = np.array([*codes, np.nan])[values]
        x[:, i] = values
    return x


def plain_rows(table: Table, rows: Ints) -> tuple[Row, ...]:
    """These rows as a caller of the predictor would give them: dicts of plain values."""
    columns = []
    for column in table.columns:
        values, names = column.values[rows].tolist(), column.categories
        if names is None:
            columns.append([None if math.isnan(value) else value for value in values])
        else:
            columns.append([names[code] if code >= 0 else None for code in values])
    keys = [column.name for column in table.columns]
    return tuple(dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True))
