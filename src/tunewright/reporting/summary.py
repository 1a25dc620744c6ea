"""Summary: everything that a report says about a study, as one value."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from tunewright.core.budget import Budget, parse_budget
from tunewright.core.config import Config
from tunewright.core.costs import Costs
from tunewright.core.events import Opened
from tunewright.core.evidence import Record
from tunewright.core.goal import Goal
from tunewright.core.history import History
from tunewright.core.kinds import Importance
from tunewright.core.knobs import Space
from tunewright.core.metrics import Metric, first_anew, last_cached
from tunewright.core.preference import Ranking, ranked
from tunewright.core.trial import Outcome, Span
from tunewright.core.units import format_quantity
from tunewright.core.verdict import MIN_PAIRS, Decision, Verdict, alpha_of
from tunewright.reporting.configs import PLAIN, Naming, Told, naming_of
from tunewright.reporting.rows import NOTHING, Judged, judged
from tunewright.stats.pairs import early
from tunewright.verifying.findings import Finding, findings
from tunewright.verifying.pairs import ARMS, looks

BEST = 5
RUNTIME = ("resource", "parallelism", "storage")  # families that leave the model as it is


@final
@dataclass(frozen=True)
class StageTime:
    """How long a stage ran at all (overlaps count once), how often, and how often it was reused."""

    stage: str
    seconds: float
    runs: int
    reused: int


@final
@dataclass(frozen=True)
class Sampled:
    """One config of the search by its id, how it is told, and its values as sampled."""

    label: str
    id: str
    config: Told
    values: Mapping[str, float]
    holds: bool
    times: int = 0  # how often its objective was measured


@final
@dataclass(frozen=True)
class Pair:
    """One pair of the last look, and the interval for the change after it."""

    block: int
    baseline: float
    candidate: float
    low: float
    high: float


@final
@dataclass(frozen=True)
class Summary:
    """What happened, what was proven, and where the wall time went.

    own_s: wall time in which no stage ran; shares are of elapsed_s. pair_metric: what `pairs`
    compare.
    steps: baseline, the best that changes the runtime alone, and the final one, as sampled.
    lines: what was compared, baseline first, where nothing was searched. findings: what was odd.
    facts, environment, seed, budget: what was understood, where it ran, and what was asked for.
    commands: the command lines that are handed over, by step. date: of the last event.
    configs: how many the search tried, of so many in `space`. broken: constraints that the baseline
    breaks, as (metric, value, constraint). needed_s: about the budget that a search and its
    verification need, from what they cost; infinite where nothing is known. proof_s: what the
    refits and the fewest pairs take that a verdict needs, as far as is known. paired: whether it
    needs pairs. limited: whether a limit for trials was asked for. budget_s: None for a budget of
    trials. front: what no other config beats on all objectives, as sampled. judged, importance,
    importance_of: of the model that is handed over, by the rows of the verdict. learned_from: which
    rows it has. inputs: what it asks for, "" where that is all that there was.
    naming: what configs are told by. alone: what was sampled of configs without members, by id.
    """

    study: str
    workload: str
    goal: Goal
    elapsed_s: float
    outcomes: Mapping[str, int]
    measured: Mapping[str, int]
    verdict: Verdict | None
    baseline: Config
    stages: tuple[StageTime, ...]
    own_s: float
    verification_s: float
    pairs: tuple[Pair, ...]
    pair_metric: Metric | None
    tried: tuple[Sampled, ...]
    best: tuple[Sampled, ...]
    steps: tuple[Sampled, ...]
    metrics: tuple[Metric, ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    facts: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    budget: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)
    date: str = ""
    configs: int = 0
    space: float = math.inf
    broken: tuple[tuple[str, str, str], ...] = ()
    needed_s: float = math.inf
    proof_s: float = 0.0
    paired: bool = False
    limited: bool = False
    budget_s: float | None = None
    front: tuple[Sampled, ...] = ()
    judged: Judged = NOTHING
    importance: tuple[Importance, ...] = ()
    importance_of: str = ""
    learned_from: str = ""
    inputs: str = ""
    naming: Naming = PLAIN
    alone: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def fits(self) -> int:
        """How often the stage named "fit" ran."""
        return sum(stage.runs for stage in self.stages if stage.stage == "fit")

    @property
    def gain(self) -> tuple[Sampled, ...]:
        """The steps of a proven gain, where all were measured equally often: else it is chance."""
        proven = self.verdict is not None and self.verdict.decision is Decision.ACCEPT
        alike = len({step.times for step in self.steps}) == 1
        return self.steps if proven and alike and len(self.steps) > 1 else ()

    @property
    def units(self) -> Mapping[str, str]:
        """The unit of each metric, by name."""
        return {metric.name: metric.unit for metric in (*self.metrics, *self.goal.metrics)}

    @property
    def own_share(self) -> float:
        """The tuner's own cost as a share of all wall time."""
        return self.own_s / max(self.elapsed_s, 1e-9)

    @property
    def verification_share(self) -> float:
        """The verification's share of the elapsed time."""
        return self.verification_s / max(self.elapsed_s, 1e-9)

    @property
    def handed_over(self) -> Told:
        """The config that is handed over; false where that is the baseline, or nothing yet."""
        return self.naming.told(self.verdict.config, self.alone) if self.verdict else Told()


