"""What the stages hand down: the table, the prepared rows, the fitted and the compiled model.

Imports numpy alone: a process that only predicts reads these values too.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Task = Literal["binary", "multiclass", "regression"]
Kind = Literal["number", "boolean", "category", "date", "time", "text"]
Row = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Source:
    """Where the table is, and what the user said about it.

    time: rows are split by it, the past to learn from and the future to judge on. test: a file with
    the untouched rows. metrics: what the goal names, which may decide the task where none is said.
    types: kinds by column. missing: further texts that stand for no value. whole: no row is held
    back, so that nothing can be judged. weight: the column that says how much each row counts
    beside the others, or where `whole`, for how many rows it stands.
    monotone: columns as which the answer never falls (1) or never rises (-1).
    """

    path: str
    target: str
    positive: str | None = None
    group: str | None = None
    drop: tuple[str, ...] = ()
    seed: int = 0
    time: str | None = None
    test: str | None = None
    task: Task | None = None
    metrics: tuple[str, ...] = ()
    types: tuple[tuple[str, Kind], ...] = ()
    missing: tuple[str, ...] = ()
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    whole: bool = False
    weight: str | None = None
    monotone: tuple[tuple[str, int], ...] = ()


@final
@dataclass(frozen=True)
class Exceptions:
    """Cells that are not what nearly all of their column are, and so count as missing.

    rows: the first of them, counted from 1 without the header. texts: theirs.
    """

    column: str
    kind: Kind
    count: int
    rows: tuple[int, ...]
    texts: tuple[str, ...]


@final
@dataclass(frozen=True)
class TableFacts:
    """What reading the table showed.

    rows, columns: of the file. classes: sorted, for two classes the positive one last.
    dropped: columns left out, each with the reason. split: how the rows were split, in a sentence.
    read_as: delimiter, encoding and decimal mark, as they were found or said. kinds: of the columns
    that are kept. guess: why the task is what it is, "" where it was said. clusters: how many of
    the untouched rows are independent of each other; rarest: how many of these hold the rarest
    class; worth: as many of one weight as they tell as much.
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
    folds: int
    test: int
    split: str
    notes: tuple[str, ...]
    read_as: str = ""
    kinds: tuple[tuple[str, Kind], ...] = ()
    exceptions: tuple[Exceptions, ...] = ()
    guess: str = ""
    clusters: int = 0
    rarest: int = 0
    worth: float = 0.0


@final
@dataclass(frozen=True)
class ColumnSchema:
    """What the cells of a column mean.

    missing: further texts that stand for no value. decimal: the mark in its numbers. unit: what may
    stand before or after them. limits: <3 is 3. day_first: 1/2/2024 is in February; None where no
    cell has shown it, and the mark decides. monotone: the answer never falls
    (1) or never rises (-1) as the column grows, all else equal; 0 where it may do either.
    """

    name: str
    kind: Kind = "number"
    missing: tuple[str, ...] = ()
    decimal: str = "."
    unit: str = ""
    limits: bool = False
    day_first: bool | None = None
    monotone: int = 0


@final
@dataclass(frozen=True, eq=False)
class Column:
    """A column's values: numbers (NaN is missing), or codes into `categories` (-1 is missing).

    A date is its seconds since 1970, a time of day those since midnight, a truth value 0 or 1. A
    text is a category, whose words are read besides.
    """

    name: str
    values: NDArray[Any]
    categories: tuple[str, ...] | None = None


@final
@dataclass(frozen=True, eq=False)
class Table:
    """The usable rows, split. y: numbers, or places in the classes. content: digest of all.

    schemas: of the columns, in their order. train: the rows that a search may read. folds: parts of
    these, each to be judged after learning from the others. test: the untouched rows, in the parts
    that cross-fitting judges one after the other. answers: digest of the targets alone. groups:
    which rows belong together, by number; None where each is its own. weights: how much each row
    counts, 1 in the mean unless no row is held back; None where all count the same.
    """

    facts: TableFacts
    schemas: tuple[ColumnSchema, ...]
    columns: tuple[Column, ...]
    y: NDArray[Any]
    train: Ints
    folds: tuple[Ints, ...]
    test: tuple[Ints, ...]
    content: str
    answers: str
    groups: Ints | None = None
    weights: Floats | None = None


@final
@dataclass(frozen=True)
class Feature:
    """A number that the model sees. column: the one it comes from. part: of that column's value.

    part: "value"; what `features.dates` knows of a date, or "after" `other`, another date column;
    "table", which the code is looked up in; "same day", where it is the day, counted from `place`;
    "text" with the place among a text's numbers.
    codes: of a column's categories, kept by its first feature. nominal: the codes are names;
    otherwise their order means something.
    """

    name: str
    column: str
    part: str = "value"
    codes: Mapping[str, int] | None = None
    nominal: bool = False
    other: str = ""
    table: tuple[float, ...] = ()
    place: int = 0


@final
@dataclass(frozen=True)
class Text:
    """How the texts of a column become numbers.

    terms: words and pairs of words. weights: a row for each term in base64, as single floats: what
    it adds to each number, and to the square of the length that they are divided by. offsets: what
    each number begins with.
    """

    terms: tuple[str, ...]
    weights: str
    offsets: tuple[float, ...]


@final
@dataclass(frozen=True)
class Transform:
    """The scale on which a target was learned: its name, the least and the largest answer on it.

    factor: of what is told on the target's own scale.
    """

    name: str
    low: float
    high: float
    factor: float = 1.0


