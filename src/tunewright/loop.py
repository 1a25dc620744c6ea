"""The heart: `decide` says what should happen, `apply` what did. Both are pure.

No clock, no chance, no I/O: elapsed time comes in, events come out, and a study is their list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, final

from tunewright.core.budget import Budget
from tunewright.core.config import Config
from tunewright.core.events import Event, Finished, Started, Stopped
from tunewright.core.goal import Goal
from tunewright.core.history import History
from tunewright.core.knobs import Space
from tunewright.core.known import Known, known, nearest_miss, select
from tunewright.core.metrics import Metric
from tunewright.core.roles import Resources, Searcher
from tunewright.core.trial import Arm, Fidelity, Purpose, Trial
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.verifying.claims import Case, alpha_of
from tunewright.verifying.judge import judge
from tunewright.verifying.pairs import (
    ARMS,
    Look,
    current_look,
    hopeless_arm,
    looks,
    next_purposes,
    refitted,
)

MAX_LOOKS = 3  # candidates that may see the test rows, each at half the alpha of the one before
MAX_PAIRS = 40  # beyond this a difference is too small to be worth the machine's time
PRECISE = 2.0  # an interval of a ratio that is wider, high over low, is not worth much …
PRECISE_SHARE = 0.25  # … unless it is narrow beside the change itself, both as logarithms
CLEAR = 2.0  # a sampled ratio beyond which few pairs will do
CLEAR_PAIRS, USUAL_PAIRS = 7, 15
PROCESS_S = 0.2  # a pair's own processes
REFIT_MORE = 1.5  # a refit learns on more rows than the search did
GRACE = 0.8  # of the reserve: by then the search's last trials must have ended
RESERVE = (0.1, 0.4)  # shares of the budget kept for verification, at least and at most


@final
@dataclass(frozen=True)
class Proof:
    """How a candidate is proven.

    through: how far pairs of processes run, "" where untouched rows decide everything. folds: how
    often both arms are fitted again, each time to be judged on another part of the untouched rows
    (0: there are none). most_pairs: pairs at most, fixed beforehand. watched: metrics that are told
    without being asked for. warm_up: a pair that counts for nothing comes first. forgiving: runs
    that fail are left out instead of making everything inconclusive. alike: both arms must put out
    the same. saved: what a baseline gave earlier, by metric; then the arms are a yardstick and the
    candidate. looks_before: looks that earlier studies took at the same untouched rows.
    """

    through: str
    folds: int = 0
    most_pairs: int = MAX_PAIRS
    watched: tuple[Metric, ...] = ()
    warm_up: bool = False
    forgiving: bool = False
    alike: bool = False
    saved: Mapping[str, Sequence[tuple[float | None, float]]] = field(default_factory=dict)
    looks_before: int = 0


@final
@dataclass(frozen=True)
class Plan:
    """What was asked for, and how it will be done. Everything that `decide` knows beside history.

    searcher: None where nothing is searched and `candidate` is proven at once.
    quality: the last stage before timing ("" where the first stage is a timing one); timing: the
    last stage, "" where the goal asks for nothing that it reports.
    """

    goal: Goal
    space: Space
    baseline: Config
    searcher: Searcher | None
    budget: Budget
    quality: str
    timing: str
    proof: Proof
    candidate: Config | None = None
    seed: int = 0
    limit_s: float = 3600.0

    def trial(self, number: int, config: Config, fidelity: Fidelity, purpose: Purpose) -> Trial:
        """A new trial, with what its stages need of the machine."""
        exclusive = bool(self.timing) and fidelity.through == self.timing
        own = (
            f"{k.name}={config[k.name]}"
            for k in self.space.knobs
            if k.own_process and k.name in config
        )
        lane = ",".join(own) if exclusive else ""
        return Trial(
            number, config, fidelity, purpose, exclusive=exclusive, lane=lane, limit_s=self.limit_s
        )


def apply(history: History, event: Event) -> History:
    """The history after an event. Raises InvalidTransition where it cannot follow."""
    return history.applied(event)


def decide(history: History, plan: Plan, free: Resources, elapsed_s: float) -> Sequence[Event]:
    """What should happen now: trials to start or stop, or the end. () means wait."""
    if history.finished is not None:
        return ()
    if overdue := _overdue(history, plan, elapsed_s):
        return overdue
    number = current_look(history)
    if plan.budget.over(elapsed_s):
        return [Finished(elapsed_s, conclude(history, plan, number, elapsed_s))]
    if history.lost:
        again = [replace(trial, attempt=trial.attempt + 1) for trial in history.lost]
        return _admit(history, free, elapsed_s, again)
    if number:
        return _verify(history, plan, free, elapsed_s, number)
    return _search(history, plan, free, elapsed_s)


def _overdue(history: History, plan: Plan, elapsed_s: float) -> list[Event]:
    """Stops for trials beyond their limit, and for all of them when the budget is over.

    The time of an exclusive trial that is queued behind another has not begun.
    """
    over = plan.budget.over(elapsed_s)
    return [
        Stopped(elapsed_s, t.number, t.attempt, "budget" if over else "limit")
        for t, started_s in zip(history.running, history.started_s, strict=True)
        if over
        or (elapsed_s - started_s > t.limit_s and (not t.exclusive or t is history.running[0]))
    ]


def _admit(
    history: History, free: Resources, elapsed_s: float, wanted: Sequence[Trial]
) -> list[Event]:
    """Starts for the first of `wanted` that the machine has room for.

    An exclusive trial waits until the machine is empty, or queues behind one of its own lane: the
    executor runs them one after the other, without asking us in between. The others share the
    machine, as many as the executor and their own `workers` knob allow.
    """
    running = list(history.running)
    started: list[Event] = []
    for trial in wanted:
        if trial.exclusive or any(t.exclusive for t in running):
            room = 2 if trial.lane and all(t.lane == trial.lane for t in running) else 1
        else:
            room = min(free.workers, *(_share(t, free.workers) for t in (*running, trial)))
        if len(running) >= room or len(started) >= free.free:
            break
        running.append(trial)
        started.append(Started(elapsed_s, trial))
    return started


def _share(trial: Trial, workers: int) -> int:
    """How many trials may run while this one does; a program's own knob may mean something else."""
    share = trial.config.get("workers", workers)
    return share if isinstance(share, int) and share >= 1 else workers


