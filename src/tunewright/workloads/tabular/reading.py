"""Reading: a file becomes typed columns and a split, or one clear sentence."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tunewright.errors import InputError, TooFew, nearest
from tunewright.workloads.tabular.asked import check_names, with_names
from tunewright.workloads.tabular.column_kinds import Learned, Reading, learn_column
from tunewright.workloads.tabular.columns import read_column
from tunewright.workloads.tabular.data import (
    Column,
    Exceptions,
    Kind,
    Source,
    Table,
    TableFacts,
)
from tunewright.workloads.tabular.doubts import in_order
from tunewright.workloads.tabular.encoding import repeated_days
from tunewright.workloads.tabular.files import Dialect, Raw, load
from tunewright.workloads.tabular.leaks import is_copy, telling
from tunewright.workloads.tabular.marks import check_kind, check_mark
from tunewright.workloads.tabular.monotone import promised
from tunewright.workloads.tabular.parts import LEAST_ROWS, split
from tunewright.workloads.tabular.splitting import (
    Keys,
    grouped,
    groups_of,
    in_blocks,
    keys_of,
    memory_of,
    only_learned,
    rarest,
    worth,
)
from tunewright.workloads.tabular.target import Target, answered, is_number, read_target
from tunewright.workloads.tabular.useless import is_free_text, names_rows, why_useless
from tunewright.workloads.tabular.weighing import picked

PARTS = 3  # to learn from, to choose by and for the verdict


def column_names(path: str) -> list[str]:
    """The names of the file's columns. Raises InputError where the file cannot be used."""
    names: list[str] = load(path).data.column_names
    return names


def read(source: Source) -> Table:
    """The usable rows of a file, typed and split. Raises InputError, a sentence, if unusable."""
    source = with_names(source)
    dialect = Dialect(source.delimiter, source.decimal, source.encoding)
    raw = load(source.path, dialect)
    check_names(source, raw.data.column_names, raw.notes)
    columns = _Columns(source, raw, load(source.test, dialect) if source.test else None)
    answers = columns.learn(source.target, words=False)
    if isinstance(answers, str):
        raise InputError(
            f"expected a target of texts or numbers; got {source.target!r}: {answers}; name "
            "another column with --target"
        )
    if answers.rounds and is_number(source, answered(answers.column), answers.column):
        answers = columns.rounded(answers, words=False)
    keep, weights = answered(answers.column), None
    without = int((~keep).sum())
    if source.weight is not None:
        weights = columns.weights(source.weight, keep)
        keep = keep & (weights > 0)
    target = read_target(answers.column, answers.schema, source, keep)
    weights = picked(weights, keep)
    if weights is not None and not source.whole:
        weights = weights / weights.max()  # so that no sum overflows
        weights = weights / weights.mean()
    if keep.sum() < LEAST_ROWS and not source.whole:
        raise TooFew(
            f"expected at least {LEAST_ROWS} rows with a value of {source.target!r}; "
            f"got {keep.sum()} in {source.path}; collect more data"
        )
    kept, dropped = _features(columns, source, keep, answers.column)
    schemas = promised(
        [one.schema for one in kept], dict(source.monotone), dict(dropped), target.task
    )
    features = [one.column for one in kept]
    if not keep.all():  # else a second copy of the table would be made
        features = [replace(column, values=column.values[keep]) for column in features]
    y = target.y[keep]
    main = int(keep[: raw.data.num_rows].sum())  # the others are from the test file
    if source.test is not None:
        _check_test(y[:main], y[main:], target.classes, source)
    group, time = (
        columns.role(role, name, keep) if name else None
        for role, name in (("group", source.group), ("time", source.time))
    )
    weighed = None if weights is None else Column("weight", weights)
    further = [column for column in (group, time, weighed) if column is not None]
    content = _digest([*features, *further], y, target.classes)
    salt = int(hashlib.blake2b(f"{content} {source.seed}".encode(), digest_size=8).hexdigest(), 16)
    keys = keys_of(features, len(y), salt)
    if group is not None:
        keys = grouped(keys, group, salt)
    train, folds, untouched, how = split(source, keys, time, main, (y, target.classes))
    units = keys
    if time is not None:
        memory = memory_of(time.values[train], y[train])
        units = in_blocks(time.values, keys, (*folds, *untouched), memory)
    test = np.concatenate(untouched)
    told = telling(features, y, train, keys, classes=bool(target.classes))
    facts = TableFacts(
        path=source.path, rows=len(keep), columns=len(raw.data.column_names), task=target.task,
        target=source.target, classes=target.classes,
        positive=target.classes[1] if target.task == "binary" else None,
        dropped=tuple(dropped), rows_without_target=without,
        train=len(train), folds=len(folds), test=len(test), split=how,
        notes=(
            *raw.notes, *columns.notes, *target.notes,
            *_notes(target, keys, source, main - len(train)),
            *(_in_time(source.time, len(np.unique(units[test]))) if source.time else ()),
            *(_leak(name, share) for name, share in told),
        ),
        read_as=raw.read_as,
        kinds=tuple((one.name, one.kind) for one in schemas),
        exceptions=tuple(columns.exceptions), guess=target.guess,
        clusters=len(np.unique(keys[test])),
        rarest=rarest(keys[test], y[test], len(target.classes)),
        worth=worth(keys[test], picked(weights, test)),
    )  # fmt: skip
    table = Table(
        facts, schemas, tuple(features), y, train, folds,
        untouched, content,
        _digest([], *_by_name(y, target.classes)), groups_of(units), weights,
    )  # fmt: skip
    same = [_same_day(name) for name in repeated_days(table)]
    return replace(table, facts=replace(facts, notes=(*facts.notes, *same)))


