"""Marks: whether a further file is written as the one that its schema was learned from."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from tunewright.errors import InputError
from tunewright.workloads.tabular.cells import is_missing, number_of
from tunewright.workloads.tabular.data import ColumnSchema, Exceptions

MOSTLY = 0.5  # of a column's cells are of another kind: it is another column
SAMPLE = 1_000  # of a column's different cells
OTHER = {".": ",", ",": "."}


def check_mark(
    columns: Iterable[tuple[ColumnSchema, pa.ChunkedArray]], where: str, remedy: str = ""
) -> None:
    """Refuse texts most of whose numbers are clearly written with the other mark.

    Some of their cells would count as missing, and others be a thousand times too large: 1.234
    may be either. Raises InputError with the first clear cell.
    """
    own, others = 0, []
    for schema, data in columns:
        if schema.kind != "number" or not _holds_texts(data.type):
            continue
        for text in data.unique().slice(0, SAMPLE).to_pylist():
            if text is None or is_missing(text, schema.missing):
                continue
            here, there = (
                _fits(schema, text, mark) for mark in (schema.decimal, OTHER[schema.decimal])
            )
            own += here and not there
            if there and not here:
                others.append((schema, text.strip()))
    if len(others) > own:
        schema, text = others[0]
        raise InputError(
            f'expected "{schema.decimal}" as the decimal mark in {where}, as where {schema.name!r} '
            f"was learned from; got {text!r}; "
            + (remedy or f'say --decimal "{OTHER[schema.decimal]}"')
        )


def check_kind(odd: Exceptions, rows: int, where: str, learned: str) -> None:
    """Refuse a column most of whose cells are not what it was learned from."""
    if odd.count > MOSTLY * rows:
        raise InputError(
            f"expected {odd.column!r} to be a {odd.kind} in {where}, as in {learned}; got "
            f"{odd.texts[0]!r}; write both files alike"
        )


def _fits(schema: ColumnSchema, text: str, mark: str) -> bool:
    found = number_of(text, mark)
    return found is not None and found[1] in ("", schema.unit)


def _holds_texts(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))
