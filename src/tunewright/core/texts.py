"""Texts that others wrote: what is read from them is checked where they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from tunewright.errors import InputError


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError for whatever is none, or is nested endlessly."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def listed(role: str, said: object) -> Any:
    """A mapping as texts, and anything else as one text: several texts or numbers with commas.

    Raises InputError for what is neither.
    """
    if isinstance(said, Mapping):
        return {str(key): str(value) for key, value in said.items()}
    parts = [said] if isinstance(said, str | Real) else said
    if isinstance(parts, Sequence):
        parts = [str(part) if isinstance(part, Real) else part for part in parts]
    return ",".join(names_of(role, parts))


def names_of(role: str, names: object) -> tuple[str, ...]:
    """One name or several, as a tuple. Raises InputError for what is neither."""
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Sequence) and all(isinstance(name, str) for name in names):
        return tuple(names)
    raise InputError(f"expected names as {role}; got {names!r}; give a list of texts")
