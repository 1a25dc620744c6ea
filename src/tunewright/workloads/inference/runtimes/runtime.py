"""Runtime: what one library offers that answers for models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from tunewright.core.knobs import Knob


def _none(_cores: int) -> Sequence[Knob]:
    return ()


@final
@dataclass(frozen=True)
class Runtime:
    """A library that answers for models.

    takes: the form of a model that it reads. library: what must be importable, install: what to
    type where it is not. load: "module:function" of a Compiled that gives a Runner; module is all
    that a fresh process imports. compile: "module:function" that makes its own files of a Model's,
    "" where it reads those. knobs: its own, by the number of cores; those of the stage "compile"
    may change what it answers, those of "predict" only how. precisions: what of `rewrites` it gains
    from, beside plain float32. single: it answers in single precision, whatever the original has.
    """

    name: str
    takes: str
    library: str
    install: str
    load: str
    compile: str = ""
    knobs: Callable[[int], Sequence[Knob]] = _none
    precisions: tuple[str, ...] = ()
    plain: bool = False
    dear: bool = False
    layered: bool = False
