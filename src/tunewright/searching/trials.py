"""The trials that a searcher proposes: what others can share, and what is measured anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

from tunewright.core.config import Config
from tunewright.core.roles import Problem, Proposal
from tunewright.core.trial import Fidelity, Piece
from tunewright.searching.state import Seen


@final
@dataclass
class Moment:
    """What one call goes by.

    busy: keys of what runs; taken: the folds of it, by config. progress: the share of the search's
    time that is used; left_s: of that time; left: trials. closing: what is fitted from now on could
    not be verified any more.
    """

    seen: Seen
    busy: set[str]
    taken: set[tuple[str, int]]
    progress: float
    left_s: float
    left: int
    closing: bool


@final
class Trials:
    """Proposals for a problem."""

    def __init__(self, problem: Problem) -> None:
        self._cached, self._fresh, self._seed = problem.cached, problem.fresh, problem.seed

    def shared(self, config: Config, fold: int = 0, rows: float = 1.0) -> Proposal:
        """A trial whose artifacts others can share."""
        effort = {} if rows == 1.0 else {"rows": rows}
        piece = Piece(fold=fold, seed=self._seed)
        return Proposal(config, Fidelity(self._cached, "", effort, piece))

    def anew(self, config: Config, fold: int = 0, repeat: int = 0) -> Proposal:
        """A trial of what must be measured anew."""
        assert self._fresh is not None
        piece = Piece(fold=fold, seed=self._seed, repeat=repeat)
        return Proposal(config, replace(self._fresh, piece=piece))

    def first(self, config: Config) -> Proposal:
        """The first trial of a config."""
        return self.shared(config) if self._cached else self.anew(config)
