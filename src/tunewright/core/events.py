"""Events: everything that happens to a study. A study is the list of them, and a list is a file."""

from __future__ import annotations

import json
import math
import types
import typing
from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, cast, final

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Choice, Domain, Integer, Knob, Real
from tunewright.core.metrics import LONG, Metric, Sample
from tunewright.core.texts import read_json
from tunewright.core.trial import Measurement, Trial
from tunewright.core.upgrades import upgraded
from tunewright.core.verdict import Verdict

# Version 1: first format. Version 2: a trial states its need; knobs are data; no NaN in the JSON.
# Version 3: a knob's condition is a text.
FORMAT = 3
ALWAYS: Mapping[str, Any] = {"always": True}  # of a field that is written at its default, too


@final
@dataclass(frozen=True)
class Opened:
    """A driver took the study up, for the first time or again. What it is about must stay equal.

    knobs, stages, metrics: of the workload. request: what the user asked for, enough to build the
    workload again. arms: what is compared, the baseline first, where nothing is searched.
    facts: what was understood of the request, as labelled lines. environment: of this driver.
    rows: identifies the untouched rows; looks_before: how often earlier studies had looked at them.
    folds: in how many parts they are judged.
    """

    elapsed_s: float
    study: str
    goal: str
    workload: str
    request: Mapping[str, Any]
    metrics: tuple[Metric, ...] = ()
    knobs: tuple[Knob, ...] = ()
    stages: tuple[str, ...] = ()
    arms: Mapping[str, str] = field(default_factory=dict)
    facts: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    rows: str = ""
    looks_before: int = 0
    folds: int = 0
    format: int = field(default=FORMAT, metadata=ALWAYS)

    def __post_init__(self) -> None:
        if any(len(fact) < 2 for fact in self.facts):
            raise ValueError(f"expected a label and a text in each fact; got {self.facts!r}")


@final
@dataclass(frozen=True)
class Started:
    """A trial is about to be submitted."""

    elapsed_s: float
    trial: Trial


@final
@dataclass(frozen=True)
class Reported:
    """A running trial tells how far it is, and what it has so far; a searcher may halt it."""

    elapsed_s: float
    number: int
    attempt: int
    step: float
    samples: Mapping[str, Sample] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Ended:
    """A trial gave a measurement."""

    elapsed_s: float
    number: int
    attempt: int
    measurement: Measurement


@final
@dataclass(frozen=True)
class Stopped:
    """We are about to stop a trial; what it still sends is ignored."""

    elapsed_s: float
    number: int
    attempt: int
    reason: Literal["budget", "halted", "limit"]


@final
@dataclass(frozen=True)
class Finished:
    """The study is over, with this verdict."""

    elapsed_s: float
    verdict: Verdict


@final
@dataclass(frozen=True)
class Refitted:
    """After the verdict its config was fitted again, to be handed over.

    split: what it learned from, as in Piece: "all" rows, or with "test" all but the untouched ones.
    key: the artifact, "" where there is none; detail: why.
    """

    elapsed_s: float
    split: Literal["test", "all"]
    key: str = ""
    detail: str = ""


Event = Opened | Started | Reported | Ended | Stopped | Finished | Refitted
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Opened, Started, Reported, Ended, Stopped, Finished, Refitted)
}
_LINE = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_PLAIN = frozenset((str, int, bool, type(None)))
_DOMAINS: dict[str, type[Any]] = {kind.__name__: kind for kind in (Integer, Real, Choice)}


def to_json(event: Event) -> str:
    """One line of ASCII JSON; `from_json` gives an equal event back, whatever a program printed."""
    return _LINE.encode([type(event).__name__, encode(event, sparse=True)])


def from_json(text: str) -> Event:
    """The event that `to_json` wrote, this version's or an older one's.

    Raises ValueError, TypeError or LookupError for any other text.
    """
    kind, body = upgraded(*read_json(text))
    event: Event = decode(_KINDS[kind], body)
    return event


def encode(value: Any, *, sparse: bool = False) -> Any:
    """A value as plain JSON types. Long samples are packed: digits would cost too much.

    sparse: what is at its default is left out, as in events; so defaults are part of their format.
    """
    kind: Any = type(value)
    return value if kind in _PLAIN else _encoder(kind, sparse)(value)