def _search(history: History, plan: Plan, free: Resources, elapsed_s: float) -> Sequence[Event]:
    """The next trials of the search, or the first look when it is over."""
    if plan.searcher is None:
        return _begin_look(history, plan, free, elapsed_s, 1)
    state = known(plan.goal)(history)
    if state.baseline is not None and state.baseline.failed:
        if history.running:
            return ()
        reason = f"the baseline failed ({state.baseline.failed})"
        return [Finished(elapsed_s, _without(plan, reason))]
    reserve_s = _reserve_s(state, plan)
    if not plan.budget.search_over(elapsed_s, history.last_number, reserve_s):
        if not free.free:
            return ()
        n = min(free.free, plan.budget.trials_left(history.last_number))
        proposals = plan.searcher.propose(history, n)
        if state.baseline and plan.budget.hurry(elapsed_s, reserve_s + 2 * state.baseline.made_s):
            proposals = [p for p in proposals if p.fidelity.through == plan.timing]  # no more fits
        trials = [
            plan.trial(history.last_number + i, p.config, p.fidelity, Purpose())
            for i, p in enumerate(proposals, start=1)
        ]
        if trials or history.running:
            return _admit(history, free, elapsed_s, trials)
    elif history.running and plan.budget.hurry(elapsed_s, reserve_s * GRACE):
        return [Stopped(elapsed_s, t.number, t.attempt, "budget") for t in history.running]
    if history.running:
        return ()  # the last ones may end: a stopped worker would have to start anew
    return _begin_look(history, plan, free, elapsed_s, 1)


def _reserve_s(state: Known, plan: Plan) -> float:
    """The tail of the budget kept for refits and pairs, from what the baseline has cost so far."""
    budget_s = plan.budget.seconds
    if budget_s is None or state.baseline is None:
        return 0.0
    best = next(iter(state.best(1)), state.baseline)
    objective = plan.goal.objectives[0]
    a, b = state.baseline.value(objective), best.value(objective)
    clear = a is not None and b is not None and min(a, b) > 0 and max(a, b) / min(a, b) >= CLEAR
    pair_s = state.baseline.timed_s + best.timed_s + PROCESS_S
    pairs = (CLEAR_PAIRS if clear else USUAL_PAIRS) if plan.proof.through else 0
    refit_s = 2 * plan.proof.folds * REFIT_MORE * state.baseline.made_s
    low, high = RESERVE
    return min(max(refit_s + pairs * pair_s, low * budget_s), high * budget_s)


def _begin_look(
    history: History, plan: Plan, free: Resources, elapsed_s: float, number: int
) -> Sequence[Event]:
    """Start to verify the best candidate that no look has had, or finish without one."""
    if _candidate(history, plan, number) is not None and number <= MAX_LOOKS:
        return _verify(history, plan, free, elapsed_s, number)
    if number > 1:
        return [Finished(elapsed_s, conclude(history, plan, number - 1, elapsed_s))]
    state = known(plan.goal)(history)
    reason = f"the search found nothing better than the baseline{nearest_miss(state, plan.goal)}"
    timed = state.baseline and state.baseline.value(plan.goal.objectives[0]) is not None
    if plan.budget.seconds is not None and not timed:
        reason = "the budget was over before the baseline was measured; give a larger one"
    return [Finished(elapsed_s, _without(plan, reason))]


