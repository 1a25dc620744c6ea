"""The target: which task it poses, and each row's answer."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tunewright.errors import InputError, nearest
from tunewright.workloads.tabular.data import Column, ColumnSchema, Source, Task
from tunewright.workloads.tabular.quality import METRICS

FEW_NUMBERS = 20  # whole numbers with more distinct values are a regression, and so they are …
FEW_SHARE = 0.05  # … when they are more than this share of the rows
LEAST_OF_A_CLASS = 5  # rows: fewer are not in each of five folds, and may be a slip
NAMED = 5  # of the classes in doubt
NAMES_SHARE = 0.5  # more distinct texts than this share of the rows are no classes but names


@final
@dataclass(frozen=True, eq=False)
class Target:
    """The answers of all rows, and why the task is what it is ("" where it was said)."""

    task: Task
    classes: tuple[str, ...]
    y: NDArray[Any]
    guess: str = ""
    notes: tuple[str, ...] = ()


def answered(column: Column) -> NDArray[np.bool_]:
    """Which rows have an answer."""
    return np.isfinite(column.values) if column.categories is None else column.values >= 0


def read_target(
    column: Column, schema: ColumnSchema, source: Source, usable: NDArray[np.bool_]
) -> Target:
    """The task that was said, or that a named metric implies, or else that the values look like.

    usable: the rows that have an answer and count.
    """
    if schema.kind in ("date", "time"):
        raise InputError(
            f"expected a target of texts or numbers; got kind {schema.kind} in "
            f"{source.target!r}; name another column with --target"
        )
    distinct = np.unique(column.values[usable])
    if len(distinct) < 2:
        got = "no value at all" if not len(distinct) else "the same value in every row"
        raise InputError(
            f"expected a target with at least two values; got {got} in {source.target!r}; "
            "name another column with --target"
        )
    regression, guess = _is_regression(column, schema, source, distinct, int(usable.sum()))
    if not regression:
        return replace(_classes(column, schema, source, usable), guess=guess)
    if column.categories is not None:
        raise InputError(
            f"expected numbers in {source.target!r} for a regression; got "
            f"{column.categories[0]!r}; name another column with --target, or another goal"
        )
    if source.positive is not None:
        raise InputError(
            f"expected --positive only for two classes; got {source.positive!r} for the "
            f"numbers in {source.target!r}; leave it out"
        )
    notes: tuple[str, ...] = ()
    if endless := int(np.isinf(column.values).sum()):
        notes = (f"{endless:,} rows whose {source.target!r} is infinite are left out",)
    return Target("regression", (), column.values, guess, notes)


def is_number(source: Source, usable: NDArray[np.bool_], codes: Column) -> bool:
    """Whether codes that are whole numbers are the answer as numbers, as others would be."""
    asked, distinct = _asked(source), len(np.unique(codes.values[usable]))
    few = distinct <= max(2, min(FEW_NUMBERS, FEW_SHARE * int(usable.sum())))
    return not few if asked is None else asked[0]


def _asked(source: Source) -> tuple[bool, str] | None:
    """Whether a regression is asked for, and by what; None where nothing says so."""
    if source.task is not None:
        return source.task == "regression", ""
    numbers = {metric.name for metric in METRICS["regression"]}
    classes = {metric.name for metric in (*METRICS["binary"], *METRICS["multiclass"])}
    for name in source.metrics:
        if name in numbers:
            return True, f"a regression, since the goal names {name}"
        if name in classes:
            return False, f"classes, since the goal names {name}"
    return None


def _is_regression(
    column: Column, schema: ColumnSchema, source: Source, distinct: NDArray[Any], rows: int
) -> tuple[bool, str]:
    """Whether the numbers themselves are the answer, and why that was guessed."""
    if (asked := _asked(source)) is not None:
        return asked
    if column.categories is not None or schema.kind == "boolean":
        return False, ""
    few = len(distinct) <= min(FEW_NUMBERS, FEW_SHARE * rows)
    whole = bool((distinct == np.round(distinct)).all())
    if len(distinct) > 2 and not (few and whole):
        return True, (
            f"a regression, since {source.target!r} holds {len(distinct):,} different numbers; "
            "--task multiclass takes them as classes"
        )
    return False, (
        f"classes, since {source.target!r} holds only {len(distinct)} different numbers; "
        "--task regression takes them as numbers"
    )


def _classes(
    column: Column,
    schema: ColumnSchema,
    source: Source,
    usable: NDArray[np.bool_],
) -> Target:
    """Places in the sorted classes; of two, the positive one is last."""
    distinct, first, indices = np.unique(
        column.values[usable], return_index=True, return_inverse=True
    )
    labels = _labels(column, schema, distinct)
    if len(labels) > max(2, NAMES_SHARE * int(usable.sum())):
        raise InputError(
            f"expected classes in {source.target!r}; got {len(labels):,} different values in "
            f"{int(usable.sum()):,} rows; name another column with --target"
        )
    counts, order, notes = np.bincount(indices), list(range(len(labels))), []
    if column.categories is not None:
        order.sort(key=lambda i: labels[i])
    positive = source.positive
    if positive is not None and positive not in labels:
        raise InputError(
            f"expected --positive to be a value of {source.target!r}; got {positive!r}: "
            f"{nearest(positive, labels)}"
        )
    if source.task is not None and (source.task == "binary") != (len(labels) == 2):
        wanted = "two classes" if source.task == "binary" else "three classes or more"
        raise InputError(
            f"expected {wanted} in {source.target!r} for --task {source.task}; got {len(labels)}; "
            "leave --task out"
        )
    if len(labels) == 2:
        if positive is None:
            positive = labels[min(reversed(order), key=lambda i: counts[i])]
            notes.append(f"the rarer class {positive!r} is taken as the positive one")
        order.sort(key=lambda i: labels[i] == positive)
    elif positive is not None:
        raise InputError(
            f"expected --positive only for two classes; got {len(labels)} classes in "
            f"{source.target!r}; leave it out"
        )
    notes += _doubtful(source.target, labels, counts, np.flatnonzero(usable)[first])
    rank = np.argsort(np.array(order))
    y = np.zeros(len(usable), np.int64)
    y[usable] = rank[indices]
    task: Task = "binary" if len(labels) == 2 else "multiclass"
    return Target(task, tuple(labels[i] for i in order), y, notes=tuple(notes))


def _doubtful(
    target: str, labels: list[str], counts: NDArray[Any], rows: NDArray[Any]
) -> Iterator[str]:
    """Classes of so few rows that they may be none, and those that may be one.

    rows: the first of each class.
    """
    rare = np.flatnonzero(counts < LEAST_OF_A_CLASS)[:NAMED].tolist() if len(labels) > 2 else []
    if rare:
        shown = ", ".join(f"{labels[i]!r} ({counts[i]}; row {rows[i] + 1})" for i in rare)
        more = ", …" if (counts < LEAST_OF_A_CLASS).sum() > len(rare) else ""
        yield (
            f"few rows hold these classes of {target!r}: {shown}{more}; "
            "leave these rows out if they are no classes"
        )
    alike: dict[str, list[str]] = {}
    for label in labels:
        plain = unicodedata.normalize("NFKC", label).casefold()
        alike.setdefault(" ".join(plain.split()), []).append(label)
    for names in [names for names in alike.values() if len(names) > 1][:NAMED]:
        shown = ", ".join(map(repr, names))
        yield (
            f"these classes of {target!r} differ only in their spelling: {shown}; "
            "write them alike if they are one"
        )


def _labels(column: Column, schema: ColumnSchema, distinct: NDArray[Any]) -> list[str]:
    if column.categories is not None:
        return [column.categories[int(code)] for code in distinct]
    if schema.kind == "boolean":
        return [str(bool(value)) for value in distinct]
    whole = bool((distinct == np.round(distinct)).all())
    return [str(int(value)) if whole else repr(float(value)) for value in distinct]
