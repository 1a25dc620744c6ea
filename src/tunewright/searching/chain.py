"""Chain: how the knobs of a problem lie along its stages, and which configs share what."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from itertools import product
from typing import final

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Choice, Integer, Knob
from tunewright.core.roles import Problem

ENUMERATED = 4096  # a space of no more configs is tried to its last one


@final
class Chain:
    """The knobs of a problem.

    searched: those that can change what the goal asks for. exact: those that change cost alone.
    arm: the choice on whose values other knobs depend (a family of models), or None.
    """

    def __init__(self, problem: Problem) -> None:
        space, stages, cached = problem.space, problem.stages, problem.cached
        self.space, self.baseline = space, problem.baseline
        self.stages = stages
        self.above = stages[: stages.index(cached) + 1] if cached else ()
        own = {knob.stage for knob in space.knobs}
        first = next((i for i, name in enumerate(self.above) if name in own), 0)
        self.varied = self.above[first:]  # above these a study has one artifact
        self.exact = tuple(k for k in space.of(self.above) if k.exact)
        self.searched = space.knobs if problem.fresh else space.of(self.above)
        self._exact = {knob.name for knob in self.exact}
        self._late: dict[str, tuple[Knob, ...]] = {"": ()}
        names = {knob.name for knob in self.searched}
        self._kept = {n: v for n, v in problem.baseline.items() if n not in names}
        leaned_on = {name for knob in space.knobs if knob.when for name in knob.when.knobs}
        self.arm = next(
            (k for k in self.searched if k.name in leaned_on and len(proposed(k)) > 1), None
        )

    def late(self, dearest: str) -> tuple[Knob, ...]:
        """The knobs below the dearest stage: what is made once has many cheap variants."""
        if dearest not in self._late:
            below = self.stages[self.stages.index(dearest) + 1 :]
            self._late[dearest] = tuple(k for k in self.searched if k.stage in below)
        return self._late[dearest]

    def upper(self, dearest: str) -> tuple[Knob, ...]:
        """The other knobs, without the exact ones."""
        late = self.late(dearest)
        return tuple(k for k in self.searched if k not in late and k.name not in self._exact)

    def key(self, config: Config) -> str:
        """Equal for configs that differ in exact knobs alone."""
        if not self._exact or config.members:
            return config.id
        return _name_of(config, self._exact)

    def prefix(self, dearest: str, config: Config) -> str:
        """Equal for configs that share the dearest stage's artifact."""
        return _name_of(config, self._exact.union(k.name for k in self.late(dearest)))

    def family(self, config: Config) -> Value | None:
        """The config's value of the arm, None where there is none."""
        return config.get(self.arm.name) if self.arm else None

    def config(self, values: dict[str, Value]) -> Config:
        """The config with these values of what is searched, and the baseline's of the rest."""
        return self.space.config({**self._kept, **values})

    def every(self) -> Iterator[Config]:
        """Every config, exact knobs at their defaults, of a space that is small; else nothing."""
        knobs = [knob for knob in self.searched if not knob.exact]
        if math.prod(knob.count for knob in knobs) > ENUMERATED:
            return
        for values in product(*map(_all, knobs)):
            yield self.config(dict(zip([k.name for k in knobs], values, strict=True)))


def _name_of(config: Config, left_out: Container[str]) -> str:
    """Equal for configs that are equal but for these knobs: cheaper than the id of another one."""
    values = [(name, value) for name, value in config.items() if name not in left_out]
    return f"{values} {[(member.id, weight) for member, weight in config.members]}"


def proposed(knob: Knob) -> tuple[Value, ...]:
    """The values of a choice that a search may propose; () of a number."""
    values = knob.domain.values if isinstance(knob.domain, Choice) else ()
    return tuple(value for value in values if value not in knob.baseline_only)


def _all(knob: Knob) -> tuple[Value, ...]:
    if isinstance(knob.domain, Integer):
        return tuple(range(knob.domain.low, knob.domain.high + 1))
    return proposed(knob) or (knob.default,)
