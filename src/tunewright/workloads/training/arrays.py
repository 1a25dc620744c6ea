"""Arrays: what a network learns from, as it was given, and which rows stay untouched."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from tunewright.errors import InputError, TooFew
from tunewright.workloads.tabular.data import Ints, Task
from tunewright.workloads.tabular.splitting import deal, groups_of, hold_out, test_share

LEAST_ROWS = 50
CHOOSING = 5  # one part in so many of the rows of a search is judged on, the others are learned
EXAMPLE = "(X, y)"
Array = NDArray[Any]


@final
@dataclass(frozen=True, eq=False)
class Arrays:
    """Rows with their answers, and how they are divided.

    x: (rows, …). y: (rows,) places among the classes, or numbers. classes: their names, () for
    numbers. learned, chosen: the rows that a search learns from and compares by; untouched: those
    of the verdict alone. groups: which rows stand together, None where each is its own.
    """

    x: Array
    y: Array
    classes: tuple[Any, ...]
    learned: Ints
    chosen: Ints
    untouched: Ints
    groups: Ints | None
    digest: str
    how: str

    @property
    def task(self) -> Task:
        """What is predicted."""
        if not self.classes:
            return "regression"
        return "binary" if len(self.classes) == 2 else "multiclass"


def arrays_of(data: object, *, task: Literal["classes", "numbers"], test: object = None) -> Arrays:
    """The arrays of `data` and, where given, of the rows for the verdict.

    Raises InputError, in one sentence, for what cannot be learned from.
    """
    x, y = _pair("data", data)
    main = len(x)
    if test is not None:
        test_x, test_y = _pair("test", test)
        if test_x.shape[1:] != x.shape[1:]:
            raise InputError(
                f"expected rows of the shape {x.shape[1:]} in test, as in data; "
                f"got {test_x.shape[1:]}; prepare both in the same way"
            )
        x, y = np.concatenate((x, test_x)), np.concatenate((y, test_y))
    if len(x) < LEAST_ROWS:
        raise TooFew(f"expected at least {LEAST_ROWS} rows; got {len(x)}; give more of them")
    answers, classes = _classes(y) if task == "classes" else (_numbers(y), ())
    keys = _keys(x)
    if test is None:
        rest, (untouched,) = hold_out(keys, 1)
        how = f"by a hash of the rows: {test_share(len(x)):.0%} only for the verdict"
    else:
        rest = np.flatnonzero(~np.isin(keys[:main], keys[main:]))
        untouched = np.arange(main, len(x))
        how = f"{len(untouched):,} rows of test only for the verdict"
    dealt = deal(rest, keys, answers if classes else answers.astype(np.float64), CHOOSING)
    chosen = dealt[0] if dealt else rest[:0]
    learned = np.setdiff1d(rest, chosen)
    for name, rows in (("learn from", learned), ("choose by", chosen), ("judge by", untouched)):
        if len(np.unique(keys[rows])) < 2:
            raise TooFew(
                f"expected different rows to {name}; got {len(rows)}, since equal rows stay "
                "together; give more varied data"
            )
    how += f", of the others one in {CHOOSING} to compare configs; equal rows stay together"
    digest = hashlib.blake2b(digest_size=16)
    for array in (keys, answers, untouched):
        digest.update(np.ascontiguousarray(array).tobytes())
    return Arrays(
        x, answers, classes, learned, chosen, untouched, groups_of(keys), digest.hexdigest(), how
    )


def _pair(name: str, data: object) -> tuple[Array, Array]:
    """Rows and answers as arrays."""
    if _is_dataset(data):
        data = _stacked(data)
    if not isinstance(data, Sequence) or isinstance(data, str) or len(data) != 2:
        raise InputError(
            f"{name}: expected {EXAMPLE}: rows and their answers, as arrays or tensors; "
            f"got {type(data).__name__}"
        )
    x, y = (_array(name, one) for one in data)
    if x.ndim < 2 or len(x) != len(y):
        raise InputError(
            f"{name}: expected as many rows in X as answers in y; got X of shape {x.shape} and y "
            f"of shape {y.shape}"
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        rows = int((~np.isfinite(x.reshape(len(x), -1))).any(axis=1).sum())
        raise InputError(
            f"{name}: expected numbers in X; got NaN or infinity in {rows:,} of {len(x):,} rows, "
            "of which no network learns anything; fill them in, or leave these rows out"
        )
    if x.dtype.kind not in "fiub":
        raise InputError(f"{name}: expected numbers in X; got {x.dtype}; encode them first")
    return x, y


def _is_dataset(data: object) -> bool:
    """Whether it is a map-style dataset, which is read into memory once."""
    named = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    return named and not isinstance(data, list | tuple | str | dict) and not hasattr(data, "dtype")


def _stacked(data: Any) -> tuple[Any, Any]:
    """All rows of a dataset. Raises InputError where its rows are not of one shape."""
    try:
        rows = [data[i] for i in range(len(data))]
        xs, ys = zip(*((_array("data", x), _array("data", y)) for x, y in rows), strict=True)
        return np.stack(xs), np.stack(ys)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"data: expected rows (x, y) of one shape; got others: {error}; give {EXAMPLE}"
        ) from error


def _array(name: str, value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"{name}: expected arrays; got rows of different shapes") from error
    if array.dtype == object:
        raise InputError(f"{name}: expected arrays of numbers; got objects; encode them first")
    return array


def _classes(y: Array) -> tuple[Array, tuple[Any, ...]]:
    """Places among the classes, and these; whole numbers from 0 stand for themselves."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
        y = y.argmax(axis=1)
    if y.ndim != 1:
        raise InputError(f"expected one class a row in y; got an array of shape {y.shape}")
    if y.dtype.kind == "f":
        if not (y == np.floor(y)).all():
            raise InputError(
                "expected classes in y, as the loss is cross_entropy; got fractions; "
                'say loss="mse" to learn numbers'
            )
        y = y.astype(np.int64)
    distinct = np.unique(y)
    if len(distinct) < 2:
        raise InputError(f"expected at least two classes in y; got only {distinct[0]!r}")
    if y.dtype.kind in "iub" and int(distinct[0]) >= 0 and int(distinct[-1]) < 10 * len(distinct):
        return y.astype(np.int64), tuple(range(int(distinct[-1]) + 1))
    return np.searchsorted(distinct, y).astype(np.int64), tuple(distinct.tolist())


def _numbers(y: Array) -> Array:
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim != 1 or y.dtype.kind not in "fiub" or not np.isfinite(y).all():
        raise InputError(f"expected one finite number a row in y; got {y.dtype} of shape {y.shape}")
    return y.astype(np.float32)


def _keys(x: Array) -> NDArray[np.uint64]:
    """One number a row, equal where rows are."""
    rows = np.ascontiguousarray(x).reshape(len(x), -1)
    wide = rows.view(np.uint8).reshape(len(x), -1)
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in wide]
    return np.frombuffer(b"".join(digests), np.uint64).copy()
