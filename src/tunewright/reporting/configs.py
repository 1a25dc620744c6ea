"""Configs as they are told: by what differs from the baseline, or a blend by its members."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import final

from tunewright.core.config import Config, Value
from tunewright.core.events import Opened
from tunewright.core.knobs import Knob
from tunewright.core.roles import BLEND
from tunewright.reporting.words import Language, say

FAMILY = "family"  # the knob whose value names a member


@final
@dataclass(frozen=True)
class Part:
    """One member of a blend: its weight, and the knobs that are not at their defaults.

    family: "" where no knob names one. values: of the metrics of the goal, as the search sampled
    this config alone.
    """

    weight: float
    family: str
    changes: Mapping[str, Value]
    values: Mapping[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Told:
    """A config in what differs from the baseline: None for a knob that is no longer active.

    Of a blend its members, the weightiest first; `changes` are then of the stages from there on.
    False where it is the baseline itself.
    """

    changes: Mapping[str, Value | None] = field(default_factory=dict)
    members: tuple[Part, ...] = ()

    def __bool__(self) -> bool:
        """Whether it is another config than the baseline."""
        return bool(self.changes or self.members)

    def only(self, knobs: Collection[str]) -> bool:
        """Whether nothing differs but some of these knobs."""
        return not self.members and set(self.changes) <= set(knobs)

    @property
    def unweighted(self) -> bool:
        """Whether the weights of its members are still to be chosen."""
        return bool(self.members) and not any(part.weight for part in self.members)


@final
@dataclass(frozen=True)
class Naming:
    """What the configs of a study are told by: its baseline, its knobs, and its stages in order."""

    baseline: Config = Config({})  # noqa: RUF009 - a Config cannot be changed
    knobs: tuple[Knob, ...] = ()
    stages: tuple[str, ...] = ()

    def told(self, config: Config, values: Mapping[str, Mapping[str, float]] | None = None) -> Told:
        """The config, told. values: what was sampled of its members alone, by their ids."""
        base = self.baseline
        if not config.members:
            names = dict.fromkeys([*config, *base])
            return Told({n: config.get(n) for n in names if config.get(n) != base.get(n)})
        heaviest = sorted(config.members, key=lambda member: -member[1])
        return Told(
            {name: value for name, value in config.items() if base.get(name) != value},
            tuple(self._part(one, weight, values or {}) for one, weight in heaviest),
        )

    def _part(
        self, config: Config, weight: float, values: Mapping[str, Mapping[str, float]]
    ) -> Part:
        cut = self.stages.index(BLEND) if BLEND in self.stages else len(self.stages)
        below = set(self.stages[cut:])  # what runs there runs once, as the blend's own knobs say
        known = {knob.name: knob for knob in self.knobs}
        changes = {
            name: value
            for name, value in config.items()
            if name != FAMILY
            and not ((knob := known.get(name)) and (knob.stage in below or knob.default == value))
        }
        family = str(config.get(FAMILY, ""))
        return Part(weight, family, changes, values.get(config.id, {}))


PLAIN = Naming()


def naming_of(opened: Opened | None, baseline: Config) -> Naming:
    """The naming of a study with this beginning; the baseline is known once it has run."""
    if opened is None:
        return Naming(baseline)
    return Naming(baseline, opened.knobs, opened.stages)


def in_words(changes: Mapping[str, Value | None]) -> str:
    """Changes as "name=value" in order; a knob that is no longer active changes nothing."""
    return " ".join(
        f"{name}={f'{value:.4g}' if isinstance(value, float) else value}"
        for name, value in changes.items()
        if value is not None
    )


def in_full(told: Told, language: Language = "en") -> str:
    """The config with all that is told of it; "" for the baseline."""
    parts = [
        " ".join(
            filter(None, (_weight(part.weight), part.family, _bracketed(in_words(part.changes))))
        )
        for part in told.members
    ]
    return _blend(told, parts, language)


def in_short(told: Told, language: Language = "en") -> str:
    """The same for narrow places: of a blend's members the families and their weights."""
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for part in told.members:
        sums[part.family] = sums.get(part.family, 0.0) + part.weight
        counts[part.family] = counts.get(part.family, 0) + 1
    parts = [
        " ".join(filter(None, (f, _weight(sums[f]), f"({counts[f]})" if counts[f] > 1 else "")))
        for f in sorted(sums, key=lambda family: -sums[family])
    ]
    return _blend(told, parts, language)


def blend_of(told: Told, language: Language = "en") -> str:
    """How many members there are, and what is the blend's own; "" where there are none."""
    if not told.members:
        return ""
    key = "blend to weigh" if told.unweighted else "blend"
    own = in_words(told.changes)
    return say(key, language, n=len(told.members)) + (f" {own}" if own else "")


def _blend(told: Told, parts: list[str], language: Language) -> str:
    if not told.members:
        return in_words(told.changes)
    if told.unweighted:
        return blend_of(told, language)
    own = in_words(told.changes)
    listed = say("comma", language).join(parts)
    members = say("blend members", language, n=len(told.members), members=listed)
    return say("semicolon", language).join(filter(None, (members, own)))


def _weight(weight: float) -> str:
    return f"{weight:.2f}" if weight else ""


def _bracketed(text: str) -> str:
    return f"({text})" if text else ""
