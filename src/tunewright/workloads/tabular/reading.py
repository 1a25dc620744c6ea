"""Reading: a CSV or Parquet file becomes typed columns and a split, or one clear sentence."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from tunewright.errors import InputError, nearest
from tunewright.workloads.tabular.data import Column, Ints, Source, Table, TableFacts, Task
from tunewright.workloads.tabular.splitting import SMALL, split_rows, test_share

MISSING = ("", "?", "NA", "NaN", "null")
LEAST_ROWS = 50
MOST_CLASSES = 100  # more distinct texts are no classes but names
FEW_NUMBERS = 20  # a numeric target with more distinct values is a regression, and so it is …
FOLDS = (5, 3, 2, 1)  # parts of the untouched rows of a small table: as many as can be judged
FEW_SHARE = 0.05  # … when they are more than this share of the rows
IDENTIFIER_SHARE = 0.5  # texts with more distinct values than this share of the rows name the rows
KINDS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")


def column_names(path: str) -> list[str]:
    """The names of the file's columns. Raises InputError where the file cannot be used."""
    names: list[str] = load_file(path).column_names
    return names


def read(source: Source) -> Table:
    """The usable rows of a file, typed and split. Raises InputError, a sentence, if unusable."""
    data = load_file(source.path)
    names: list[str] = data.column_names
    asked: list[tuple[str, str | None]] = [
        ("target", source.target),
        ("group", source.group),
        *(("drop", d) for d in source.drop),
    ]
    for role, asked_for in asked:
        if asked_for is not None and asked_for not in names:
            raise InputError(
                f"expected --{role} to name a column; got {asked_for!r}: "
                f"{nearest(asked_for, names)}"
            )
    target = _read_target(_column(source.target, data[source.target], text=True), source)
    keep = target.usable
    if keep.sum() < LEAST_ROWS:
        raise InputError(
            f"expected at least {LEAST_ROWS} rows with a value of {source.target!r}; "
            f"got {keep.sum()} in {source.path}; collect more data"
        )
    features, dropped = [], []
    for name in names:
        if name == source.target:
            continue
        column = _column(name, data[name])
        why: str | None = "groups the rows" if name == source.group else "asked for"
        if name != source.group and name not in source.drop:
            why = column if isinstance(column, str) else _why_useless(column, keep)
        if why:
            dropped.append((name, why))
        elif isinstance(column, Column):
            features.append(Column(name, column.values[keep], column.categories))
    if not features:
        reasons = "; ".join(f"{name}: {why}" for name, why in dropped) or "the target stands alone"
        raise InputError(f"expected at least one usable feature column; got none ({reasons})")
    y, together = target.y[keep], features
    if source.group:
        group = _column(source.group, data[source.group])
        if isinstance(group, str):
            raise InputError(
                f"expected --group to hold texts or numbers; got {source.group!r}: {group}"
            )
        together = [Column(group.name, group.values[keep], group.categories)]
    content = _digest([*features, *together], y, target.classes)
    salt = int(hashlib.blake2b(f"{content} {source.seed}".encode(), digest_size=8).hexdigest(), 16)
    train, valid, test = _split(together, y, target.classes, salt)
    held = f"rows with the same {source.group!r}" if source.group else "equal rows"
    facts = TableFacts(
        path=source.path, rows=data.num_rows, columns=len(names), task=target.task,
        target=source.target, classes=target.classes,
        positive=target.classes[1] if target.task == "binary" else None,
        dropped=tuple(dropped), rows_without_target=int((~keep).sum()),
        train=len(train), valid=len(valid), test=sum(map(len, test)),
        split=f"by a hash of the data: {test_share(len(y)):.0%} of the rows only for the verdict"
        + (f" ({len(test)} parts, each judged after learning from all others)" * (len(test) > 1))
        + f", 20% to compare candidates, the rest to learn from; {held} stay together",
        notes=target.notes,
    )  # fmt: skip
    groups = np.unique(together[0].values, return_inverse=True)[1] if source.group else None
    return Table(
        facts,
        tuple(features),
        y,
        train,
        valid,
        test,
        content,
        _digest([], *_by_name(y, target.classes)),
        groups,
    )


