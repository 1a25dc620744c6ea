"""Events: everything that happens to a study. A study is the list of them, and a list is a file."""

from __future__ import annotations

import json
import types
import typing
from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, cast, final

from tunewright.core.config import Config
from tunewright.core.metrics import LONG, Metric, Sample
from tunewright.core.trial import Measurement, Trial
from tunewright.core.verdict import Verdict

# Version 1: first format.
FORMAT = 1


@final
@dataclass(frozen=True)
class Opened:
    """A driver took the study up, for the first time or again. What it is about must stay equal.

    setup_s: wall time this driver spent before the study's clock started or went on.
    knobs, families: each knob's definition and family. metrics: what the workload reports.
    request: what the user asked for, enough to build the workload again. rows: identifies the
    untouched rows; looks_before: how often earlier studies had looked at them.
    """

    elapsed_s: float
    study: str
    goal: str
    space: str
    knobs: Mapping[str, str]
    families: Mapping[str, str]
    workload: str
    metrics: tuple[Metric, ...]
    request: Mapping[str, Any]
    setup_s: float = 0.0
    rows: str = ""
    looks_before: int = 0
    format: int = FORMAT


@final
@dataclass(frozen=True)
class Started:
    """A trial is about to be submitted."""

    elapsed_s: float
    trial: Trial


@final
@dataclass(frozen=True)
class Progressed:
    """A running trial finished a stage."""

    elapsed_s: float
    number: int
    attempt: int
    stage: str


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
    reason: Literal["budget", "limit"]


@final
@dataclass(frozen=True)
class Finished:
    """The study is over, with this verdict."""

    elapsed_s: float
    verdict: Verdict


Event = Opened | Started | Progressed | Ended | Stopped | Finished
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Opened, Started, Progressed, Ended, Stopped, Finished)
}


def to_json(event: Event) -> str:
    """One line of ASCII JSON; `from_json` gives an equal event back, whatever a program printed."""
    return json.dumps([type(event).__name__, encode(event)], separators=(",", ":"))


def from_json(text: str) -> Event:
    """The event that `to_json` wrote."""
    kind, body = json.loads(text)
    event: Event = decode(_KINDS[kind], body)
    return event


def encode(value: Any) -> Any:
    """A value as plain JSON types. Long samples are packed: digits would cost too much."""
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, Sample) and len(value.values) > LONG:
        packed = b64encode(array("f", value.values).tobytes()).decode()
        return {"values": packed, "unit": value.unit, "error": value.error}
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return {f.name: encode(getattr(value, f.name)) for f in fields(value)}


def decode(kind: Any, body: Any) -> Any:
    """The value of type `kind` that `encode` turned into `body`."""
    return _decoder(kind)(body)


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    """How bodies become values of this type: worked out once, since resuming decodes everything."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        some = _decoder(next(a for a in args if a is not type(None)))
        return lambda body: None if body is None else some(body)
    if origin is tuple:
        item = _decoder(args[0])
        return lambda body: (
            tuple(array("f", b64decode(body))) if isinstance(body, str) else tuple(map(item, body))
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        value = _decoder(args[1])
        return lambda body: {key: value(item) for key, item in body.items()}
    if kind is Config:
        return Config
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind.__getitem__
    if isinstance(kind, type) and is_dataclass(kind):
        parts = {name: _decoder(hint) for name, hint in typing.get_type_hints(kind).items()}
        made = cast(Any, kind)
        return lambda body: made(**{name: parts[name](item) for name, item in body.items()})
    return float if kind is float else _as_it_is


def _as_it_is(body: Any) -> Any:
    return body
