"""Taking a model in: what it is, what it is called with, and the rows by which it is judged.

This runs in the caller's process, which can have models that no other process could unpickle.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, final

import numpy as np
from numpy.typing import NDArray

from tunewright.core.registry import resolve
from tunewright.errors import InputError
from tunewright.measuring import payloads
from tunewright.workloads.inference.data import Arrays, Input, Signature, answered
from tunewright.workloads.inference.frameworks import whose
from tunewright.workloads.inference.frameworks.framework import Kept
from tunewright.workloads.inference.quality import metric_of, places, reads_of, why_unreadable
from tunewright.workloads.inference.spec import (
    EXAMPLE,
    MODEL,
    ROWS,
    Facts,
    ModelSpec,
    write_arrays,
    write_facts,
)

METRIC = "metric"  # the directory of a metric of the user's own
LABELS = "labels"
SEARCH, LEAST, MOST = 0.4, 100, 3000  # the share of the rows that a search reads, and their number
LEAST_ROWS = 20
CHECKED = 256  # rows that the original answers at once
Better = Literal["lower", "higher"]


@final
@dataclass(frozen=True)
class Quality:
    """By what a model's answers are judged: rows, their labels, a metric, and its good direction.

    metric: a name, or a function of (y, answers) that gives one number, or one a row.
    """

    x: Any
    y: Any
    metric: str | Callable[..., Any]
    better: Better = "higher"

    @property
    def name(self) -> str:
        """What the metric is called."""
        if isinstance(self.metric, str):
            return self.metric
        return str(getattr(self.metric, "__name__", type(self.metric).__name__)).strip("<>")


def imported(  # noqa: PLR0913, PLR0917 - what was given, and where it is left
    model: Any,
    example: Any,
    quality: Quality | None,
    directory: Path,
    batch: int = 1,
    runtimes: tuple[str, ...] = (),
) -> tuple[ModelSpec, Callable[[Any], Any]]:
    """A model left in a new directory with all that a study of it needs; and its own call.

    example: what one call gets: an array, or a tuple or a mapping of several; its first axis are
    rows. None for the first `batch` of the quality's rows, or for rows of chance where the model
    says itself what it takes. Raises InputError, in one sentence, for what
    cannot be used.
    """
    started_s = time.perf_counter()
    if isinstance(model, str):
        model = Path(model)
    framework = whose(model)
    if example is None and quality is not None:
        example = _first(quality.x, batch)
    (directory / MODEL).mkdir(parents=True)
    given = () if example is None else _arrays(example, ())
    kept: Kept = resolve(framework.keep)(model, given, directory / MODEL)
    signature = kept.signature
    called = _fitting("example", _named(example, signature), signature) if given else _drawn(
        signature, batch
    )  # fmt: skip
    batch = len(called[0])
    if signature.batch not in (None, batch):
        raise InputError(
            f"expected an example of {signature.batch} rows, which the model was made for; got "
            f"{batch}; give so many, or export the model with an open first axis"
        )
    outputs = _asked(kept, called, batch, "the example")
    signature = replace(signature, outputs=tuple(one.shape[1:] for one in outputs))
    facts = Facts(framework.name, signature, batch, "values")
    rows: Arrays = called
    if quality is not None:
        rows, facts = _judged(kept, quality, facts, directory)
    write_arrays(directory / ROWS, rows)
    write_arrays(directory / EXAMPLE, called)
    label = model.stem if isinstance(model, Path) else type(model).__name__
    facts = replace(
        facts, content=_content(directory), took_s=time.perf_counter() - started_s,
        layers=kept.layers, without=kept.without,
    )  # fmt: skip
    write_facts(directory, facts)

    def own(x: Any) -> Any:
        said = kept.call(_fitting("x", _named(x, signature), signature))
        return said[0] if len(said) == 1 else said

    return ModelSpec(str(directory.absolute()), label, runtimes), own


def _first(x: Any, batch: int) -> Any:
    """The first rows of each input, from the beginning again where there are too few."""
    if isinstance(x, Mapping):
        return {name: _first(one, batch) for name, one in x.items()}
    if isinstance(x, tuple):
        return tuple(_first(one, batch) for one in x)
    rows = _array(x)
    return rows[np.arange(batch) % len(rows)]


def _drawn(signature: Signature, batch: int) -> Arrays:
    """Rows of chance: of the normal distribution, and of whole numbers nothing but 0 and 1."""
    chance = np.random.default_rng(0)
    return tuple(
        chance.standard_normal((batch, *one.shape)).astype(one.dtype)
        if np.dtype(one.dtype).kind == "f"
        else chance.integers(0, 2, (batch, *one.shape)).astype(one.dtype)
        for one in signature.inputs
    )


def _judged(kept: Kept, quality: Quality, facts: Facts, directory: Path) -> tuple[Arrays, Facts]:
    """The rows, the search's first, and what is known of them."""
    signature, name = facts.signature, quality.name
    own = not isinstance(quality.metric, str)
    metric_of(name, quality.better, own=own)
    x = _fitting("x", _named(quality.x, signature), signature)
    y = np.asarray(quality.y.detach().cpu() if hasattr(quality.y, "detach") else quality.y)
    if len(y) != len(x[0]):
        raise InputError(
            f"expected a label for each of {len(x[0])} rows; got {len(y)} in y; "
            "give x and y of one length"
        )
    if len(y) < LEAST_ROWS:
        raise InputError(
            f"expected at least {LEAST_ROWS} rows to judge by; got {len(y)}; give more, or leave "
            "quality out: then answers must be as they were"
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    some = tuple(one[:CHECKED] for one in x)
    outputs = _asked(kept, some, facts.batch, "x")
    y = y if own else places(y, kept.classes)
    if not own:
        if y.dtype.kind == "f" and np.all(y == np.rint(y)) and name not in ("rmse", "mae", "r2"):
            y = y.astype(np.int64)
        if why := why_unreadable(name, outputs, y):
            raise InputError(why)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise InputError("expected finite labels; got NaN or infinite ones in y; leave them out")
    search, untouched = split(x, y)
    order = np.concatenate((search, untouched))
    write_arrays(directory / LABELS, (y[order],))
    if own:
        payloads.by_value(cast("Callable[..., object]", quality.metric))
        payloads.write(directory / METRIC, quality.metric)
    metric = metric_of(name, quality.better, own=own)
    facts = replace(
        facts, reads=kept.reads or reads_of(name, outputs), metric=name, better=metric.better,
        own=own, search=len(search), untouched=len(untouched), answers=_digest([y[order]]),
    )  # fmt: skip
    return tuple(np.ascontiguousarray(one[order]) for one in x), facts


def split(x: Arrays, y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The rows of the search and the untouched ones, by a hash of each: equal rows stay together.

    No model learns from them, and both must tell how little a change moves: nearly half each.
    """
    hashes = np.array([
        int.from_bytes(
            hashlib.blake2b(b"".join(one[i].tobytes() for one in x), digest_size=8).digest(), "big"
        )
        for i in range(len(y))
    ], np.uint64)  # fmt: skip
    wanted = min(max(round(SEARCH * len(y)), min(LEAST, len(y) // 2)), MOST)
    limit = np.sort(hashes)[wanted - 1]
    search = np.flatnonzero(hashes <= limit)
    untouched = np.flatnonzero(hashes > limit)
    if len(untouched) < 2:
        raise InputError(
            "expected rows that differ, so that some stay untouched; got nearly the same row "
            "again and again; give more varied rows"
        )
    return search, untouched


def _asked(kept: Kept, inputs: Arrays, batch: int, what: str) -> Arrays:
    """What the original says. Raises InputError where it fails, or says what is no number."""
    try:
        outputs = answered(kept.call, inputs, batch)
    except Exception as error:
        shapes = ", ".join(str(one.shape) for one in inputs)
        raise InputError(
            f"expected a model that can be called with {what} ({shapes}); its own call failed: "
            f"{type(error).__name__}: {' '.join(str(error).split())[:200]}; give what it takes"
        ) from error
    if not outputs or any(len(one) != len(inputs[0]) for one in outputs):
        raise InputError(
            f"expected an answer for each row of {what}; got the shapes "
            f"{[one.shape for one in outputs]}; let the first axis be rows"
        )
    for one in outputs:
        if one.dtype.kind == "f" and (
            bad := int((~np.isfinite(one.reshape(len(one), -1))).any(axis=1).sum())
        ):
            raise InputError(
                f"expected finite answers; got NaN or infinite ones for {bad} of {len(one)} rows "
                f"of {what}; mend the model or leave these rows out"
            )
    return outputs


def _arrays(given: Any, names: Sequence[str]) -> Arrays:
    """What was given, as arrays, in the order of the names where it is a mapping."""
    if isinstance(given, Mapping):
        order = names or list(given)
        if missing := [name for name in order if name not in given]:
            raise InputError(f"expected the input {missing[0]!r}; got {', '.join(map(str, given))}")
        given = tuple(given[name] for name in order)
    many = given if isinstance(given, tuple) else (given,)
    return tuple(_array(one) for one in many)


def _array(given: Any) -> NDArray[Any]:
    array = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    if array.dtype == object or array.ndim == 0 or not len(array):
        raise InputError(
            f"expected an array whose first axis are rows; got {given!r:.60}; give numbers"
        )
    return array


def _named(given: Any, signature: Signature) -> Arrays:
    return _arrays(given, [one.name for one in signature.inputs])


def _fitting(what: str, arrays: Arrays, signature: Signature) -> Arrays:
    """The arrays in the types of the inputs. Raises InputError where a shape is another."""
    if len(arrays) != len(signature.inputs):
        names = ", ".join(one.name for one in signature.inputs)
        raise InputError(
            f"{what}: expected {len(signature.inputs)} inputs ({names}); got {len(arrays)}; "
            "give them as a tuple or a mapping"
        )
    return tuple(_cast(what, a, one) for a, one in zip(arrays, signature.inputs, strict=True))


def _cast(what: str, array: NDArray[Any], wanted: Input) -> NDArray[Any]:
    if array.shape[1:] != wanted.shape:
        hint = "; add the axis of rows: x[None]" if array.shape == wanted.shape else ""
        raise InputError(
            f"{what}: expected rows of the shape {wanted.shape} for {wanted.name!r}; got "
            f"{array.shape}{hint or ', whose first axis are rows'}"
        )
    same_kind = np.can_cast(array.dtype, np.dtype(wanted.dtype), casting="same_kind")
    if not same_kind and not (array.dtype.kind in "biu" and np.dtype(wanted.dtype).kind == "f"):
        raise InputError(f"{what}: expected {wanted.dtype} for {wanted.name!r}; got {array.dtype}")
    return np.ascontiguousarray(array, wanted.dtype)


def _content(directory: Path) -> str:
    """A digest of all files that were left."""
    total = hashlib.blake2b(digest_size=16)
    for path in sorted(one for one in directory.rglob("*") if one.is_file()):
        total.update(str(path.relative_to(directory)).encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "blake2b").digest())
    return total.hexdigest()


def _digest(arrays: Sequence[NDArray[Any]]) -> str:
    return hashlib.blake2b(b"".join(one.tobytes() for one in arrays), digest_size=16).hexdigest()