def _candidate(history: History, plan: Plan, number: int) -> Config | None:
    """Whom a look is about: the best that no earlier look had. The search is over: it stays so."""
    if plan.searcher is None:
        return plan.candidate if number == 1 else None
    earlier = [look.candidate for n, look in looks(history).items() if n < number]
    return select(known(plan.goal)(history), plan.goal, [c for c in earlier if c is not None])


def _verify(
    history: History, plan: Plan, free: Resources, elapsed_s: float, number: int
) -> Sequence[Event]:
    """The next trials of this look; the next look after a REJECT; the end when it is decided."""
    look = looks(history).get(number, Look())
    halved = any(len(pair) < len(ARMS) for pair in look.pairs.values())
    if refitted(look, plan.proof.folds) and not history.running and not halved:
        case = _case(plan, look, number, elapsed_s)
        decision, _, comparisons = judge(case)
        searched = plan.searcher is not None  # another candidate may do what this one does not
        failed = searched and look.failures("baseline")
        broken = bool(look.unfit() or hopeless_arm(look) or failed)
        unfit = decision is Decision.REJECT or (searched and look.failures("candidate"))
        if plan.proof.folds and any(c.note and c.evidence == "rows" for c in comparisons):
            broken = True  # the rows can say nothing about whatever candidate
        elif unfit or (plan.proof.folds and _hopeless(comparisons)):
            return _begin_look(history, plan, free, elapsed_s, number + 1)
        if case.ended or broken or (decision is Decision.ACCEPT and _precise(comparisons)):
            return [Finished(elapsed_s, conclude(history, plan, number, elapsed_s))]
    candidate = _candidate(history, plan, number)
    trials: list[Trial] = []
    proof = plan.proof
    for purpose in next_purposes(
        history, number, folds=proof.folds, warm_up=proof.warm_up, seed=plan.seed
    ):
        config = plan.baseline if purpose.arm == "baseline" or candidate is None else candidate
        fidelity = _fidelity(plan, purpose)
        trials.append(plan.trial(history.last_number + len(trials) + 1, config, fidelity, purpose))
    return _admit(history, free, elapsed_s, trials)


def _fidelity(plan: Plan, purpose: Purpose) -> Fidelity:
    """What a trial of a verification learns from, and how far it goes."""
    split: Literal["search", "test"] = "test" if plan.proof.folds else "search"
    if purpose.kind == "refit":
        return Fidelity(plan.quality, 1.0, split, fold=purpose.block, seed=plan.seed)
    repeat = max(purpose.block, 0)
    return Fidelity(plan.proof.through, 1.0, split, repeat=repeat, seed=plan.seed)


def _case(plan: Plan, look: Look, number: int, elapsed_s: float) -> Case:
    """What the judge is asked. The end is set by a count or a clock, never by the changes seen.

    The clock adds the time of both arms, so it cannot prefer one.
    """
    pairs_over = not plan.proof.through or look.tried() >= plan.proof.most_pairs
    return Case(
        look, number + plan.proof.looks_before, plan.goal,
        ended=pairs_over or plan.budget.over(elapsed_s),
        watched=plan.proof.watched, forgiving=plan.proof.forgiving, alike=plan.proof.alike,
        saved=plan.proof.saved,
    )  # fmt: skip


def _precise(comparisons: Sequence[Comparison]) -> bool:
    """Whether what is claimed is known well enough: else more pairs follow while there is time."""
    return all(
        c.high <= c.low * max(PRECISE, max(c.estimate, 1 / max(c.estimate, 1e-9)) ** PRECISE_SHARE)
        for c in comparisons
        if c.role == "objective" and c.scale == "ratio" and c.evidence != "rows"
    )


def _hopeless(comparisons: Sequence[Comparison]) -> bool:
    """Whether the rows leave a constraint unproven: pairs cannot change what rows say."""
    return any(
        c.role == "constraint" and c.evidence == "rows" and c.decision is not Decision.ACCEPT
        for c in comparisons
    )


def conclude(history: History, plan: Plan, number: int, elapsed_s: float) -> Verdict:
    """The verdict of the last look, and what is handed over."""
    candidate = _candidate(history, plan, number) if number else None
    if candidate is None:
        return _without(plan, "the budget ended before anything could be verified")
    look = looks(history).get(number, Look())
    case = _case(plan, look, number, elapsed_s)
    decision, reason, comparisons = judge(case)
    arm: Arm = "baseline" if decision is Decision.REJECT else "candidate"
    refit = look.refits.get(arm, {}).get(0)
    return Verdict(
        decision, plan.baseline if decision is Decision.REJECT else candidate, reason, comparisons,
        pairs=len(look.complete()), looks=case.number if plan.proof.folds else 0,
        alpha=alpha_of(case.number), key=refit.key if refit else "",
    )  # fmt: skip


def _without(plan: Plan, reason: str) -> Verdict:
    return Verdict(Decision.INCONCLUSIVE, plan.baseline, reason)
