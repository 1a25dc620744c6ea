"""Knobs, their domains, and the Space that they span."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, assert_never, final

from tunewright.core.conditions import Condition
from tunewright.core.config import Config, Value, digest_of
from tunewright.errors import InputError, nearest

Family = Literal[
    "algorithm", "hyperparameter", "simplification", "resource", "parallelism", "storage"
]


@final
@dataclass(frozen=True)
class Integer:
    """Whole numbers from `low` to `high`, both included; `log` spaces them by ratio."""

    low: int
    high: int
    log: bool = False


@final
@dataclass(frozen=True)
class Real:
    """Real numbers from `low` to `high`, both included; `log` spaces them by ratio."""

    low: float
    high: float
    log: bool = False


@final
@dataclass(frozen=True)
class Choice:
    """One of `values`, in no order that means anything."""

    values: tuple[Value, ...]


Domain = Integer | Real | Choice


@final
@dataclass(frozen=True)
class Knob:
    """A named thing that may be changed.

    exact: may change what a stage costs, never what it produces. when: it is active, and absent
    from a config elsewhere; None for always.
    own_process: a process that has run one value never runs another (two runtimes in one process
    distort each other's timing).
    baseline_only: values that a baseline may have and a search never proposes.
    """

    name: str
    domain: Domain
    default: Value
    family: Family
    stage: str
    exact: bool = False
    when: Condition | None = None
    own_process: bool = False
    baseline_only: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        domain = self.domain
        if isinstance(domain, Choice) and not domain.values:
            raise InputError(f"knob {self.name!r}: expected at least one value; got none")
        ends = domain.values if isinstance(domain, Choice) else (domain.low, domain.high)
        if odd := [end for end in ends if isinstance(end, float) and not math.isfinite(end)]:
            raise InputError(f"knob {self.name!r}: expected finite numbers; got {odd[0]}")
        if not isinstance(domain, Choice) and not domain.low <= domain.high:
            raise InputError(
                f"knob {self.name!r}: expected low..high; got {domain.low}..{domain.high}"
            )
        if not isinstance(domain, Choice) and domain.log and domain.low <= 0:
            raise InputError(
                f"knob {self.name!r}: a log scale must start above 0; got {domain.low}"
            )
        if reason := self.why_invalid(self.default):
            raise InputError(f"knob {self.name!r}: the default does not fit: {reason}")

    def why_invalid(self, value: Value) -> str | None:
        """Why `value` is no value of this knob, or None."""
        match self.domain:
            case Choice(values):
                known = any(type(v) is type(value) and v == value for v in values)
                return None if known else f"expected one of {list(values)}; got {value!r}"
            case Integer(low, high):
                fits = type(value) is int and low <= value <= high
                return None if fits else f"expected a whole number {low}..{high}; got {value!r}"
            case Real(low, high):
                number = isinstance(value, (int, float)) and not isinstance(value, bool)
                fits = number and low <= float(value) <= high
                return None if fits else f"expected a number {low}..{high}; got {value!r}"
            case _ as never:
                assert_never(never)

    def at(self, unit: float) -> Value:
        """The value at position `unit` of [0, 1): equal steps cover equal shares of the domain."""
        match self.domain:
            case Choice():
                values = self._proposed
                return values[min(int(unit * len(values)), len(values) - 1)]
            case Integer(low, high, log):
                if log:
                    start, stop = math.log(low), math.log(high + 1)
                    value = int(math.exp(start + unit * (stop - start)))
                else:
                    value = low + int(unit * (high - low + 1))
                return min(max(value, low), high)
            case Real(low, high, log):
                real = low * (high / low) ** unit if log else low + unit * (high - low)
                return min(max(float(f"{real:.6g}"), low), high)  # six digits: readable, and stable
            case _ as never:
                assert_never(never)

    def position(self, value: Value) -> float:
        """Where `value` lies in [0, 1): the inverse of `at`, in the middle of its share."""
        match self.domain:
            case Choice(values):
                return (values.index(value) + 0.5) / len(values)
            case Integer(low, high, log):
                number = int(value)
                if log:
                    span = math.log(high + 1) - math.log(low)
                    return (math.log(number + 0.5) - math.log(low)) / span
                return (number - low + 0.5) / (high - low + 1)
            case Real(low, high, log):
                if low == high:
                    return 0.5
                number_ = float(value)
                share = (
                    math.log(number_ / low) / math.log(high / low)
                    if log
                    else (number_ - low) / (high - low)
                )
                return min(max(share, 0.0), 1.0 - 1e-12)
            case _ as never:
                assert_never(never)

    def neighbours(self, value: Value, width: float = 0.1) -> tuple[Value, ...]:
        """Nearby values, at most two for numbers and all others for choices; never `value`."""
        if isinstance(self.domain, Choice):
            return tuple(v for v in self._proposed if v != value)
        here = self.position(value)
        near = []
        for step in (-width, width):
            other = self.at(min(max(here + step, 0.0), 1.0 - 1e-12))
            if other == value and isinstance(self.domain, Integer):
                other = min(
                    max(int(value) + (1 if step > 0 else -1), self.domain.low), self.domain.high
                )
            if other != value:
                near.append(other)
        return tuple(near)

    @property
    def _proposed(self) -> tuple[Value, ...]:
        """The values of a choice that a search may propose."""
        values = self.domain.values if isinstance(self.domain, Choice) else ()
        return tuple(value for value in values if value not in self.baseline_only)

    @property
    def count(self) -> float:
        """How many values there are; infinite for reals."""
        match self.domain:
            case Choice(values):
                return len(values)
            case Integer(low, high):
                return high - low + 1
            case Real(low, high):
                return 1 if low == high else math.inf
            case _ as never:
                assert_never(never)


@final
@dataclass(frozen=True)
class Space:
    """All knobs, ordered as the chain meets them. A `when` reads only knobs that stand before."""

    knobs: tuple[Knob, ...]

    def __post_init__(self) -> None:
        seen: dict[str, Knob] = {}
        for knob in self.knobs:
            if knob.name in seen:
                raise InputError(
                    f"knob {knob.name!r} is defined twice; give one of them another name"
                )
            for other in knob.when.knobs if knob.when else ():
                if other not in seen:
                    raise InputError(
                        f"knob {knob.name!r} depends on {other!r}, which must stand before it"
                    )
            seen[knob.name] = knob
        self.config({})  # so that a condition which cannot be asked is found now

    def config(self, values: Mapping[str, Value]) -> Config:
        """The Config with these values, defaults elsewhere and inactive knobs left out.

        Raises InputError for an unknown knob or a value outside its domain.
        """
        for name in values:
            if name not in self.by_name:
                raise InputError(f"unknown knob {name!r}: {nearest(name, self.by_name)}")
        chosen: dict[str, Value] = {}
        for knob in self.knobs:
            if knob.when and not knob.when.holds(chosen):
                continue
            value = values.get(knob.name, knob.default)
            if reason := knob.why_invalid(value):
                raise InputError(f"knob {knob.name!r}: {reason}")
            chosen[knob.name] = float(value) if isinstance(knob.domain, Real) else value
        return Config(chosen)

    def asked(self, values: Mapping[str, Value]) -> Config:
        """The Config that a user asks for. Raises InputError also for a knob that is inactive."""
        config = self.config(values)
        for name in values:
            if name not in config and (when := self.by_name[name].when) is not None:
                got = ", ".join(f"{other}={config.get(other)}" for other in when.knobs)
                raise InputError(
                    f"knob {name!r} is read only where {when.text}; got {got}; "
                    f"{self._remedy(when, config)}, or drop {name}"
                )
        return config

    def _remedy(self, when: Condition, config: Config) -> str:
        """What to add to a config so that a condition holds, where one choice will do."""
        others = [
            f"{other}={value}"
            for other in when.knobs
            if isinstance(domain := self.by_name[other].domain, Choice)
            for value in domain.values
            if when.holds({**config, other: value})
        ]
        return f"add {' or '.join(others)}" if others else "change that"

    def at(self, point: Sequence[float]) -> Config:
        """The Config at a point of the unit cube, one coordinate a knob."""
        return self.config({k.name: k.at(u) for k, u in zip(self.knobs, point, strict=True)})

    @cached_property
    def by_name(self) -> Mapping[str, Knob]:
        """The knobs by their names."""
        return {knob.name: knob for knob in self.knobs}

    @cached_property
    def default(self) -> Config:
        """Every knob at its default."""
        return self.config({})

    @cached_property
    def digest(self) -> str:
        """A content id; a study is resumed only with the space that it began with."""
        return digest_of([repr(knob) for knob in self.knobs])

    @property
    def count(self) -> float:
        """At most how many configs there are; infinite with a real knob."""
        return math.prod(knob.count for knob in self.knobs)

    def of(self, stages: Iterable[str]) -> tuple[Knob, ...]:
        """The knobs of these stages."""
        wanted = set(stages)
        return tuple(knob for knob in self.knobs if knob.stage in wanted)
