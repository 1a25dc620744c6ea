"""Rows of a file, as a predictor wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np

from tunewright.errors import InputError, nearest
from tunewright.workloads.tabular.cells import composed
from tunewright.workloads.tabular.columns import read_column
from tunewright.workloads.tabular.data import Column, Exceptions, Schema
from tunewright.workloads.tabular.doubts import in_order
from tunewright.workloads.tabular.files import Dialect, Raw, load
from tunewright.workloads.tabular.marks import check_kind, check_mark

MANY = 0.2  # of a column's cells are of categories that nobody knows: it may be written otherwise
SHOWN = 10  # columns that are named


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """The columns that a model needs, and cells that say nothing there and count as missing.

    notes: what else is odd in them.
    """

    columns: tuple[Column, ...]
    exceptions: tuple[Exceptions, ...]
    notes: tuple[str, ...] = ()


def read_rows(source: str | Path, schema: Schema, dialect: Dialect | None = None) -> Rows:
    """The rows of a file by the schema of what was learned: no cell depends on any other.

    But for the order of day and month, which one cell can prove for all. Raises InputError for a
    file that is no table, lacks a column, has another decimal mark, or cells of another kind.
    """
    dialect = dialect or Dialect()
    raw = load(source, dialect)
    _check_columns(str(source), schema, raw)
    said, notes = dialect.decimal, []
    data = {one.name: raw.data[composed(one.name)] for one in schema.columns}
    schemas = [replace(one, decimal=said) if said else one for one in schema.columns]
    for i, one in enumerate(schemas):
        schemas[i], note = in_order(one, data[one.name])
        notes += [note] * bool(note)
    read = [read_column(one, data[one.name]) for one in schemas]
    odd = tuple(odd for _, odd in read if odd)
    if odd:
        check_mark([(one, data[one.name]) for one in schemas], str(source))
    for exceptions in odd:
        check_kind(exceptions, raw.data.num_rows, str(source), "what was learned from")
    columns, codes = tuple(column for column, _ in read), schema.codes
    notes += [note for one in columns if (note := _unseen(one, codes.get(one.name, {})))]
    return Rows(columns, odd, tuple(notes))


def _unseen(column: Column, codes: Mapping[str, int]) -> str:
    """A note where many cells hold categories that the model does not know, else ""."""
    unseen = [name for name in column.categories or () if name not in codes]
    if not codes or not unseen:
        return ""
    known = np.array([name in codes for name in column.categories or ()])
    present = column.values[column.values >= 0]
    count = int((~known[present]).sum())
    if count <= MANY * len(present):
        return ""
    bare = {name.lstrip("0"): name for name in codes}
    alike = next((one for one in unseen if one.lstrip("0") in bare), "")
    such = f"{alike!r}, where {bare[alike.lstrip('0')]!r} is known" if alike else repr(unseen[0])
    return (
        f"{count:,} of {len(present):,} cells of {column.name!r} hold categories that were not "
        f"learned from and count as missing, such as {such}"
    )


def _check_columns(source: str, schema: Schema, raw: Raw) -> None:
    names = raw.data.column_names
    known = [composed(column.name) for column in schema.columns]
    lacking = [name for name in known if name not in names]
    if not lacking:
        return
    others = [other for other in names if other not in known]
    got = ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
    more = f", and {len(lacking) - 1:,} more" if len(lacking) > 1 else ""
    near = nearest(lacking[0], others)
    hint = near if near.startswith("did") else "name it so, or add it without values"
    raise InputError(
        f"expected the column {lacking[0]!r}{more} in {source}; got {got}: "
        + "; ".join((hint, *raw.notes))
    )
