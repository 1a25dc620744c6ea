"""Columns: the cells of a column are read by its schema, the same wherever they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunewright.workloads.tabular import cells
from tunewright.workloads.tabular.data import Column, ColumnSchema, Exceptions, Floats, Kind

SAMPLE = 2_000
NAMED = 5  # exceptions of a column that are told
_PLAIN = r"^-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
KNOWN = pa.array(  # the commonest spellings of a missing value, so that they take no time
    [None, *{f for code in cells.MISSING for w in (code, code.upper()) for f in (w, f" {w}")}],
    pa.large_string(),
)


def read_column(
    schema: ColumnSchema, data: pa.ChunkedArray, *, words: bool = True
) -> tuple[Column, Exceptions | None]:
    """What the cells say by this schema; the same for a cell whatever the others are."""
    data = decoded(data)
    if schema.kind in cells.SPELLED:
        return _categories(schema, data, words=words)
    values = _typed(schema.kind, data)
    odd = np.zeros(len(data), bool)
    if values is None:
        values, odd = _from_texts(schema, data, words=words)
    codes = cells.codes_of(schema)
    if codes:
        values = np.where(np.isin(values, codes), np.nan, values)
    return Column(schema.name, values), _exceptions(schema, data, odd)


def decoded(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """Plain values; texts as one type of text."""
    kind = data.type
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
        data = data.cast(kind)
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return data.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        try:
            return data.cast(pa.large_string())
        except pa.ArrowInvalid:
            return data
    return data


def spelled(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """Moments as texts: Python has no value for all of them."""
    return data.cast(pa.large_string()) if pa.types.is_temporal(data.type) else data


def _categories(schema: ColumnSchema, data: pa.ChunkedArray, *, words: bool) -> tuple[Column, None]:
    """Codes into the spellings, in the order of their first cells."""
    encoded = _single(spelled(_exact(data))).dictionary_encode("encode")
    codes: dict[str, int] = {}
    lookup = []
    for value in encoded.dictionary.to_pylist():
        try:
            read = cells.read_value(schema, value, words=words)
        except TypeError:
            read = str(value)
        lookup.append(-1 if read is None else codes.setdefault(str(read), len(codes)))
    values = np.array(lookup or [-1], np.int32)[_numpy(encoded.indices, np.int32)]
    return Column(schema.name, values, tuple(codes)), None


def _typed(kind: Kind, data: pa.ChunkedArray) -> Floats | None:
    """Cells whose type says it all, or None."""
    types, of = pa.types, data.type
    numeric = kind in ("number", "boolean")
    if types.is_null(of):
        return np.full(len(data), np.nan)
    if numeric and types.is_boolean(of):
        data = data.cast(pa.int8())
    elif (kind == "date" and (types.is_date(of) or types.is_timestamp(of))) or (
        kind == "time" and types.is_time(of)
    ):
        unit = pa.timestamp("us") if kind == "date" else pa.time64("us")
        data = pc.divide(_micros(data, unit).cast(pa.float64(), safe=False), float(cells.MICRO))
    elif numeric and types.is_duration(of):
        micros = data.cast(pa.duration("us"), safe=False).cast(pa.int64())
        data = pc.divide(micros.cast(pa.float64(), safe=False), float(cells.MICRO))
    elif not (numeric and (types.is_integer(of) or types.is_floating(of) or types.is_decimal(of))):
        return None
    return _floats(_exact(data))


def _micros(data: pa.ChunkedArray, unit: pa.DataType) -> pa.ChunkedArray:
    zone = getattr(data.type, "tz", None)
    if zone:
        unit = pa.timestamp("us", zone)
    return data.cast(unit, safe=False).cast(pa.int64())


def _exact(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as the text of them would be read: 0.1 is 0.1, however few digits it is kept with."""
    kind = data.type
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        wide = data.cast(pa.float32()).cast(pa.float64())
        whole = pc.all(
            pc.and_(pc.equal(wide, pc.round(wide)), pc.less(pc.abs(wide), 2**24))
        ).as_py()
        return wide if whole else data.cast(pa.float32()).cast(pa.large_string()).cast(pa.float64())
    if pa.types.is_decimal(kind):
        texts = data.cast(pa.large_string())
        return texts if kind.scale == 0 else texts.cast(pa.float64())  # whole ones lose no digit
    return data


