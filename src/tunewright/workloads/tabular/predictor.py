"""Predictor: one row in, one answer out, with nothing imported but numpy and one runtime."""

from __future__ import annotations

import math
from array import array
from collections.abc import Hashable, Iterable, Mapping
from importlib import import_module
from typing import Any, final

from tunewright.errors import InputError, nearest
from tunewright.workloads.tabular.data import CompiledModel, Row, Runtime, Schema

Answer = float | dict[str, float]

# Reached by name, so that a process imports the one runtime that it uses.
RUNTIMES: dict[tuple[str, str], str] = {
    ("lightgbm", "library"): "tunewright.workloads.tabular.lightgbm_library:estimator",
    ("lightgbm", "booster"): "tunewright.workloads.tabular.lightgbm_library:booster",
    ("lightgbm", "native"): "tunewright.workloads.tabular.lightgbm_native:native",
    ("lightgbm", "onnxruntime"): "tunewright.workloads.tabular.onnx_session:trees",
    ("linear", "library"): "tunewright.workloads.tabular.linear_library:estimator",
    ("linear", "native"): "tunewright.workloads.tabular.linear:native",
    ("linear", "onnxruntime"): "tunewright.workloads.tabular.onnx_session:linear",
}


def load_runtime(model: CompiledModel, threads: int) -> Runtime:
    """The runtime that this model was compiled for, ready to answer."""
    where = RUNTIMES.get((model.family, model.runtime))
    if where is None:
        known = [runtime for family, runtime in RUNTIMES if family == model.family]
        raise InputError(
            f"expected a runtime for {model.family!r}; got {model.runtime!r}: "
            f"{nearest(model.runtime, known)}"
        )
    module, _, name = where.partition(":")
    runtime: Runtime = getattr(import_module(module), name)(model.files, model.schema, threads)
    return runtime


@final
class Predictor:
    """Answers rows given as mappings from column names to plain values; safe to share by threads.

    A float for a regression, else each class's probability by its label. None, NaN and unseen
    categories count as missing; other keys are ignored; an integer too large for a float counts as
    infinite, and infinite numbers lie beyond every threshold. Raises InputError for a missing key,
    or for text in a column of numbers.
    """

    def __init__(self, model: CompiledModel, threads: int = 1) -> None:
        self.schema = model.schema
        self._encode = Encoder(model.schema)
        self._runtime_row = load_runtime(model, threads).row
        self._classes = model.schema.classes

    def predict_row(self, row: Row) -> Answer:
        """The answer for one row."""
        out = self._runtime_row(self._encode(row))
        if not self._classes:
            return out[0]
        if len(self._classes) == 2:
            return {self._classes[0]: 1.0 - out[0], self._classes[1]: out[0]}
        return dict(zip(self._classes, out, strict=True))

    def predict_rows(self, rows: Iterable[Row]) -> list[Answer]:
        """The answers for many rows, each equal to what `predict_row` gives."""
        return [self.predict_row(row) for row in rows]


class _Codes(dict[str, float]):
    """Codes by category. Texts are trimmed as they were on reading; what is unknown is missing."""

    def __missing__(self, value: object) -> float:
        return self.get(value.strip(), math.nan) if isinstance(value, str) else math.nan


@final
class Encoder:
    """Turns a row into numbers, one a field: quickly where every value is as expected."""

    def __init__(self, schema: Schema) -> None:
        self._names = [field.name for field in schema.fields]
        self._codes = [
            (i, _Codes(f.codes)) for i, f in enumerate(schema.fields) if f.codes is not None
        ]
        self._texts = {i for i, _ in self._codes}

    def __call__(self, row: Row) -> array[float]:
        """The encoded row. Raises InputError as `Predictor` says."""
        try:
            values = [row[name] for name in self._names]
            for i, codes in self._codes:
                values[i] = codes[values[i]]
            return array("d", values)
        except (KeyError, TypeError, OverflowError):
            return self._carefully(row)

    def _carefully(self, row: Row) -> array[float]:
        """The same, one value at a time, with a sentence for what cannot be used."""
        if not isinstance(row, Mapping):
            raise InputError(f"expected a mapping from columns to values; got {type(row).__name__}")
        codes = dict(self._codes)
        values = array("d")
        for i, name in enumerate(self._names):
            if name not in row:
                others = [str(key) for key in row if key not in self._names]
                hint = nearest(name, others) if others else "give None if it is unknown"
                raise InputError(f"expected a value for column {name!r}; got none: {hint}")
            value = row[name]
            if i in codes and isinstance(value, Hashable):
                values.append(codes[i][value])  # type: ignore[index]  # any key may be asked for
            else:
                values.append(_number(name, value, "a text" if i in codes else "a number"))
        return values


def _number(name: str, value: Any, expected: str) -> float:
    """The value as a float; None is missing."""
    try:
        if value is None:
            return math.nan
        return float(array("d", [value])[0])
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except TypeError:
        raise InputError(
            f"expected {expected} in column {name!r}; got {value!r}; give None if it is unknown"
        ) from None
