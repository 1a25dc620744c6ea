"""How a function takes its config: as a mapping, as a dataclass, or as keyword arguments."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, final

from tunewright.core.knobs import Knob
from tunewright.errors import InputError, nearest
from tunewright.measuring.payloads import called

RUN, DATA = "run", "data"
FORMS = "f(config), f(config, run) or f(lr, batch)"
_PLACED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
Parameters = Sequence[inspect.Parameter]


@final
@dataclass(frozen=True)
class Calling:
    """How one function is called.

    form: of its config. config, run, data: the names of those parameters, "" for none; made: the
    dataclass. taken: the knobs that become keyword arguments.
    """

    form: Literal["mapping", "dataclass", "keywords"]
    config: str = ""
    run: str = ""
    data: str = ""
    made: Any = None
    taken: frozenset[str] = field(default_factory=frozenset)

    def arguments(
        self, values: Mapping[str, Any], run: object, data: object
    ) -> tuple[list[Any], dict[str, Any]]:
        """What to call it with, by place and by name."""
        named: dict[str, Any] = {}
        if self.data:
            named[self.data] = data
        if self.form == "keywords":
            named |= {name: values[name] for name in self.taken if name in values}
            return [], named | ({self.run: run} if self.run else {})
        config: Any = dict(values)
        if self.form == "dataclass":
            config = self.made(**values)
        return [config, *([run] if self.run else [])], named


def calling_of(function: Callable[..., object], knobs: Sequence[Knob], *, data: bool) -> Calling:
    """How a function takes the config of these knobs; data: whether data go with it.

    Raises InputError where it cannot be called so, or does no work when it is called.
    """
    name = name_of(function)
    plain = inspect.unwrap(called(function))
    for lazy, what in _LAZY:
        if lazy(plain):
            raise InputError(
                f"expected a function that does its work when it is called; got {what}: {name}"
            )
    try:
        parameters = [*inspect.signature(function).parameters.values()]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected a function such as {FORMS}; got {name}, whose parameters are not known; "
            "wrap it in one of your own"
        ) from error
    own = [p for p in parameters if not (data and p.name == DATA)]
    if data and len(own) == len(parameters):
        raise InputError(f"expected a parameter named {DATA!r}, as data= was given; got {name}")
    known = {knob.name: knob for knob in knobs}
    placed = [p for p in own if p.kind in _PLACED]
    rest = DATA if data else ""
    if placed and placed[0].name not in {*known, RUN}:
        return _by_config(function, own, placed, known, rest)
    return _by_keywords(name, own, known, rest)


def name_of(function: Callable[..., object]) -> str:
    """What a function is called."""
    plain = called(function)
    own = plain if plain is not type(function).__call__ else type(function)
    return str(getattr(own, "__name__", "function"))


def _by_config(
    function: Callable[..., object],
    own: Parameters,
    placed: Parameters,
    known: Mapping[str, Knob],
    data: str,
) -> Calling:
    """One parameter is the whole config, and the next may be the run."""
    first, *others = placed
    required = [p for p in others if p.default is p.empty]
    run = next((p.name for p in others[:1] if p.name == RUN or required == [p]), "")
    lacking = [p.name for p in required if p.name != run]
    lacking += [p.name for p in own if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if lacking:
        raise _unfilled(name_of(function), lacking[0], known)
    made = _dataclass(function, first)
    if made is None:
        return Calling("mapping", first.name, run, data)
    fields = {f.name: f for f in dataclasses.fields(made) if f.init}
    for knob in known.values():
        if knob.name not in fields:
            raise InputError(
                f"knob {knob.name!r} is no field of {made.__name__}: {nearest(knob.name, fields)}"
            )
        bare = fields[knob.name].default is dataclasses.MISSING
        if knob.when and bare and fields[knob.name].default_factory is dataclasses.MISSING:
            raise _sometimes(knob, f"field of {made.__name__}")
    for field_ in fields.values():
        bare = field_.default is dataclasses.MISSING
        if field_.name not in known and bare and field_.default_factory is dataclasses.MISSING:
            raise _unfilled(made.__name__, field_.name, known)
    return Calling("dataclass", first.name, run, data, made)


def _by_keywords(name: str, own: Parameters, known: Mapping[str, Knob], data: str) -> Calling:
    """Each knob is a parameter of its name, and so is the run."""
    every = any(p.kind is p.VAR_KEYWORD for p in own)
    by_name = {p.name: p for p in own if p.kind in (*_PLACED, inspect.Parameter.KEYWORD_ONLY)}
    if hidden := [p.name for p in by_name.values() if p.kind is p.POSITIONAL_ONLY]:
        raise InputError(f"expected parameters that have names; got {hidden[0]!r} of {name}")
    run = RUN if RUN in by_name and RUN not in known else ""
    for parameter in by_name.values():
        if parameter.name not in {*known, run} and parameter.default is parameter.empty:
            raise _unfilled(name, parameter.name, known)
    for knob in known.values():
        if knob.name not in by_name and not every:
            raise InputError(
                f"knob {knob.name!r} is no parameter of {name}: {nearest(knob.name, by_name)}; "
                f"let it be {FORMS}"
            )
        if knob.when and knob.name in by_name and by_name[knob.name].default is inspect._empty:
            raise _sometimes(knob, f"parameter of {name}")
    return Calling("keywords", run=run, data=data, taken=frozenset(known))


def _unfilled(name: str, parameter: str, known: Mapping[str, Knob]) -> InputError:
    return InputError(
        f"expected a knob for {parameter!r} of {name}: {nearest(parameter, known)}; "
        "add it to the space, or give it a default"
    )


def _sometimes(knob: Knob, what: str) -> InputError:
    return InputError(
        f"knob {knob.name!r} is left out unless {knob.when.text if knob.when else ''}; "
        f"give that {what} a default"
    )


def _dataclass(function: Callable[..., object], parameter: inspect.Parameter) -> Any:
    """The dataclass that a parameter is annotated with, None for anything else."""
    hint = parameter.annotation
    if isinstance(hint, str):
        try:
            hint = typing.get_type_hints(called(function)).get(parameter.name)
        except Exception:  # noqa: BLE001 - an annotation is any text of the user's
            hint = None
    return hint if isinstance(hint, type) and dataclasses.is_dataclass(hint) else None


_LAZY: Sequence[tuple[Callable[[Any], bool], str]] = (
    (inspect.isgeneratorfunction, "a generator function"),
    (inspect.isasyncgenfunction, "a generator function"),
    (inspect.iscoroutinefunction, "a coroutine function"),
)
