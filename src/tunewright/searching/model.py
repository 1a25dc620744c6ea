"""The model: which configs promise to be better than the best one, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import final

import numpy as np

from tunewright.core.config import Value
from tunewright.core.knobs import Space
from tunewright.searching.forest import Floats, Forest, Whole
from tunewright.searching.vectors import Vectors

RANDOM = 150  # candidates from all over the space, beside the neighbours of the best
DRAWN = 8  # times so many are drawn where most break what is required between knobs
MOVED = 20  # candidates that differ from each of the best in a few knobs
STEPS = 2  # of local search, from the best candidates of the step before
CLIMBERS = 4  # that it goes on from
LEAST_ODDS = 0.02  # that a config holds: what nearly all neighbours broke may still be tried
Row = tuple[Mapping[str, Value], float | None]


@final
class Model:
    """A forest over what was measured: targets where less is better, None for what does not hold.

    What failed or broke a constraint has no number of its own: a second forest learns the odds that
    a config holds, and the expected improvement is multiplied by them. Equal `seed`, equal answers.
    """

    def __init__(self, space: Space, rows: Sequence[Row], seed: Sequence[int]) -> None:
        self._vectors = Vectors(space)
        self._seed = list(seed)
        chance = np.random.default_rng(self._seed)
        width = len(space.knobs)
        points = np.array([self._vectors.row(v) for v, _ in rows]).reshape(-1, width)
        x = self._vectors.features(points)
        holds = np.array([y is not None for _, y in rows], dtype=bool)
        self._known = set(self._vectors.keys(points[1:]))  # the baseline may be off the grid
        self._value = self._odds = None
        if holds.any():
            y = np.array([y for _, y in rows if y is not None])
            # How bad the worst are says nothing about the best: they would take all the splits.
            y = np.minimum(y, np.median(y))
            self._value = Forest(x[holds], y, chance)
            self._best = float(y.min())
        if not holds.all():
            self._odds = Forest(x, holds.astype(float), chance)

    def improvement(self, configs: Sequence[Mapping[str, Value]]) -> list[float]:
        """What each of these promises."""
        rows = np.array([self._vectors.row(values) for values in configs])
        return [float(gain) for gain in self._improvement(rows)] if len(rows) else []

    def _improvement(self, rows: Floats) -> Floats:
        x = self._vectors.features(rows)
        gain = np.ones(len(rows))
        if self._value is not None:
            mean, error = self._value.predict(x)
            error = np.maximum(error, 1e-12)
            z = (self._best - mean) / error
            gain = error * (z * _below(z) + np.exp(-z * z / 2) / math.sqrt(2 * math.pi))
        if self._odds is not None:
            gain = gain * np.maximum(self._odds.predict(x)[0], LEAST_ODDS)
        return gain

    def candidates(
        self,
        bases: Sequence[Mapping[str, Value]],
        free: Sequence[str],
        fixed: Mapping[str, Value],
        stream: object,
    ) -> Iterator[tuple[float, dict[str, Value]]]:
        """What differs from the `bases` in the `free` knobs with its gain, the highest first.

        Only what was not measured yet, and everything with the `fixed` values. Equal `stream`,
        equal chance.
        """
        if not free:
            return
        vectors = self._vectors
        chance = np.random.default_rng([*self._seed, *repr(stream).encode()])
        columns = [vectors.column(name) for name in free]
        starts = np.array([vectors.row({**base, **fixed}) for base in bases])
        found: list[Floats] = []
        for _ in range(DRAWN):
            rows = starts[chance.integers(len(starts), size=RANDOM)]
            rows[:, columns] = vectors.random(RANDOM, chance)[:, columns]
            found.append(vectors.fitting(rows))
            if sum(map(len, found)) >= RANDOM // 2:
                break
        for start in starts:
            found += [
                vectors.neighbours(start, columns, chance),
                vectors.moved(start, columns, MOVED, chance),
            ]
        seen = set(self._known)
        rows = self._new(np.concatenate(found), seen)
        gain = self._improvement(rows) if len(rows) else np.empty(0)
        for _ in range(STEPS if len(rows) else 0):
            climbers = rows[_descending(gain)[:CLIMBERS]]
            near = [vectors.neighbours(climber, columns, chance) for climber in climbers]
            more = self._new(np.concatenate(near), seen)
            if not len(more):
                break
            rows, gain = (
                np.concatenate([rows, more]),
                np.concatenate([gain, self._improvement(more)]),
            )
        for i in _descending(gain):
            yield float(gain[i]), vectors.values(rows[i])

    def _new(self, rows: Floats, seen: set[bytes]) -> Floats:
        """The rows that may be tried and are not among the seen, each once; they are then."""
        rows, fresh = self._vectors.fitting(rows), []
        for i, key in enumerate(self._vectors.keys(rows)):
            if key not in seen:
                seen.add(key)
                fresh.append(i)
        return rows[fresh]


def _descending(gain: Floats) -> Whole:
    return np.argsort(-gain, kind="stable")


def _below(z: Floats) -> Floats:
    """The normal distribution function, to 1e-7 (Abramowitz and Stegun 26.2.17)."""
    t = 1 / (1 + 0.2316419 * np.abs(z))
    tail = t * (
        0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429)))
    )
    upper = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * tail
    return np.where(z >= 0, 1 - upper, upper)
