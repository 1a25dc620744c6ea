"""Cells: what one raw cell of a table says, by the schema of its column.

The one meaning of a cell, whether it comes from a file to learn from, from a file to predict, or
from a caller's dict; files are read faster where that gives the same. Needs no library but numpy.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from decimal import Decimal
from typing import Any

import numpy as np

from tunewright.workloads.tabular.data import ColumnSchema

# What pandas' read_csv takes as missing, what spreadsheets write for an error, and a few more; in
# lower case.
MISSING = frozenset(
    (
        "", "na", "n/a", "n.a.", "n.a", "<na>", "#n/a", "#n/a n/a", "#na", "nan", "-nan", "nat",
        "null", "(null)", "\\n", "?", "-1.#ind", "-1.#qnan", "1.#ind", "1.#qnan", "#null!",
        "#div/0!", "#value!", "#ref!", "#name?", "#num!",
    )
)  # fmt: skip
WORDS = frozenset(
    ("-", "--", "–", "—", ".", "none", "nil")
)  # missing, but a class may be called so
SPELLED = ("category", "text")  # kinds of columns whose values stay texts
MICRO = 1_000_000
DAY = 86_400 * MICRO  # moments are counted in whole microseconds, so that no sum is rounded

_EPOCH = dt.date(1970, 1, 1).toordinal()
_CURRENCY = r"(?:[A-Z]{0,3}[$€£¥₹₩₽₺₫₴฿]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|Rs\.?)"
_UNIT = r"(?:[^\W\d_][^\d,;()]{0,11}|[%‰°$€£¥₹₩₽₺₫₴฿][^\d,;()]{0,3})"
_GROUPS = {".": r"[,'’ ]", ",": r"[.'’ ]"}  # what may stand between thousands
_NUMBER = {
    mark: re.compile(
        rf"(?P<open>\()?(?P<sign>[+-])?\ ?(?P<before>{_CURRENCY})?\ ?(?P<inner>[+-])?"
        rf"(?P<whole>[1-9][0-9]{{0,2}}(?P<mark>{group})[0-9]{{3}}(?:(?P=mark)[0-9]{{3}})*|[0-9]+)?"
        rf"(?:{re.escape(mark)}(?P<part>[0-9]*))?(?P<power>[eE][+-]?[0-9]+)?"
        rf"\ ?(?P<after>{_UNIT})?(?P<close>\))?"
    )
    for mark, group in _GROUPS.items()
}
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f"), " ") | {ord("−"): "-"}
_ZONE = r"(?P<zone>Z|UTC|GMT|[+-][0-9]{2}:?(?:[0-9]{2})?)"
_CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<rest>[0-9]+))?)?"
    r"\ ?(?P<half>[AaPp]\.?[Mm]\.?)?"
)
_TIME = re.compile(_CLOCK)
_DATE = re.compile(
    rf"(?P<one>[0-9]{{1,4}})(?P<mark>[-/. ])(?P<two>[0-9]{{1,2}}|[A-Za-z]{{3,9}})\.?"
    rf"(?:(?P=mark)(?P<three>[0-9]{{1,4}}))?(?:(?:T|,?\ +){_CLOCK}\ ?{_ZONE}?)?"
)
_NAMED = re.compile(
    r"(?:[A-Za-z]{3,9}\.?,?\ )?"
    rf"(?P<two>[A-Za-z]{{3,9}})\.?\ (?P<one>[0-9]{{1,2}}),?\ (?P<three>[0-9]{{4}})"
    rf"(?:,?\ {_CLOCK}\ ?{_ZONE}?)?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LIMIT = re.compile(r"^\s*[<>≤≥]=?")
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+")
_TRUTH = {"true": 1.0, "false": 0.0}


def composed(name: str) -> str:
    """A column's name in one spelling, however its accents were written down."""
    return unicodedata.normalize("NFC", name)


