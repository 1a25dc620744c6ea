"""Timing: when the machine is drained for trials that must run alone, and for whom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import final

from tunewright.core.config import Config
from tunewright.core.evidence import SPREAD
from tunewright.core.roles import Problem, Proposal
from tunewright.searching.chain import Chain
from tunewright.searching.pools import Pools
from tunewright.searching.state import Seen
from tunewright.searching.trials import Moment, Trials

BATCH = 10  # timing trials gathered before the machine is drained for them …
GATHERED = 1 / 4  # … or fits that took such a part of the budget
WAITING = 60  # untimed configs that are looked at, the newest
WORTH = 0.1  # of the best gain that waits: what promises less is not worth timing
REPEATS = 5  # measurements of one config in the search, at most
REPEATED = 0.1  # of the measurements, at most, are repeats; twice that in the last part
LAST = 0.5  # of the search's time: then the contenders get what they lack


@final
class Timing:
    """What is measured anew."""

    def __init__(self, problem: Problem, chain: Chain, pools: Pools) -> None:
        self._goal, self._seconds = problem.goal, problem.budget.seconds or math.inf
        self._chain, self._pools, self._trials = chain, pools, Trials(problem)
        # By which objective variants and timing trials are looked at: the first one that is timed.
        timed = [i for i, m in enumerate(problem.goal.objectives) if m.since]
        self.turn = timed[0] if timed else 0

    def due(self, seen: Seen) -> bool:
        """Whether enough was made to drain the machine, so that it can be timed.

        What leads is timed at once where nothing else is worth it, or where the baseline breaks a
        bound: only then is it known how much smaller it must be.
        """
        enough = seen.gathered >= min(BATCH, 2 + seen.timed)
        if enough or seen.gathered_s > GATHERED * self._seconds:
            return True
        first = next(iter(seen.board(0, 1)), None)
        needed = seen.ranked.baseline_breaks or not seen.ranked.promising
        return first is not None and needed and self._chain.key(first.config) in seen.untimed

    def waiting(self, now: Moment) -> Iterator[Proposal]:
        """Timing trials worth having, the most promising first, then repeats of the best."""
        seen = now.seen
        newest = [
            (key, record)
            for key, config in islice(reversed(seen.untimed.items()), WAITING)
            if key not in now.busy
            and config.id not in seen.unsound
            and (record := seen.record(config))
        ]
        gains = self._gains(seen, [record.config for _, record in newest])
        best = max(gains, default=0.0)
        worth = [
            (gain, record)
            for gain, (_, record) in zip(gains, newest, strict=True)
            if gain >= WORTH * best or record.config.members
        ]
        for _, record in sorted(worth, key=lambda pair: (-pair[0], pair[1].config.id)):
            yield self._trials.anew(record.config, record.typical)
        yield from self.repeats(now)

    def repeats(self, now: Moment) -> list[Proposal]:
        """The best again, where noise leaves open which it is."""
        seen, most = now.seen, REPEATED * (2 if now.progress > LAST else 1)
        if seen.timed < BATCH or seen.repeats >= most * seen.timed:
            return []
        pair = [r for r in seen.board(self.turn, 2) if r.measured]
        if len(pair) < 2:
            return []
        (a, b), noise = pair, SPREAD if seen.noise is None else seen.noise
        first, second = seen.place(a, self.turn), seen.place(b, self.turn)
        assert first is not None
        assert second is not None
        if second - first >= 2 * noise * math.sqrt(1 / a.measured + 1 / b.measured):
            return []
        fewest = min(pair, key=lambda r: (r.measured, r is b))
        if fewest.measured >= REPEATS or self._chain.key(fewest.config) in now.busy:
            return []
        return [self._trials.anew(fewest.config, fewest.typical, fewest.measured)]

    def _gains(self, seen: Seen, configs: Sequence[Config]) -> list[float]:
        """What timing each of these promises.

        Where quality comes first, the best in quality promise as much as any.
        """
        gains = self._pools.gains(seen, configs, self.turn)
        if self._goal.objectives[0].since or seen.hopeless:
            return gains
        best, count = max([1e-12, *gains]), max(BATCH, len(seen.boards[0]) // 10)
        top = {r.config.id: 2 - i / count for i, r in enumerate(seen.board(0, count))}
        return [
            best * top[config.id] if config.id in top else gain * (self.turn > 0)
            for config, gain in zip(configs, gains, strict=True)
        ]