def summary(history: History, goal: Goal, workload: str = "") -> Summary:
    """The summary of a study, finished or not."""
    opened = history.opened
    request = opened.request if opened else {}
    runtime = {knob.name for knob in (opened.knobs if opened else ()) if knob.family in RUNTIME}
    spans: list[Span] = []
    decided_s = history.elapsed_s if history.finished_s is None else history.finished_s
    verifying_from_s = decided_s
    outcomes: Counter[str] = Counter()
    for trial, measurement in history.ended():
        outcomes[measurement.outcome.value] += 1
        spans.extend(measurement.spans)
        if trial.purpose.kind != "search":
            starts = (span.start_s for span in measurement.spans)
            verifying_from_s = min((verifying_from_s, *starts))
    busy_s = _union_s(span for span in spans if not span.cached)
    state = ranked(goal, history)
    records = state.evidence.records.values()
    base = state.baseline.config if state.baseline else Config({})
    naming = naming_of(opened, base)
    watched = opened.metrics if opened and not goal.objectives else ()
    before = opened.looks_before if opened else 0
    if opened and opened.arms:
        proof_s, paired = _comparison_s(history), True
        needed_s = 1.5 * proof_s if proof_s else math.inf
    else:
        proof_s, paired, needed_s = _proof_s(state, opened)
    pairs, pair_metric = _pairs(history, [*goal.objectives, *watched, *goal.metrics], before)
    return Summary(
        study=opened.study if opened else "",
        workload=workload or str(request.get("name", "")),
        goal=goal,
        elapsed_s=history.elapsed_s,
        outcomes=dict(outcomes.most_common()),
        measured={
            m.name: sum(m.name in record.readings for record in records) for m in goal.metrics
        },
        verdict=history.finished,
        baseline=base,
        stages=tuple(_stage_time(s, spans) for s in dict.fromkeys(span.stage for span in spans)),
        own_s=max(decided_s - busy_s, 0.0),
        verification_s=decided_s - verifying_from_s,
        pairs=pairs,
        pair_metric=pair_metric,
        tried=tuple(_sampled("", record, state, naming) for record in records if record.readings),
        best=tuple(_sampled("", record, state, naming) for record in state.best(BEST)),
        steps=_steps(state, history.finished, runtime, naming),
        metrics=opened.metrics if opened else (),
        lines=opened.arms if opened else {},
        findings=_findings(history, pair_metric, saved=bool(request.get("proof", {}).get("saved"))),
        facts=opened.facts if opened else (),
        environment=opened.environment if opened else {},
        seed=request.get("seed"),
        budget=str(request.get("budget", "")),
        configs=sum(record.runs > 0 for record in records),
        space=Space(opened.knobs).count if opened and opened.knobs else math.inf,
        broken=_broken(state),
        needed_s=needed_s,
        proof_s=proof_s,
        paired=paired,
        limited=bool((request.get("limits") or {}).get("trial_s")),
        budget_s=parse_budget(request["budget"]).seconds if request.get("budget") else None,
        front=tuple(_sampled("", record, state, naming) for record in state.front()),
        judged=judged(history),
        naming=naming,
        alone=_alone(state),
    )


def _broken(state: Ranking) -> tuple[tuple[str, str, str], ...]:
    """The constraints that the baseline itself breaks, as it was measured."""
    baseline, broken = state.baseline, list[tuple[str, str, str]]()
    if baseline is None:
        return ()
    for constraint in state.goal.constraints:
        value, slack = baseline.value(constraint.metric), state.slack(baseline, constraint)
        if value is not None and slack is not None and slack.value < 0:
            shown = format_quantity(value, constraint.metric.unit)
            broken.append((constraint.metric.name, shown, constraint.text))
    return tuple(broken)


def _costs(state: Ranking, opened: Opened) -> Costs:
    """What the study's trials cost, as its first event tells it."""
    asked, stages = state.goal.metrics or opened.metrics, opened.stages
    cached, since = last_cached(asked, stages), first_anew(asked, stages)
    return Costs(Budget(), opened.folds, stages, cached, since)


def _proof_s(state: Ranking, opened: Opened | None) -> tuple[float, bool, float]:
    """About what the refits and the fewest pairs take, of arms that cost what the baseline does.

    Whether there are pairs; and the budget for some configs and what verifies one of them.
    """
    base = state.baseline
    if base is None or opened is None:
        return 0.0, False, math.inf
    costs, space = _costs(state, opened), Space(opened.knobs).count if opened.knobs else math.inf
    pairs_s = MIN_PAIRS * costs.pair_s(base, base) if base.measure_s else 0.0
    refits_s = costs.refits_s(base, base.fit_s)
    return refits_s + pairs_s, bool(pairs_s), costs.needed_s(base, space)