def load_file(path: str) -> pa.Table:
    """The file as an Arrow table with unique column names and at least one row."""
    file = Path(path)
    if not file.exists():
        siblings = (
            [p.name for p in file.parent.glob("*") if p.is_file()] if file.parent.is_dir() else []
        )
        near = nearest(file.name, siblings) if len(siblings) <= FEW_NUMBERS else "check the path"
        raise InputError(f"expected a file; got {path}, which does not exist: {near}")
    if file.is_dir():
        raise InputError(f"expected a file; got the directory {path}; name one file in it")
    if not file.name.lower().endswith(KINDS):
        raise InputError(
            f"expected a file ending in {', '.join(KINDS)}; got {path}; convert it first"
        )
    if file.stat().st_size == 0:
        raise InputError(f"expected a table; got {path}, which is empty")
    try:
        data = (
            pa.parquet.ParquetFile(file).read()
            if file.suffix.lower() in (".parquet", ".pq")
            else _csv(file)
        )
        names = Counter(data.column_names)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"expected a readable table; got {path}: {reason}; repair the file"
        ) from error
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise InputError(
            f"expected unique column names; got {twice[0]!r} twice in {path}; rename one"
        )
    if data.num_rows == 0:
        raise InputError(f"expected rows of data; got only a header in {path}")
    return data


def _csv(file: Path) -> pa.Table:
    """The whole text as one block, so that each column's type is inferred from all its values."""
    with pa.input_stream(
        str(file), compression="gzip" if file.suffix.lower() == ".gz" else None
    ) as raw:
        text = raw.read()
    header = text[: text.find(b"\n") if b"\n" in text else None]
    if b"\0" in text[:65_536] or not header.strip():
        raise pa.ArrowInvalid("it is no text with a header line")
    delimiter = max((",", ";", "\t"), key=lambda mark: header.count(mark.encode()))
    return pa.csv.read_csv(
        io.BytesIO(text),
        read_options=pa.csv.ReadOptions(block_size=min(len(text) + 1, 2**31 - 1)),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in text),
        convert_options=pa.csv.ConvertOptions(
            null_values=[*MISSING, *(f" {word}" for word in MISSING)], strings_can_be_null=True
        ),
    )


def _column(name: str, data: pa.ChunkedArray, *, text: bool = False) -> Column | str:
    """A typed column, or why its type cannot be used. `text` reads truth values as texts."""
    kind = data.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        data = data.cast(kind)
    if text and pa.types.is_boolean(kind):
        kind = pa.string()
        data = data.cast(kind)
    if pa.types.is_null(kind):
        return "all missing"
    if pa.types.is_boolean(kind):
        data = data.cast(pa.int8())
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or _is_real(kind):
        numbers = data.cast(pa.float64(), safe=False).combine_chunks()
        # Arrow's own to_numpy and fill_null import pandas, which takes 0.3 s.
        stored = np.frombuffer(numbers.buffers()[1])[numbers.offset :][: len(numbers)]
        missing = np.from_dlpack(numbers.is_null(nan_is_null=True).cast(pa.uint8())) == 1
        return Column(name, np.where(missing, np.nan, stored))  # one bit pattern for all NaN
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        encoded = data.cast(pa.large_string()).combine_chunks().dictionary_encode("encode")
        codes: dict[str, int] = {}
        texts = [(text or "").strip() for text in encoded.dictionary.to_pylist()]
        lookup = [-1 if text in MISSING else codes.setdefault(text, len(codes)) for text in texts]
        return Column(
            name, np.array(lookup, np.int32)[np.from_dlpack(encoded.indices)], tuple(codes)
        )
    dates = pa.types.is_temporal(kind)
    return f"{'dates are' if dates else f'{kind} is'} not supported yet"


