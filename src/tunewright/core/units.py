"""Units: one inside (seconds, bytes, plain numbers), many outside."""

from __future__ import annotations

import re

from tunewright.errors import InputError, nearest

SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
BYTES = {
    "B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30,
}  # fmt: skip
UNITS = {"s": SECONDS, "B": BYTES, "": {"%": 0.01}}

_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\s\d]*)")


def parse_quantity(text: str, unit: str) -> float:
    """The number that `text` states, in `unit` ("s", "B" or "" for a plain number).

    Raises InputError when the number or its unit cannot be read.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise InputError(f"expected a number such as 0.5 or 20ms; got {text!r}")
    number, suffix = float(match[1]), match[2]
    scale = UNITS.get(unit, {})
    if suffix and suffix not in scale:
        known = ", ".join(scale) or "none"
        raise InputError(f"expected a unit of {known}; got {text!r}: {nearest(suffix, scale)}")
    return number * scale.get(suffix, 1.0)


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
