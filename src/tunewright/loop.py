"""The heart: `decide` says what should happen, `apply` what did. Both are pure.

No clock, no chance, no I/O: elapsed time comes in, events come out, and a study is their list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import or_
from typing import Literal, final

from tunewright.core.budget import Budget
from tunewright.core.config import Config, digest_of
from tunewright.core.costs import LIMIT_UNBOUNDED_S, PROCESS_S, Costs
from tunewright.core.events import Event, Finished, Started, Stopped
from tunewright.core.evidence import Record
from tunewright.core.goal import Goal
from tunewright.core.history import Fold, History
from tunewright.core.knobs import Space
from tunewright.core.metrics import Metric
from tunewright.core.preference import FAILING_BASELINE, Ranking
from tunewright.core.roles import BLEND, Halt, Proposal, Resources, Searcher, Stage
from tunewright.core.trial import FRESH, Arm, Fidelity, Need, Piece, Purpose, Trial
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.verifying.claims import Case, folds_of
from tunewright.verifying.judge import judge
from tunewright.verifying.pairs import (
    ARMS,
    Look,
    candidate_of,
    current_look,
    failing_arm,
    looks,
    next_purposes,
    outputs_of,
    refitted,
)

MAX_LOOKS = 3  # candidates that may see the test rows, each at half the alpha of the one before
MAX_PAIRS = 40  # beyond this a difference is too small to be worth the machine's time
PRECISE = 2.0  # an interval of a ratio that is wider, high over low, is not worth much …
PRECISE_SHARE = 0.25  # … unless it is narrow beside the change itself, both as logarithms
INSTEAD = "handed over is what keeps every bound as the search measured it"
ENOUGH_SHARE = 0.85  # of what a verification may cost: with so much left there is time for it


@final
@dataclass(frozen=True)
class Proof:
    """How a candidate is proven.

    through, since: how far pairs of runs go, and from where on they run anew; "" where untouched
    rows decide everything. start_s: what the processes of a pair take to start. folds: how often at
    most both arms are fitted again, each time to be judged on another part of the untouched rows
    (0: there are none). most_pairs: pairs at most, fixed beforehand. watched: metrics that are told
    without being asked for. warm_up: a pair that counts for nothing comes first. ignore_failures:
    runs that fail are left out instead of making everything inconclusive; patient: they do not end
    the look at once either. same_output: both arms must put out the same. saved: what a baseline
    gave earlier, by metric; then the arms are a yardstick and the candidate. looks_before: looks
    that earlier studies took at the same rows. among: how many comparisons share the error.
    """

    through: str
    since: str = ""
    start_s: float = PROCESS_S
    folds: int = 0
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
    machine alone. candidate: what is to be proven, where nothing is searched. study: its name; the
    chance of its verification comes from it. capped: whether a trial's limit follows the baseline.
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
    candidate: Config | None = None
    study: str = ""
    seed: int = 0
    limit_s: float = LIMIT_UNBOUNDED_S
    capped: bool = False

    @cached_property
    def costs(self) -> Costs:
        """What its trials cost."""
        names, proof = tuple(stage.name for stage in self.stages), self.proof
        return Costs(self.budget, proof.folds, names, self.cached, proof.since, proof.start_s)

    def parts(self, history: History) -> int:
        """In how many parts the untouched rows are judged: the folds, or what there is time for.

        By the baseline's cost in the search alone, so that what the parts say changes nothing.
        """
        baseline = self.ranking(history).baseline
        return self.costs.parts(baseline) if baseline else self.proof.folds

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


def apply(history: History, event: Event) -> History:
    """The history after an event. Raises InvalidTransition where it cannot follow."""
    return history.applied(event)


def decide(history: History, plan: Plan, free: Resources, elapsed_s: float) -> Sequence[Event]:
    """What should happen now: trials to start or stop, or the end. () means wait."""
    if history.finished is not None:
        return ()
    number = current_look(history)
    if plan.budget.over(elapsed_s):
        if history.running:
            return _stops(history, elapsed_s)
        return [Finished(elapsed_s, conclude(history, plan, number, elapsed_s))]
    if history.lost:
        again = [replace(trial, attempt=trial.attempt + 1) for trial in history.lost]
        return _admit(history, free, elapsed_s, again)
    if number:
        return _verify(history, plan, free, elapsed_s, number)
    return _search(history, plan, free, elapsed_s)


def _stops(history: History, elapsed_s: float) -> list[Event]:
    """The end of everything that runs, since the budget is over."""
    return [Stopped(elapsed_s, t.number, t.attempt, "budget") for t in history.running]


def _admit(
    history: History, free: Resources, elapsed_s: float, wanted: Sequence[Trial]
) -> list[Event]:
    """Starts for the first of `wanted` that the machine has room for.

    A trial that wants the machine alone waits until it is empty, or queues behind one of its own
    lane: the executor runs them one after the other, without asking us in between. The others share
    the machine as far as its slots, cores, memory and GPUs go; one that wants more than there is
    gets what there is.
    """
    running, started = list(history.running), list[Event]()
    slots, cores, memory, gpus = free.slots, free.cores, free.memory_mib, free.gpus
    for trial in wanted:
        need = trial.need
        if need.alone or any(t.need.alone for t in running):
            lane = need.lane and all(t.need.lane == need.lane for t in running)
            fits = len(running) < (2 if lane else 1)
        else:
            fits = need.cores <= cores and need.memory_mib <= memory and need.gpus <= gpus
        if not slots or (running and not fits):
            break
        running.append(trial)
        started.append(Started(elapsed_s, trial))
        slots, cores = slots - 1, cores - need.cores
        memory, gpus = memory - need.memory_mib, gpus - need.gpus
    return started


def _can_start(history: History, free: Resources) -> bool:
    """Whether anything at all could start now: if not, nobody need be asked what."""
    alone = [trial for trial in history.running if trial.need.alone]
    if not alone:
        return bool(free.slots) and (free.cores >= 1 or not history.running)
    return bool(free.slots) and len(history.running) == 1 and bool(alone[0].need.lane)


def _search(history: History, plan: Plan, free: Resources, elapsed_s: float) -> Sequence[Event]:
    """The next trials of the search, or the first look when it is over."""
    ranked = plan.ranking(history)
    baseline = ranked.baseline
    if (
        plan.candidate is None
        and baseline is not None
        and (why := _why_no_baseline(plan, baseline))
    ):
        reason = f"the baseline failed ({why})"
        return () if history.running else [Finished(elapsed_s, _without(history, plan, reason))]
    if vain := _too_late(history, plan, baseline, elapsed_s):
        return vain
    reserve_s = plan.costs.kept_s(ranked, elapsed_s)
    over = plan.budget.search_over(elapsed_s, history.last_number, reserve_s)
    late = over and plan.budget.reserve_reached(elapsed_s, reserve_s - plan.costs.restart_s)
    if over and history.running:  # the last ones may end: a stopped worker has to start anew
        return _stops(history, elapsed_s) if late else ()
    if late:
        return _begin_look(history, plan, free, elapsed_s, 1)
    startable = _can_start(history, free)
    if not startable and not history.reported:
        return ()
    n = min(free.slots, plan.budget.trials_left(history.last_number)) if startable else 0
    wanted = plan.searcher.propose(history, n)
    halted = {halt.number for halt in wanted if isinstance(halt, Halt)}
    events: list[Event] = [
        Stopped(elapsed_s, t.number, t.attempt, "halted")
        for t in history.running
        if t.number in halted
    ]
    proposals = [proposal for proposal in wanted if isinstance(proposal, Proposal)]
    # What ended within the reserve would be taken from it; what is made already takes no time.
    near = plan.budget.reserve_reached(elapsed_s, reserve_s + plan.costs.last_s(ranked))
    if over or (baseline and near):
        proposals = [
            p for p in proposals if p.config.members or (not over and (p.made or p.fidelity.since))
        ]
    limit_s = _limit_s(plan, baseline)
    trials = [
        plan.trial(history.last_number + i, p.config, p.fidelity, Purpose(), limit_s)
        for i, p in enumerate(proposals, start=1)
    ]
    if events or trials or history.running:
        return [*events, *_admit(history, free, elapsed_s, trials)]
    return _begin_look(history, plan, free, elapsed_s, 1)


def _too_late(
    history: History, plan: Plan, baseline: Record | None, elapsed_s: float
) -> list[Event]:
    """Stops for fits that have run so long that what they make could not be refitted in time."""
    left_s = (plan.budget.seconds or math.inf) - elapsed_s
    return [
        Stopped(elapsed_s, trial.number, trial.attempt, "budget")
        for trial, started_s in zip(history.running, history.started_s, strict=True)
        if baseline is not None and not trial.fidelity.since
        if plan.costs.too_dear(baseline, elapsed_s - started_s, left_s)
    ]


def _why_no_baseline(plan: Plan, baseline: Record) -> str:
    """Why nothing can be held against the baseline, or ""."""
    if failing := baseline.failing(FAILING_BASELINE):
        return failing
    missing = any(baseline.value(metric) is None for metric in plan.goal.metrics)
    return baseline.failures[-1] if missing and baseline.failures else ""


def _limit_s(plan: Plan, baseline: Record | None) -> float:
    """How long a trial of the search may take: a multiple of the baseline, where that is known."""
    known = baseline and all(baseline.value(metric) is not None for metric in plan.goal.metrics)
    if not plan.capped or baseline is None or not known:
        return plan.limit_s
    return min(plan.limit_s, plan.costs.limit_s(baseline))


def _begin_look(
    history: History, plan: Plan, free: Resources, elapsed_s: float, number: int
) -> Sequence[Event]:
    """Start to verify the best candidate that no look has had, or finish without one."""
    if number <= MAX_LOOKS and _candidate(history, plan, number, elapsed_s) is not None:
        return _verify(history, plan, free, elapsed_s, number)
    if number > 1:
        return [Finished(elapsed_s, conclude(history, plan, number - 1, elapsed_s))]
    ranked = plan.ranking(history)
    measured = ranked.baseline is not None and ranked.standing(ranked.baseline) is not None
    reason = f"the search found nothing better than the baseline{ranked.nearest_miss()}"
    if plan.budget.seconds is not None and not measured:
        reason = "the budget was over before the baseline was measured; give a larger one"
    return [Finished(elapsed_s, _without(history, plan, reason))]


def _candidate(history: History, plan: Plan, number: int, elapsed_s: float) -> Config | None:
    """Whom a look is about: the best that no earlier look had and that there is time for.

    Once a trial of it has begun, it stays the one. The search ends where the reserve begins, and
    its last trials later: less is left by then than was kept for the best, and it must be enough.
    """
    if plan.candidate is not None:
        return plan.candidate if number == 1 else None
    if (begun := candidate_of(history, number)) is not None:
        return begun
    earlier = [look.candidate for n, look in looks(history).items() if n < number]
    tried = [config for config in earlier if config is not None]
    ranked, left_s = plan.ranking(history), (plan.budget.seconds or math.inf) - elapsed_s

    def affordable(record: Record) -> bool:
        return plan.costs.verification_s(ranked, record) * ENOUGH_SHARE <= left_s

    return ranked.choose(tried, affordable) or ranked.choose(tried)


def _verify(
    history: History, plan: Plan, free: Resources, elapsed_s: float, number: int
) -> Sequence[Event]:
    """The next trials of this look; the next look after a REJECT; the end when it is decided."""
    look, proof = looks(history).get(number, Look()), plan.proof
    parts = plan.parts(history)
    halved = any(len(pair) < len(ARMS) for pair in look.pairs.values())
    if refitted(look, parts) and not history.running and not halved:
        case = _case(plan, look, number, elapsed_s)
        decision, _, comparisons = judge(case)
        # Another candidate may do what this one does not; without a baseline none can.
        failed = not proof.patient and look.failures("baseline")
        broken = bool(look.unfit() or failing_arm(look) or failed)
        # What keeps the constraints that the baseline breaks need not be better at anything else.
        kept = plan.ranking(history).baseline_breaks and _keeps(look, comparisons)
        refused = decision is Decision.REJECT and not kept
        unfit = refused or (not proof.patient and look.failures("candidate"))
        if proof.folds and any(c.note and c.evidence == "rows" for c in comparisons):
            broken = True  # the rows can say nothing about whatever candidate
        elif unfit or (proof.folds and _rows_leave_open(comparisons)):
            return _begin_look(history, plan, free, elapsed_s, number + 1)
        if case.ended or broken or (decision is Decision.ACCEPT and _precise(comparisons)):
            return [Finished(elapsed_s, conclude(history, plan, number, elapsed_s))]
    candidate = _candidate(history, plan, number, elapsed_s)
    trials: list[Trial] = []
    arms: dict[Arm, Config] = {"baseline": plan.baseline, "candidate": candidate or plan.baseline}
    for purpose in next_purposes(
        history, number, arms, parts=parts, warm_up=proof.warm_up, seed=plan.seed
    ):
        at = history.last_number + len(trials) + 1
        config, fidelity = arms[purpose.arm or "candidate"], _fidelity(plan, purpose)
        trial = plan.trial(at, config, fidelity, purpose, plan.limit_s)
        if trial.need.process == "own":  # nothing has to be imported first
            trial = replace(trial, limit_s=_limit_s(plan, plan.ranking(history).baseline))
        trials.append(trial)
    return _admit(history, free, elapsed_s, trials)


def _fidelity(plan: Plan, purpose: Purpose) -> Fidelity:
    """What a trial of a verification learns from, how far it goes, and whose chance it has."""
    split: Literal["search", "test"] = "test" if plan.proof.folds else "search"
    if purpose.kind == "refit":
        piece = Piece(split, purpose.block, plan.seed)
        names = [stage.name for stage in plan.stages]
        above = names[names.index(BLEND) - 1] if purpose.member >= 0 else plan.cached
        return Fidelity(above, piece=piece, member=purpose.member)
    drawn = int(digest_of([plan.study, purpose.look, purpose.block]), 16) % FRESH
    piece = Piece(split, 0, plan.seed, FRESH + drawn)
    return Fidelity(plan.proof.through, plan.proof.since, piece=piece)


def _case(plan: Plan, look: Look, number: int, elapsed_s: float) -> Case:
    """What the judge is asked. The end is set by a count or a clock, never by the changes seen.

    The clock adds the time of both arms, so it cannot prefer one.
    """
    proof = plan.proof
    pairs_over = not proof.through or look.tried() >= proof.most_pairs
    return Case(
        look, number + proof.looks_before, plan.goal,
        ended=pairs_over or plan.budget.over(elapsed_s), watched=proof.watched,
        ignore_failures=proof.ignore_failures, same_output=proof.same_output, saved=proof.saved,
        among=proof.among,
    )  # fmt: skip


def _precise(comparisons: Sequence[Comparison]) -> bool:
    """Whether what is claimed is known well enough: else more pairs follow while there is time."""
    return all(
        c.high <= c.low * max(PRECISE, max(c.estimate, 1 / max(c.estimate, 1e-9)) ** PRECISE_SHARE)
        for c in comparisons
        if c.role == "objective" and c.scale == "ratio" and c.evidence != "rows"
    )


def _rows_leave_open(comparisons: Sequence[Comparison]) -> bool:
    """Whether the rows leave a constraint unproven: pairs cannot change what rows say."""
    return any(
        c.role == "constraint" and c.evidence == "rows" and c.decision is not Decision.ACCEPT
        for c in comparisons
    )


def conclude(history: History, plan: Plan, number: int, elapsed_s: float) -> Verdict:
    """The verdict of the last look, and what is handed over.

    After ACCEPT the candidate. Without a proof too, unless it looks no better than the baseline on
    the untouched evidence; after REJECT the baseline. Where the baseline itself breaks a
    constraint, the candidate also where it is no better, as long as it keeps them all and works;
    and where it does not, what keeps them as the search measured it, or what comes nearest.
    """
    if not number:  # the search's answer is handed over, with what is known about it
        candidate = _candidate(history, plan, 1, elapsed_s)
        reason = "the budget ended before anything could be verified"
        return _without(history, plan, reason, candidate)
    candidate = _candidate(history, plan, number, elapsed_s) or plan.baseline
    look = looks(history).get(number, Look())
    case = _case(plan, look, number, elapsed_s)
    decision, reason, comparisons = judge(case)
    unlike = plan.proof.same_output and outputs_of(look) in ("differ", "vary")
    refused = unlike or decision is Decision.REJECT
    if not refused and decision is Decision.INCONCLUSIVE:
        refused = _looks_worse(plan.goal, comparisons)
    config = plan.baseline if refused else candidate
    if refused and not unlike and plan.ranking(history).baseline_breaks:
        config = _least_broken(history, plan, look, comparisons)
    if config not in (plan.baseline, candidate):
        reason = f"{reason}; {INSTEAD}"
    held: dict[Config, Arm] = {candidate: "candidate", plan.baseline: "baseline"}
    arm = held.get(config)
    refit = look.refits.get(arm, {}).get(0) if arm else None
    return Verdict(
        decision, config, reason, comparisons, pairs=len(look.complete()),
        looks=case.number if plan.proof.folds else 0, alpha=case.alpha,
        parts=len(folds_of(look)), of_parts=plan.proof.folds,
        key=refit.key if refit and refit.key else _key(history, plan, config),
    )  # fmt: skip


def _least_broken(
    history: History, plan: Plan, look: Look, comparisons: Sequence[Comparison]
) -> Config:
    """What is handed over where the baseline breaks a constraint and the candidate is refused."""
    candidate = look.candidate or plan.baseline
    works = not (look.failures("candidate") or look.unfit())
    if works and _keeps(look, comparisons):
        return candidate
    tried = [one.candidate for one in looks(history).values() if one.candidate is not None]
    if (other := plan.ranking(history).choose(tried)) is not None:
        return other
    return candidate if works and _nearer(plan.goal, comparisons) else plan.baseline


def _nearer(goal: Goal, comparisons: Sequence[Comparison]) -> bool:
    """Whether a candidate is at least as far inside each constraint that it breaks."""
    known = {c.metric: c for c in comparisons if c.role == "constraint"}
    short = [
        (one.slack(c.candidate, c.baseline), one.slack(c.baseline, c.baseline))
        for one in goal.constraints
        if (c := known.get(one.metric.name)) is not None
    ]
    return bool(short) and all(own >= min(base, 0.0) for own, base in short)


def _keeps(look: Look, comparisons: Sequence[Comparison]) -> bool:
    """Whether a candidate works, and no constraint was found to be broken by it."""
    held = [c.decision for c in comparisons if c.role == "constraint"]
    return (
        bool(held)
        and Decision.REJECT not in held
        and not (look.failures("candidate") or look.unfit())
    )


def _looks_worse(goal: Goal, comparisons: Sequence[Comparison]) -> bool:
    """Whether a config looks worse than the baseline, as far as was measured.

    So it does where no objective looks better, one looks worse by more than its margin, or a
    constraint looks broken.
    """
    objectives = {metric.name: metric for metric in goal.objectives}
    known = [c for c in comparisons if not math.isnan(c.estimate)]
    losses = [
        (metric.signed(c.estimate - (1.0 if c.scale == "ratio" else 0.0)), metric.margin)
        for c in known
        if c.role == "objective" and (metric := objectives[c.metric])
    ]
    broken = any(c.role == "constraint" and c.decision is Decision.REJECT for c in known)
    better = not losses or min(losses)[0] < 0
    return broken or not better or any(loss > margin for loss, margin in losses)


def _without(history: History, plan: Plan, reason: str, candidate: Config | None = None) -> Verdict:
    """The verdict where nothing was verified."""
    config = candidate or plan.baseline
    return Verdict(Decision.INCONCLUSIVE, config, reason, key=_key(history, plan, config))


def _key(history: History, plan: Plan, config: Config) -> str:
    """The artifact of a config that the search has left, "" where there is none."""
    record = plan.ranking(history).evidence.record_of(config)
    return record.key if record else ""