def is_missing(text: str, also: tuple[str, ...] = (), *, words: bool = True) -> bool:
    """Whether this text stands for no value: by custom, or because the user said so."""
    bare = text.strip().lower()
    return bare in MISSING or (words and bare in WORDS) or text.strip() in also


def number_of(text: str, decimal: str = ".") -> tuple[float, str] | None:
    """The number that a text spells and its unit ("" for none), or None. Thousands are grouped."""
    bare = text.translate(_SPACES).strip()
    match = _NUMBER[decimal].fullmatch(bare)
    if not match:
        return None
    whole, part, before, after = match.group("whole", "part", "before", "after")
    if not whole and not part:
        return _infinite(bare)
    if bool(match["open"]) != bool(match["close"]):
        return None
    if (before and after) or (match["sign"] and match["inner"]):
        return None
    digits = re.sub(r"[^0-9]", "", whole or "0")
    value = float(f"{digits}.{part or '0'}{match['power'] or ''}")
    negative = "-" in (match["sign"], match["inner"]) or bool(match["open"])
    return (-value if negative else value), unit_of(before or after or "")


def unit_of(spelled: str) -> str:
    """A unit without regard to case and plural."""
    bare = spelled.strip().rstrip(".").lower()
    return bare[:-1] if len(bare) > 3 and bare.endswith("s") else bare


def is_currency(unit: str) -> bool:
    """Whether the unit is one of money: it may be written in some cells only."""
    return re.fullmatch(_CURRENCY, unit.upper()) is not None or unit == "rs"


def date_of(text: str, *, day_first: bool | None = None) -> float | None:
    """Seconds since 1970 of a date, with or without a time of day, or None.

    Where the order of day and month is not known, 1/2/2024 is in January, 1.2.2024 in February.
    """
    bare = " ".join(text.split())
    match = _DATE.fullmatch(bare) or _NAMED.fullmatch(bare)
    if not match:
        return None
    one, two, three = match.group("one", "two", "three")
    if two.isdigit():
        if three is None:  # a month
            if len(one) != 4 or match["mark"] not in "-/" or len(two) != 2 or match["hour"]:
                return None
            year, month, day = one, int(two), "1"
        elif len(one) == 4:
            year, month, day = one, int(two), three
        else:
            if day_first is None:  # slashes are more often written in America
                day_first = match["mark"] != "/"
            first, second = (one, int(two)) if day_first else (two, int(one))
            year, month, day = three, second, first
    else:
        month = _MONTHS.index(two[:3].lower()) + 1 if two[:3].lower() in _MONTHS else 0
        if three is None:
            return None
        year, day = (one, three) if len(one) == 4 else (three, one)
    if len(year) not in (2, 4) or len(day) > 2:
        return None
    full = int(year) + (0 if len(year) == 4 else 1900 if int(year) > 68 else 2000)
    try:
        days = dt.date(full, month, int(day)).toordinal() - _EPOCH
    except ValueError:
        return None
    clock = _clock(match) if match["hour"] else 0
    return None if clock is None else (days * DAY + clock - _ahead(match["zone"])) / MICRO


def is_limit(text: str) -> bool:
    """Whether a text says no more than that a number lies beyond another, as <3 does."""
    return _LIMIT.match(text) is not None


def time_of(text: str) -> float | None:
    """Seconds since midnight, or None."""
    match = _TIME.fullmatch(text.strip())
    clock = _clock(match) if match else None
    return None if clock is None else clock / MICRO


def category_of(value: object) -> str:
    """The one spelling of a category: 3, 3.0 and "3.0" are the same, as are True and "true"."""
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _TRUTH:
            return text.capitalize()
        whole = _WHOLE.fullmatch(text)
        return whole[1] if whole else text
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return category_of(str(value))  # numpy's own spells a float32 as short as it is
    return str(value)


