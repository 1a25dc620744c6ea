"""Columns: what the cells of a column mean is learned once, and then read the same everywhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunewright.errors import InputError
from tunewright.workloads.tabular import cells
from tunewright.workloads.tabular.data import Column, ColumnSchema, Exceptions, Floats, Kind

NEARLY_ALL = 0.95  # of the cells with a value must be of a kind
LIKELY = 0.8  # of a sample: else not all cells are tried
SAMPLE = 2_000
CODES_SHARE = 0.01  # of leading zeros, which no number has
NAMED = 5  # exceptions of a column that are told
_CODE = re.compile(r"[+-]?0[0-9]+")
_PLAIN = r"^-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_DAY_FIRST = re.compile(r"[0-9]{1,2}[.-]")  # 1/2/2024 is more often written in America
_ZERO = r"^0[0-9]+\s*$"
_KNOWN = pa.array(  # the commonest spellings of a missing value, so that they take no time
    [None, *{f for code in cells.MISSING for w in (code, code.upper()) for f in (w, f" {w}")}],
    pa.large_string(),
)


@final
@dataclass(frozen=True)
class Reading:
    """How a column is to be read, as far as that is known.

    kind: said by the user. decimal: of the file. strict: the user said so. words: whether "-" and
    "none" stand for no value, as they do but among classes.
    """

    kind: Kind | None = None
    missing: tuple[str, ...] = ()
    decimal: str = "."
    strict: bool = False
    words: bool = True


@final
@dataclass(frozen=True, eq=False)
class Learned:
    """A column, what its cells mean, and those that are not like the others."""

    schema: ColumnSchema
    column: Column
    exceptions: Exceptions | None
    notes: tuple[str, ...] = ()


def learn_column(name: str, data: pa.ChunkedArray, reading: Reading) -> Learned | str:
    """What nearly all cells of a column say it is; a sentence where no model can read it."""
    data = _decoded(data)
    kind = _kind_of_type(data.type)
    if kind is None:
        return f"{data.type} is not supported"
    if kind != "text" and reading.kind in (None, kind):
        return _read(ColumnSchema(name, kind, reading.missing), data, reading)
    if kind == "text" and (plain := _all_plain(name, data, reading)):
        return plain
    sample = _sample(data, reading)
    if not sample:
        return "all missing"
    for likely in _likely(name, sample, reading):
        if likely.kind == "number" and reading.kind is None and _are_codes(data, sample):
            continue
        learned = _read(likely, data, reading)
        odd = learned.exceptions.count if learned.exceptions else 0
        present = odd + int(np.isfinite(learned.column.values).sum())
        if likely.kind in cells.SPELLED or odd <= (1 - NEARLY_ALL) * present:
            return learned
        if reading.kind:
            if odd <= 0.5 * present:
                return learned
            break
    assert reading.kind  # nothing is too odd for a category
    raise InputError(
        f"expected {name!r} to hold cells of kind {reading.kind}, as --types says; got "
        f"{sample[0]!r}; leave it out"
    )


def read_column(
    schema: ColumnSchema, data: pa.ChunkedArray, *, words: bool = True
) -> tuple[Column, Exceptions | None]:
    """What the cells say by this schema; the same for a cell whatever the others are."""
    data = _decoded(data)
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


def _read(schema: ColumnSchema, data: pa.ChunkedArray, reading: Reading) -> Learned:
    column, exceptions = read_column(schema, data, words=reading.words)
    return Learned(schema, column, exceptions)


def _decoded(data: pa.ChunkedArray) -> pa.ChunkedArray:
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


def _spelled(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """Moments as texts: Python has no value for all of them."""
    return data.cast(pa.large_string()) if pa.types.is_temporal(data.type) else data


def _kind_of_type(kind: pa.DataType) -> Any:
    """The kind of typed cells, "text" where that is to be found out, None where none fits."""
    types = pa.types
    if types.is_large_string(kind) or types.is_null(kind):
        return "text"
    if types.is_boolean(kind):
        return "boolean"
    if types.is_date(kind) or types.is_timestamp(kind):
        return "date"
    if types.is_time(kind):
        return "time"
    numbers = (types.is_integer, types.is_floating, types.is_decimal, types.is_duration)
    return "number" if any(fits(kind) for fits in numbers) else None


# What a text column may be


def _all_plain(name: str, data: pa.ChunkedArray, reading: Reading) -> Learned | None:
    """The column if all cells are plain numbers, which is seen at once."""
    if reading.kind not in (None, "number") or not pa.types.is_large_string(data.type):
        return None
    schema = ColumnSchema(name, "number", reading.missing, reading.decimal)
    values = _plain_numbers(schema, _blanked(data))
    if values is None or not np.isfinite(values).any():
        return None
    if (
        reading.kind is None
        and pc.any(
            pc.match_substring_regex(pc.filter(data, pc.starts_with(data, "0")), _ZERO)
        ).as_py()
    ):
        return None
    codes = cells.codes_of(schema)
    if codes:
        values = np.where(np.isin(values, codes), np.nan, values)
    return Learned(schema, Column(name, values), None)


def _sample(data: pa.ChunkedArray, reading: Reading) -> list[str]:
    """Cells with a value, from everywhere in the column."""
    if not pa.types.is_large_string(data.type):
        data = pc.drop_null(data)
        taken = data.take(np.unique(np.linspace(0, max(len(data) - 1, 0), SAMPLE, dtype=np.int64)))
        return (
            [cells.category_of(value) for value in _spelled(taken).to_pylist()] if len(data) else []
        )

    def present(data: pa.ChunkedArray) -> list[str]:
        at = np.unique(np.linspace(0, len(data) - 1, SAMPLE, dtype=np.int64))
        return [
            text.strip()
            for text in (data.take(at).to_pylist() if len(data) else ())
            if text is not None and not cells.is_missing(text, reading.missing, words=reading.words)
        ]

    filled = present(data)
    if len(filled) < min(SAMPLE, len(data)) / 10:  # mostly missing: look at the others alone
        filled = present(data.filter(pc.invert(pc.is_in(data, _KNOWN))))
    return filled


def _likely(name: str, sample: list[str], reading: Reading) -> Iterator[ColumnSchema]:
    """Schemas that most of the sample fits, the likeliest first; a category fits always."""
    plain = ColumnSchema(name, "category", reading.missing)
    bar = 0.0 if reading.kind else LIKELY
    ways: dict[Kind, Callable[[], tuple[int, ColumnSchema]]] = {
        "boolean": lambda: (_truths(sample), replace(plain, kind="boolean")),
        "number": lambda: _as_numbers(plain, sample, reading),
        "date": lambda: _as_dates(plain, sample),
        "time": lambda: (_count(sample, cells.time_of), replace(plain, kind="time")),
    }
    for kind, way in ways.items():
        if reading.kind in (None, kind):
            fit, schema = way()
            if fit and fit >= bar * len(sample):
                yield schema
    if reading.kind in (None, *cells.SPELLED):
        yield replace(plain, kind=reading.kind or "category")


def _count(sample: list[str], read: Callable[[str], object]) -> int:
    return sum(read(text) is not None for text in sample)


def _truths(sample: list[str]) -> int:
    return sum(text.lower() in ("true", "false") for text in sample)


def _as_numbers(
    plain: ColumnSchema, sample: list[str], reading: Reading
) -> tuple[int, ColumnSchema]:
    """The decimal mark and unit that fit most; the file's own mark unless another fits better."""
    best: tuple[int, ColumnSchema] | None = None
    marks = (
        [reading.decimal]
        if reading.strict
        else [reading.decimal, "," if reading.decimal == "." else "."]
    )
    for mark in marks:
        if best and best[0] == len(sample):
            break
        read = [number for text in sample if (number := cells.number_of(text, mark))]
        units = Counter(unit for _, unit in read if unit)
        unit, count = units.most_common(1)[0] if units else ("", 0)
        if count < 0.5 * len(sample) and not cells.is_currency(unit):
            unit = ""
        fit = sum(one in ("", unit) for _, one in read)
        if best is None or fit > best[0]:
            best = fit, replace(plain, kind="number", decimal=mark, unit=unit)
    assert best
    return best