@final
@dataclass
class _Columns:
    """The columns of the file, with those of the test file below them, and what was odd in them."""

    source: Source
    raw: Raw
    test: Raw | None
    exceptions: list[Exceptions] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def learn(self, name: str, *, words: bool = True, kind: Kind | None = None) -> Learned | str:
        """The column; its schema is that of the file alone. A sentence if no model can read it.

        kind: what it is, unless the user said something else.
        """
        kind = dict(self.source.types).get(name, kind)
        strict = self.source.decimal is not None
        reading = Reading(
            kind, self.source.missing, self.raw.decimal, strict, self.raw.open_marks, words
        )
        learned = learn_column(name, self.raw.data[name], reading)
        if isinstance(learned, str):
            return learned
        self._tell(learned.exceptions, "")
        self.notes += [note for note in learned.notes if note not in self.notes]
        if self.test is None:
            return learned
        if name not in self.test.data.column_names:
            raise InputError(
                f"expected the columns of {self.source.path} in {self.source.test}; got no "
                f"{name!r}: {nearest(name, self.test.data.column_names)}"
            )
        schema, note = in_order(learned.schema, self.test.data[name])
        if note and (note := f"in the test file {note}") not in self.notes:
            self.notes.append(note)
        below, odd = read_column(schema, self.test.data[name], words=words)
        if odd:
            where, remedy = str(self.source.test), "write both files alike"
            check_mark([(schema, self.test.data[name])], where, remedy)
            check_kind(odd, len(below.values), where, self.source.path)
        self._tell(odd, " of the test file")
        return replace(learned, column=_joined(learned.column, below))

    def rounded(self, codes: Learned, *, words: bool = True) -> Learned:
        """The column as numbers, which lose digits that its codes keep."""
        name = codes.schema.name
        self.notes = [note for note in self.notes if note not in codes.notes]
        numbers = self.learn(name, words=words, kind="number")
        assert isinstance(numbers, Learned)
        self.notes.append(f"{name!r} holds whole numbers of too many digits, which are rounded")
        return numbers

    def role(self, role: str, name: str, keep: NDArray[np.bool_]) -> Column:
        """The column that groups the rows or orders them."""
        learned = self.learn(name, kind="category" if role == "group" else None)  # a group's name
        wanted = "dates or numbers" if role == "time" else "texts or numbers"
        if isinstance(learned, str):
            raise InputError(f"expected --{role} to hold {wanted}; got {name!r}: {learned}")
        if role == "time" and learned.rounds:
            learned = self.rounded(learned)
        column = learned.column
        if role == "time" and column.categories is not None:
            raise InputError(
                f"expected --time to hold {wanted}; got {column.categories[0]!r} in {name!r}; name "
                "another column"
            )
        moments = column.values[keep]
        if role == "time" and len(np.unique(moments[np.isfinite(moments)])) < PARTS:
            raise InputError(
                f"expected --time to hold at least {PARTS} different moments; got fewer in "
                f"{name!r}; name another column"
            )
        return Column(name, column.values[keep], column.categories)

    def weights(self, name: str, keep: NDArray[np.bool_]) -> NDArray[Any]:
        """How much each row counts: those to be kept a finite number, none negative, not all 0."""
        learned = self.learn(name, words=False)
        if isinstance(learned, str) or learned.schema.kind not in ("number", "boolean"):
            got = learned if isinstance(learned, str) else f"kind {learned.schema.kind}"
            raise InputError(
                f"expected --weight to hold numbers; got {name!r}: {got}; say --types "
                f"{shlex.quote(name)}=number if it is one, or name another column"
            )
        values = learned.column.values
        wrong = keep & ~((values >= 0) & np.isfinite(values))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            got = "no value" if np.isnan(values[row]) else f"{values[row]:g}"
            raise InputError(
                f"expected weights from 0 on in {name!r}; got {got} in row {row + 1}, one of "
                f"{int(wrong.sum()):,}; leave such rows out, or give them a weight"
            )
        if keep.any() and not (values[keep] > 0).any():
            raise InputError(
                f"expected a weight above 0 in {name!r}; got 0 in every row; name another column"
            )
        if without := int((values[keep] == 0).sum()):
            self.notes.append(f"{without:,} rows whose weight {name!r} is 0 are left out")
        return values

    def _tell(self, odd: Exceptions | None, where: str) -> None:
        if odd is None or odd in self.exceptions:
            return
        self.exceptions.append(odd)
        shown = ", ".join(
            f"{text!r} (row {row}{where})" for text, row in zip(odd.texts, odd.rows, strict=True)
        )
        cells = "1 cell" if odd.count == 1 else f"{odd.count:,} cells"
        are = f"is no {odd.kind} and counts" if odd.count == 1 else f"are no {odd.kind} and count"
        more = ", …" if odd.count > len(odd.rows) else ""
        self.notes.append(f"{cells} of {odd.column!r} {are} as missing: {shown}{more}")


