"""Rows of a file, as a predictor wants them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tunewright.workloads.tabular.data import Schema
from tunewright.workloads.tabular.reading import load_file

CHUNK = 10_000


def read_rows(path: str, schema: Schema) -> Iterator[dict[str, Any]]:
    """The rows of a CSV or Parquet file as plain dicts; a column of categories is read as text.

    Raises InputError for a file that is no table.
    """
    data = load_file(path)
    texts = {field.name for field in schema.fields if field.codes is not None}
    for i, name in enumerate(data.column_names):
        if name in texts:
            data = data.set_column(i, name, data[name].cast("string"))
    for batch in data.to_batches(CHUNK):
        yield from batch.to_pylist()
