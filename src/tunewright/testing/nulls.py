"""Null studies: whole studies in which nothing is to be found, so what they accept is an error.

Every config has the baseline's true values. The search is flattered by chance, as it always is, and
the verification must not be: the chance of a run depends on its config and its piece of the
evidence alone, so a proof that reads a piece again that the search has seen is flattered as well.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

from tunewright.core.config import Config, digest_of
from tunewright.core.knobs import Knob, Real
from tunewright.core.metrics import Metric, Sample
from tunewright.core.roles import Untouched
from tunewright.core.trial import Measurement, Outcome, Piece, Span, Trial
from tunewright.core.verdict import Decision, alpha_of
from tunewright.planning import Proving, Request
from tunewright.testing.simulated import SimulatedStage, SimulatedWorkload
from tunewright.testing.studies import KIND, SimulatedStudy, simulate

ROWS = 100  # untouched ones, in each of two folds
SPREAD = 0.05  # of what varies from run to run
BOUND = 0.01  # how much worse every config is where a bound is asked of it
SEARCHED = "24 trials"
PAIRS = 12


@final
@dataclass(frozen=True)
class Null:
    """A kind of null study: what its verdicts rest on, its goal, and its metrics.

    folds: of the untouched rows. worse: by how much every config is truly worse than the baseline
    on the score; the goal then asks that it be no worse by more, which nothing can prove.
    """

    evidence: str
    goal: str
    metrics: tuple[Metric, ...]
    folds: int = 0
    worse: float = 0.0

    def study(self, seed: int, looks: int = 1) -> SimulatedStudy:
        """A study of this kind; with `looks` above 1 the candidates of all looks before crash."""
        knob = Knob("n", Real(0.0, 1.0), 0.5, "hyperparameter", "fit")
        stages = (SimulatedStage("fit", (knob,)), SimulatedStage("run"))
        workload = SimulatedWorkload(
            stages, self.metrics, Config({"n": 0.5}), untouched=Untouched(self.folds)
        )
        proof = Proving(pairs=PAIRS)
        request = Request("null", KIND, None, self.goal, budget=SEARCHED, seed=seed, proof=proof)

        def model(trial: Trial) -> Measurement:
            if trial.purpose.arm == "candidate" and trial.purpose.look < looks:
                return Measurement(Outcome.CRASHED, spans=(Span("fit", 0.0, 0.01),), detail="so")
            return self._measured(trial, changed=trial.config != workload.baseline)

        return simulate(workload, request, model)

    def _measured(self, trial: Trial, *, changed: bool) -> Measurement:
        """What a trial gives: what is not new evidence comes from the same chance as before."""
        piece, samples = trial.fidelity.piece, dict[str, Sample]()
        for metric in self.metrics:
            repeat = piece.repeat if metric.since and trial.fidelity.since else 0
            chance = _chance(piece, trial.config.id, metric.name, repeat)
            match metric.evidence:
                case "rows":
                    samples |= self._scored(piece, chance, changed=changed)
                case "fixed":
                    flattered = changed and (self.worse or piece.split == "search")
                    less = chance.randrange(100) if flattered else 0
                    samples[metric.name] = Sample((1000.0 - less,), metric.unit)
                case _:
                    value = math.exp(SPREAD * chance.gauss())
                    samples[metric.name] = Sample((value,), metric.unit)
        return Measurement(Outcome.OK, samples, (Span("fit", 0.0, 0.01), Span("run", 0.01, 0.02)))

    def _scored(self, piece: Piece, chance: random.Random, *, changed: bool) -> dict[str, Sample]:
        if piece.split == "search":
            change = chance.gauss(-self.worse, BOUND / 2) if changed else 0.0
            measured = Sample((change,), error=BOUND / 10)
            return {"score": Sample((0.8 + change,)), "score_change": measured}
        shared = _chance(piece, "rows", "", 0)
        truth = 0.8 - (self.worse if changed else 0.0)
        rows = [truth + shared.gauss(0.0, SPREAD) + chance.gauss(0.0, SPREAD) for _ in range(ROWS)]
        return {"score": Sample((math.fsum(rows) / ROWS,)), "score_rows": Sample(tuple(rows))}


@final
@dataclass(frozen=True)
class Errors:
    """How many of `studies` ended with a wrong ACCEPT, and which share of them may.

    level: the error that their looks may spend, in the mean. bound: the level and two standard
    errors of so many studies.
    """

    studies: int
    accepted: int
    level: float

    @property
    def share(self) -> float:
        """The share of wrong ACCEPTs."""
        return self.accepted / self.studies

    @property
    def bound(self) -> float:
        """What the share may be."""
        return self.level + 2 * math.sqrt(self.level * (1 - self.level) / self.studies)


def errors_of(null: Null, looks: int, seeds: Iterable[int]) -> Errors:
    """The errors of the studies of these seeds that came to this look."""
    studies, accepted, spent = 0, 0, 0.0
    for seed in seeds:
        done = null.study(seed, looks)
        verdict, last = done.history.finished, max(trial.purpose.look for trial in done.trials)
        assert verdict is not None
        if last >= looks:
            studies += 1
            accepted += verdict.decision is Decision.ACCEPT
            spent += sum(map(alpha_of, range(looks, last + 1)))
    assert studies, f"no study of {null.evidence} came to look {looks}"
    return Errors(studies, accepted, spent / studies)


def _chance(piece: Piece, config: str, metric: str, repeat: int) -> random.Random:
    key = digest_of([piece.split, piece.fold, piece.seed, config, metric, repeat])
    return random.Random(key)  # noqa: S311 - the model's own


_SCORE = Metric("score", "higher", "fit", scale="difference", evidence="rows")
_TIME = Metric("time", "lower", "run", "s", quiet=True)
_LOSS = Metric("loss", "lower", "run", evidence="same data")
_SIZE = Metric("size", "lower", "fit", "B", evidence="fixed")

NULLS: Final = (
    Null("rows", "maximize score", (_SCORE,), folds=2),
    Null("pairs", "minimize time", (_TIME,)),
    Null("same data", "minimize loss", (_LOSS,)),
    Null("fixed", "minimize size", (_SIZE,), folds=1),
    Null(
        "rows at a bound", f"minimize size subject to score >= baseline - {BOUND}", (_SIZE, _SCORE),
        folds=2, worse=BOUND,
    ),
)  # fmt: skip
