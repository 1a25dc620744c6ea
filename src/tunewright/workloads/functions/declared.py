"""Functions that say what may change: `@workload(lr=real(…))`, or a space beside a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from tunewright.core.goal import stated_directions, stated_units
from tunewright.core.knobs import Knob, Space
from tunewright.errors import InputError, check_type
from tunewright.measuring import payloads
from tunewright.workloads.function import FunctionSpec
from tunewright.workloads.functions.calling import calling_of, name_of
from tunewright.workloads.functions.knobs import Unnamed
from tunewright.workloads.functions.performing import Payload

PAYLOAD = "function"  # the directory of a study that holds the function
_UNITS = {"s": "s", "seconds": "s", "bytes": "B", "size": "B"}  # by the end of a metric's name


@final
@dataclass(frozen=True)
class Function:
    """A function with the space of what may change in it; calling it calls the function.

    in_process: runs of it may share a process, since it keeps nothing from one call to the next.
    label: what it is called, where that is not its own name.
    """

    function: Callable[..., Any]
    space: Mapping[str, Unnamed] = field(default_factory=dict)
    in_process: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputError(f"expected a function; got {self.function!r:.60}")
        check_type("in_process", self.in_process, bool, "True")
        check_type("space", self.space, Mapping, "{'lr': tunewright.real(1e-5, 1e-1)}")
        if self.space:
            self.knobs()

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What the function gives."""
        return self.function(*args, **named)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.label or name_of(self.function)

    def knobs(self) -> tuple[Knob, ...]:
        """Its knobs. Raises InputError where there are none, or they do not fit together."""
        for name, knob in self.space.items():
            if not isinstance(knob, Unnamed):
                raise InputError(
                    f"knob {name!r}: expected tunewright.real(…), integer(…) or choice(…); "
                    f"got {knob!r:.60}"
                )
        if not self.space:
            raise InputError(
                f"expected knobs of {self.name}; got none; decorate it with "
                "@tunewright.workload(lr=tunewright.real(1e-5, 1e-1)), or give space={…}"
            )
        return Space(tuple(knob.named(name) for name, knob in self.space.items())).knobs


def workload(
    *, in_process: bool = False, **space: Unnamed
) -> Callable[[Callable[..., Any]], Function]:
    """A decorator that says what may change in a function, for `tune`.

    @workload(lr=real(1e-5, 1e-1, log=True, default=1e-3), layers=integer(1, 8, default=2))
    def train(config, run): ...

    in_process: runs of it may share a process, which saves the milliseconds that one of its own
    takes. Only for a function that keeps nothing from one call to the next, and ends by itself.
    """
    return lambda function: Function(function, space, in_process)


def is_estimator(value: object) -> bool:
    """Whether a value is an estimator, and no class of them."""
    methods = ("fit", "get_params", "set_params")
    return not isinstance(value, type) and all(hasattr(value, name) for name in methods)


def spec_of(function: Function, goal: str, data: Any, directory: Path) -> FunctionSpec:
    """The spec of a function that is left with its data in the directory of a study.

    Raises InputError where it cannot be called with its knobs, or cannot travel.
    """
    knobs = function.knobs()
    calling = calling_of(function.function, knobs, data=data is not None)
    objects = {name: knob.objects for name, knob in function.space.items() if knob.objects}
    where = directory.absolute() / PAYLOAD
    try:
        payloads.by_value(function.function)
        payloads.write(where, Payload(function.function, calling, data, objects))
    except Exception as error:
        raise InputError(
            "expected a function and data that can be pickled, since they travel to other "
            f"processes; got {type(error).__name__}: {error}; open files, locks and connections "
            "inside the function"
        ) from error
    units = {name: _UNITS.get(name.lower().split("_")[-1], "") for name in stated_directions(goal)}
    return FunctionSpec(
        payload=str(where),
        label=function.name,
        knobs=knobs,
        units={**units, **{name: unit for name, unit in stated_units(goal).items() if unit}},
        in_process=function.in_process,
        takes_run=bool(calling.run),
    )
