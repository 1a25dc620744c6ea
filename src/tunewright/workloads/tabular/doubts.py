"""Doubts: what one cell leaves open, and the others of its column may settle."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tunewright.workloads.tabular.cells import date_of
from tunewright.workloads.tabular.columns import decoded
from tunewright.workloads.tabular.data import ColumnSchema, Floats

EXACT = 2.0**53  # whole numbers beyond it are not all floats
FIRST = 200  # cells that mostly settle it
_DIGITS = re.compile(r"[+-]?[0-9]+")
_SHORT = r"^\s*[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ]"
_THREES = r"^[^0-9.,]*[1-9][0-9]{0,2}%s[0-9]{3}[^0-9.,]*$"


def in_order(schema: ColumnSchema, data: pa.ChunkedArray) -> tuple[ColumnSchema, str]:
    """The schema with the order of day and month that cells of this column prove, if any does.

    The order holds for all of them. Also a note on what nothing proves, "" for none.
    """
    data = decoded(data)
    if schema.kind != "date" or not pa.types.is_large_string(data.type):
        return schema, ""
    shown: dict[bool, str] = {}
    either = ""
    short = data.filter(pc.fill_null(pc.match_substring_regex(data, _SHORT), False))  # noqa: FBT003
    for text in short.unique().to_pylist():
        day, month = (date_of(text, day_first=first) for first in (True, False))
        if day is not None and month is not None:
            either = either or (text.strip() if day != month else "")
        elif day is not None or month is not None:
            shown.setdefault(month is None, text.strip())
    name = schema.name
    if len(shown) == 1:
        ((day_first, text),) = shown.items()
        note = f"{name!r} is read with the {_first(day_first)} first, as {text!r} shows"
        differs = schema.day_first is (not day_first)
        return replace(schema, day_first=day_first), note if differs else ""
    if not either or shown or schema.day_first is not None:
        return schema, ""
    seconds = date_of(either)
    assert seconds is not None
    date = dt.date(1970, 1, 1) + dt.timedelta(days=seconds // 86_400)
    first = _first(seconds == date_of(either, day_first=True))
    return schema, (
        f"{name!r} is read with the {first} first, so that {either!r} is {date}, and "
        "no cell of it proves that; where it is wrong, write dates as 2024-01-31"
    )


def _first(day: bool) -> str:  # noqa: FBT001 - it is what is asked
    return "day" if day else "month"


def open_mark(schema: ColumnSchema, data: pa.ChunkedArray, marks: str) -> str:
    """A note where each mark in this column's numbers may part thousands or decimals, else "".

    marks: those that nothing else in the file has settled.
    """
    if not marks or not pa.types.is_large_string(data.type):
        return ""
    start = [text for text in data.slice(0, FIRST).to_pylist() if text]
    for mark in marks:
        pattern = _THREES % re.escape(mark)
        some = [text for text in start if mark in text]
        if (start and not some and len(start) == FIRST) or any(
            not re.search(pattern, text.strip()) for text in some
        ):
            continue
        texts = data.filter(pc.fill_null(pc.match_substring(data, mark), False)).unique()  # noqa: FBT003
        texts = pc.utf8_trim_whitespace(texts)
        if len(texts) > 1 and pc.all(pc.match_substring_regex(texts, pattern)).as_py():
            other = "," if mark == "." else "."
            such = f"numbers of {schema.name!r} such as {texts[0].as_py()!r} are read"
            if mark == schema.decimal:
                return f'{such} as decimals; --decimal "{other}" reads them as thousands'
            return f'{such} as thousands; --decimal "{mark}" reads them as decimals'
    return ""


def loses_digits(values: Floats, data: pa.ChunkedArray) -> bool:
    """Whether a column of whole numbers holds one that is no float."""
    large = np.abs(values) >= EXACT
    if not large.any() or pa.types.is_floating(data.type):
        return False
    some = values[np.isfinite(values)]
    if (some != np.round(some)).any():
        return False
    texts = data.filter(pa.array(large)).cast(pa.large_string()).unique().to_pylist()
    return any(_DIGITS.fullmatch(t.strip()) and int(t) != int(float(t)) for t in texts)
