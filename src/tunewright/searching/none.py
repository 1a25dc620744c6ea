"""The searcher of a study that searches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from tunewright.core.history import History
from tunewright.core.roles import Problem, Proposal


@final
class NoSearcher:
    """Proposes nothing: what is to be proven is known already."""

    def __init__(self, problem: Problem) -> None:
        del problem

    def propose(self, history: History, n: int) -> Sequence[Proposal]:
        """()."""
        del history, n
        return ()
