"""Whether two runs put out the same: whole streams, numbers within a tolerance, all else equal."""

from __future__ import annotations

import math
import re
from pathlib import Path

from tunewright.errors import InputError
from tunewright.workloads.programs.failures import printable

_NUMBER = re.compile(
    r"(?<![\w.])([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:inf(?:inity)?|nan))"
    r"(?![\w.]*[0-9])",
    re.IGNORECASE,
)
_SPACES = re.compile(r"[ \t]+")


def check_pattern(pattern: str) -> None:
    """Raise InputError where a pattern is no regular expression."""
    try:
        re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise InputError(f"expected a regular expression; got {pattern!r}: {error}") from error


def why_different(
    expected: str, got: str, *, tolerance: float = 0.0, pattern: str | None = None
) -> str | None:
    """Where two outputs differ first, in words, or None where they are the same.

    tolerance: by how much a number may differ, as a share of it, or as it is for numbers below 1.
    With one, the width of a gap between words does not count. pattern: only what it matches is
    compared (of each match what its groups hold, if it has any); it must match something.
    """
    if expected == got and pattern is None:
        return None
    if pattern is None:
        for at, (one, other) in enumerate(
            zip(_with_end(expected), _with_end(got), strict=False), start=1
        ):
            if one is None and other is None:
                return None if tolerance else "the ends of its lines differ"
            if one is None or other is None:
                more, line = ("more", other) if one is None else ("fewer", one)
                return f"it has {more} lines, from line {at}: {printable(line or '')!r}"
            if not _same(one, other, tolerance):
                return f"line {at} is {printable(other)!r}, not {printable(one)!r}"
        return None
    ones, others = _matches(expected, pattern), _matches(got, pattern)
    if not ones or len(ones) != len(others):
        return f"{pattern!r} matches {len(others)} times, not {len(ones) or 'at least once'}"
    for at, (one, other) in enumerate(zip(ones, others, strict=True), start=1):
        if not _same(one, other, tolerance):
            return f"match {at} of {pattern!r} is {printable(other)!r}, not {printable(one)!r}"
    return None


def why_files_differ(
    expected: Path, got: Path, *, tolerance: float = 0.0, pattern: str | None = None
) -> str | None:
    """The same for two files; those that are no text must be equal byte for byte."""
    if not got.is_file():
        return f"{got.name} is not there"
    one, other = expected.read_bytes(), got.read_bytes()
    if one == other and pattern is None:
        return None
    try:
        texts = one.decode(), other.decode()
    except UnicodeDecodeError:
        at = next(
            (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
            min(len(one), len(other)),
        )
        return f"{got.name} differs from byte {at} on"
    return why_different(*texts, tolerance=tolerance, pattern=pattern)


def _with_end(text: str) -> list[str | None]:
    return [*text.splitlines(keepends=False), None]


def _matches(text: str, pattern: str) -> list[str]:
    return [
        "\n".join(group or "" for group in match.groups()) if match.re.groups else match[0]
        for match in re.finditer(pattern, text, re.MULTILINE)
    ]


def _same(one: str, other: str, tolerance: float) -> bool:
    """Whether two texts are equal but for numbers within the tolerance."""
    if one == other or not tolerance:
        return one == other
    ones, others = _NUMBER.split(one), _NUMBER.split(other)
    if len(ones) != len(others):
        return False
    return all(
        _near(float(a), float(b), tolerance)
        if at % 2
        else _SPACES.sub(" ", a).strip(" ") == _SPACES.sub(" ", b).strip(" ")
        for at, (a, b) in enumerate(zip(ones, others, strict=True))
    )


def _near(one: float, other: float, tolerance: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    if math.isinf(one) or math.isinf(other):
        return one == other
    return abs(one - other) <= tolerance * max(1.0, abs(one), abs(other))
