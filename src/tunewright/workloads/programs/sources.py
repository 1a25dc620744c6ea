"""Sources: the kinds of files in which a program leaves numbers, and how one is found in each."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final
from xml.etree import ElementTree as ET

from tunewright.core.texts import read_json
from tunewright.errors import TrialFailed, nearest
from tunewright.workloads.programs.events import scalars
from tunewright.workloads.programs.numbers import parse_number

_ROW = re.compile(r"(.+)\[(.+?)=(.*)\]")  # acc[epoch=9]
_COUNTED = ("time", "tests", "failures", "errors", "skipped")


@final
@dataclass(frozen=True)
class Source:
    """A kind of file. field: what names a number in it, "" where the file itself is the number.

    read: the numbers, given the file, the field and what to call it in errors. Raises TrialFailed.
    """

    field: str
    read: Callable[[Path, str, str], Sequence[float]]
    unit: str = ""


def _size(path: Path, _field: str, _what: str) -> Sequence[float]:
    """The bytes of a file, or of all files in a directory."""
    if path.is_dir():
        files = (Path(base, name) for base, _, names in os.walk(path) for name in names)
        return (float(sum(file.lstat().st_size for file in files)),)
    return (float(path.stat().st_size),)


def _json(path: Path, field: str, what: str) -> Sequence[float]:
    """A number, or the numbers of a list, in a JSON file; dots walk into it."""
    try:
        value: Any = read_json(path.read_bytes())
    except ValueError as error:
        raise TrialFailed(f"expected {what} in {path.name}; it is no JSON: {error}") from error
    value = _walked(value, field, what)
    values = value if isinstance(value, list) and value else [value]
    return tuple(_number(one, what) for one in values)


def _walked(value: Any, field: str, what: str) -> Any:
    """What the field names; keys may hold dots: the longest that fits goes first."""
    parts = field.split(".")
    while parts:
        for length in range(len(parts), 0, -1):
            key: Any = ".".join(parts[:length])
            if isinstance(value, list) and length == 1 and re.fullmatch("-?[0-9]+", key):
                key = int(key)
            try:
                value = value[key]
            except (LookupError, TypeError):
                continue
            parts = parts[length:]
            break
        else:
            known = f": {nearest(parts[0], value)}" if isinstance(value, Mapping) else ""
            raise TrialFailed(f"expected {what} as {field}; there is no {parts[0]!r}{known}")
    return value


def _number(value: object, what: str) -> float:
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    text = value if isinstance(value, str) else repr(value) if known else ""
    if not text:
        raise TrialFailed(f"{what}: expected a finite number; got {value!r:.60}")
    return parse_number(text, what)


def _csv(path: Path, field: str, what: str) -> Sequence[float]:
    """A column's cell in the last row, or with "acc[epoch=9]" in the last row where that holds."""
    named = _ROW.fullmatch(field)
    column, where = (named[1], (named[2], named[3])) if named else (field, None)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TrialFailed(f"expected {what} in {path.name}; it is no UTF-8") from error
    first = text.partition("\n")[0]
    mark = max(",;\t", key=first.count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=mark)]
    head, *body = [row for row in rows if any(row)] or [[]]
    for name in (column, *(where or ())[:1]):
        if name not in head:
            raise TrialFailed(
                f"expected {what} in the column {name!r} of {path.name}: {nearest(name, head)}"
            )
    if where is not None:
        body = [row for row in body if _cell(row, head.index(where[0])) == where[1]]
    body = [row for row in body if _cell(row, head.index(column))]
    if not body:
        which = f"a row with {where[0]}={where[1]}" if where else "a row"
        raise TrialFailed(f"expected {which} and {what} in {path.name}; there is none")
    return (parse_number(_cell(body[-1], head.index(column)), what),)


def _cell(row: Sequence[str], at: int) -> str:
    return row[at] if at < len(row) else ""


def _junit(path: Path, field: str, what: str) -> Sequence[float]:
    """A count of JUnit's XML, over all suites."""
    if field not in _COUNTED:
        raise TrialFailed(f"{what}: expected one of {', '.join(_COUNTED)}; got {field!r}")
    try:
        root = ET.fromstring(path.read_bytes())  # noqa: S314 - the user's own program wrote it
    except ET.ParseError as error:
        raise TrialFailed(f"expected {what} in {path.name}; it is no XML: {error}") from error
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
    if not suites:
        raise TrialFailed(f"expected {what} in {path.name}; it has no test suite")
    return (sum(parse_number(suite.get(field) or "0", what) for suite in suites),)


def _tensorboard(path: Path, field: str, what: str) -> Sequence[float]:
    """The latest value of a tag in a file of events, or in those of a directory."""
    files = sorted(path.rglob("*tfevents*")) if path.is_dir() else [path]
    found: dict[str, tuple[int, float]] = {}
    for file in files:
        for tag, step, value in scalars(file.read_bytes()):
            if tag not in found or step >= found[tag][0]:
                found[tag] = (step, value)
    if field not in found:
        raise TrialFailed(f"expected {what} as the tag {field!r}: {nearest(field, found)}")
    return (parse_number(repr(found[field][1]), what),)


SOURCES: Mapping[str, Source] = {
    "file": Source("", _size, "B"),
    "json": Source("FIELD", _json),
    "csv": Source("COLUMN", _csv),
    "junit": Source("COUNT", _junit),
    "tensorboard": Source("TAG", _tensorboard),
}