def _as_dates(plain: ColumnSchema, sample: list[str]) -> tuple[int, ColumnSchema]:
    """Day or month first, whichever fits more; where both do, as it is usual for the mark."""
    first, other = (
        _count(sample, lambda text, d=day_first: cells.date_of(text, day_first=d))  # type: ignore[misc]
        for day_first in (True, False)
    )
    usual = sum(_DAY_FIRST.match(text) is not None for text in sample) > len(sample) / 2
    day_first = usual if first == other else first > other
    return max(first, other), replace(plain, kind="date", day_first=day_first)


def _are_codes(data: pa.ChunkedArray, sample: list[str]) -> bool:
    """Whether leading zeros tell that these digits are a name: postcodes, article numbers."""
    zeros = pc.filter(data, pc.starts_with(data, "0"))
    zeros = pc.sum(pc.match_substring_regex(zeros, _ZERO)).as_py() or 0
    if not zeros:
        return sum(_CODE.fullmatch(text) is not None for text in sample) > CODES_SHARE * len(sample)
    digits = [len(text) for text in sample if text.isdigit()]
    alike = Counter(digits).most_common(1)[0][1] if digits else 0
    return bool(zeros > CODES_SHARE * len(data) or alike > NEARLY_ALL * len(sample))


# Reading


def _categories(schema: ColumnSchema, data: pa.ChunkedArray, *, words: bool) -> tuple[Column, None]:
    """Codes into the spellings, in the order of their first cells."""
    encoded = _single(_spelled(_exact(data))).dictionary_encode("encode")
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
        return data.cast(pa.large_string()).cast(pa.float64())
    return data


def _from_texts(
    schema: ColumnSchema, data: pa.ChunkedArray, *, words: bool
) -> tuple[Floats, NDArray[np.bool_]]:
    """The numbers that texts spell, and which cells spell none though they hold something."""
    if not pa.types.is_large_string(data.type):  # typed cells of another kind than in training
        return _one_by_one(schema, data, np.ones(len(data), bool), words=words)
    texts = _blanked(data)
    quick = _iso if schema.kind == "date" else _plain_numbers
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


def _blanked(data: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts, missing where they are one of the spellings of that."""
    return pc.if_else(pc.is_in(data, _KNOWN), pa.scalar(None, data.type), data)


def _plain_numbers(schema: ColumnSchema, texts: pa.ChunkedArray) -> Floats | None:
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
    encoded = _single(_spelled(data.filter(pa.array(wanted)))).dictionary_encode("encode")
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
    texts = tuple(str(one).strip()[:40] for one in _spelled(data.take(at[:NAMED])).to_pylist())
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