@cache
def _encoder(kind: Any, sparse: bool) -> Callable[[Any], Any]:  # noqa: FBT001 - for the cache alone
    """How values of this type become plain: worked out once, since every event is written."""

    def each(item: Any) -> Any:
        own: Any = type(item)
        return item if own in _PLAIN else _encoder(own, sparse)(item)

    if kind is Config:
        return Config.to_json
    if kind is Sample:
        return _sample
    if issubclass(kind, Enum):
        return lambda value: value.name
    if issubclass(kind, float):  # JSON has no word for some of them
        return lambda value: value if math.isfinite(value) else str(value)
    if issubclass(kind, str | int):
        return lambda value: value
    if issubclass(kind, Mapping):
        return lambda value: {key: each(item) for key, item in value.items()}
    if issubclass(kind, tuple | list):
        return lambda value: [each(item) for item in value]
    defaults = [(part.name, _default(part) if sparse else MISSING) for part in fields(kind)]
    named = {"domain": kind.__name__} if kind in _DOMAINS.values() else {}

    def parts(value: Any) -> Any:
        body = dict(named)
        for name, default in defaults:
            part = getattr(value, name)
            if part is not default and part != default:
                body[name] = each(part)
        return body

    return parts


def _default(part: Field[Any]) -> Any:
    """What a field is where nothing is said; what no value equals where it is always written."""
    if part.metadata.get("always"):
        return MISSING
    if part.default_factory is not MISSING:
        return part.default_factory()
    return part.default


def _sample(value: Sample) -> Any:
    packed = len(value.values) > LONG
    values = b64encode(array("f", value.values).tobytes()).decode() if packed else None
    body = {
        "values": values if packed else encode(value.values),
        "unit": value.unit,
        "error": encode(value.error),
    }
    return body | ({"labels": encode(value.labels)} if value.labels else {})


def decode(kind: Any, body: Any) -> Any:
    """The value of type `kind` that `encode` turned into `body`; unknown fields are ignored.

    Raises TypeError, ValueError or LookupError where any part of it has another type: whoever reads
    the value need not ask again.
    """
    return _decoder(kind)(body)


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    """How bodies become values of this type: worked out once, since resuming decodes everything."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind == Domain:
        return lambda body: decode(_DOMAINS[body["domain"]], body)
    if kind == Value:
        return _plain(str, int, float, bool)
    if origin is Literal:
        return lambda body: args[args.index(body)]
    if origin in (typing.Union, types.UnionType):
        some = [_decoder(a) for a in args if a is not type(None)]
        return lambda body: None if body is None else _first(some, body)
    if origin is tuple:
        item = _decoder(args[0])
        if args[1:] != (...,):
            items = [_decoder(arg) for arg in args]
            return lambda body: tuple(f(x) for f, x in zip(items, _list(body), strict=True))
        packed = args[0] is float
        return lambda body: (
            tuple(array("f", b64decode(body)))
            if packed and isinstance(body, str)
            else tuple(map(item, _list(body)))
        )
    if isinstance(origin, type) and issubclass(origin, Sequence):
        item = _decoder(args[0])
        return lambda body: tuple(map(item, _list(body)))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        value = _decoder(args[1])
        return lambda body: {key: value(item) for key, item in body.items()}
    if kind is Config:
        return Config.from_json
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind.__getitem__
    if isinstance(kind, type) and is_dataclass(kind):
        parts = {name: _decoder(hint) for name, hint in typing.get_type_hints(kind).items()}
        made = cast(Any, kind)
        return lambda body: made(**{n: parts[n](item) for n, item in body.items() if n in parts})
    if kind is float:
        return _number
    return _plain(kind) if kind in (str, int, bool) else _as_it_is


def _as_it_is(body: Any) -> Any:
    return body


def _plain(*kinds: type[Any]) -> Callable[[Any], Any]:
    def plain(body: Any) -> Any:
        if type(body) not in kinds:
            raise TypeError(f"expected {kinds[0].__name__}; got {body!r:.80}")
        return body

    return plain


def _first(kinds: Sequence[Callable[[Any], Any]], body: Any) -> Any:
    """The value of the first of these types that it can be."""
    for kind in kinds[:-1]:
        try:
            return kind(body)
        except (TypeError, ValueError, LookupError):
            continue
    return kinds[-1](body)


def _list(body: Any) -> list[Any]:
    if not isinstance(body, list | tuple):
        raise TypeError(f"expected a list; got {body!r:.80}")
    return list(body)


def _number(body: Any) -> float:
    """A number; those that JSON has no word for are written as texts."""
    if type(body) in (int, float) or body in ("nan", "inf", "-inf"):
        try:
            return float(body)
        except OverflowError as error:
            raise ValueError(f"expected a number; got {body!r:.80}") from error
    raise TypeError(f"expected a number; got {body!r:.80}")
