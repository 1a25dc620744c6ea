"""Units: one inside (seconds, bytes, plain numbers), many outside."""

from __future__ import annotations

import math
import re

from tunewright.errors import InputError, nearest

SECONDS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0,
    "d": 86400.0,
}  # fmt: skip
BYTES = {
    "B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2.0**10, "MiB": 2.0**20,
    "GiB": 2.0**30, "TiB": 2.0**40,
}  # fmt: skip
UNITS = {"s": SECONDS, "B": BYTES, "": {"%": 0.01}}

THOUSANDS = r"[1-9][0-9]{0,2}(?:,[0-9]{3})+"  # 1,234,567
_SAID = {
    **{f"{word}{s}": unit for s in ("", "s") for word, unit in (
        ("nanosecond", "ns"), ("microsecond", "µs"), ("millisecond", "ms"), ("second", "s"),
        ("sec", "s"), ("minute", "min"), ("min", "min"), ("hour", "h"), ("hr", "h"), ("day", "d"),
        ("byte", "B"),
    )},
}  # fmt: skip
_NUMBER = rf"(?:(?:{THOUSANDS}|[0-9]+)\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_SINGLE = re.compile(rf"([-+]?{_NUMBER})\s*([^\s\d]*)")
_PART = re.compile(rf"({_NUMBER})\s*([^\W\d_]+)\s*")


def parse_quantity(text: str, unit: str) -> float:
    """The number that `text` states, in `unit` ("s", "B" or "" for a plain number).

    Times may have several parts, the largest first: 1h30m, or 1 hour 30 minutes. Thousands may be
    set apart by commas. Raises InputError when the number or
    its unit cannot be read.
    """
    stated = text.strip().replace("μ", "µ")  # two letters that look alike
    scale = UNITS.get(unit, {})
    match = _SINGLE.fullmatch(stated)
    parts = [(match[1], match[2])] if match else _parts(stated)
    parts = [(number.replace(",", ""), _SAID.get(word, word)) for number, word in parts]
    if not parts or (len(parts) > 1 and unit != "s"):
        example = "0.5, 20ms or 1h30m" if unit == "s" else "0.5 or 20ms"
        point = re.fullmatch(r"[-+]?[0-9]+,[0-9]+\D*", stated)
        hint = f"; write {stated.replace(',', '.')}" if point else ""
        raise InputError(f"expected a number such as {example}; got {text!r}{hint}")
    for _, suffix in parts:
        if suffix and suffix not in scale:
            known = ", ".join(scale) or "none"
            raise InputError(f"expected a unit of {known}; got {text!r}: {nearest(suffix, scale)}")
    sizes = [scale.get(suffix, 1.0) for _, suffix in parts]
    if sizes != sorted(set(sizes), reverse=True):
        raise InputError(f"expected each unit once and the largest first; got {text!r}")
    value = sum(float(number) * size for (number, _), size in zip(parts, sizes, strict=True))
    if not math.isfinite(value):
        raise InputError(f"expected a finite number; got {text!r}")
    return value


def _parts(text: str) -> list[tuple[str, str]]:
    """The numbers of "1h 30m" with their units; [] where anything else stands between."""
    parts = [(match[1], match[2]) for match in _PART.finditer(text)]
    return parts if "".join(match[0] for match in _PART.finditer(text)) == text else []


def format_quantity(value: float, unit: str) -> str:
    """`value` with three significant digits and the unit that reads best."""
    if unit not in ("s", "B") or value == 0:
        return f"{value:.4g}{(' ' + unit) if unit and unit not in ('s', 'B') else ''}"
    scale = {"s": SECONDS, "B": BYTES}[unit]
    names = ["ns", "µs", "ms", "s"] if unit == "s" else ["B", "kB", "MB", "GB"]
    best = names[0]
    for name in names:
        if abs(value) >= 0.9995 * scale[name]:  # 999.9 µs reads as 1 ms
            best = name
    number = value / scale[best]
    return f"{number:.0f} {best}" if abs(number) >= 1000 else f"{number:.3g} {best}"