def _is_real(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _why_useless(column: Column, keep: NDArray[np.bool_]) -> str | None:
    """Why a model cannot learn from this column, or None."""
    values = column.values[keep]
    if column.categories is not None:
        present = values[values >= 0]
        distinct = len(np.unique(present))
        if len(present) and distinct > IDENTIFIER_SHARE * len(present):
            return f"identifier-like: {distinct} distinct texts in {len(present)} rows"
    else:
        present = values[~np.isnan(values)]
        if _numbers_the_rows(column.values):
            return "identifier-like: it numbers the rows"
    if not len(present):
        return "all missing"
    constant = len(present) == len(values) and (present == present[0]).all()
    return "constant" if constant else None


def _numbers_the_rows(values: NDArray[Any]) -> bool:
    """Whether whole numbers run from one to the next without a gap, each once."""
    if not np.isfinite(values).all() or np.ptp(values) != len(values) - 1:
        return False
    return bool((np.sort(values) == values.min() + np.arange(len(values))).all())


@final
@dataclass(frozen=True, eq=False)
class _Target:
    """The answers, and which rows have one."""

    task: Task
    classes: tuple[str, ...]
    y: NDArray[Any]
    usable: NDArray[np.bool_]
    notes: tuple[str, ...]


def _read_target(column: Column | str, source: Source) -> _Target:
    """Texts, truth values and few whole numbers are classes; other numbers are a regression."""
    if isinstance(column, str):
        raise InputError(
            f"expected a target of texts or numbers; got {source.target!r}: {column}; name another "
            "column with --target"
        )
    values = column.values
    usable = np.isfinite(values) if column.categories is None else values >= 0
    distinct, indices = np.unique(values[usable], return_inverse=True)
    if len(distinct) < 2:
        got = "no value at all" if not len(distinct) else "the same value in every row"
        raise InputError(
            f"expected a target with at least two values; got {got} in {source.target!r}; "
            "name another column with --target"
        )
    if column.categories is None:
        few = len(distinct) <= min(FEW_NUMBERS, FEW_SHARE * usable.sum())
        whole = bool((distinct == np.round(distinct)).all())
        if len(distinct) > 2 and not (few and whole):
            if source.positive is not None:
                raise InputError(
                    f"expected --positive only for two classes; got {source.positive!r} for the "
                    f"numbers in {source.target!r}; leave it out"
                )
            return _Target("regression", (), values, usable, ())
        labels = [str(int(v)) if whole else repr(float(v)) for v in distinct]
        notes: tuple[str, ...] = (
            f"the {len(labels)} distinct numbers in {source.target!r} are taken as classes",
        )
    else:
        labels = [column.categories[int(code)] for code in distinct]
        notes = ()
    if len(labels) > MOST_CLASSES:
        raise InputError(
            f"expected at most {MOST_CLASSES} classes; got {len(labels)} distinct texts in "
            f"{source.target!r}; name another column with --target"
        )
    counts = np.bincount(indices)
    order = list(range(len(labels)))
    if column.categories is not None:
        order.sort(key=lambda i: labels[i])
    positive = source.positive
    if positive is not None and positive not in labels:
        raise InputError(
            f"expected --positive to be a value of {source.target!r}; got {positive!r}: "
            f"{nearest(positive, labels)}"
        )
    if len(labels) == 2:
        if positive is None:
            positive = labels[min(reversed(order), key=lambda i: counts[i])]
            notes += (f"the rarer class {positive!r} is taken as the positive one",)
        order.sort(key=lambda i: labels[i] == positive)
    elif positive is not None:
        raise InputError(
            f"expected --positive only for two classes; got {len(labels)} classes in "
            f"{source.target!r}; leave it out"
        )
    rank = np.argsort(np.array(order))
    y = np.zeros(len(values), np.int64)
    y[usable] = rank[indices]
    task: Task = "binary" if len(labels) == 2 else "multiclass"
    return _Target(task, tuple(labels[i] for i in order), y, usable, notes)


def _by_name(y: NDArray[Any], classes: tuple[str, ...]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The answers with their classes in the order of the names, whichever is the positive one."""
    if not classes:
        return y, classes
    names = tuple(sorted(classes))
    return np.array([names.index(name) for name in classes])[y], names


def _digest(columns: list[Column], y: NDArray[Any], classes: tuple[str, ...]) -> str:
    """Content id of the parsed values: the same data, the same id, in whatever file format."""
    content = hashlib.blake2b(repr(classes).encode() + y.tobytes(), digest_size=16)
    for column in columns:
        content.update(repr((column.name, column.categories)).encode())
        content.update(column.values.tobytes())
    return content.hexdigest()


def _split(
    together: Sequence[Column], y: NDArray[Any], classes: tuple[str, ...], salt: int
) -> tuple[Ints, Ints, tuple[Ints, ...]]:
    """The split into train, valid and test; the latter in parts where the table is small.

    Raises InputError where not even one part could be judged.
    """
    wanted = FOLDS if len(y) < SMALL else FOLDS[-1:]
    for folds in wanted:
        train, valid, test = split_rows(together, len(y), salt, folds)
        judged = all(len(p) >= 2 and (len(classes) != 2 or len(np.unique(y[p])) > 1) for p in test)
        if judged or folds == 1:
            break
    _check_parts((train, valid, np.concatenate(test)), y, classes)
    return train, valid, test


def _check_parts(
    parts: tuple[NDArray[Any], ...], y: NDArray[Any], classes: tuple[str, ...]
) -> None:
    """Refuse a split that cannot be learned from or judged on."""
    for name, rows in zip(("training", "validation", "test"), parts, strict=True):
        if len(rows) < 2:
            raise InputError(
                f"expected enough different rows for three parts; got {len(rows)} {name} rows, "
                "since equal rows stay together; give more varied data, or another --group"
            )
        if len(classes) == 2 and len(np.unique(y[rows])) < 2:
            raise InputError(
                "expected both classes in each part of the data; got only "
                f"{classes[int(y[rows][0])]!r} in the {len(rows)} {name} rows; collect more "
                "rows of the rarer class"
            )
