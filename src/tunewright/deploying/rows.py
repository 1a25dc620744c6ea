"""Rows of a file, as a predictor wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from tunewright.errors import InputError, nearest
from tunewright.workloads.tabular.columns import read_column
from tunewright.workloads.tabular.data import Column, Exceptions, Schema
from tunewright.workloads.tabular.files import Dialect, load
from tunewright.workloads.tabular.marks import check_mark


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """The columns that a model needs, and cells that say nothing there and count as missing."""

    columns: tuple[Column, ...]
    exceptions: tuple[Exceptions, ...]


def read_rows(source: str | Path, schema: Schema, dialect: Dialect | None = None) -> Rows:
    """The rows of a file by the schema of what was learned: no cell depends on any other.

    Raises InputError for a file that is no table, lacks a column, or has another decimal mark.
    """
    dialect = dialect or Dialect()
    data = load(source, dialect).data
    _check_columns(str(source), schema, data.column_names)
    said = dialect.decimal
    schemas = [replace(one, decimal=said) if said else one for one in schema.columns]
    read = [read_column(one, data[one.name]) for one in schemas]
    odd = tuple(odd for _, odd in read if odd)
    if odd:
        check_mark([(one, data[one.name]) for one in schemas], str(source))
    return Rows(tuple(column for column, _ in read), odd)


def _check_columns(source: str, schema: Schema, names: Sequence[str]) -> None:
    known = {column.name for column in schema.columns}
    lacking = [name for name in known if name not in names]
    if lacking:
        name = min(lacking, key=[column.name for column in schema.columns].index)
        others = [other for other in names if other not in known]
        raise InputError(
            f"expected the column {name!r} in {source}; got {len(names)} others: "
            f"{nearest(name, others or names)}"
        )