@final
@dataclass(frozen=True)
class Calibration:
    """What makes probabilities of what a model says: a temperature, and a floor added before."""

    temperature: float
    floor: float


@final
@dataclass(frozen=True)
class Schema:
    """What a row must hold, what the model gets of it, and what the answer means.

    columns: what a row must hold. features: what the model gets, those of a column beside each
    other, in the order of the columns. texts: by column. transform: of the target, None where the
    model learned it as it is. calibration: of its probabilities, None where they are told as they
    are. left_out: further columns of the table, which are not asked for.
    """

    task: Task
    target: str
    classes: tuple[str, ...]
    columns: tuple[ColumnSchema, ...]
    features: tuple[Feature, ...]
    texts: Mapping[str, Text] = field(default_factory=dict)
    transform: Transform | None = None
    calibration: Calibration | None = None
    left_out: tuple[str, ...] = ()

    @property
    def kinds(self) -> dict[str, Kind]:
        """What each column is."""
        return {column.name: column.kind for column in self.columns}

    @property
    def codes(self) -> dict[str, Mapping[str, int]]:
        """The codes of each column that has them."""
        return {f.column: f.codes for f in self.features if f.codes is not None}

    @property
    def nominal(self) -> list[int]:
        """The positions of the nominal features."""
        return [i for i, f in enumerate(self.features) if f.nominal]


@final
@dataclass(frozen=True, eq=False)
class Prepared:
    """Encoded rows to learn from, and those to be judged on.

    In an artifact the arrays are files beside it, so that many processes map them and none copies.
    rows: some of the judged ones as plain dicts. groups, judged_weights: as in Table, of the judged
    rows. weights: of those to learn from. spread: as in Judged.
    """

    schema: Schema
    x: Floats
    y: NDArray[Any]
    judged_x: Floats
    judged_y: NDArray[Any]
    rows: tuple[Row, ...]
    groups: Ints | None = None
    weights: Floats | None = None
    judged_weights: Floats | None = None
    spread: float | None = None


@final
@dataclass(frozen=True, eq=False)
class Training:
    """What a fit learns from: encoded rows and their answers.

    judged: further rows by whose loss it may stop early; None where every round is to be made.
    weights, judged_weights: how much each row counts, None where all count the same.
    """

    schema: Schema
    x: Floats
    y: NDArray[Any]
    judged: tuple[Floats, NDArray[Any]] | None = None
    weights: Floats | None = None
    judged_weights: Floats | None = None


@final
@dataclass(frozen=True, eq=False)
class PlainTraining:
    """What the user's own estimator learns from: the columns as they are, and their answers.

    weights: as in Training.
    """

    schema: Schema
    columns: tuple[Column, ...]
    y: NDArray[Any]
    weights: Floats | None = None


@final
@dataclass(frozen=True, eq=False)
class Learned:
    """What a fit leaves: the model as its family writes it down.

    chosen: what early stopping chose, by the knob that was its upper bound.
    """

    text: str
    chosen: Mapping[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False)
class Fitted:
    """A model as its family writes it down."""

    schema: Schema
    family: str
    text: str


@final
@dataclass(frozen=True, eq=False)
class CompiledModel:
    """A model in the files that one runtime reads; nothing in it is pickled."""

    schema: Schema
    family: str
    runtime: str
    files: Mapping[str, bytes]


@final
@dataclass(frozen=True, eq=False)
class Blended:
    """Models that answer together: the mean of their answers by weight. One is a blend of one."""

    members: tuple[tuple[CompiledModel, float], ...]

    @property
    def schema(self) -> Schema:
        """That of the first, since all answer the same question; a row holds what any asks for."""
        schemas = [model.schema for model, _ in self.members]
        columns = {column.name: column for schema in schemas for column in schema.columns}
        left_out = tuple(name for name in schemas[0].left_out if name not in columns)
        return replace(schemas[0], columns=tuple(columns.values()), left_out=left_out)


@final
@dataclass(frozen=True, eq=False)
class Judged:
    """What a judgement of a model needs beside it: its answers to the judged rows, and these.

    contributions: one number a row for each metric. rows: some of the judged ones, to be timed.
    groups, weights: as in Table. spread: the variance of the answers of all parts of the untouched
    rows, None where there is no other part.
    """

    prediction: Floats
    y: NDArray[Any]
    rows: tuple[Row, ...]
    groups: Ints | None = None
    contributions: Mapping[str, Floats] = field(default_factory=dict)
    weights: Floats | None = None
    spread: float | None = None


@final
@dataclass(frozen=True)
class Runtime:
    """Computes predictions from encoded rows (NaN is missing).

    For a plain family from rows as they are: `row` from a mapping, `batch` from columns.
    row: the value, the positive class's probability, or all classes' probabilities.
    batch: the same for many rows: (n,), or (n, classes) for three or more classes.
    """

    row: Callable[[Any], Sequence[float]]
    batch: Callable[[Any], Floats]


def one_by_one(batch: Callable[[Floats], Floats]) -> Runtime:
    """The Runtime whose one row is a batch of one."""

    def row(values: array[float]) -> Sequence[float]:
        out: list[float] = batch(np.frombuffer(values)[np.newaxis]).ravel().tolist()
        return out

    return Runtime(row, batch)
