"""Files: a table's raw columns, out of whatever holds it. The cells of a text stay raw text."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from tunewright.core.texts import read_json
from tunewright.errors import InputError, nearest
from tunewright.workloads.tabular.cells import composed
from tunewright.workloads.tabular.sniffing import (
    BLOCK,
    SAMPLE,
    Marks,
    body_of,
    decimal_of,
    marks_of,
    rows_of,
    utf8,
)

TEXTS = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
PACKED = (".gz", ".bz2", ".xz")
ARROWS = (".parquet", ".pq", ".feather", ".arrow", ".ipc")
FEW_FILES = 20  # of a directory are named where a path is wrong
DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
_SHOWN = {"\t": "tab", " ": "space"}
_UNREADABLE = (
    pa.ArrowException, OSError, EOFError, ValueError, MemoryError, lzma.LZMAError, zlib.error,
)  # fmt: skip


@final
@dataclass(frozen=True)
class Dialect:
    """How a text is written, as far as the user said it; the rest is found."""

    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None


@final
@dataclass(frozen=True, eq=False)
class Raw:
    """The columns of a file. decimal: the mark in numbers that are texts.

    open_marks: those of which nothing tells whether they part thousands or decimals. read_as: in
    words, how the file was read. leftover: columns that a writer left behind, each with what it is.
    """

    data: pa.Table
    decimal: str = "."
    open_marks: str = ""
    read_as: str = ""
    leftover: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load(source: object, dialect: Dialect = Dialect()) -> Raw:
    """The raw columns of a file, or of anything that exports an Arrow stream (as data frames do).

    Raises InputError, a sentence, for whatever is no table with rows.
    """
    _check(dialect)
    if hasattr(source, "__arrow_c_stream__"):
        return _whole(_frame(source), "the data frame")
    if not isinstance(source, str | Path):
        raise InputError(f"expected a file or a data frame; got {type(source).__name__}")
    file = _existing(Path(source))
    try:
        start = _start(file)
        if start[:4] == b"PAR1":
            raw = _parquet(file)
        elif start[:6] == b"ARROW1":
            data = _checked(pyarrow.feather.read_table(file, memory_map=False))
            raw = Raw(data, read_as="Arrow", leftover=_row_labels(data))
        elif file.suffix.lower() in ARROWS:
            raise pa.ArrowInvalid(f"its content is no {file.suffix[1:].capitalize()}")
        else:
            raw = _text(_unpacked(file, start), dialect, str(file))
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"expected a readable table; got {source}: {reason}; repair the file"
        ) from error
    return _whole(raw, str(source))


def _check(dialect: Dialect) -> None:
    if dialect.decimal not in (None, ".", ","):
        raise InputError(f'expected "." or "," as the decimal mark; got {dialect.decimal!r}')
    mark = DELIMITERS.get(dialect.delimiter or ",", dialect.delimiter or ",")
    if len(mark) != 1 or not mark.isascii() or mark in '\r\n"':
        raise InputError(f"expected one character as the delimiter; got {dialect.delimiter!r}")
    try:
        codecs.lookup(dialect.encoding or "utf-8")
    except LookupError:
        raise InputError(
            f"expected the name of an encoding, as utf-8 or cp1252; got {dialect.encoding!r}"
        ) from None


def _existing(file: Path) -> Path:
    """The file, which is there, is no directory, has a known ending and is not empty."""
    try:
        if not file.exists():
            siblings = (
                [p.name for p in file.parent.glob("*") if p.is_file()]
                if file.parent.is_dir()
                else []
            )
            near = nearest(file.name, siblings) if len(siblings) <= FEW_FILES else "check the path"
            raise InputError(f"expected a file; got {file}, which does not exist: {near}")
        if file.is_dir():
            raise InputError(f"expected a file; got the directory {file}; name one file in it")
        name = file.name.lower()
        for packed in PACKED:
            name = name.removesuffix(packed)
        if not name.endswith((*TEXTS, *ARROWS)):
            raise InputError(
                f"expected a file ending in {', '.join((*TEXTS, *ARROWS))}, texts also with "
                f"{', '.join(PACKED)}; got {file}; convert it first"
            )
        if file.stat().st_size == 0:
            raise InputError(f"expected a table; got {file}, which is empty")
    except (OSError, ValueError) as error:  # a name too long, a zero byte, no right to look
        raise InputError(f"expected a file; got {str(file)!r}: {error}; check the path") from error
    return file


def _start(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(16)


def _unpacked(file: Path, start: bytes) -> bytes:
    content = file.read_bytes()
    if start[:2] == b"\x1f\x8b":
        return gzip.decompress(content)
    if start[:3] == b"BZh":
        return bz2.decompress(content)
    return lzma.decompress(content) if start[:6] == b"\xfd7zXZ\0" else content


def _frame(source: object) -> Raw:
    """The columns of a data frame, once its own library has turned them into Arrow's types."""
    try:
        data = pa.table(source)
    except (*_UNREADABLE, TypeError) as error:
        raise InputError(
            "expected columns of one type, each with a name of its own, in the data frame; got "
            f"{' '.join(map(str, error.args))[:200]}; turn mixed columns into texts"
        ) from error
    return Raw(data, read_as="a data frame", leftover=_row_labels(data))


