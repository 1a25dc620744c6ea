"""The plan: what was asked for, and how it will be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from typing import final

from tunewright.core.budget import Budget
from tunewright.core.config import Config
from tunewright.core.costs import LIMIT_UNBOUNDED_S, Costs
from tunewright.core.evidence import Record
from tunewright.core.goal import Goal
from tunewright.core.history import Fold, History
from tunewright.core.knobs import Space
from tunewright.core.metrics import Metric
from tunewright.core.preference import Ranking
from tunewright.core.roles import BLEND, Searcher, Stage
from tunewright.core.trial import Fidelity, Need, Purpose, Trial

MAX_PAIRS = 40  # beyond this a difference is too small to be worth the machine's time


@final
@dataclass(frozen=True)
class Proof:
    """How a candidate is proven.

    through, since: how far pairs of runs go, and from where on they run anew; "" where untouched
    rows decide everything. folds: how often at most both arms are fitted again, each time to be
    judged on another part of the untouched rows (0: there are none), or with another seed on the
    same ones (seeds). most_pairs: pairs at most, fixed beforehand. watched: metrics that are told
    without being asked for. warm_up: a pair that counts for nothing comes first. ignore_failures:
    runs that fail are left out instead of making everything inconclusive; patient: they do not end
    the look at once either. same_output: both arms must put out the same. saved: what a baseline
    gave earlier, by metric; then the arms are a yardstick and the candidate. looks_before: looks
    that earlier studies took at the same rows. among: how many comparisons share the error.
    """

    through: str
    since: str = ""
    folds: int = 0
    seeds: bool = False
    most_pairs: int = MAX_PAIRS
    watched: tuple[Metric, ...] = ()
    warm_up: bool = False
    patient: bool = False
    ignore_failures: bool = False
    same_output: bool = False
    saved: Mapping[str, Sequence[tuple[float | None, float]]] = field(default_factory=dict)
    looks_before: int = 0
    among: int = 1


@final
@dataclass(frozen=True)
class Plan:
    """What was asked for, and how it will be done. Everything that `decide` knows beside history.

    ranking: the fold that orders configs. cached: the last stage that the search may take from the
    cache, "" where it is the first one that cannot be. quiet: the stages whose trials have the
    machine alone. costs: what its trials cost. candidate: what is to be proven, where nothing is
    searched. study: its name; the chance of its verification comes from it. capped: whether a
    trial's limit follows the baseline.
    """

    goal: Goal
    space: Space
    baseline: Config
    searcher: Searcher
    budget: Budget
    ranking: Fold[Ranking]
    stages: tuple[Stage, ...]
    cached: str
    quiet: frozenset[str]
    proof: Proof
    costs: Costs
    candidate: Config | None = None
    study: str = ""
    seed: int = 0
    limit_s: float = LIMIT_UNBOUNDED_S
    capped: bool = False

    def parts(self, history: History) -> int:
        """In how many parts the untouched rows are judged: the folds, or what there is time for.

        By the baseline's cost in the search alone, so that what the parts say changes nothing.
        """
        baseline = self.ranking(history).baseline
        return self.costs.parts(baseline) if baseline else self.proof.folds

    def capped_s(self, baseline: Record | None) -> float:
        """How long a trial of the search may take: a multiple of the baseline, where known."""
        known = baseline and all(baseline.value(metric) is not None for metric in self.goal.metrics)
        if not self.capped or baseline is None or not known:
            return self.limit_s
        return min(self.limit_s, self.costs.limit_s(baseline))

    def trial(
        self, number: int, config: Config, fidelity: Fidelity, purpose: Purpose, limit_s: float
    ) -> Trial:
        """A new trial, with what it needs of the machine."""
        return Trial(
            number, config, fidelity, purpose, 1, self._need(config, fidelity, purpose), limit_s
        )

    def _need(self, config: Config, fidelity: Fidelity, purpose: Purpose) -> Need:
        """What its stages need; those that run anew decide about the process."""
        names = [stage.name for stage in self.stages]
        run = self.stages[: names.index(fidelity.through) + 1]
        cut = names.index(fidelity.since) if fidelity.since else len(names)
        blend = names.index(BLEND) if BLEND in names else len(names)
        members = [member for member, _ in config.members] or [config]
        if fidelity.member >= 0:
            members = [members[fidelity.member]]
        needs = [
            stage.needs(own)
            for i, stage in enumerate(run)
            for own in (members if i < blend else [config])
        ]
        tail = reduce(or_, (stage.needs(config) for stage in run[cut:]), Need())
        alone = any(stage.name in self.quiet for stage in run[cut:])
        fresh = purpose.kind == "pair" and tail.process != "own"
        return replace(
            reduce(or_, needs, Need()), alone=alone, process="fresh" if fresh else tail.process,
            lane=tail.lane, imports=tail.imports, keep=purpose.kind == "refit",
        )  # fmt: skip
