"""Sniffing: how a text is written is found in its own bytes: encoding, quotes, delimiter, marks."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa

from tunewright.workloads.tabular.cells import is_missing

SAMPLE = 1 << 20  # bytes that delimiter, quoting and decimal mark are found in
SAMPLE_ROWS = 1_000
BLOCK = 1 << 26

_DOT, _COMMA = (  # what can be no thousands, which stand in threes and behind no zero
    re.compile(
        rf"[^\d.,]*(?:\d+(?:{other}\d{{3}})*{mark}(?:\d{{1,2}}|\d{{4,}})|0{mark}\d+)[^\d.,]*"
        rf"|[^\d.,]*\d+(?:{other}\d{{3}})+{mark}\d*"
    )
    for mark, other in ((r"\.", ","), (",", r"\."))
)


def utf8(content: bytes, asked: str | None) -> tuple[bytes, str]:
    """The text in UTF-8 without a mark of its order, and the encoding that it had."""
    marks = {
        codecs.BOM_UTF8: "utf-8",
        codecs.BOM_UTF32_LE: "utf-32",
        codecs.BOM_UTF16_LE: "utf-16",
        codecs.BOM_UTF16_BE: "utf-16",
    }
    detected = next((name for mark, name in marks.items() if content.startswith(mark)), None)
    if asked is None and detected is None:
        detected = _guessed(content)
    encoding = asked or detected or "utf-8"
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii"):
        text = content.removeprefix(codecs.BOM_UTF8)
        if (asked or text is not content) and not _is_utf8(text):
            raise pa.ArrowInvalid(f"it is no {encoding}, as it says")
    else:
        text = content.decode(encoding).removeprefix("\ufeff").encode()
    if b"\0" in text[:SAMPLE]:
        raise pa.ArrowInvalid("it is no text with a header line")
    if b"\r" in text[:SAMPLE] and b"\n" not in text[:SAMPLE]:
        text = text.replace(b"\r", b"\n")
    return text, encoding


def _guessed(content: bytes) -> str:
    start = content[:SAMPLE]
    zeros = start.count(0)
    if zeros > len(start) / 4 and len(start) > 1:  # every second byte of plain letters
        return "utf-16-be" if start[0] == 0 else "utf-16-le"
    if zeros:
        return "utf-8"  # refused as no text
    if _is_utf8(content):
        return "utf-8"
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _is_utf8(content: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(content), BLOCK):
            decoder.decode(content[at : at + BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def quote_of(lines: str) -> str:
    """The quoting mark: the single one where more cells begin and end with it."""
    marks = {
        quote: len(
            re.findall(rf"(?m)(?:^|[,;\t|]){quote}[^{quote}\n]*{quote}(?=[,;\t|\r\n]|$)", lines)
        )
        for quote in ('"', "'")
    }
    return "'" if marks["'"] > marks['"'] else '"'


def rows_of(lines: str, delimiter: str, quote: str) -> list[list[str]]:
    """The first rows, without empty lines; a broken quotation ends them."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(
            lines.splitlines(keepends=True), delimiter=delimiter, quotechar=quote
        ):
            if row:
                rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return rows or [[""]]


def delimiter_of(lines: str, quote: str) -> str:
    """The mark that cuts header and rows alike; of several the one that cuts most evenly."""
    ranks: dict[str, tuple[bool, float, int]] = {}
    spaced = re.sub(r"[ \t]+", " ", re.sub(r"(?m)^[ \t]+|[ \t]+$", "", lines))
    for mark in (",", "\t", ";", "|", " "):
        rows = rows_of(spaced if mark == " " else lines, mark, quote)
        width, count = Counter(map(len, rows[1:] or rows)).most_common(1)[0]
        header = len(rows[0]) in (width, width - 1)
        even = count / len(rows[1:] or rows)
        if len(rows[0]) > 1 and (mark != " " or (header and even == 1)):
            ranks[mark] = (header, round(even, 2), width)
    others = {mark: rank for mark, rank in ranks.items() if mark != " "} or ranks
    return max(others, key=lambda mark: others[mark]) if others else ","


def decimal_of(rows: Sequence[Sequence[str]]) -> str:
    """The mark that most numbers of the sample have, where it cannot be one of thousands."""
    cells = [cell.strip() for row in rows for cell in row if not is_missing(cell)]
    commas = sum(_COMMA.fullmatch(cell) is not None for cell in cells if "," in cell)
    dots = sum(_DOT.fullmatch(cell) is not None for cell in cells if "." in cell)
    return "," if commas > dots else "."
