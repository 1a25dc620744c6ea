"""Studies of a searcher alone, in simulated time: each proposal is run at once, one at a time."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tunewright.core.config import Config, digest_of
from tunewright.core.events import Ended, Started
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.knobs import Choice, Knob, Real, Space, When
from tunewright.core.metrics import Metric, Sample
from tunewright.core.roles import BLEND, Problem, Proposal
from tunewright.core.trial import Measurement, Need, Outcome, Purpose, Span, Trial

AUC = Metric("auc", "higher", BLEND, scale="difference", margin=0.005, evidence="rows")
LATENCY = Metric("latency", "lower", "predict", "s", quiet=True)
STAGES = ("fit", "compile", BLEND, "predict")
KNOBS = (
    Knob("family", Choice(("linear", "trees", "net")), "linear", "algorithm", "fit"),
    Knob(
        "penalty",
        Real(1e-3, 1, log=True),
        0.1,
        "hyperparameter",
        "fit",
        when=When("family", ("linear",)),
    ),
    Knob(
        "rate",
        Real(1e-3, 1, log=True),
        0.9,
        "hyperparameter",
        "fit",
        when=When("family", ("trees",)),
    ),
    Knob(
        "width", Real(1, 100, log=True), 1.0, "hyperparameter", "fit", when=When("family", ("net",))
    ),
    Knob("runtime", Choice(("slow", "middle", "fast")), "slow", "resource", "compile"),
    Knob("keep", Real(0.1, 1.0), 1.0, "simplification", "compile"),
)
SPACE = Space(KNOBS)
BASELINE = SPACE.default


def problem(goal, fresh=None, **more):
    metrics = (AUC, LATENCY)
    return Problem(
        SPACE, parse_goal(goal, metrics), BASELINE, STAGES, BLEND, fresh, metrics=metrics, **more
    )


@dataclass(frozen=True)
class World:
    """What trials give: a family's cost in seconds, the noise of a fold, and of a measurement."""

    fit_s: dict
    compile_s: float = 0.01
    timing_s: float = 0.05
    fold_noise: float = 0.0
    noise: float = 0.0

    def quality(self, config):
        """The true one; of a blend a bit more than its members'."""
        if config.members:
            return sum(w * self.quality(c) for c, w in config.members) + 0.05
        best = {
            "linear": (0.80, "penalty", 0.02),
            "trees": (0.90, "rate", 0.05),
            "net": (0.86, "width", 30.0),
        }
        top, name, where = best[config["family"]]
        apart = abs(
            SPACE.by_name[name].position(config[name]) - SPACE.by_name[name].position(where)
        )
        return top - 0.15 * apart - 0.02 * (1 - float(config["keep"]))

    def latency_s(self, config):
        if config.members:
            return sum(self.latency_s(c) for c, _ in config.members)
        return {"slow": 9e-4, "middle": 3e-4, "fast": 1e-4}[config["runtime"]] * (
            0.2 + float(config["keep"])
        )

    def __call__(self, trial, made):
        config, fidelity = trial.config, trial.fidelity
        fold = fidelity.piece.fold
        prefix = digest_of(
            [
                {k: v for k, v in config.items() if k not in ("runtime", "keep")},
                fold,
                dict(fidelity.effort),
            ]
        )
        fit_s = (
            0.0
            if prefix in made or config.members
            else self.fit_s[config["family"]] * fidelity.effort.get("rows", 1.0)
        )
        made.add(prefix)
        spans = [
            Span("fit", 0.0, fit_s, cached=not fit_s),
            Span("compile", fit_s, fit_s + self.compile_s),
        ]
        if config.members and not any(w for _, w in config.members):
            raw = [max(self.quality(c) - 0.7, 0.0) for c, _ in config.members]
            raw[0] = 0.0
            weights = Sample(tuple(w / sum(raw) for w in raw))
            return Measurement(Outcome.OK, {"weights": weights}, tuple(spans))
        chance = random.Random(digest_of([config.id, fold]))
        change = self.quality(config) - self.quality(BASELINE)
        if config != BASELINE:
            change += chance.gauss(0.0, self.fold_noise)
        samples = {
            "auc": Sample((0.8 + change,)),
            "auc_change": Sample((change,), error=self.fold_noise or 1e-4),
        }
        if fidelity.since:
            again = random.Random(digest_of([config.id, fidelity.piece.repeat, "timing"]))
            samples["latency"] = Sample(
                (self.latency_s(config) * (1 + again.gauss(0.0, self.noise)),), "s"
            )
            spans.append(
                Span("predict", fit_s + self.compile_s, fit_s + self.compile_s + self.timing_s)
            )
        return Measurement(Outcome.OK, samples, tuple(spans))


def run(searcher, world, *, trials=10**6, seconds=float("inf"), n=1):
    """The history of a study: until so many trials or seconds are over, or nothing is proposed."""
    history, made, elapsed_s = History(), set(), 0.0
    while history.last_number < trials and elapsed_s < seconds:
        wanted = [p for p in searcher.propose(history, n) if isinstance(p, Proposal)]
        if not wanted:
            break
        for proposal in wanted[: trials - history.last_number]:
            number = history.last_number + 1
            need = Need(alone=bool(proposal.fidelity.since))
            trial = Trial(number, proposal.config, proposal.fidelity, Purpose(), need=need)
            history = history.applied(Started(elapsed_s, trial))
            measurement = world(trial, made)
            moved = tuple(
                replace(s, start_s=s.start_s + elapsed_s, end_s=s.end_s + elapsed_s)
                for s in measurement.spans
            )
            elapsed_s = max(s.end_s for s in moved)
            history = history.applied(
                Ended(elapsed_s, number, 1, replace(measurement, spans=moved))
            )
    return history


def prefix_of(config):
    return Config({k: v for k, v in config.items() if k not in ("runtime", "keep")})
