"""Racing: which config gets another fold, so that the best is chosen on equal evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import fmean
from typing import final

from tunewright.core.evidence import Record
from tunewright.core.metrics import Metric
from tunewright.core.roles import Problem
from tunewright.searching.chain import Chain
from tunewright.searching.state import Seen

CONTENDERS = 6  # have all folds in the end, and so has the best of each family
DEARER = 3.0  # times the baseline's fit: what a contender's takes, while there is none
AT_ONCE = 1.5  # fits that run side by side, about
SHARE = 0.5  # of the time of shared trials, at most, goes into folds after the first
SEARCHED = 0.6  # of the budget, about, goes into shared trials


@final
class Race:
    """The folds of a problem."""

    def __init__(self, problem: Problem, chain: Chain) -> None:
        self._chain = chain
        rows = [m for m in problem.goal.metrics if m.evidence == "rows"]
        folds = [round(e.full) for e in problem.efforts if e.name == "folds"]
        self.metric: Metric | None = rows[0] if rows else None
        self._most = max([1, *folds]) if rows and problem.cached else 1
        self._seconds = problem.budget.seconds or math.inf
        self._counted: tuple[Seen | None, int, int] = (None, -1, 1)  # ended trials, folds

    def count(self, seen: Seen) -> int:
        """How many folds the contenders get: all, or as many as there is time for."""
        if self._most == 1:
            return 1
        of, ended, count = self._counted
        if of is not seen or ended != seen.ended:
            leaders = self._leaders(seen, 0, CONTENDERS)
            base = seen.ranked.baseline  # which made what all share
            fits = [r.made_s for r in leaders if r is not base and not r.config.members]
            dear_s = CONTENDERS * (fmean(fits) if len(fits) > 1 else DEARER * seen.dearest_s)
            affordable = AT_ONCE * SHARE * SEARCHED * self._seconds / dear_s if dear_s else math.inf
            count = round(min(self._most, max(affordable, 1)))
            self._counted = (seen, seen.ended, count)
        return count

    def folds(self, record: Record) -> list[int]:
        """The folds on which a config was judged."""
        known = record.readings.get(self.metric.name, {}) if self.metric else {}
        return sorted({piece.fold for piece in known if piece.split == "search"})

    def whole(self, seen: Seen, record: Record) -> bool:
        """Whether it has all folds."""
        return len(self.folds(record)) >= self.count(seen)

    def missing(self, seen: Seen, record: Record) -> int | None:
        """The first fold that was not tried; None where all were, or one was in vain.

        A blend has none that a member lacks: it would have to fit that one itself.
        """
        members = [member for member, _ in record.config.members]
        folds = range(self.count(seen))
        tried = [k for k in folds if (record.config.id, k) in seen.tried]
        if len(self.folds(record)) < len(tried):
            return None
        ready = (k for k in folds if all((member.id, k) in seen.tried for member in members))
        return next((k for k in ready if k not in tried), None)

    def survivors(self, seen: Seen) -> Iterator[tuple[Record, int]]:
        """Contenders that lack a fold, the best first, while further folds are not too dear.

        One that is clearly worse than the leader on the same folds is out of the race.
        """
        if seen.folds_s > SHARE * seen.shared_s:
            return
        contenders = self.contenders(seen)
        leader = next((r for r in contenders if self.whole(seen, r)), None)
        for record in contenders:
            fold = self.missing(seen, record)
            if fold is not None and not (leader and self._clearly_worse(record, leader)):
                yield record, fold

    def unfinished(self, seen: Seen) -> list[tuple[Record, int]]:
        """What the contenders and the best of each family still lack."""
        wanted = {r.config.id: r for r in (*self.contenders(seen), *seen.families().values())}
        lacking = [(r, self.missing(seen, r)) for r in wanted.values()]
        return [(record, fold) for record, fold in lacking if fold is not None]

    def contenders(self, seen: Seen) -> list[Record]:
        """The first of the ranking, and the best on each objective, one for each prefix.

        Variants of a prefix err alike, so their folds would tell little.
        """
        first = [*seen.ranked.best(1), *seen.ranked.leaders(1)]
        chosen = {r.config.id: r for r in first if seen.holds(r)}
        for turn in range(len(seen.boards)):
            for record in self._leaders(seen, turn, 1 if turn else CONTENDERS):
                chosen.setdefault(record.config.id, record)
        return [*chosen.values()]

    def _leaders(self, seen: Seen, turn: int, count: int) -> list[Record]:
        """The best so many of a turn, one for each prefix."""
        leaders: dict[str, Record] = {}
        for record in seen.board(turn, 10 * CONTENDERS):
            leaders.setdefault(self._chain.prefix(seen.dearest, record.config), record)
        return [*leaders.values()][:count]

    def _clearly_worse(self, record: Record, leader: Record) -> bool:
        """By more than a standard error of the difference on the folds that both have."""
        metric = self.metric
        if metric is None:
            return False
        own, best = record.readings.get(metric.name, {}), leader.readings.get(metric.name, {})
        both = [piece for piece in own if piece in best]
        if not both:
            return False
        apart, error = 0.0, 0.0
        for piece in both:
            a, b = own[piece], best[piece]
            told = a.change is not None and b.change is not None
            apart += (
                metric.signed((a.change or 0.0) - (b.change or 0.0))
                if told
                else (metric.signed(a.value - b.value))
            )
            error = math.hypot(error, a.error or 0.0, b.error or 0.0)
        return apart > error
