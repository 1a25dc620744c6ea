"""Numbers as programs print them: read whole, or refused with what to do."""

from __future__ import annotations

import math
import re
from bisect import bisect_right

from tunewright.errors import TrialFailed

_SIGN = "[-+−]"  # the last one is what typesetters call minus
_BETWEEN = ",'’\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"  # of thousands
_GROUPED = "|".join(f"(?:{mark}[0-9]{{3}})+" for mark in _BETWEEN)
_DIGITS = rf"(?:[0-9]{{1,3}}(?:{_GROUPED})|[0-9]+(?:_[0-9]+)*)"
_NUMBER = re.compile(rf"{_SIGN}?(?:{_DIGITS}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]{_SIGN}?[0-9]+)?%?")
# Whatever looks like one number to a reader: digits with marks between them. A plain space parts
# columns as well as thousands; with a decimal comma behind it is thousands.
_LOOKS = re.compile(
    rf"(?:(?<![\w.]){_SIGN})?(?:[0-9]{{1,3}}(?: [0-9]{{3}})+,[0-9]+|0[xX][0-9a-fA-F]+"
    rf"|\.?[0-9]+(?:[._{_BETWEEN}][0-9]+)*\.?(?:[eE]{_SIGN}?[0-9]+)?)"
)
_ZERO_GROUP = re.compile(rf"{_SIGN}?0,")


def parse_number(text: str, what: str) -> float:
    """The number that a text states: 1,234.5, 1'234.5, 1_234, 1.5e-3 or 12.5% (which is 0.125).

    Raises TrialFailed, naming `what`, for everything else, infinities and NaN among it.
    """
    stated = text.strip()
    if _NUMBER.fullmatch(stated) and not _ZERO_GROUP.match(stated):
        percent = stated.endswith("%")
        number = float(re.sub(f"[_%{_BETWEEN}]", "", stated).replace("−", "-"))
        if math.isfinite(number):
            return number / 100 if percent else number
    hint = ""
    if re.fullmatch(rf"{_SIGN}?[0-9.]*,[0-9]+", stated):
        hint = "; let the program print a decimal point"
    elif _LOOKS.search(stated):
        hint = "; let the pattern or the field hold the number alone, without a unit"
    raise TrialFailed(f"{what}: expected a finite number; got {text!r:.60}{hint}")


def whole_around(text: str, start: int, end: int) -> str | None:
    """The number of which `text[start:end]` is only a part, or None where that stands alone."""
    if not any(char.isdigit() for char in text[start:end]):
        return None
    left = text.rfind("\n", 0, start) + 1
    right = text.find("\n", end)
    line = text[left : right if right >= 0 else len(text)]
    looks = list(_LOOKS.finditer(line))
    at = bisect_right([match.start() for match in looks], start - left) - 1
    first = looks[at] if at >= 0 else None
    last = looks[bisect_right([match.start() for match in looks], end - left - 1) - 1]
    inside = text[start:end].strip()
    for match in (first, last):
        if match is None or match.end() <= start - left or match.start() >= end - left:
            continue
        whole = match[0].rstrip(".")
        before, after = match.start() < start - left, match.start() + len(whole) > end - left
        if (before or after) and whole.lstrip("+") != inside:
            return whole
    return None
