"""Curves: how good each config was at which effort, and who is among the best there."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import final

from tunewright.core.roles import ETA

FEWEST = 4  # that came to a rung before anybody is stopped there


@final
@dataclass
class Curves:
    """What is known of the first objective on the way to the end; less is better.

    rungs: the efforts at which configs are held against each other. curve: of each config, by its
    id. boards: who came to each rung, and how good it was then, the best first.
    """

    rungs: Sequence[float]
    curve: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    boards: dict[int, list[tuple[float, str]]] = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)  # how many rungs each config came to

    def learn(self, config: str, step: float, target: float, *, passed: bool = True) -> None:
        """Take in how good a config was at a step; a step that is no further tells nothing.

        passed: it came by all rungs below, and had no better report there.
        """
        curve = self.curve.setdefault(config, [])
        if curve and step <= curve[-1][0]:  # of an attempt that began anew
            return
        curve.append((step, target))
        came = bisect.bisect_right(self.rungs, step)
        first = self.reached.get(config, 0) if passed else came - 1
        for rung in range(max(first, 0), came):
            bisect.insort(self.boards.setdefault(rung, []), (target, config))
        self.reached[config] = max(came, self.reached.get(config, 0))

    def stopped(self, config: str) -> bool:
        """Whether others were clearly better when they were as far as this config is."""
        board = self.boards.get(self.reached.get(config, 0) - 1, [])
        if len(board) < FEWEST:
            return False
        own = next(target for target, other in board if other == config)
        return own > board[math.ceil(len(board) / ETA) - 1][0]

    def favoured(self, below: int) -> Iterator[tuple[int, str]]:
        """Rung and config of those that may go on: of each rung the best third, the top rung first.

        Some of them have gone on. below: rungs from here on are not looked at.
        """
        for rung in sorted((r for r in self.boards if r < below), reverse=True):
            board = self.boards[rung]
            for _, config in board[: len(board) // ETA]:
                if self.reached[config] == rung + 1:
                    yield rung, config

    def foremost(self, below: int) -> Iterator[tuple[int, str]]:
        """Rung and config of all, the furthest first, and among those the best."""
        for rung in sorted((r for r in self.boards if r < below), reverse=True):
            for _, config in self.boards[rung]:
                if self.reached[config] == rung + 1:
                    yield rung, config

    def at(self, config: str, step: float) -> float | None:
        """The last that a config told up to a step, None for nothing."""
        curve = self.curve.get(config, [])
        place = bisect.bisect_right(curve, (step, math.inf))
        return curve[place - 1][1] if place else None
