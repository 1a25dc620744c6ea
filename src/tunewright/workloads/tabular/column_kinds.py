"""Kinds of columns: what the cells of a column mean is learned once, from nearly all of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunewright.errors import InputError
from tunewright.workloads.tabular import cells
from tunewright.workloads.tabular.columns import (
    KNOWN,
    blanked,
    decoded,
    plain_numbers,
    read_column,
    spelled,
)
from tunewright.workloads.tabular.data import Column, ColumnSchema, Exceptions, Kind

NEARLY_ALL = 0.95  # of the cells with a value must be of a kind
LIKELY = 0.8  # of a sample: else not all cells are tried
SAMPLE = 2_000
CODES_SHARE = 0.01  # of leading zeros, which no number has
_DAY_FIRST = re.compile(r"[0-9]{1,2}[.-]")  # 1/2/2024 is more often written in America
_CODE = re.compile(r"[+-]?0[0-9]+")
_ZERO = r"^0[0-9]+\s*$"


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
    data = decoded(data)
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


def _read(schema: ColumnSchema, data: pa.ChunkedArray, reading: Reading) -> Learned:
    column, exceptions = read_column(schema, data, words=reading.words)
    return Learned(schema, column, exceptions)


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
    values = plain_numbers(schema, blanked(data))
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
            [cells.category_of(value) for value in spelled(taken).to_pylist()] if len(data) else []
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
        filled = present(data.filter(pc.invert(pc.is_in(data, KNOWN))))
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