def _check_test(
    learned: NDArray[Any], held: NDArray[Any], classes: tuple[str, ...], source: Source
) -> None:
    """Refuse a test file whose answers say nothing of what is learned."""
    if not len(held):
        raise InputError(
            f"expected rows with a value of {source.target!r} in {source.test}; got none; name "
            "another file with --test"
        )
    unseen = np.setdiff1d(held, learned)
    if classes and len(unseen):
        raise InputError(
            f"expected in {source.test} the classes that {source.path} has; got "
            f"{classes[int(unseen[0])]!r}, too; leave its rows out, or give some to learn from"
        )


def _features(
    columns: _Columns, source: Source, keep: NDArray[np.bool_], target: Column
) -> tuple[list[Learned], list[tuple[str, str]]]:
    """The columns that a model can learn from, and the others with the reason."""
    kept, dropped = [], []
    for name in columns.raw.data.column_names:
        if name == source.target:
            continue
        if name in source.drop:
            dropped.append((name, "asked for"))
        elif name == source.group:
            dropped.append((name, "groups the rows"))
        elif name == source.weight:
            dropped.append((name, "weighs the rows"))
        else:
            notes, odd = len(columns.notes), len(columns.exceptions)
            learned = _feature(columns, name, keep, target)
            if isinstance(learned, str):
                del columns.notes[notes:], columns.exceptions[odd:]
                dropped.append((name, learned))
            else:
                kept.append(learned)
    if not kept:
        reasons = "; ".join(f"{name}: {why}" for name, why in dropped) or "the target stands alone"
        raise InputError(f"expected at least one usable feature column; got none ({reasons})")
    return kept, dropped


def _feature(
    columns: _Columns, name: str, keep: NDArray[np.bool_], target: Column
) -> Learned | str:
    """A column that a model can learn from, or why none can."""
    learned = columns.learn(name)
    if isinstance(learned, str):
        return learned
    main = keep[: columns.raw.data.num_rows]
    here = replace(learned.column, values=learned.column.values[: len(main)])
    said = name in dict(columns.source.types)
    if learned.rounds and names_rows(here, main):
        learned = columns.rounded(learned)
        here = replace(learned.column, values=learned.column.values[: len(main)])
    if learned.schema.kind == "category" and not said and is_free_text(here, main):
        learned = replace(learned, schema=replace(learned.schema, kind="text"))
    leftover, text = columns.raw.leftover.get(name, ""), learned.schema.kind == "text"
    if why := why_useless(here, main, leftover, text=text, said=said):
        return why
    if is_copy(learned.column, target, keep):
        return f"a copy of {columns.source.target!r}"
    return learned


def _joined(above: Column, below: Column) -> Column:
    """One column below the other, with the categories of both."""
    if above.categories is None or below.categories is None:
        return replace(above, values=np.concatenate((above.values, below.values)))
    names = {name: code for code, name in enumerate(above.categories)}
    lookup = [names.setdefault(name, len(names)) for name in below.categories]
    codes = np.array([*lookup, -1], np.int32)[below.values]
    return Column(above.name, np.concatenate((above.values, codes)), tuple(names))


def _notes(target: Target, keys: Keys, source: Source, copies: int) -> list[str]:
    """copies: rows that are not learned from, since the test file holds them, too."""
    notes = []
    if target.guess:
        notes.append(f"the target is taken as {target.guess}")
    what = f"the same {source.group!r}" if source.group else "equal features"
    if source.test is not None and copies:
        notes.append(f"{copies:,} rows with {what} as rows of {source.test} are not learned from")
    if source.time is None and source.test is None and len(large := only_learned(keys)):
        notes.append(
            f"{len(large):,} rows with {what} as very many others are learned from, and judge "
            "nothing: they say no more than a few rows do"
        )
    return notes


def _in_time(name: str, blocks: int) -> tuple[str, ...]:
    return (f"rows near by {name!r} are alike: {blocks} blocks of it are judged, not single rows",)


def _leak(name: str, share: float) -> str:
    what = "all" if share > 0.9999 else f"{share:.1%}"
    return (
        f"{name!r} alone tells {what} of the answer; if it is not known before that, say --drop "
        f"{shlex.quote(name)}"
    )


def _same_day(name: str) -> str:
    return (
        f"rows of the same day by {name!r} are learned from and judged on, and tell of each other; "
        f"if you will predict for days to come, say --time {shlex.quote(name)}"
    )


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
