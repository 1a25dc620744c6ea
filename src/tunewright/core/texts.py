"""Texts that others wrote: what is read from them is checked where they are read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tunewright.errors import InputError


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for whatever is none, or is nested endlessly."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def names_of(role: str, names: object) -> tuple[str, ...]:
    """One name or several, as a tuple. Raises InputError for what is neither."""
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Sequence) and all(isinstance(name, str) for name in names):
        return tuple(names)
    raise InputError(f"expected names as {role}; got {names!r}; give a list of texts")
