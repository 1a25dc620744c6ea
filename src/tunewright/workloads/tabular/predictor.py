"""Predictor: one row in, one answer out, with nothing imported but numpy and one runtime."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np

from tunewright.core.registry import resolve
from tunewright.errors import InputError, nearest
from tunewright.workloads.tabular import calibration, transforms
from tunewright.workloads.tabular.cells import codes_of, composed, read_value
from tunewright.workloads.tabular.data import (
    Blended,
    Column,
    ColumnSchema,
    CompiledModel,
    Floats,
    Row,
    Runtime,
    Schema,
    Text,
)
from tunewright.workloads.tabular.encoding import encode_columns
from tunewright.workloads.tabular.families import family_of
from tunewright.workloads.tabular.features import number_of
from tunewright.workloads.tabular.features.means import MISSING
from tunewright.workloads.tabular.features.text import TextReader

Answer = float | dict[str, float]
MOST_TOLD = 10_000  # texts of a column that are remembered
_ODD = (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError)


def load_runtime(model: CompiledModel, threads: int) -> Runtime:
    """The runtime that this model was compiled for, ready to answer; nothing else is imported.

    Whatever scale the model learned on, it answers on the target's own; its probabilities are
    calibrated.
    """
    family = family_of(model.family)
    if model.runtime not in family.runtimes:
        raise InputError(
            f"expected a runtime for {model.family!r}; got {model.runtime!r}: "
            f"{nearest(model.runtime, family.runtimes)}"
        )
    try:
        load = resolve(family.runtimes[model.runtime].load)
        runtime: Runtime = load(model.files, model.schema, threads)
    except (ImportError, OSError) as error:
        missing = getattr(error, "name", None) or error
        raise InputError(
            f"expected the library behind the runtime {model.runtime!r} of {model.family!r}; got "
            f"none ({missing}); install it as pip install tunewright does"
        ) from error
    runtime = transforms.told(runtime, model.schema.transform)
    return calibration.told(runtime, model.schema.calibration)


@final
class Predictor:
    """Answers rows given as mappings from column names to plain values; safe to share by threads.

    A float for a regression, else each class's probability by its label. A value means what the
    same text or value meant in the file that the model learned from. None, NaN and unseen
    categories count as missing; other keys are ignored; an integer too large for a float counts as
    infinite, and infinite numbers lie beyond every threshold. Raises InputError for a missing key,
    or for a value that its column cannot have.
    """

    def __init__(self, model: Blended, threads: int = 1) -> None:
        self.schema = model.schema
        self._classes = model.schema.classes
        total = sum(weight for _, weight in model.members)
        runtimes = [load_runtime(one, threads) for one, _ in model.members]
        self._batches = [runtime.batch for runtime in runtimes]
        # Most members of a blend read a row alike: each way to encode one is made and taken once.
        self._encoders: list[tuple[Schema, Callable[[Row], Any]]] = []
        self._parts = [
            (self._encoded_by(one), runtime.row, weight / total)
            for (one, weight), runtime in zip(model.members, runtimes, strict=True)
        ]
        self._plain = any(family_of(one.family).plain for one, _ in model.members)
        (_, self._encode), (_, self._answer, _) = self._encoders[0], self._parts[0]

    def _encoded_by(self, model: CompiledModel) -> int:
        """Which of the encoders is the model's."""
        schema = replace(model.schema, transform=None, calibration=None)
        if family_of(model.family).plain:
            self._encoders.append((schema, lambda row: row))
            return len(self._encoders) - 1
        known = [own for own, _ in self._encoders]
        if schema not in known:
            self._encoders.append((schema, Encoder(schema)))
        return [own for own, _ in self._encoders].index(schema)

    def predict_row(self, row: Row) -> Answer:
        """The answer for one row."""
        if len(self._parts) == 1:
            return self._named(self._answer(self._encode(row)))
        return self._named(self._mean([encode(row) for _, encode in self._encoders]))

    def predict_rows(self, rows: Iterable[Row]) -> list[Answer]:
        """The answers for many rows in one call, each what `predict_row` gives but for rounding."""
        rows = list(rows)
        if self._plain or not rows:
            return [self.predict_row(row) for row in rows]
        encoded = [
            np.frombuffer(b"".join(map(bytes, map(encode, rows)))).reshape(len(rows), -1)
            for _, encode in self._encoders
        ]
        answers = self._together(encoded).reshape(len(rows), -1)
        return [self._named(answer) for answer in answers.tolist()]

    def predict_columns(self, columns: Sequence[Column]) -> Iterator[Answer]:
        """The answers for the rows of columns that were read by this schema, in their order."""
        encoded = [encode_columns(columns, schema) for schema, _ in self._encoders]
        for rows in zip(*encoded, strict=True):
            yield self._named(self._mean([array("d", row.tobytes()) for row in rows]))

    def answers(self, columns: Sequence[Column]) -> Floats:
        """The answers for the rows of columns that were read by this schema, all in one call.

        (n,) values or probabilities of the second class, or (n, classes) probabilities.
        """
        return self._together([encode_columns(columns, schema) for schema, _ in self._encoders])

    def _together(self, encoded: Sequence[Any]) -> Floats:
        parts = [
            weight * np.asarray(batch(encoded[place]))
            for (place, _, weight), batch in zip(self._parts, self._batches, strict=True)
        ]
        return np.asarray(np.sum(parts, axis=0))

    def _mean(self, encoded: Sequence[array[float]]) -> Sequence[float]:
        """The mean of the members' answers."""
        if len(self._parts) == 1:
            return self._answer(encoded[0])
        answers = [
            [weight * value for value in answer(encoded[place])]
            for place, answer, weight in self._parts
        ]
        return [sum(values) for values in zip(*answers, strict=True)]

    def _named(self, out: Sequence[float]) -> Answer:
        if not self._classes:
            return out[0]
        if len(self._classes) == 2:
            return {self._classes[0]: 1.0 - out[0], self._classes[1]: out[0]}
        return dict(zip(self._classes, out, strict=True))


