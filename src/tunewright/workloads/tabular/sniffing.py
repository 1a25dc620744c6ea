"""Sniffing: how a text is written is found in its own bytes: encoding, quotes, delimiter, marks."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product, zip_longest
from typing import final

import pyarrow as pa

from tunewright.workloads.tabular.cells import is_missing

COMMENT = b"#"
SAMPLE = 1 << 20  # bytes that delimiter, quoting and decimal mark are found in
SAMPLE_ROWS = 1_000
BLOCK = 1 << 26

_DOT, _COMMA = (  # what can be no thousands, which stand in threes and behind no zero
    re.compile(
        rf"[^\d.,]*(?:\d+(?:{other}\d{{3}})*{mark}(?:\d{{1,2}}|\d{{4,}})|0{mark}\d+)[^\d.,]*"
        rf"|[^\d.,]*\d+(?:{other}\d{{3}})+{mark}\d*"
        rf"|[^\d.,]*[1-9]\d{{0,2}}(?:{other}\d{{3}}){{2,}}[^\d.,]*"
    )
    for mark, other in ((r"\.", ","), (",", r"\."))
)
_THREES = re.compile(r"[^\d.,]*[1-9]\d{0,2}\.\d{3}[^\d.,]*")


@final
@dataclass(frozen=True)
class Marks:
    """What stands between cells, around them, and before a quote that does not end one."""

    delimiter: str
    quote: str = '"'
    escape: str | None = None


def body_of(text: bytes) -> tuple[bytes, int, int]:
    """The text from its header to its last row, and how many lines and comments are above it.

    Blank lines around it and comments above it, lines that begin with #, are left out. The last of
    these is the header if no blank follows the # and it has as many cells as the line below.
    """
    start, lines, comments = 0, 0, 0
    while start < len(text):
        line, end = _line(text, start)
        if line.startswith(COMMENT):
            below, _ = _line(text, end)
            parts = [max(map(one.count, (b",", b";", b"\t", b"|"))) for one in (line, below)]
            last = line[1:2].strip() and not below.startswith(COMMENT)
            if last and parts[0] == parts[1] > 0:
                break
            comments += 1
        elif line.strip():
            break
        start, lines = end, lines + 1
    stop = len(text)
    while (end := text.rfind(b"\n", start, stop)) >= 0 and not text[end + 1 : stop].strip():
        stop = end
    return text[start:stop], lines, comments


def _line(text: bytes, start: int) -> tuple[bytes, int]:
    end = text.find(b"\n", start) + 1 or len(text)
    return text[start:end], end


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


def _quote(lines: str) -> str:
    """The quoting mark: the single one where more cells begin and end with it."""
    marks = {
        quote: len(
            re.findall(rf"(?m)(?:^|[,;\t|]){quote}[^{quote}\n]*{quote}(?=[,;\t|\r\n]|$)", lines)
        )
        for quote in ('"', "'")
    }
    return "'" if marks["'"] > marks['"'] else '"'


def rows_of(lines: str, marks: Marks) -> list[list[str]]:
    """The first rows, without empty lines; a broken quotation ends them."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(
            lines.splitlines(keepends=True),
            delimiter=marks.delimiter,
            quotechar=marks.quote,
            escapechar=marks.escape,
        ):
            if row:
                rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return rows or [[""]]


def marks_of(lines: str, asked: str | None) -> Marks:
    """The marks that cut header and rows alike; of several those that cut most evenly.

    asked: the delimiter, where it was said.
    """
    quote = _quote(lines)
    escapes = (None, "\\") if f"\\{quote}" in lines else (None,)
    ranks: dict[Marks, tuple[bool, float, bool, int]] = {}
    spaced = re.sub(r"[ \t]+", " ", re.sub(r"(?m)^[ \t]+|[ \t]+$", "", lines))
    for mark, escape in product((asked,) if asked else (",", "\t", ";", "|", " "), escapes):
        marks = Marks(mark, quote, escape)
        rows = rows_of(spaced if mark == " " and not asked else lines, marks)
        width, count = Counter(map(len, rows[1:] or rows)).most_common(1)[0]
        header = len(rows[0]) in (width, width - 1)
        even = count / len(rows[1:] or rows)
        inside = rf"[^\\]\\{quote}(?!\s*[{re.escape(mark)}\r\n])"  # a quote that ends no cell
        escaped = (re.search(inside, lines) is not None) == (escape is not None)
        if asked or (len(rows[0]) > 1 and (mark != " " or (header and even == 1))):
            ranks[marks] = (header, round(even, 2), escaped, width)
    others = {marks: rank for marks, rank in ranks.items() if marks.delimiter != " "} or ranks
    return max(others, key=lambda marks: others[marks]) if others else Marks(",", quote)


def decimal_of(rows: Sequence[Sequence[str]], delimiter: str) -> tuple[str, str]:
    """The mark that most numbers of the sample have, where it cannot be one of thousands.

    Also the marks that nothing in the sample settles. Beside semicolons, points in threes part
    thousands where smaller numbers stand without one, as programs write that have decimal commas.
    """
    cells = [cell.strip() for row in rows for cell in row if not is_missing(cell)]
    commas = sum(_COMMA.fullmatch(cell) is not None for cell in cells if "," in cell)
    dots = sum(_DOT.fullmatch(cell) is not None for cell in cells if "." in cell)
    if commas or dots:
        return ("," if commas > dots else "."), ""
    if delimiter == ";" and any(map(_thousands, zip_longest(*rows, fillvalue=""))):
        return ",", "."
    return ".", "." if delimiter == "," else ".,"


def _thousands(column: Sequence[str]) -> bool:
    """Whether some of these cells have a point in threes, and all without one are below 1,000."""
    texts = {text.strip() for text in column}
    whole = [text for text in texts if text.isdigit()]
    return (
        sum(_THREES.fullmatch(text) is not None for text in texts) > 1
        and 0 < max(map(len, whole), default=0) <= 3
    )
