"""Framework: how a trained model of one library is taken in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tunewright.workloads.inference.data import Arrays, Reads, Signature


@final
@dataclass(frozen=True)
class Kept:
    """A model that was taken in: what it is called with, and its own call, arrays to arrays.

    reads: what its answers are, where the framework knows. classes: theirs, in order, if any.
    layers: how many of its layers have weights that could be coarser. without: forms that it cannot
    have.
    """

    signature: Signature
    call: Callable[[Arrays], Arrays]
    reads: Reads | None = None
    classes: tuple[Any, ...] = ()
    layers: int = 0
    without: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Framework:
    """A library that trains models.

    modules: of its models' types. suffixes: of its files. runtime: what its users answer with,
    which is the baseline. keep: "module:function" of a model or a file, an example (() for none)
    and a directory in which to leave what the forms are made from; gives Kept, raises InputError.
    forms: by name "module:function" of that directory and the signature, which gives the files of
    a model in that form; raises TrialFailed.
    """

    name: str
    modules: tuple[str, ...]
    suffixes: tuple[str, ...]
    runtime: str
    keep: str
    forms: Mapping[str, str]


def original(directory: Path, name: str) -> bytes:
    """A file that `keep` left."""
    return (directory / name).read_bytes()