class _Codes(dict[str, float]):
    """Codes by category. What is no category as it stands is read; unknown ones have none."""

    schema: ColumnSchema

    def __missing__(self, value: object) -> float:
        read = read_value(self.schema, value)
        return self.get(MISSING if read is None else str(read), math.nan)


def _number(schema: ColumnSchema, value: object) -> float:
    read = read_value(schema, value)
    return math.nan if read is None else float(read)


@final
class _Read:
    """The numbers of values that are no plain floats, looked up as codes are."""

    def __init__(self, schema: ColumnSchema) -> None:
        self._schema = schema

    def __getitem__(self, value: object) -> float:
        return _number(self._schema, value)


@final
class _Told(dict[str, float]):
    """The numbers of texts in a column of plain numbers, remembered: rows of texts say few."""

    def __init__(self, schema: ColumnSchema) -> None:
        super().__init__()
        self._schema = schema

    def __missing__(self, value: str) -> float:
        number = _number(self._schema, value)
        if len(self) >= MOST_TOLD:
            self.clear()
        self[value] = number
        return number


@final
class _Texts:
    """The numbers of texts, looked up as codes are."""

    def __init__(self, schema: ColumnSchema, text: Text) -> None:
        self._schema, self._reader = schema, TextReader(text)
        self._missing = [math.nan] * self._reader.width

    def __getitem__(self, value: object) -> list[float]:
        read = read_value(self._schema, value)
        return self._missing if read is None else self._reader(str(read))


@final
class Encoder:
    """Turns a row into numbers, one a feature: quickly where every value is as expected."""

    def __init__(self, schema: Schema) -> None:
        self._columns = schema.columns
        self._names = [column.name for column in schema.columns]
        codes = schema.codes
        self._lookups: list[tuple[int, _Codes | _Read | _Texts]] = []
        for i, column in enumerate(schema.columns):
            if column.kind == "text":
                self._lookups.append((i, _Texts(column, schema.texts[column.name])))
            elif column.name in codes:
                named = _Codes((name, float(code)) for name, code in codes[column.name].items())
                named.schema = column
                self._lookups.append((i, named))
            elif column.kind in ("date", "time") or codes_of(column):
                self._lookups.append((i, _Read(column)))
        places = {name: i for i, name in enumerate(self._names)}
        made = [(f, places[f.column], places.get(f.other, 0)) for f in schema.features]
        plain = [(f.column, f.part) for f in schema.features]
        looked_up = dict(self._lookups)
        self._plain = [(i, _Told(c)) for i, c in enumerate(schema.columns) if i not in looked_up]
        self._made = [] if plain == [(name, "value") for name in self._names] else made

    def __call__(self, row: Row) -> array[float]:
        """The encoded row. Raises InputError as `Predictor` says."""
        try:
            return self._encoded([row[name] for name in self._names])
        except _ODD:
            return self._spelled(row)

    def _encoded(self, values: list[Any]) -> array[float]:
        for i, lookup in self._lookups:
            values[i] = lookup[values[i]]
        return array("d", self._features(values))

    def _spelled(self, row: Row) -> array[float]:
        """The same of a row with missing values, or with numbers that are written as texts."""
        try:
            values = [row[name] for name in self._names]
            for i, told in self._plain:
                if isinstance(values[i], str):
                    values[i] = told[values[i]]
            return self._encoded([math.nan if value is None else value for value in values])
        except _ODD:
            return array("d", self._features(self._carefully(row)))

    def _features(self, values: Sequence[Any]) -> Sequence[Any]:
        if not self._made:
            return values
        return [
            values[i] if feature.part == "value" else number_of(feature, values[i], values[j])
            for feature, i, j in self._made
        ]

    def _carefully(self, row: Any) -> list[Any]:
        """What each column holds, one at a time, with a sentence for what cannot be used."""
        if not (hasattr(row, "keys") and hasattr(row, "__getitem__")):
            raise InputError(f"expected a mapping from columns to values; got {type(row).__name__}")
        keys, lookups = row.keys(), dict(self._lookups)
        if not all(name in keys for name in self._names):  # accents may be written in two ways
            row = {composed(key) if isinstance(key, str) else key: row[key] for key in keys}
            keys = row.keys()
        values = []
        for i, column in enumerate(self._columns):
            if column.name not in keys:
                others = [str(key) for key in keys if key not in self._names]
                hint = nearest(column.name, others) if others else "give None if it is unknown"
                raise InputError(f"expected a value for column {column.name!r}; got none: {hint}")
            value = row[column.name]
            try:
                read = read_value(column, value)
            except (TypeError, ValueError):
                expected = "a text" if column.kind == "category" else f"a {column.kind}"
                raise InputError(
                    f"expected {expected} in column {column.name!r}; got {value!r}; give None if "
                    "it is unknown"
                ) from None
            found = lookups[i][value] if i in lookups else read
            values.append(math.nan if found is None else found)
        return values
