"""Ranges of numbers as they are typed: LOW..HIGH, by ratio or in steps, also with units."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import final

from tunewright.core.config import Value
from tunewright.core.knobs import Choice, Domain, Integer, Real
from tunewright.core.units import BYTES, SECONDS, THOUSANDS
from tunewright.errors import InputError

_DIGITS = rf"(?:{THOUSANDS}|[0-9]+)"
WHOLE = rf"[-+]?{_DIGITS}"
_REAL = rf"[-+]?(?:{_DIGITS}\.(?!\.)[0-9]*|[0-9]*\.[0-9]+|{_DIGITS})(?:[eE][-+]?[0-9]+)?"
_UNIT = r"[A-Za-zµ%]+"
_NUMBER = re.compile(rf"({_REAL})({_UNIT})?")
_RANGE = re.compile(
    rf"({_REAL})({_UNIT})?\.\.({_REAL})({_UNIT})?(?::(log|x{_REAL}|{_REAL}(?:{_UNIT})?))?"
)
_SCALES: Sequence[Mapping[str, float]] = (SECONDS, BYTES)
_MOST = 10_000  # steps: a range of more of them is as good without


@final
@dataclass(frozen=True)
class StatedRange:
    """A domain of numbers and the default in it. notes: how it was read, where it could be two."""

    domain: Domain
    default: Value
    unit: str = ""
    notes: tuple[str, ...] = ()


def read_range(name: str, default: str, text: str) -> StatedRange | None:
    """The range that these texts state for a knob, or None where they state none.

    "16..512:16" is 16, 32 … 512, and "8..512:x2" 8, 16 … 512. With a unit behind each number the
    program gets the default's behind the value. Raises InputError for a range that cannot be.
    """
    span, start = _RANGE.fullmatch(text), _NUMBER.fullmatch(default)
    if span is None or start is None:
        return None
    tail = span[5] or ""
    ratio = tail.startswith("x")
    step = _NUMBER.fullmatch(tail.removeprefix("x")) if tail not in ("", "log") else None
    stated = [(start[1], start[2]), (span[1], span[2]), (span[3], span[4])]
    if step and not ratio:
        stated.append((step[1], step[2] or start[2]))
    unit, texts = _in_one_unit(name, stated)
    if not all(math.isfinite(float(number)) for number in texts):
        raise InputError(f"knob {name!r}: expected finite numbers; got {text!r}")
    if step is None:
        return _plain(name, texts, unit, log=tail == "log")
    if ratio:
        texts.append(step[1].replace(",", ""))
    return _stepped(name, texts, unit, ratio=ratio)


def _in_one_unit(name: str, stated: Sequence[tuple[str, str | None]]) -> tuple[str, list[str]]:
    """The unit of the first number, and all of them in it, without marks between thousands."""
    units = [unit or "" for _, unit in stated]
    numbers = [number.replace(",", "") for number, _ in stated]
    if len(set(units)) == 1:
        return units[0], numbers
    scale = next((s for s in _SCALES if all(unit in s for unit in units)), None)
    if scale is None:
        got = ", ".join(f"{number}{unit}" for number, unit in zip(numbers, units, strict=True))
        raise InputError(
            f"knob {name!r}: expected numbers in one unit, or in units such as ms and s or MB and "
            f"GB; got {got}; write all of them in the same"
        )
    sizes = [Decimal(str(scale[unit])) for unit in units]
    turned = [Decimal(n) * size / sizes[0] for n, size in zip(numbers, sizes, strict=True)]
    whole = all(number == number.to_integral_value() for number in turned)
    return units[0], [f"{number:.0f}" if whole else f"{number.normalize():f}" for number in turned]


def _plain(name: str, texts: Sequence[str], unit: str, *, log: bool) -> StatedRange:
    default, low, high = map(float, texts)
    tail = ":log" if log else ""
    if all(re.fullmatch(WHOLE, text) for text in texts):
        whole = [int(text) for text in texts]
        first, least, most = (f"{number}.0{unit}" for number in whole)
        note = (
            f"{name} takes whole numbers from {whole[1]} to {whole[2]}; "
            f"for reals: {name}={first}:{least}..{most}{tail}"
        )
        return StatedRange(Integer(whole[1], whole[2], log), whole[0], unit, (note,))
    notes: tuple[str, ...] = ()
    if all(number.is_integer() and abs(number) < 2**53 for number in (default, low, high)):
        first, least, most = (f"{number:.0f}{unit}" for number in (default, low, high))
        wholes = f"{name}={first}:{least}..{most}{tail}"
        notes = (f"{name} takes reals from {low:g} to {high:g}; for whole numbers: {wholes}",)
    return StatedRange(Real(low, high, log), default, unit, notes)


def _stepped(name: str, texts: Sequence[str], unit: str, *, ratio: bool) -> StatedRange:
    default, low, high, step = map(Decimal, texts)
    if step <= (1 if ratio else 0):
        least = "a factor above 1" if ratio else "a step above 0"
        raise InputError(f"knob {name!r}: expected {least}; got {step}")
    if ratio and low <= 0:
        raise InputError(f"knob {name!r}: a factor must start above 0; got {low}")
    steps: list[Decimal] = []
    for number in _steps(low, high, step, ratio=ratio):
        steps.append(number)
        if len(steps) > _MOST:
            raise InputError(f"knob {name!r}: expected at most {_MOST:,} steps; leave the step out")
    if default not in steps:
        shown = ", ".join(f"{number.normalize():f}" for number in steps[:3])
        raise InputError(
            f"knob {name!r}: the default does not fit: expected one of {shown} … {high}; got "
            f"{default}; begin the range at another number, or take another step"
        )
    whole = all(number == number.to_integral_value() for number in steps)
    values = [int(number) if whole else float(number) for number in steps]
    return StatedRange(Choice(tuple(values)), values[steps.index(default)], unit)


def _steps(low: Decimal, high: Decimal, step: Decimal, *, ratio: bool) -> Iterator[Decimal]:
    number = low
    while number <= high:
        yield number
        number = number * step if ratio else number + step
