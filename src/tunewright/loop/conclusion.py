"""The conclusion: the verdict, and which config is handed over with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunewright.core.config import Config
from tunewright.core.goal import Goal
from tunewright.core.history import History
from tunewright.core.trial import Arm
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.loop.plan import Plan
from tunewright.verifying.claims import Case, folds_of
from tunewright.verifying.judge import judge
from tunewright.verifying.pairs import Look, looks, outputs_of

INSTEAD = "handed over is what keeps every bound as the search measured it"


def concluded(history: History, plan: Plan, candidate: Config, case: Case) -> Verdict:
    """The verdict of a look, and what is handed over.

    After ACCEPT the candidate. Without a proof too, unless it looks no better than the baseline on
    the untouched evidence; after REJECT the baseline. Where the baseline itself breaks a
    constraint, the candidate also where it is no better, as long as it keeps them all and works;
    and where it does not, what keeps them as the search measured it, or what comes nearest.
    """
    look = case.look
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
        parts=len(folds_of(look)), of_parts=plan.proof.folds, seeds=plan.proof.seeds,
        key=refit.key if refit and refit.key else _key(history, plan, config),
    )  # fmt: skip


def _least_broken(
    history: History, plan: Plan, look: Look, comparisons: Sequence[Comparison]
) -> Config:
    """What is handed over where the baseline breaks a constraint and the candidate is refused."""
    candidate = look.candidate or plan.baseline
    if keeps(look, comparisons):
        return candidate
    tried = [one.candidate for one in looks(history).values() if one.candidate is not None]
    if (other := plan.ranking(history).choose(tried)) is not None:
        return other
    return candidate if _works(look) and _nearer(plan.goal, comparisons) else plan.baseline


def _nearer(goal: Goal, comparisons: Sequence[Comparison]) -> bool:
    """Whether a candidate is at least as far inside each constraint that it breaks."""
    known = {c.metric: c for c in comparisons if c.role == "constraint"}
    short = [
        (one.slack(c.candidate, c.baseline), one.slack(c.baseline, c.baseline))
        for one in goal.constraints
        if (c := known.get(one.metric.name)) is not None
    ]
    return bool(short) and all(own >= min(base, 0.0) for own, base in short)


def keeps(look: Look, comparisons: Sequence[Comparison]) -> bool:
    """Whether a candidate works, and no constraint was found to be broken by it."""
    held = [c.decision for c in comparisons if c.role == "constraint"]
    return bool(held) and Decision.REJECT not in held and _works(look)


def _works(look: Look) -> bool:
    """Whether a candidate could be refitted, and none of its runs failed."""
    return not (look.failures("candidate") or look.unfit())


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


def unproven(history: History, plan: Plan, reason: str, candidate: Config | None = None) -> Verdict:
    """The verdict where nothing was verified."""
    config = candidate or plan.baseline
    return Verdict(Decision.INCONCLUSIVE, config, reason, key=_key(history, plan, config))


def _key(history: History, plan: Plan, config: Config) -> str:
    """The artifact of a config that the search has left, "" where there is none."""
    record = plan.ranking(history).evidence.record_of(config)
    return record.key if record else ""
