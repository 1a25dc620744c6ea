"""Config: one point of a Space."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

Value = str | int | float | bool
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(value: object) -> str:
    """A short content id of any JSON value: equal values, equal ids, on every machine."""
    text = _CANONICAL.encode(value)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


@final
class Config(Mapping[str, Value]):
    """One point of a Space: an immutable mapping from knob names to values, with a content id.

    Inactive knobs are absent. Equal configs have equal ids, whatever the order of their knobs.
    members: the configs whose artifacts meet at the chain's blend, each with its weight; () for a
    config that stands for itself. The values are then those of the stages from the blend on. Where
    all weights are 0 the blend is to choose them.
    """

    __slots__ = ("_values", "id", "members")

    def __init__(self, values: Mapping[str, Value], members: Sequence[Member] = ()) -> None:
        self._values: dict[str, Value] = {name: values[name] for name in sorted(values)}
        self.members: tuple[Member, ...] = tuple((config, weight) for config, weight in members)
        self.id: str = digest_of(self.to_json())

    @property
    def unweighted(self) -> bool:
        """Whether it has members whose weights are still to be chosen."""
        return bool(self.members) and not any(weight for _, weight in self.members)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads. No knob has an empty name: the members have it."""
        if not self.members:
            return dict(self._values)
        members = [[config.to_json(), weight] for config, weight in self.members]
        return {**self._values, "": members}

    @staticmethod
    def from_json(body: Mapping[str, Any]) -> Config:
        """The config that `to_json` wrote."""
        values = {name: value for name, value in body.items() if name}
        members = body.get("", ())
        return Config(values, [(Config.from_json(config), weight) for config, weight in members])

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

    def __reduce__(self) -> tuple[type[Config], tuple[Any, ...]]:
        return Config, (self._values, self.members)

    def __repr__(self) -> str:
        values = [f"{k}={v!r}" for k, v in self.items()]
        return f"Config({', '.join([*values, *(f'{w:g} × {c!r}' for c, w in self.members)])})"


Member = tuple[Config, float]
