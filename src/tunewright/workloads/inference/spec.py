"""What is known of a model that was taken in, as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from tunewright.core.events import decode, encode
from tunewright.errors import InputError
from tunewright.workloads.inference.data import Arrays, Reads, Signature

MODEL, ROWS, EXAMPLE, META = "original", "rows", "example", "model.json"


@final
@dataclass(frozen=True)
class ModelSpec:
    """A model in the directory of a study.

    directory: what `importing.imported` left. label: what the model is called. runtimes: those to
    choose from, () for all that do not compile for long. cores: that may be used; None for all of
    this process.
    """

    directory: str
    label: str
    runtimes: tuple[str, ...] = ()
    cores: int | None = None


@final
@dataclass(frozen=True)
class Facts:
    """What taking a model in showed.

    framework: its name. batch: the rows of a call. metric: by which quality is judged, "" where
    outputs are only compared; better: which way it is. layers, without: as in Kept. search,
    untouched: rows. content: a digest of model and rows; answers: of the rows alone. took_s: what
    taking it in took. notes: what a user should know.
    """

    framework: str
    signature: Signature
    batch: int
    reads: Reads
    metric: str = ""
    better: str = "higher"
    own: bool = False
    layers: int = 0
    without: tuple[str, ...] = ()
    search: int = 0
    untouched: int = 0
    content: str = ""
    answers: str = ""
    took_s: float = 0.0
    notes: tuple[str, ...] = ()


def write_facts(directory: Path, facts: Facts) -> None:
    """Leave them for `facts_of`."""
    (directory / META).write_text(json.dumps(encode(facts)), encoding="utf-8")


def facts_of(directory: Path) -> Facts:
    """The facts in a directory. Raises InputError where they are gone."""
    try:
        body: Mapping[str, Any] = json.loads((directory / META).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"expected the model in {directory}; got {error.strerror}; optimize it again"
        ) from error
    facts: Facts = decode(Facts, body)
    return facts


def write_arrays(directory: Path, arrays: Arrays) -> None:
    """Leave arrays for `arrays_of`."""
    directory.mkdir(parents=True)
    for number, array in enumerate(arrays):
        np.save(directory / f"{number}.npy", array)


def arrays_of(directory: Path) -> Arrays:
    """The arrays in a directory, mapped and not copied."""
    count = len(list(directory.glob("*.npy")))
    return tuple(np.load(directory / f"{i}.npy", mmap_mode="r") for i in range(count))