def _from_texts(
    schema: ColumnSchema, data: pa.ChunkedArray, *, words: bool
) -> tuple[Floats, NDArray[np.bool_]]:
    """The numbers that texts spell, and which cells spell none though they hold something."""
    if not pa.types.is_large_string(data.type):  # typed cells of another kind than in training
        return _one_by_one(schema, data, np.ones(len(data), bool), words=words)
    texts = blanked(data)
    quick = _iso if schema.kind == "date" else plain_numbers
    values = quick(schema, texts) if schema.kind in ("number", "boolean", "date") else None
    if values is not None:
        return values, np.zeros(len(data), bool)
    if schema.kind in ("number", "boolean") and schema.decimal == ".":
        plain = pc.fill_null(pc.match_substring_regex(texts, _PLAIN), False)  # noqa: FBT003
        numbers = pc.if_else(plain, texts, pa.scalar(None, data.type)).cast(pa.float64())
        others = pc.and_(pc.invert(plain), pc.is_valid(texts))
        rest = _mask(others)
        values, odd = _one_by_one(schema, texts, rest, words=words)
        return np.where(rest, values, _floats(numbers)), odd
    return _one_by_one(schema, texts, _mask(pc.is_valid(texts)), words=words)


def blanked(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts, missing where they are one of the spellings of that."""
    return pc.if_else(pc.is_in(data, KNOWN), pa.scalar(None, data.type), data)


def plain_numbers(schema: ColumnSchema, texts: pa.ChunkedArray) -> Floats | None:
    """All the numbers at once, or None where one of them is not plain."""
    if schema.decimal == ",":
        if pc.any(pc.match_substring(texts, ".")).as_py():
            return None
        texts = pc.replace_substring(texts, ",", ".", max_replacements=1)
    try:
        texts.slice(0, SAMPLE).cast(pa.float64())  # a failure is slower the longer the column is
        return _floats(texts.cast(pa.float64()))
    except pa.ArrowInvalid:
        return None


def _iso(_schema: ColumnSchema, texts: pa.ChunkedArray) -> Floats | None:
    """All dates at once where each is written as 2024-01-31, with a time or without, or None."""
    length = pc.min_max(pc.utf8_length(texts)).as_py()
    if length["min"] != length["max"] or length["min"] not in (10, 19):
        return None
    try:
        return _typed("date", texts.cast(pa.timestamp("us")))
    except pa.ArrowInvalid:
        return None


def _one_by_one(
    schema: ColumnSchema, data: pa.ChunkedArray, wanted: NDArray[np.bool_], *, words: bool
) -> tuple[Floats, NDArray[np.bool_]]:
    """Every different cell read by itself."""
    encoded = _single(spelled(data.filter(pa.array(wanted)))).dictionary_encode("encode")
    read, odd = [], []
    for value in encoded.dictionary.to_pylist():
        number: Any = None
        failed = False
        try:
            number = cells.read_value(schema, value, words=words)
        except (TypeError, ValueError):
            failed = True
        read.append(np.nan if number is None else float(number))
        odd.append(failed)
    at = _numpy(encoded.indices, np.int32)
    values, unread = np.full(len(data), np.nan), np.zeros(len(data), bool)
    values[wanted] = np.array(read or [np.nan])[at]
    unread[wanted] = np.array(odd or [False])[at]
    return values, unread


def _exceptions(
    schema: ColumnSchema, data: pa.ChunkedArray, odd: NDArray[np.bool_]
) -> Exceptions | None:
    at = np.flatnonzero(odd)
    if not len(at):
        return None
    texts = tuple(str(one).strip()[:40] for one in spelled(data.take(at[:NAMED])).to_pylist())
    rows = tuple(int(row) + 1 for row in at[:NAMED])
    return Exceptions(schema.name, schema.kind, len(at), rows, texts)


# Out of Arrow. Its own to_numpy and fill_null(float) import pandas, which takes 0.3 s.


def _single(data: pa.ChunkedArray) -> pa.Array:
    data = data.combine_chunks() if isinstance(data, pa.ChunkedArray) else data
    return pa.concat_arrays(data.chunks) if isinstance(data, pa.ChunkedArray) else data


def _numpy(data: pa.Array, of: type[Any]) -> NDArray[Any]:
    """The stored numbers; those of missing cells mean nothing."""
    if not len(data):
        return np.empty(0, of)
    return np.frombuffer(data.buffers()[1], of)[data.offset :][: len(data)]


def _floats(data: pa.ChunkedArray) -> Floats:
    """Numbers, with one bit pattern for all that is missing."""
    single = _single(data.cast(pa.float64(), safe=False))
    stored = _numpy(single, np.float64)
    return np.where(_mask(single.is_null(nan_is_null=True)), np.nan, stored)


def _mask(data: Any) -> NDArray[np.bool_]:
    return np.asarray(_numpy(_single(data.cast(pa.uint8())), np.uint8) == 1)
