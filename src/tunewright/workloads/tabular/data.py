"""What the stages hand down: the table, the prepared rows, the fitted and the compiled model.

Imports numpy alone: a process that only predicts reads these values too.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Task = Literal["binary", "multiclass", "regression"]
Row = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Source:
    """Where the table is, and what the user said about it."""

    path: str
    target: str
    positive: str | None = None
    group: str | None = None
    drop: tuple[str, ...] = ()
    seed: int = 0


@final
@dataclass(frozen=True)
class TableFacts:
    """What reading the table showed.

    rows, columns: of the file. classes: sorted, for two classes the positive one last.
    dropped: columns left out, each with the reason. split: how the rows were split, in a sentence.
    """

    path: str
    rows: int
    columns: int
    task: Task
    target: str
    classes: tuple[str, ...]
    positive: str | None
    dropped: tuple[tuple[str, str], ...]
    rows_without_target: int
    train: int
    valid: int
    test: int
    split: str
    notes: tuple[str, ...]


@final
@dataclass(frozen=True, eq=False)
class Column:
    """A feature: numbers (NaN is missing), or codes into `categories` (-1 is missing)."""

    name: str
    values: NDArray[Any]
    categories: tuple[str, ...] | None = None


@final
@dataclass(frozen=True, eq=False)
class Table:
    """The usable rows, split. y: numbers, or places in the classes. content: digest of all.

    test: the untouched rows, in the parts that cross-fitting judges one after the other. answers:
    digest of the targets alone. groups: which rows belong together, by number; None where each is
    its own.
    """

    facts: TableFacts
    columns: tuple[Column, ...]
    y: NDArray[Any]
    train: Ints
    valid: Ints
    test: tuple[Ints, ...]
    content: str
    answers: str
    groups: Ints | None = None


@final
@dataclass(frozen=True)
class Field:
    """A feature as the model sees it: a number, or a text whose code is looked up.

    nominal: the codes are names; otherwise their order means something.
    """

    name: str
    codes: Mapping[str, int] | None = None
    nominal: bool = False


@final
@dataclass(frozen=True)
class Schema:
    """What a row must hold, and what the answer means."""

    task: Task
    target: str
    classes: tuple[str, ...]
    fields: tuple[Field, ...]

    @property
    def nominal(self) -> list[int]:
        """The positions of the nominal fields."""
        return [i for i, f in enumerate(self.fields) if f.nominal]


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """The rows that judge a model: encoded, with their answers, and some as plain dicts.

    groups: as in Table, of these rows.
    """

    x: Floats
    y: NDArray[Any]
    rows: tuple[Row, ...]
    groups: Ints | None = None


@final
@dataclass(frozen=True, eq=False)
class Prepared:
    """Encoded rows to learn from and to be judged on."""

    schema: Schema
    x: Floats
    y: NDArray[Any]
    evaluation: Evaluation


@final
@dataclass(frozen=True, eq=False)
class Fitted:
    """A model as text (LightGBM's own format, or JSON for a linear one)."""

    schema: Schema
    family: str
    text: str
    evaluation: Evaluation


@final
@dataclass(frozen=True, eq=False)
class CompiledModel:
    """A model in the files that one runtime reads; nothing in it is pickled.

    rows: evaluation rows for timing. contributions: per metric one number an evaluation row.
    """

    schema: Schema
    family: str
    runtime: str
    files: Mapping[str, bytes]
    rows: tuple[Row, ...] = ()
    contributions: Mapping[str, Floats] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Runtime:
    """Computes predictions from encoded rows (NaN is missing).

    row: the value, the positive class's probability, or all classes' probabilities.
    batch: the same for many rows: (n,), or (n, classes) for three or more classes.
    """

    row: Callable[[array[float]], Sequence[float]]
    batch: Callable[[Floats], Floats]


def one_by_one(batch: Callable[[Floats], Floats]) -> Runtime:
    """The Runtime whose one row is a batch of one."""

    def row(values: array[float]) -> Sequence[float]:
        out: list[float] = batch(np.frombuffer(values)[np.newaxis]).ravel().tolist()
        return out

    return Runtime(row, batch)
