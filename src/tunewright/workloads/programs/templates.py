"""Templates: files that a program reads, with values of knobs filled in for each run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tunewright.core.config import Value
from tunewright.errors import InputError
from tunewright.workloads.programs.placeholders import fill_known, placeholders_in
from tunewright.workloads.programs.words import split_named

_ESCAPED = frozenset({".json", ".toml", ".yaml", ".yml"})  # a text stands between quotes there


@final
@dataclass(frozen=True)
class Template:
    """A file with `{knob}` in it; `{name}` in a command line is the path of the filled one.

    Braces around anything else stay: such files are full of them.
    """

    name: str
    suffix: str
    text: str

    @property
    def reads(self) -> set[str]:
        """The names in braces, of which some may be knobs."""
        return placeholders_in([self.text])

    def filled(self, places: Mapping[str, Value]) -> str:
        """The text with the values of what is known; texts as they stand within quotes."""
        escaped = {
            name: json.dumps(value, ensure_ascii=False)[1:-1]
            if isinstance(value, str) and self.suffix in _ESCAPED
            else value
            for name, value in places.items()
        }
        return fill_known(self.text, escaped)

    def write(self, directory: Path, places: Mapping[str, Value]) -> Path:
        """The filled file in a directory."""
        path = directory / f"{self.name}{self.suffix}"
        path.write_text(self.filled(places), encoding="utf-8")
        return path


def read_template(text: str, where: str) -> Template:
    """The template that "NAME=PATH" states, its path as seen from there. Raises InputError."""
    name, path = split_named(text, "a file with placeholders NAME=PATH")
    place = Path(where, path)
    try:
        return Template(name, place.suffix, place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise InputError(f"config {name!r}: expected a text file; got {path}: {why}") from error
