"""What a user says of a training, checked and left for other processes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

from tunewright.core.knobs import Integer, Knob, Real, Space
from tunewright.core.registry import resolve
from tunewright.errors import InputError
from tunewright.measuring import payloads
from tunewright.workloads.functions.knobs import Unnamed, integer, real
from tunewright.workloads.training.arrays import Arrays
from tunewright.workloads.training.framework import Framework
from tunewright.workloads.training.workload import STAGE, Recipe, TrainingSpec

PAYLOAD = "training"  # the directory of a study that holds the model and the data
WIDE = 4  # times the default, either way: the range of what is inferred to be a size
SIZES = ("width", "hidden", "units", "channels", "filters", "dim", "size")
COUNTS = ("depth", "layers", "blocks")
SHARES = ("dropout", "drop", "p")


@runtime_checkable
class Declared(Protocol):
    """A training as a user states it: `tunewright.torch.Training`, `tunewright.keras.Training`."""

    @property
    def kind(self) -> str:
        """The kind of workload."""

    @property
    def label(self) -> str:
        """What it is called."""

    def left(self, directory: Path, *, in_process: bool) -> TrainingSpec:
        """Its spec, where what travels is left in the directory of a study."""


@final
@dataclass(frozen=True, eq=False)
class Parts:
    """What a framework makes of a declaration.

    knobs: of the training. space: of the model's own arguments. check: of these arguments by their
    defaults. loss: its name, "" where the model has its own. where: how the model is imported.
    """

    framework: Framework
    model: Any
    arrays: Arrays
    knobs: tuple[Knob, ...]
    space: Mapping[str, Unnamed]
    loss: str
    label: str
    seeds: int
    device: str
    inferred: tuple[str, ...] = ()


def leave(parts: Parts, directory: Path, *, in_process: bool) -> TrainingSpec:
    """The spec of a training whose model and data are left in the directory of a study.

    Raises InputError where the model cannot learn these data, or cannot travel.
    """
    space, arrays = parts.space, parts.arrays
    taken = {knob.name for knob in parts.knobs}
    if both := next((name for name in space if name in taken), ""):
        raise InputError(
            f"expected a name of its own for the model's knob {both!r}, which is one of the "
            "training's; rename the parameter"
        )
    own = tuple(replace(knob.named(name), stage=STAGE) for name, knob in space.items())
    knobs = Space((*own, *parts.knobs)).knobs
    objects = {name: knob.objects for name, knob in space.items() if knob.objects}
    recipe = Recipe(parts.model, frozenset(space), objects, parts.loss, arrays)
    where = directory.absolute() / PAYLOAD
    resolve(parts.framework.check)(recipe, Space(knobs).default, parts.device)
    try:
        if callable(parts.model):
            payloads.by_value(parts.model)
        payloads.write(where, recipe)
    except Exception as error:
        raise InputError(
            "expected a model that can be pickled, since it travels to other processes; got "
            f"{type(error).__name__}: {error}; open files and locks inside it"
        ) from error
    return TrainingSpec(
        framework=parts.framework.name,
        payload=str(where),
        label=parts.label,
        task=arrays.task,
        content=arrays.digest,
        knobs=knobs,
        seeds=parts.seeds,
        device=parts.device,
        in_process=in_process,
        where=place_of(parts.model),
        notes=tuple(_notes(parts)),
    )


def defaults_of(space: Mapping[str, Unnamed]) -> dict[str, Any]:
    """The model's own arguments as they are by default, the objects of choices among them."""
    named = {name: knob.named(name).default for name, knob in space.items()}
    return {
        name: space[name].objects.get(value, value) if isinstance(value, str) else value
        for name, value in named.items()
    }


def _notes(parts: Parts) -> list[tuple[str, str]]:
    arrays = parts.arrays
    shape = "×".join(map(str, arrays.x.shape[1:]))
    what = f"{len(arrays.classes)} classes" if arrays.classes else "a number"
    split = (
        f"{len(arrays.learned):,} rows to learn from, {len(arrays.chosen):,} to compare by, "
        f"{len(arrays.untouched):,} untouched; {arrays.how}"
    )
    notes = [
        ("model", f"{parts.label}, with {parts.framework.name} on {parts.device}"),
        ("data", f"{len(arrays.x):,} rows of {shape}; {what} to predict"),
        ("split", split),
    ]
    if parts.inferred:
        notes.append(
            (
                "note",
                f"knobs of the model by their names: {', '.join(parts.inferred)}; or say space=",
            )
        )
    return notes


def own_space(
    model: Callable[..., Any], stated: Mapping[str, Unnamed] | None
) -> tuple[Mapping[str, Unnamed], tuple[str, ...]]:
    """The knobs of the model's own arguments, and those of them that nobody declared.

    Stated ones come first; then parameters whose default is a knob; then, where nothing is stated,
    sizes, counts and shares of dropout that are known by their name and have a number as default.
    """
    found = dict(stated or {})
    for name, knob in found.items():
        if not isinstance(knob, Unnamed):
            raise InputError(
                f"knob {name!r}: expected tunewright.real(…), integer(…) or choice(…); "
                f"got {knob!r:.60}"
            )
    try:
        parameters = inspect.signature(model).parameters.values()
    except (TypeError, ValueError):
        return found, ()
    inferred = []
    for parameter in parameters:
        name, default = parameter.name, parameter.default
        if name in found:
            continue
        if isinstance(default, Unnamed):
            found[name] = default
        elif stated is None and (guess := _inferred(name, default)) is not None:
            found[name] = guess
            inferred.append(f"{name} {_range(guess)}")
    return found, tuple(inferred)


def _inferred(name: str, default: object) -> Unnamed | None:
    word = name.lower().rstrip("0123456789_").split("_")[-1]
    if isinstance(default, bool) or not isinstance(default, int | float):
        return None
    if name.lower().startswith(("in_", "out_", "input", "output", "n_class", "num_class")):
        return None
    if isinstance(default, int) and word in SIZES and default >= 1:
        return integer(max(default // WIDE, 1), default * WIDE, log=True, default=default)
    if isinstance(default, int) and word in COUNTS and default >= 1:
        return integer(1, max(2 * default, 3), default=default)
    if word in SHARES and 0 <= default < 1:
        return real(0.0, max(0.6, float(default)), default=float(default))
    return None


def _range(knob: Unnamed) -> str:
    domain = knob.domain
    return f"{domain.low:g} to {domain.high:g}" if isinstance(domain, Integer | Real) else ""


def place_of(model: Any) -> str:
    """Where another program imports it from, as "module:name"; "" where it cannot."""
    module, name = getattr(model, "__module__", None), getattr(model, "__qualname__", None)
    if not module or not name or module == "__main__" or "<" in name:
        return ""
    return f"{module}:{name}"
