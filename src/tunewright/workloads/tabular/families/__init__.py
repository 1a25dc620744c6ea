"""Families of models for tables: one file each, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import final

from tunewright.core.conditions import Condition
from tunewright.core.config import Config, Value
from tunewright.core.knobs import Choice, Knob
from tunewright.core.registry import resolve
from tunewright.core.trial import Need
from tunewright.errors import InputError, nearest
from tunewright.workloads.tabular.data import Task

FAMILIES = {
    "lightgbm": "tunewright.workloads.tabular.families.lightgbm:FAMILY",
    "linear": "tunewright.workloads.tabular.families.linear:FAMILY",
    "forest": "tunewright.workloads.tabular.families.forest:FAMILY",
    "sgd": "tunewright.workloads.tabular.families.sgd:FAMILY",
    "tree": "tunewright.workloads.tabular.families.tree:FAMILY",
    "neighbours": "tunewright.workloads.tabular.families.neighbours:FAMILY",
    "kernel": "tunewright.workloads.tabular.families.kernel:FAMILY",
    "network": "tunewright.workloads.tabular.families.network:FAMILY",
    "xgboost": "tunewright.workloads.tabular.families.xgboost:FAMILY",
    "catboost": "tunewright.workloads.tabular.families.catboost:FAMILY",
}
YOURS = "tunewright.workloads.tabular.families.yours:FAMILY"  # a baseline alone


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


Settings = tuple[Mapping[str, Value], ...]


@final
@dataclass(frozen=True)
class Family:
    """A family of models. Functions are named as "module:function": a heavy library is behind them.

    knobs: of the stages fit and simplify, for so many cores. runtime: the knob that names one of
    `runtimes`, and its default. fit: of Training, config and seed to what was Learned.
    simplify: of its text and the config to a smaller one. file: the text's name in a bundle.
    needs: what fitting a config needs. portfolio: settings worth trying first on data of so many
    rows to learn from and so many answers a row, the most promising first; defaults elsewhere.
    small: settings of models that are small and quick, and still do well.
    library: the package that its fit needs and that need not be installed, "" for none. plain: it
    learns from columns and answers rows as they are, and is no more than a baseline: nothing of it
    is ever handed over. calibrated: what it says of classes are shares, or else too sure or not
    sure enough, so that a temperature can make better probabilities of them. monotone: its fit can
    keep answers to the directions of features.
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
    portfolio: Callable[[int, int], Settings] = lambda _rows, _outputs: ()
    small: Settings = ()
    library: str = ""
    plain: bool = False
    calibrated: bool = False
    monotone: bool = False

    @property
    def installed(self) -> bool:
        """Whether it can be fitted here; what was fitted is answered anywhere."""
        return not self.library or find_spec(self.library) is not None

    @property
    def reference(self) -> str:
        """The first runtime that reads the model as it was fitted, and judges itself."""
        return next(n for n, one in self.runtimes.items() if not (one.export or one.judge))

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
        own = Condition.one_of("family", (self.name,))
        knobs = (*self.knobs(cores), runtime)
        return tuple(knob if knob.when else replace(knob, when=own) for knob in knobs)


@cache
def family_of(name: str) -> Family:
    """The family with this name. Raises InputError naming the nearest one."""
    if name not in FAMILIES and name != "yours":
        raise InputError(f"expected a family of models; got {name!r}: {nearest(name, FAMILIES)}")
    family: Family = resolve(FAMILIES.get(name, YOURS))
    return family


def families_for(asked: Sequence[str], task: Task, *, monotone: bool = False) -> list[Family]:
    """The families asked for, or all that are installed, in the order of the registry.

    monotone: only such as keep to that. Raises InputError for one that is unknown, not installed or
    does not, and where none knows the task.
    """
    chosen = [family_of(name) for name in dict.fromkeys(asked or FAMILIES)]
    for family in chosen if asked else ():
        if not family.installed:
            raise InputError(
                f"expected {family.library} to be installed for the family {family.name!r}; got "
                f"none; run pip install 'tunewright[{family.library}]'"
            )
        if monotone and not family.monotone:
            able = ", ".join(name for name in FAMILIES if family_of(name).monotone)
            raise InputError(
                f"expected families that can keep --monotone; got {family.name!r}; choose among "
                f"{able}, or leave --families out"
            )
    fit = [
        family
        for family in chosen
        if task in family.tasks and family.installed and (family.monotone or not monotone)
    ]
    if not fit:
        raise InputError(
            f"expected a family of models for {task}; got {', '.join(asked)}; "
            f"known: {', '.join(FAMILIES)}"
        )
    return fit
