"""Families of models for tables: one file each, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import final

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Choice, Knob, When
from tunewright.core.registry import resolve
from tunewright.core.trial import Need
from tunewright.errors import InputError, nearest
from tunewright.workloads.tabular.data import Task

FAMILIES = {
    "lightgbm": "tunewright.workloads.tabular.families.lightgbm:FAMILY",
    "linear": "tunewright.workloads.tabular.families.linear:FAMILY",
    "forest": "tunewright.workloads.tabular.families.forest:FAMILY",
    "histogram": "tunewright.workloads.tabular.families.histogram:FAMILY",
}


@final
@dataclass(frozen=True)
class Backend:
    """One runtime of a family. load: "module:function" of files, schema and threads to a Runtime.

    export: "module:function" of a model's text and schema to further files, "" for none.
    lean: it answers without the library that fits, so that a bundle stays light.
    judge: the runtime that gives the same answers and is quicker to load, "" for this one.
    """

    load: str
    export: str = ""
    lean: bool = True
    judge: str = ""


@final
@dataclass(frozen=True)
class Family:
    """A family of models. Functions are named as "module:function": a heavy library is behind them.

    knobs: of the stages fit and simplify, for so many cores. runtime: the knob that names one of
    `runtimes`, and its default. fit: of Training, config and seed to what was Learned.
    simplify: of its text and the config to a smaller one. file: the text's name in a bundle.
    needs: what fitting a config needs. portfolio: settings worth trying first on any data, the most
    promising first; defaults elsewhere.
    """

    name: str
    tasks: frozenset[Task]
    knobs: Callable[[int], tuple[Knob, ...]]
    fit: str
    runtimes: Mapping[str, Backend]
    runtime: str
    default_runtime: str
    file: str
    simplify: str = ""
    needs: Callable[[Config], Need] = lambda _: Need()
    portfolio: tuple[Mapping[str, Value], ...] = ()

    @property
    def served_by(self) -> str:
        """The first of its runtimes that answers without the library that fits."""
        return next(name for name, backend in self.runtimes.items() if backend.lean)

    def space(self, cores: int) -> tuple[Knob, ...]:
        """All its knobs, each read only where the family is chosen, or where it says itself."""
        heavy = tuple(name for name, backend in self.runtimes.items() if not backend.lean)
        runtime = Knob(
            self.runtime, Choice(tuple(self.runtimes)), self.default_runtime, "resource", "compile",
            own_process=True, baseline_only=heavy,
        )  # fmt: skip
        own = When("family", (self.name,))
        knobs = (*self.knobs(cores), runtime)
        return tuple(knob if knob.when else replace(knob, when=own) for knob in knobs)


@cache
def family_of(name: str) -> Family:
    """The family with this name. Raises InputError naming the nearest one."""
    if name not in FAMILIES:
        raise InputError(f"expected a family of models; got {name!r}: {nearest(name, FAMILIES)}")
    family: Family = resolve(FAMILIES[name])
    return family
