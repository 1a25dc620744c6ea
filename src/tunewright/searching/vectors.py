"""Vectors: configs as rows of numbers, many at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import final

import numpy as np
from numpy.typing import NDArray

from tunewright.core.conditions import Condition
from tunewright.core.config import Value
from tunewright.core.knobs import Choice, Integer, Knob, Space

Floats = NDArray[np.float64]
Chance = np.random.Generator

WIDTHS = (0.03, 0.1, 0.25)  # of a step of a number, in shares of its domain
TABLED = 4096  # so many sets of values are asked what a condition says before any is needed
FEW = 32  # numbers with no more values than that step to the next one


@final
class Vectors:
    """The configs of a space as positions in [0, 1), one column a knob, in the middle of a value.

    A choice's column is its place among the values that may be proposed. `features` are what a
    model reads: an inactive knob is -1, and a choice without order has a column for each value.
    """

    def __init__(self, space: Space) -> None:
        self.knobs = space.knobs
        self._values = [_values(knob) for knob in space.knobs]
        self._column = {knob.name: i for i, knob in enumerate(space.knobs)}
        self._tables: dict[Condition, NDArray[np.bool_]] = {}  # what each says, see _held

    def column(self, name: str) -> int:
        """Where a knob stands."""
        return self._column[name]

    def row(self, values: Mapping[str, Value]) -> list[float]:
        """One config's positions; an inactive knob is at its default."""
        return [
            self._position(i, values.get(knob.name, knob.default))
            for i, knob in enumerate(self.knobs)
        ]

    def values(self, row: Floats) -> dict[str, Value]:
        """The values at these positions, of all knobs."""
        return {
            knob.name: known[min(int(unit * len(known)), len(known) - 1)]
            if (known := self._values[i])
            else knob.at(float(unit))
            for i, (knob, unit) in enumerate(zip(self.knobs, row, strict=True))
        }

    def _position(self, i: int, value: Value) -> float:
        known = self._values[i]
        if not known:
            return self.knobs[i].position(value)
        same = [type(v) is type(value) and v == value for v in known]
        return (same.index(True) + 0.5) / len(known) if True in same else 0.5 / len(known)

    def snap(self, rows: Floats) -> Floats:
        """The rows with every position in the middle of its value."""
        rows = np.clip(rows, 0.0, 1.0 - 1e-12)
        for i, known in enumerate(self._values):
            if known:
                rows[:, i] = (np.floor(rows[:, i] * len(known)) + 0.5) / len(known)
            elif isinstance(domain := self.knobs[i].domain, Integer):
                rows[:, i] = _whole(domain, rows[:, i])
        return rows

    def random(self, count: int, chance: Chance) -> Floats:
        """Rows from all over the space."""
        return self.snap(chance.random((count, len(self.knobs))))

    def neighbours(self, row: Floats, columns: Sequence[int], chance: Chance) -> Floats:
        """What differs from `row` in one of these columns, by a step or a value."""
        near: list[Floats] = []
        active = self._active(row[None, :])[0]
        for i in columns:
            if not active[i]:
                continue
            known = self._values[i]
            if known and (isinstance(self.knobs[i].domain, Choice) and not self._ordered(i)):
                units = (np.arange(len(known)) + 0.5) / len(known)
            elif known:
                steps = np.array([-3, -2, -1, 1, 2, 3]) if len(known) > 4 else np.arange(-4, 5)
                units = row[i] + steps / len(known)
            else:
                width = np.array(WIDTHS)
                units = row[i] + np.concatenate([-width, width]) * (0.5 + chance.random())
                units = np.concatenate([units, self._next(i, float(row[i]))])
            units = units[(units >= 0) & (units < 1)]
            other = np.repeat(row[None, :], len(units), axis=0)
            other[:, i] = units
            near.append(other)
        if not near:
            return np.empty((0, len(row)))
        rows = self.snap(np.concatenate(near))
        differs: NDArray[np.bool_] = (rows != row).any(axis=1)
        return rows[differs]

    def _next(self, i: int, unit: float) -> list[float]:
        """The whole numbers before and after this one; [] of other knobs."""
        knob = self.knobs[i]
        if not isinstance(knob.domain, Integer):
            return []
        here = int(knob.at(unit))
        return [
            knob.position(value)
            for value in (here - 1, here + 1)
            if knob.domain.low <= value <= knob.domain.high
        ]

    def moved(self, row: Floats, columns: Sequence[int], count: int, chance: Chance) -> Floats:
        """What differs from `row` in two or three of these columns."""
        active = self._active(row[None, :])[0]
        free = np.array([i for i in columns if active[i]], dtype=int)
        if not len(free):
            return np.empty((0, len(row)))
        rows = np.repeat(row[None, :], count, axis=0)
        for _ in range(3):
            which = free[chance.integers(len(free), size=count)]
            here = rows[np.arange(count), which]
            step = here + chance.normal(0.0, 0.2, count)
            rows[np.arange(count), which] = np.where(
                chance.random(count) < 0.5, chance.random(count), np.clip(step, 0, 1 - 1e-12)
            )
        return self.snap(rows)

    def features(self, rows: Floats) -> Floats:
        """What a model reads of these rows."""
        active = self._active(rows)
        columns: list[Floats] = []
        for i in range(len(self.knobs)):
            known = self._values[i]
            if self._ordered(i) or len(known) <= 2:
                columns.append(np.where(active[:, i], rows[:, i], -1.0))
                continue
            index = np.floor(rows[:, i] * len(known)).astype(int)
            columns += [
                np.where(active[:, i], (index == value).astype(float), -1.0)
                for value in range(len(known))
            ]
        return np.stack(columns, axis=1) if columns else np.zeros((len(rows), 1))

    def _active(self, rows: Floats) -> NDArray[np.bool_]:
        active = np.ones(rows.shape, dtype=bool)
        held: dict[Condition, NDArray[np.bool_]] = {}
        for i, knob in enumerate(self.knobs):
            if knob.when is None:
                continue
            if knob.when not in held:
                held[knob.when] = self._held(knob.when, rows, active)
            active[:, i] = held[knob.when]
        return active

    def _held(self, when: Condition, rows: Floats, active: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where a condition holds; it is asked once for all rows that are equal in what it reads.

        Values that can be listed are numbered, and one more is for inactive: so what a condition
        says of each of them together is worked out once.
        """
        columns = [self._column[name] for name in when.knobs]
        listed = [self._values[column] for column in columns]
        sizes = [len(known) + 1 for known in listed]
        if not all(listed) or math.prod(sizes) > TABLED:
            read = np.where(active[:, columns], rows[:, columns], -1.0)
            distinct, at = np.unique(read, axis=0, return_inverse=True)
            return np.array([self._asked(when, columns, row) for row in distinct], bool)[at.ravel()]
        if when not in self._tables:
            middles = [[*((np.arange(n - 1) + 0.5) / (n - 1)), -1.0] for n in sizes]
            told = [self._asked(when, columns, row) for row in product(*middles)]
            self._tables[when] = np.array(told, bool)
        at = np.zeros(len(rows), dtype=int)
        for column, size in zip(columns, sizes, strict=True):
            index = np.minimum((rows[:, column] * (size - 1)).astype(int), size - 2)
            at = at * size + np.where(active[:, column], index, size - 1)
        return self._tables[when][at]

    def _asked(self, when: Condition, columns: Sequence[int], units: Sequence[float]) -> bool:
        """Whether a condition holds at these positions of what it reads; below 0 is inactive."""
        values: dict[str, Value] = {}
        for column, unit in zip(columns, units, strict=True):
            known, knob = self._values[column], self.knobs[column]
            if unit >= 0:
                values[knob.name] = known[int(unit * len(known))] if known else knob.at(float(unit))
        return when.holds(values)

    def keys(self, rows: Floats) -> list[bytes]:
        """Equal for rows that are the same config."""
        same = np.where(self._active(rows), np.round(rows, 6), -1.0)
        return [row.tobytes() for row in same]

    def _ordered(self, i: int) -> bool:
        domain = self.knobs[i].domain
        return not isinstance(domain, Choice) or all(
            isinstance(v, (int, float)) and not isinstance(v, bool) for v in domain.values
        )


def _whole(domain: Integer, units: Floats) -> Floats:
    """The middle of the whole number that each unit falls into, as Knob.position has it."""
    low, high = domain.low, domain.high
    if domain.log:
        start, span = np.log(low), np.log(high + 1) - np.log(low)
        value = np.clip(np.floor(np.exp(start + units * span) + 1e-9), low, high)
        return np.asarray((np.log(value + 0.5) - start) / span)
    value = np.clip(low + np.floor(units * (high - low + 1)), low, high)
    return np.asarray((value - low + 0.5) / (high - low + 1))


def _values(knob: Knob) -> list[Value]:
    """What a knob may be, where that can be listed: numbers in their order; else []."""
    if isinstance(knob.domain, Choice):
        proposed = [v for v in knob.domain.values if v not in knob.baseline_only]
        values = proposed or list(knob.domain.values)
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        return sorted(values, key=float) if numbers else values
    if isinstance(knob.domain, Integer) and knob.count <= FEW and not knob.domain.log:
        return list(range(knob.domain.low, knob.domain.high + 1))
    return []