def read_text(schema: ColumnSchema, text: str, *, words: bool = True) -> float | str | None:
    """What a text says in this column; None is missing. Raises ValueError where it says nothing."""
    if is_missing(text, schema.missing, words=words):
        return None
    if schema.kind in SPELLED:
        return category_of(text)
    value: float | None
    if schema.kind == "date":
        value = date_of(text, day_first=schema.day_first)
    elif schema.kind == "time":
        value = time_of(text)
    else:
        value = _number(schema, text)
    if value is None:
        raise ValueError(text)
    return None if value in codes_of(schema) else value


def read_value(schema: ColumnSchema, value: Any, *, words: bool = True) -> float | str | None:
    """As `read_text`, of any value that Python has for a cell. Raises TypeError for the others."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, str):
        return read_text(schema, value, words=words)
    if isinstance(value, float | np.floating) and math.isnan(value):
        return None
    if isinstance(value, np.generic):
        value = _plain(value)
        if value is None:
            return None
    if schema.kind in SPELLED:
        if not isinstance(value, int | float | Decimal | dt.date | dt.time):
            raise TypeError(value)
        return read_text(schema, category_of(value))
    number = _seconds(schema, value)
    return None if number in codes_of(schema) else number


def codes_of(schema: ColumnSchema) -> tuple[float, ...]:
    """The numbers that stand for no value in this column."""
    numbers = (number_of(code) for code in schema.missing)
    return tuple(number[0] for number in numbers if number and not number[1])


def _number(schema: ColumnSchema, text: str) -> float | None:
    truth = _TRUTH.get(text.strip().lower())
    if truth is not None:
        return truth
    quantity = number_of(_LIMIT.sub("", text, count=1) if schema.limits else text, schema.decimal)
    if quantity is None:
        return None
    value, unit = quantity
    return value if unit in ("", schema.unit) else None


def _infinite(text: str) -> tuple[float, str] | None:
    bare = text.lower().lstrip("+-")
    if bare not in ("inf", "infinity"):
        return None
    return (-math.inf if text.startswith("-") else math.inf), ""


def _clock(match: re.Match[str]) -> int | None:
    """Microseconds since midnight."""
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    if half := match["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half[0] in "pP" else 0)
    if hour > 24 or minute > 59 or second > 60:
        return None
    return (hour * 3600 + minute * 60 + second) * MICRO + int(
        (match["rest"] or "")[:6].ljust(6, "0")
    )


def _ahead(zone: str | None) -> int:
    """Microseconds that a time zone is ahead of UTC."""
    if not zone or zone[0] not in "+-":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[3:].lstrip(":") or 0) * 60
    return (-seconds if zone[0] == "-" else seconds) * MICRO


def _plain(value: np.generic) -> Any:
    """Python's own value for one of numpy's."""
    if isinstance(value, np.datetime64):
        return value.astype("datetime64[us]").item()
    if isinstance(value, np.float32 | np.float16):
        return float(str(value))  # 0.1 is 0.1, however few digits it was kept with
    return value.item()


def _seconds(schema: ColumnSchema, value: Any) -> float:
    """A typed value as the number that stands for it. Raises TypeError for the others."""
    if schema.kind == "date" and isinstance(value, dt.date):
        days = (value.toordinal() - _EPOCH) * DAY
        if isinstance(value, dt.datetime):
            offset = value.utcoffset() or dt.timedelta()
            days += _since_midnight(value) - offset // dt.timedelta(microseconds=1)
        return days / MICRO
    if schema.kind == "time" and isinstance(value, dt.time):
        return _since_midnight(value) / MICRO
    if schema.kind in ("number", "boolean"):
        if isinstance(value, dt.timedelta):
            return value.total_seconds()
        if isinstance(value, Decimal | int | float):
            try:
                return float(value)
            except OverflowError:
                return math.inf if value > 0 else -math.inf
    raise TypeError(value)


def _since_midnight(clock: dt.datetime | dt.time) -> int:
    seconds = clock.hour * 3600 + clock.minute * 60 + clock.second
    return seconds * MICRO + clock.microsecond
