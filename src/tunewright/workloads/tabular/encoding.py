"""Encoding: columns become features; all that is learned for it is learned from training rows."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np

from tunewright.core.registry import resolve
from tunewright.workloads.tabular.cells import MICRO
from tunewright.workloads.tabular.data import (
    Column,
    ColumnSchema,
    Feature,
    Floats,
    Ints,
    Kind,
    Row,
    Schema,
    Table,
    Text,
)
from tunewright.workloads.tabular.features import number_of
from tunewright.workloads.tabular.features.categories import codes_of
from tunewright.workloads.tabular.features.dates import DAY_S, date_features
from tunewright.workloads.tabular.features.means import (
    MANY,
    MISSING,
    Answers,
    day_means,
    mean_features,
    repeat,
)
from tunewright.workloads.tabular.features.text import STYLE, TextReader
from tunewright.workloads.tabular.monotone import direction
from tunewright.workloads.tabular.weighing import picked

FOLDS = 5  # of the training rows, whose own answers no feature of theirs may tell
MOST_CLASSES = 10  # have a mean each; of more only the most frequent ones
MOST_TEXT_CLASSES = 100
LEARN_TEXT = "tunewright.workloads.tabular.features.text_learning:learn_text"


def learn_features(table: Table, rows: Ints, encoding: str) -> tuple[Schema, Floats]:
    """The schema that these rows teach, and their own numbers by it.

    What features know of the answers is for these rows taken from others of them, so that a model
    learns to trust them as far as they hold for new rows. encoding: of categories. "category":
    codes from the most frequent to the rarest. "ordered": ranked by their smoothed mean answer (of
    the most frequent class, where there are three or more). "means": as "category", but the mean
    answers themselves where there are many, of categories and of repeated days. A category that the
    rows lack counts as missing. A feature that no model could be monotone in, where its column is
    to be, is left out.
    """
    facts, learner = table.facts, _Learner(table, rows, encoding)
    asked = {schema.name: schema.monotone for schema in table.schemas}
    made: list[_Made] = []
    for column, schema in zip(table.columns, table.schemas, strict=True):
        found = learner.features(column, schema.kind)
        made += [one for one in found if direction(one[0], asked) is not None]
    features = tuple(feature for feature, _ in made)
    schema_ = Schema(
        facts.task, facts.target, facts.classes, table.schemas, features, learner.texts
    )
    x = encode_rows(table, schema_, rows)
    for place, (_, own) in enumerate(made):
        if own is not None:
            x[:, place] = own
    return schema_, x


_Made = tuple[Feature, Floats | None]  # and the training rows' own numbers, where they differ


@final
class _Learner:
    """Learns the features of one column after the other from the same rows."""

    def __init__(self, table: Table, rows: Ints, encoding: str) -> None:
        self._rows, self._encoding = rows, encoding
        self._y, self._task = table.y[rows], table.facts.task
        self._weights = picked(table.weights, rows)
        self._fold = folds_of(np.arange(len(rows)) if table.groups is None else table.groups[rows])
        self._dates: dict[str, Floats] = {}
        self._repeated = repeated_days(table) if encoding == "means" else ()
        self.texts: dict[str, Text] = {}

    def features(self, column: Column, kind: Kind) -> Iterator[_Made]:
        """The features of a column."""
        name, values = column.name, column.values[self._rows]
        if kind == "text":
            yield from self._text(column)
        elif column.categories is not None:
            yield from self._category(column, values)
        elif kind == "date":
            yield from ((one, None) for one in date_features(name, values, self._dates))
            self._dates[name] = values
            if self._encoding == "means" and name in self._repeated and np.isfinite(values).any():
                yield from day_means(name, values, self._answered())
        else:
            yield Feature(name, name), None

    def _category(self, column: Column, values: Ints) -> Iterator[_Made]:
        names, ordered = column.categories or (), self._encoding == "ordered"
        first = self._answers(1)[:, 0] if ordered else None
        codes = codes_of(values, names, first, self._weights)
        if self._encoding != "means" or len(codes) < MANY:
            yield Feature(column.name, column.name, codes=codes, nominal=not ordered), None
            return
        codes[MISSING] = len(codes)
        lookup = np.array([*(codes.get(name, -1) for name in names), codes[MISSING]])
        means = mean_features(column.name, lookup[values], len(codes), self._answered())
        for i, (feature, own) in enumerate(means):
            yield (feature if i else replace(feature, codes=codes)), own

    def _text(self, column: Column) -> Iterator[_Made]:
        name, texts, values = column.name, column.categories or (), column.values[self._rows]
        there = np.flatnonzero(values >= 0)
        answers = self._answers(MOST_TEXT_CLASSES)[there]
        text, told = resolve(LEARN_TEXT)(
            [texts[code] for code in values[there]],
            answers,
            self._fold[there],
            picked(self._weights, there),
        )
        self.texts[name] = text
        topics = len(text.offsets) - answers.shape[1]
        for place in range(len(text.offsets) + len(STYLE)):
            own, which = None, place - topics
            label = f"topic {place}"
            if 0 <= which < answers.shape[1]:
                own, label = np.full(len(values), np.nan), f"answer {which}"
                own[there] = told[:, which]
            elif which >= 0:
                label = STYLE[which - answers.shape[1]]
            yield Feature(f"{name} {label}", name, "text", place=place), own

    def _answered(self) -> Answers:
        return Answers(self._answers(MOST_CLASSES), self._fold, self._weights)

    def _answers(self, most: int) -> Floats:
        """The answers as numbers, a column for each of so many of the most frequent classes."""
        if self._task != "multiclass":
            return np.asarray(self._y, np.float64)[:, np.newaxis]
        frequent = np.argsort(-np.bincount(self._y, self._weights), kind="stable")[:most]
        return np.asarray(self._y[:, np.newaxis] == np.sort(frequent), np.float64)


def encodings_of(table: Table) -> tuple[str, ...]:
    """The encodings between which there is a difference for this table, the default first."""
    known = [
        len(np.unique(one.values[table.train]))
        for one, schema in zip(table.columns, table.schemas, strict=True)
        if schema.kind == "category"
    ]
    ordered = ("ordered",) if known else ()
    means = ("means",) if max(known, default=0) > MANY or repeated_days(table) else ()
    return ("category", *ordered, *means)


def repeated_days(table: Table) -> tuple[str, ...]:
    """The date columns where other rows of the same day are learned from, for most of the rows.

    The means of days do not move with them, so a monotone column is none of these.
    """
    test = np.concatenate(table.test) if table.test else np.zeros(0, np.int64)
    return tuple(
        one.name
        for one, schema in zip(table.columns, table.schemas, strict=True)
        if schema.kind == "date"
        and not schema.monotone
        and repeat(one.values[table.train] // DAY_S, one.values[test] // DAY_S)
    )


def folds_of(groups: Ints) -> Ints:
    """A fold for each row, by chance that is the same each time; rows of a group share one."""
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    return (np.random.default_rng(count).permutation(count) % FOLDS)[group]


def encode_columns(columns: Sequence[Column], schema: Schema, rows: Ints | None = None) -> Floats:
    """Numbers for these rows, one column a feature; missing and unknown values are NaN."""
    by_name = {column.name: column for column in columns}
    count = len(rows) if rows is not None else len(columns[0].values)
    x, codes, kinds = np.empty((count, len(schema.features))), schema.codes, schema.kinds
    bases: dict[str, Any] = {}

    def base(name: str) -> Any:
        if name not in bases:
            for before in [one for one in bases if kinds[one] != "date"]:
                del bases[before]  # dates alone are needed for other columns, too
            column = by_name[name]
            values = column.values if rows is None else column.values[rows]
            bases[name] = _base(column, values, schema.texts.get(name), codes.get(name))
        return bases[name]

    for i, feature in enumerate(schema.features):
        other = base(feature.other) if feature.other else None
        x[:, i] = number_of(feature, base(feature.column), other)
    return x


def _base(column: Column, values: Any, text: Text | None, codes: Mapping[str, int] | None) -> Any:
    """What features are numbers of: for each row a number, a code, or all numbers of a text."""
    names = column.categories or ()
    if text is not None:
        return TextReader(text).column(names, values)
    if codes is None:
        return values
    lookup = [float(codes.get(name, math.nan)) for name in names]
    return np.array([*lookup, codes.get(MISSING, math.nan)])[values]


def encode_rows(table: Table, schema: Schema, rows: Ints) -> Floats:
    """The numbers for these rows of a table, as for rows that nothing was learned from."""
    return encode_columns(table.columns, schema, rows)


def plain_rows(table: Table, rows: Ints) -> tuple[Row, ...]:
    """These rows as a caller of the predictor would give them: dicts of plain values."""
    columns = plain_columns(taken(table, rows), table.schemas)
    keys = [column.name for column in table.columns]
    return tuple(dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True))


def plain_columns(columns: Sequence[Column], schemas: Sequence[ColumnSchema]) -> list[list[Any]]:
    """The cells of each column as plain values, None where there is none."""
    return [_plain(column, schema) for column, schema in zip(columns, schemas, strict=True)]


def taken(table: Table, rows: Ints) -> tuple[Column, ...]:
    """The columns of these rows alone."""
    return tuple(replace(column, values=column.values[rows]) for column in table.columns)


def _plain(column: Column, schema: ColumnSchema) -> list[Any]:
    values, names = column.values.tolist(), column.categories
    if names is not None:
        return [names[code] if code >= 0 else None for code in values]
    make = _MAKE.get(schema.kind, float)
    return [None if math.isnan(value) else make(value) for value in values]


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime(1970, 1, 1) + dt.timedelta(  # noqa: DTZ001 - as it was written
        microseconds=round(seconds * MICRO)
    )


_MAKE: dict[str, Callable[[float], Any]] = {
    "date": _moment,
    "time": lambda seconds: _moment(seconds % 86_400).time(),
}
