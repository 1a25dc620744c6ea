"""Kinds of columns: what the cells of a column mean is learned once, from nearly all of them."""

from __future__ import annotations

import re
import shlex
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
    NAMED,
    blanked,
    decoded,
    plain_numbers,
    read_column,
    spelled,
)
from tunewright.workloads.tabular.data import Column, ColumnSchema, Exceptions, Kind
from tunewright.workloads.tabular.doubts import in_order, loses_digits, open_mark

NEARLY_ALL = 0.95  # of the cells with a value must be of a kind
LIKELY = 0.8  # of a sample: else not all cells are tried
SAMPLE = 2_000
CODES_SHARE = 0.01  # of leading zeros, which no number has
LEAST_NUMBERS = 10  # different ones; fewer, with words beside them, may be codes
_DIGIT = re.compile(r"\d")
_CODE = re.compile(r"[+-]?0[0-9]+")
_ZERO = r"^0[0-9]+\s*$"


@final
@dataclass(frozen=True)
class Reading:
    """How a column is to be read, as far as that is known.

    kind: said by the user. decimal: of the file. strict: the user said so. marks: those of which
    nothing in the file tells whether they part thousands or decimals. words: whether "-" and "none"
    stand for no value, as they do but among classes.
    """

    kind: Kind | None = None
    missing: tuple[str, ...] = ()
    decimal: str = "."
    strict: bool = False
    marks: str = ""
    words: bool = True


@final
@dataclass(frozen=True, eq=False)
class Learned:
    """A column, what its cells mean, and those that are not like the others.

    rounds: its whole numbers would lose digits as numbers, and so are codes.
    """

    schema: ColumnSchema
    column: Column
    exceptions: Exceptions | None
    notes: tuple[str, ...] = ()
    rounds: bool = False


def learn_column(name: str, data: pa.ChunkedArray, reading: Reading) -> Learned | str:
    """What nearly all cells of a column say it is; a sentence where no model can read it."""
    data = decoded(data)
    kind = _kind_of_type(data.type)
    if kind is None:
        return f"{data.type} is not supported"
    if kind != "text" and reading.kind in (None, kind):
        schema = ColumnSchema(name, kind, reading.missing)
        return _whole(_read(schema, data, reading), data, reading)
    if kind == "text" and (plain := _all_plain(name, data, reading)):
        return _whole(plain, data, reading)
    sample = _sample(data, reading)
    if not sample:
        return "all missing"
    for found in _likely(name, sample, reading):
        if found.kind == "number" and reading.kind is None and _are_codes(data, sample):
            continue
        likely, note = in_order(found, data)
        learned = _read(likely, data, reading)
        learned = replace(learned, notes=(note,) if note else _told(likely, data, reading))
        odd = learned.exceptions.count if learned.exceptions else 0
        present = odd + int(np.isfinite(learned.column.values).sum())
        if likely.kind in cells.SPELLED or odd <= (1 - NEARLY_ALL) * present:
            return _whole(learned, data, reading)
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


def _whole(learned: Learned, data: pa.ChunkedArray, reading: Reading) -> Learned:
    """The column with a note on marks in doubt; codes where whole numbers would lose digits."""
    schema, name = learned.schema, learned.schema.name
    if schema.kind != "number":
        return learned
    if reading.kind is None and loses_digits(learned.column.values, data):
        codes = _read(ColumnSchema(name, "category", reading.missing), data, reading)
        note = f"{name!r} holds whole numbers of too many digits for a number, and is read as codes"
        return replace(codes, notes=(note,), rounds=True)
    note = open_mark(schema, data, reading.marks)
    return replace(learned, notes=(*learned.notes, note)) if note else learned


def _told(schema: ColumnSchema, data: pa.ChunkedArray, reading: Reading) -> tuple[str, ...]:
    """Which words stand beside numbers, and that limits are taken for their numbers."""
    if schema.kind != "number" or not pa.types.is_large_string(data.type):
        return ()
    name, texts, notes = schema.name, pc.utf8_trim_whitespace(data), []
    if words := schema.missing[len(reading.missing) :]:
        counts = [(pc.sum(pc.equal(texts, word)).as_py(), word) for word in words]
        shown = ", ".join(f"{word!r} ({count:,})" for count, word in sorted(counts)[::-1][:NAMED])
        more = ", …" if len(counts) > NAMED else ""
        notes.append(
            f"{name!r} is read as numbers, and words in it as missing: {shown}{more}; "
            f"--types {shlex.quote(name)}=category keeps them"
        )
    if schema.limits:
        limits = pc.match_substring_regex(texts, "^[<>≤≥]")
        count, first = pc.sum(limits).as_py(), data.filter(pc.fill_null(limits, False))[0].as_py()  # noqa: FBT003
        notes.append(f"{count:,} limits in {name!r}, such as {first!r}, are read as their numbers")
    return tuple(notes)


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
    fit, schema = best
    some = len(sample) / 2 < fit < len(sample)
    return _with_words(schema, sample) if some else best


def _with_words(schema: ColumnSchema, sample: list[str]) -> tuple[int, ColumnSchema]:
    """How many cells fit numbers with these words among them, and the schema that says so.

    Words are missing values where most different texts are numbers: `unknown`, and no code that has
    digits or is one letter. `<3` is 3 among many numbers; alone it would be a class.
    """
    every = Counter(sample)
    numbers = {text for text in every if _fits(schema, text)}
    fit = sum(every[text] for text in numbers)
    others = [text for text in every if text not in numbers]
    limits = {text for text in others if cells.is_limit(text) and _fits(schema, text, limits=True)}
    words = {one for one in others if not _DIGIT.search(one) and sum(map(str.isalpha, one)) > 1}
    if len(numbers) < LEAST_NUMBERS or len(numbers) + len(limits) < LIKELY * len(every):
        return fit, schema
    schema = replace(schema, limits=bool(limits))
    fit += sum(every[text] for text in limits)
    if fit >= NEARLY_ALL * len(sample):  # few odd cells are named one by one
        return fit, schema
    fit += sum(every[text] for text in words)
    return fit, replace(schema, missing=(*schema.missing, *sorted(words)))


def _fits(schema: ColumnSchema, text: str, *, limits: bool = False) -> bool:
    try:
        return cells.read_text(replace(schema, limits=limits), text) is not None
    except ValueError:
        return False


def _as_dates(plain: ColumnSchema, sample: list[str]) -> tuple[int, ColumnSchema]:
    """Day or month first, whichever fits more; where both do, the mark decides."""
    first, other = (
        _count(sample, lambda text, d=day_first: cells.date_of(text, day_first=d))  # type: ignore[misc]
        for day_first in (True, False)
    )
    day_first = None if first == other else first > other
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