def _comparison_s(history: History) -> float:
    """About what the fewest pairs of a comparison take with what warms the machine up; 0: unknown.

    By the quickest run of each arm that went as far as it might: less is not to be had. An arm that
    has none is taken to be like the other.
    """
    quickest: dict[str, float] = {}
    for trial, measurement in history.ended():
        took_s = sum(span.end_s - span.start_s for span in measurement.spans)
        if trial.purpose.arm and took_s and measurement.outcome is not Outcome.STOPPED:
            arm = trial.purpose.arm
            quickest[arm] = min(quickest.get(arm, math.inf), took_s)
    each_s = sum(quickest.values()) / max(len(quickest), 1)
    return (1 + MIN_PAIRS) * len(ARMS) * each_s


def _findings(history: History, metric: Metric | None, *, saved: bool) -> tuple[Finding, ...]:
    """What was odd; a yardstick's own output means nothing."""
    look = looks(history).get(max(looks(history), default=0))
    odd = findings(look, metric) if look and metric else ()
    return tuple(f for f in odd if not (saved and f.kind.startswith("outputs")))


def _stage_time(stage: str, spans: Sequence[Span]) -> StageTime:
    ran = [span for span in spans if span.stage == stage and not span.cached]
    reused = sum(span.stage == stage and span.cached for span in spans)
    return StageTime(stage, _union_s(ran), len(ran), reused)


def _union_s(spans: Iterable[Span]) -> float:
    """Seconds in which at least one of the spans ran."""
    total_s = until_s = 0.0
    for span in sorted(spans, key=lambda span: span.start_s):
        total_s += max(span.end_s - max(span.start_s, until_s), 0.0)
        until_s = max(until_s, span.end_s)
    return total_s


def _values(record: Record, state: Ranking) -> dict[str, float]:
    return {m.name: v for m in state.goal.metrics if (v := record.value(m)) is not None}


def _alone(state: Ranking) -> dict[str, dict[str, float]]:
    """What was sampled of configs without members, by the id as tried and as settled."""
    alone: dict[str, dict[str, float]] = {}
    for record in state.evidence.records.values():
        if not record.config.members:
            settled = state.evidence.settled(record.config)
            alone[record.config.id] = alone[settled.id] = _values(record, state)
    return alone


def _sampled(label: str, record: Record, state: Ranking, naming: Naming) -> Sampled:
    """A config as it would be handed over: settled. The baseline differs in nothing from itself."""
    other = record is not state.baseline
    told = naming.told(state.evidence.settled(record.config)) if other else Told()
    standing = state.standing(record)
    holds = standing is not None and standing.tier < 2
    first = next(iter(state.goal.objectives), None)
    times = len(record.readings.get(first.name, {})) if first else 0
    return Sampled(label, record.config.id, told, _values(record, state), holds, times)


def _steps(
    state: Ranking, verdict: Verdict | None, runtime: Collection[str], naming: Naming
) -> tuple[Sampled, ...]:
    if state.baseline is None:
        return ()
    steps = [("baseline", state.baseline)]
    fit = [r for r in state.best() if (at := state.standing(r)) is not None and at.tier < 2]
    alone = (r for r in fit if naming.told(r.config).only(runtime))
    best_alone = next(alone, state.baseline)
    if best_alone is not state.baseline:
        steps.append(("runtime only", best_alone))
    final = state.evidence.record_of(verdict.config) if verdict else next(iter(fit), None)
    if final is not None and final is not state.baseline:
        steps.append(("final", final))
    return tuple(_sampled(label, record, state, naming) for label, record in steps)


def _pairs(
    history: History, metrics: Sequence[Metric], looks_before: int
) -> tuple[tuple[Pair, ...], Metric | None]:
    """The pairs of the last look, for the first of these metrics that pairs decide."""
    look_number = max(looks(history), default=0)
    metric = next((m for m in metrics if m.since), None)
    if not look_number or metric is None:
        return (), metric
    values = [
        (block, metric.of(arms["baseline"].samples), metric.of(arms["candidate"].samples))
        for block, arms in sorted(looks(history)[look_number].pairs.items())
        if len(arms) == 2
    ]
    both = [(block, a, b) for block, a, b in values if a is not None and b is not None]
    if metric.scale == "ratio" and any(min(a, b) <= 0 for _, a, b in both):
        metric = replace(metric, scale="difference")  # as the verdict reads them, too
    pairs: list[Pair] = []
    changes: list[float] = []
    for block, a, b in both:
        changes.append(math.log(b / a) if metric.scale == "ratio" else b - a)
        so_far = early(changes, 2 * alpha_of(look_number + looks_before))
        low, high = so_far.low, so_far.high
        if metric.scale == "ratio":
            low, high = math.exp(low), math.exp(min(high, 700.0))
        pairs.append(Pair(block, a, b, low, high))
    return tuple(pairs), metric
