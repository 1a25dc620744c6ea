"""Asked: what a user says about a table, checked and brought into one form."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from tunewright.core.registry import resolve
from tunewright.core.texts import names_of
from tunewright.errors import InputError, check_type, nearest
from tunewright.workloads.tabular.cells import composed, number_of
from tunewright.workloads.tabular.data import Kind, Source, Task
from tunewright.workloads.tabular.monotone import WORDS

TASKS: tuple[str, ...] = get_args(Task)
KINDS: tuple[str, ...] = get_args(Kind)
KEEP = "tunewright.workloads.tabular.frames:keep"


def source_of(spec: Any, target: str) -> Source:
    """What is to be read. Raises InputError, in one sentence, for what cannot be meant."""
    if spec.task is not None and spec.task not in TASKS:
        raise InputError(f"expected a task; got {spec.task!r}: {nearest(str(spec.task), TASKS)}")
    check_type("target", target, str, "'income'")
    check_type("seed", spec.seed, int, "0")
    check_type("cores", spec.cores, (int, type(None)), "2")
    if spec.time is not None and spec.test is not None:
        raise InputError("expected --time or --test; got both; leave one out")
    return Source(
        path=path_of("data", spec.path),
        target=target,
        positive=None if spec.positive is None else str(spec.positive),
        group=_text("group", spec.group),
        drop=names_of("drop", spec.drop),
        seed=spec.seed,
        time=_text("time", spec.time),
        test=None if spec.test is None else path_of("test", spec.test),
        task=spec.task,
        metrics=names_of("metrics", spec.metrics),
        types=_types(spec.types),
        monotone=_monotone(spec.monotone),
        missing=_missing(spec.missing),
        delimiter=_text("delimiter", spec.delimiter),
        decimal=_text("decimal", spec.decimal),
        encoding=_text("encoding", spec.encoding),
        whole=spec.whole,
        weight=_text("weight", spec.weight),
    )


def with_names(source: Source) -> Source:
    """What the user said, with names of columns as files have them."""

    def one(name: str | None) -> str | None:
        return None if name is None else composed(name)

    return replace(
        source,
        target=composed(source.target),
        group=one(source.group),
        time=one(source.time),
        weight=one(source.weight),
        drop=tuple(map(composed, source.drop)),
        types=tuple((composed(name), kind) for name, kind in source.types),
        monotone=tuple((composed(name), way) for name, way in source.monotone),
    )


def check_names(source: Source, names: Sequence[str], notes: Sequence[str]) -> None:
    """Refuse a name that no column has. notes: on how the names were read."""
    asked: list[tuple[str, str | None]] = [
        ("target", source.target),
        ("group", source.group),
        ("time", source.time),
        ("weight", source.weight),
        *(("drop", name) for name in source.drop),
        *(("types", name) for name, _ in source.types),
        *(("monotone", name) for name, _ in source.monotone),
    ]
    for role, name in asked:
        if name is not None and name not in names:
            hint = nearest(name, names)
            if sum(number_of(one) is not None for one in names) >= 0.3 * len(names):
                hint = "the first line must hold the names, and seems to be data; add them"
            hint = "; ".join((hint, *notes))  # the names may have been read wrongly
            raise InputError(f"expected --{role} to name a column; got {name!r}: {hint}")
        if name == source.target and role not in ("target", "types"):
            raise InputError(
                f"expected --{role} to name another column than the target; got {name!r}"
            )


def path_of(role: str, data: object) -> str:
    """The path of a file as a text; a data frame is written to one first."""
    if isinstance(data, str | os.PathLike):
        return str(os.fspath(data))
    if hasattr(data, "__arrow_c_stream__"):
        return str(resolve(KEEP)(data))
    raise InputError(
        f"expected a file or a data frame as {role}; got {type(data).__name__}; give its path, or "
        "what pandas, polars or pyarrow hold"
    )


def _text(role: str, text: object) -> str | None:
    if text is None or isinstance(text, str):
        return text
    raise InputError(f"expected a text as {role}; got {text!r}; give its name")


def _types(said: str | Mapping[str, str] | Sequence[str]) -> tuple[tuple[str, Any], ...]:
    """Kinds by column, from "age=number,zip=category" or a mapping."""
    pairs = _by_column("types", said, KINDS)
    for name, kind in pairs:
        if kind not in KINDS:
            raise InputError(
                f"expected a kind for column {name!r}; got {kind!r}: {nearest(kind, KINDS)}"
            )
    return pairs


def _monotone(said: str | Mapping[str, str] | Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Directions by column, from "age=increasing,price=decreasing" or a mapping."""
    ways: dict[str, int] = {}
    for name, word in _by_column("monotone", said, tuple(WORDS)):
        if word not in WORDS:
            raise InputError(
                f"expected increasing or decreasing for column {name!r}; got {word!r}: "
                f"{nearest(word, WORDS)}"
            )
        if ways.setdefault(name, WORDS[word]) != WORDS[word]:
            raise InputError(
                f"expected increasing or decreasing for column {name!r}; got both; drop one of them"
            )
    return tuple(ways.items())


def _by_column(
    role: str, said: str | Mapping[str, str] | Sequence[str], known: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """A word for each column, from "column=word,column=word" or a mapping."""
    if isinstance(said, Mapping):
        return tuple((str(name), str(word)) for name, word in said.items())
    pairs = []
    for part in [part for one in names_of(role, said) for part in one.split(",") if part.strip()]:
        name, equals, word = part.rpartition("=")
        if not equals:
            what = "kind" if role == "types" else "direction"
            raise InputError(
                f"expected column={what} as --{role}; got {part!r}; {what}s: {', '.join(known)}"
            )
        pairs.append((name.strip(), word.strip()))
    return tuple(pairs)


def _missing(said: object) -> tuple[str, ...]:
    """Texts that stand for no value, from "-999,?" or several of them."""
    if isinstance(said, int | float):
        said = str(said)
    if isinstance(said, Sequence) and not isinstance(said, str):
        said = [str(code) if isinstance(code, int | float) else code for code in said]
    words = [word for one in names_of("missing", said) for word in one.split(",")]
    return tuple(word.strip() for word in words if word.strip())
