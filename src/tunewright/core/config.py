"""Config: one point of a Space."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import final

Value = str | int | float | bool


def digest_of(value: object) -> str:
    """A short content id of any JSON value: equal values, equal ids, on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


@final
class Config(Mapping[str, Value]):
    """One point of a Space: an immutable mapping from knob names to values, with a content id.

    Inactive knobs are absent. Equal configs have equal ids, whatever the order of their knobs.
    """

    __slots__ = ("_values", "id")

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values: dict[str, Value] = {name: values[name] for name in sorted(values)}
        self.id: str = digest_of(self._values)

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self.id == other.id

    def __repr__(self) -> str:
        return "Config(" + ", ".join(f"{k}={v!r}" for k, v in self.items()) + ")"
