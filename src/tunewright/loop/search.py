"""The search: what the searcher proposes, while there is time for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunewright.core.events import Event, Finished, Stopped
from tunewright.core.evidence import Record
from tunewright.core.history import History
from tunewright.core.preference import FAILING_BASELINE
from tunewright.core.roles import Halt, Proposal, Resources
from tunewright.core.trial import Purpose
from tunewright.loop.admission import admit, can_start, stops
from tunewright.loop.conclusion import unproven
from tunewright.loop.plan import Plan
from tunewright.loop.verification import begin_look


def continue_search(
    history: History, plan: Plan, free: Resources, elapsed_s: float
) -> Sequence[Event]:
    """The next trials of the search, or the first look when it is over."""
    ranked = plan.ranking(history)
    baseline = ranked.baseline
    if (
        plan.candidate is None
        and baseline is not None
        and (why := _why_no_baseline(plan, baseline))
    ):
        reason = f"the baseline failed ({why})"
        return () if history.running else [Finished(elapsed_s, unproven(history, plan, reason))]
    if vain := _too_late(history, plan, baseline, elapsed_s):
        return vain
    reserve_s = plan.costs.kept_s(ranked, elapsed_s)
    over = plan.budget.search_over(elapsed_s, history.last_number, reserve_s)
    late = over and plan.budget.reserve_reached(elapsed_s, reserve_s - plan.costs.restart_s)
    if over and history.running:  # the last ones may end: a stopped worker has to start anew
        return stops(history, elapsed_s) if late else ()
    if late:
        return begin_look(history, plan, free, elapsed_s, 1)
    startable = can_start(history, free)
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
    limit_s = plan.capped_s(baseline)
    trials = [
        plan.trial(history.last_number + i, p.config, p.fidelity, Purpose(), limit_s)
        for i, p in enumerate(proposals, start=1)
    ]
    if events or trials or history.running:
        return [*events, *admit(history, free, elapsed_s, trials)]
    return begin_look(history, plan, free, elapsed_s, 1)


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