def _parquet(file: Path) -> Raw:
    data = _checked(pyarrow.parquet.ParquetFile(file).read())
    return Raw(data, read_as="Parquet", leftover=_row_labels(data))


def _checked(data: pa.Table) -> pa.Table:
    """The table, whole: what nobody checked may point anywhere, and be no text."""
    data.validate(full=True)
    return data


def _row_labels(data: pa.Table) -> dict[str, str]:
    """The column that pandas' row labels became, where they had no name."""
    leftover = {}
    try:
        stored = read_json((data.schema.metadata or {}).get(b"pandas", b"{}"))
        for name in stored.get("index_columns", []):
            if isinstance(name, str) and re.fullmatch(r"__index_level_\d+__", name):
                leftover[name] = "the row labels of a data frame"
    except (ValueError, AttributeError, TypeError):
        pass
    return leftover


def _whole(raw: Raw, where: str) -> Raw:
    """The table, whose names are composed, unique, and whose rows are some."""
    names = [composed(name) for name in raw.data.column_names]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"expected unique column names; got {twice[0]!r} twice in {where}; rename one"
        )
    if raw.data.num_rows == 0:
        raise InputError(f"expected rows of data; got only a header in {where}")
    if names == raw.data.column_names:
        return raw
    data = raw.data.rename_columns(names).replace_schema_metadata(raw.data.schema.metadata)
    return replace(raw, data=data)


def _text(content: bytes, dialect: Dialect, where: str) -> Raw:
    """The cells of a text, as they stand there."""
    text, encoding = utf8(content, dialect.encoding)
    notes: list[str] = []
    if encoding not in ("utf-8", dialect.encoding):
        notes.append(f"the text is no UTF-8 and is read as {encoding}; --encoding names another")
    asked = DELIMITERS.get(dialect.delimiter or "", dialect.delimiter)
    said = re.match(rb"sep=(.)\r?\n", text[:8])
    if said:  # a line for Excel
        text, asked = text[said.end() :], asked or said[1].decode()
    text, above, comments = body_of(text)
    if comments:
        notes.append(f"{comments:,} lines that begin with # above the header are left out")
    sample = text[:SAMPLE] if len(text) <= SAMPLE else text[: text.rfind(b"\n", 0, SAMPLE) + 1]
    lines = sample.decode("utf-8", "replace")
    if not lines.strip():
        raise pa.ArrowInvalid("it is no text with a header line")
    marks = marks_of(lines, asked)
    delimiter = marks.delimiter
    if asked is None and delimiter == " ":
        text = re.sub(rb"(?m)^[ \t]+|[ \t]+(?=\r?$)", b"", text)
        text = re.sub(rb"[ \t]+", b" ", text)
        lines = re.sub(r"[ \t]+", " ", re.sub(r"(?m)^[ \t]+|[ \t]+$", "", lines))
    rows = rows_of(lines, marks)
    header, rest = rows[0], rows[1:]
    wide = bool(rest) and all(len(row) == len(header) + 1 for row in rest)
    if wide:  # R names its rows and not that column; others end each row with a mark
        first = not all(row[-1] == "" for row in rest)
        cut = len(text.partition(b"\n")[0].rstrip(b"\r"))
        mark = delimiter.encode()
        text = mark + text if first else text[:cut] + mark + text[cut:]
        header = ["", *header] if first else [*header, ""]
    data = _parsed(text, marks, len(header), where, above + bool(said))
    names = [(name or "").strip() for name in (column[0].as_py() for column in data.columns)]
    data = data.slice(1)
    unnamed = [i for i, name in enumerate(names) if not name]
    names = [name or f"Unnamed: {i}" for i, name in enumerate(names)]
    decimal, open_marks = (dialect.decimal, "") if dialect.decimal else decimal_of(rest, delimiter)
    leftover = {}
    for i in unnamed:
        leftover[names[i]] = "a column without a name"
    dialect_text = (
        f"{encoding}, delimiter {_SHOWN.get(delimiter, delimiter)}, decimal mark {decimal}"
    )
    data = data.rename_columns(names)
    return Raw(data, decimal, open_marks, dialect_text, leftover, tuple(notes))


def _parsed(text: bytes, marks: Marks, width: int, where: str, above: int) -> pa.Table:
    """All cells as texts, the header being the first row. above: lines that were left out."""
    bad: list[Any] = []

    def refuse(row: Any) -> str:
        bad.append(row)
        return "error"

    names = [str(i) for i in range(width)]
    try:
        return pyarrow.csv.read_csv(
            pa.BufferReader(text),
            read_options=pyarrow.csv.ReadOptions(column_names=names, block_size=BLOCK),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=marks.delimiter,
                quote_char=marks.quote,
                escape_char=marks.escape or False,
                newlines_in_values=marks.quote.encode() in text,
                invalid_row_handler=refuse,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        if not bad:
            raise
        row = bad[0]
        found = re.search(rb"(?m)^" + re.escape(row.text.encode()) + rb"\r?$", text)
        line = "a line"
        if found:
            line = f"line {above + text.count(bytes([10]), 0, found.start()) + 1}"
        raise InputError(
            f"expected {row.expected_columns} cells in each row of {where}, as in its first one; "
            f"got {row.actual_columns} in {line}: {row.text[:60]!r}; repair that line, or name "
            "another --delimiter"
        ) from None
