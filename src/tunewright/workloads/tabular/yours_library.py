"""The user's own model beside ours: fitted on the same rows as they are, or read from a bundle.

It is pickled below the study's own directory and nowhere else: no bundle ever holds it.
"""

from __future__ import annotations

import base64
import importlib
import json
import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from tunewright.core.config import Config
from tunewright.core.registry import resolve
from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.tabular.data import (
    Column,
    Floats,
    Learned,
    PlainTraining,
    Row,
    Runtime,
    Schema,
)
from tunewright.workloads.tabular.encoding import plain_columns
from tunewright.workloads.tabular.families.yours import NAME, kind_of

READ = "tunewright.deploying.bundle:load"


def imported(reference: str) -> Any:
    """The estimator at "module:attribute", unfitted. Raises InputError, in one sentence."""
    module, colon, attribute = reference.partition(":")
    if not (module and colon and attribute):
        raise InputError(
            "expected a baseline as knob=value,…, module:estimator or a bundle's directory; got "
            f"{reference!r}"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), attribute)
        made = found() if isinstance(found, type) or not hasattr(found, "fit") else clone(found)
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"expected an estimator at {reference!r}, which can be imported from {here}; got {why}"
        ) from error
    lacking = [name for name in ("fit", "predict") if not hasattr(made, name)]
    if lacking:
        raise InputError(
            f"expected an estimator with fit and predict at {reference!r}; got "
            f"{type(made).__name__} without {' and '.join(lacking)}"
        )
    return made


def check(reference: str, schema: Schema) -> None:
    """Raises InputError, in one sentence, where this cannot be the baseline of such a table."""
    if kind_of(reference) == "bundle":
        _bundle_of(reference, schema)
        return
    made = imported(reference)
    if schema.classes and not hasattr(made, "predict_proba"):
        raise InputError(
            f"expected an estimator that gives probabilities at {reference!r}; got "
            f"{type(made).__name__} without predict_proba; wrap it in a CalibratedClassifierCV"
        )


def fit(training: PlainTraining, config: Config, _seed: int) -> Learned:
    """The estimator, fitted on these rows, by their weights if it takes any; or the bundle."""
    reference = str(config[NAME])
    if kind_of(reference) == "bundle":
        return Learned(json.dumps({"bundle": str(Path(reference).absolute())}))
    made = imported(reference)
    rows = _frame(training.columns, training.schema)
    if training.weights is not None and has_fit_parameter(made, "sample_weight"):
        made.fit(rows, training.y, sample_weight=training.weights)
    else:
        made.fit(rows, training.y)
    return Learned(base64.b64encode(cloudpickle.dumps(made)).decode())


def estimator(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """Answers as the estimator does: one row as a frame of one."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    made = pickle.loads(base64.b64decode(files[NAME]))  # noqa: S301 - of the study's own directory
    answers = _Answers(made, schema)

    def row(values: Row) -> Sequence[float]:
        out: list[float] = answers(_one(values, schema)).ravel().tolist()
        return out

    return Runtime(row, lambda columns: answers(_frame(columns, schema)))


def bundle(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """Answers as the bundle does."""
    predictor = _bundle_of(json.loads(files[NAME])["bundle"], schema)
    classes = schema.classes

    def row(values: Row) -> Sequence[float]:
        told = predictor.predict_row(values)
        if not isinstance(told, dict):
            return [told]
        return [told[classes[1]]] if len(classes) == 2 else [told[name] for name in classes]

    def batch(columns: Sequence[Column]) -> Floats:
        plain = plain_columns(columns, schema.columns)
        names = [column.name for column in columns]
        rows = (dict(zip(names, cells, strict=True)) for cells in zip(*plain, strict=True))
        out = np.array([row(values) for values in rows])
        return out if len(classes) > 2 else out.ravel()

    return Runtime(row, batch)


def _bundle_of(reference: str, schema: Schema) -> Any:
    """The bundle's predictor, which answers the same question from columns that are here."""
    predictor = resolve(READ)(reference)
    theirs: Schema = predictor.schema
    if (theirs.task, sorted(theirs.classes)) != (schema.task, sorted(schema.classes)):
        told = ", ".join(theirs.classes) or theirs.task
        wanted = ", ".join(schema.classes) or schema.task
        raise InputError(f"expected a bundle that answers {wanted}; got {reference}: {told}")
    here = {column.name for column in schema.columns}
    lacking = [column.name for column in theirs.columns if column.name not in here]
    if lacking:
        raise InputError(
            f"expected the column {lacking[0]!r}, which the bundle {reference} answers from; got a "
            "table without it, or one that leaves it out; keep it"
        )
    return predictor


class _Answers:
    """An estimator's answers in the order of the classes."""

    def __init__(self, made: Any, schema: Schema) -> None:
        self._classes = len(schema.classes)
        self._ask = made.predict_proba if self._classes else made.predict
        if self._classes:
            places = {int(label): place for place, label in enumerate(made.classes_)}
            self._order = [places.get(label, -1) for label in range(self._classes)]

    def __call__(self, rows: Any) -> Floats:
        out = np.asarray(self._ask(rows), np.float64)
        if not self._classes:
            return out.ravel()
        whole = np.column_stack((out, np.zeros(len(out))))[:, self._order]
        return whole[:, 1] if self._classes == 2 else whole


def _frame(columns: Sequence[Column], schema: Schema) -> Any:
    """The rows as a data frame of pandas'; without pandas as an array, if all are numbers."""
    pandas = _pandas()
    if pandas is None:
        return np.column_stack([_numbers(column) for column in columns])
    plain = {}
    for column, of in zip(columns, schema.columns, strict=True):
        numbers = column.categories is None and of.kind == "number"
        plain[column.name] = column.values if numbers else plain_columns([column], [of])[0]
    return pandas.DataFrame(plain)


def _one(values: Row, schema: Schema) -> Any:
    pandas, names = _pandas(), [column.name for column in schema.columns]
    if pandas is None:
        return np.array([[np.nan if values[name] is None else values[name] for name in names]])
    return pandas.DataFrame({name: [values[name]] for name in names})


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ImportError:
        return None


def _numbers(column: Column) -> NDArray[Any]:
    if column.categories is not None:
        raise TrialFailed(
            f"expected pandas, since the column {column.name!r} holds texts; got none; install it: "
            "pip install pandas"
        )
    return column.values
