"""The verification: looks at the untouched rows, and pairs of runs, until it is decided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from tunewright.core.config import Config, digest_of
from tunewright.core.events import Event, Finished
from tunewright.core.evidence import Record
from tunewright.core.history import History
from tunewright.core.roles import BLEND, Resources
from tunewright.core.trial import FRESH, Arm, Fidelity, Piece, Purpose, Trial
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.loop.admission import admit
from tunewright.loop.conclusion import concluded, keeps, unproven
from tunewright.loop.plan import Plan
from tunewright.verifying.claims import Case
from tunewright.verifying.judge import judge
from tunewright.verifying.pairs import (
    ARMS,
    Look,
    candidate_of,
    failing_arm,
    looks,
    next_purposes,
    refitted,
)

MAX_LOOKS = 3  # candidates that may see the test rows, each at half the alpha of the one before
PRECISE = 2.0  # an interval of a ratio that is wider, high over low, is not worth much …
PRECISE_SHARE = 0.25  # … unless it is narrow beside the change itself, both as logarithms
ENOUGH_SHARE = 0.85  # of what a verification may cost: with so much left there is time for it


def begin_look(
    history: History, plan: Plan, free: Resources, elapsed_s: float, number: int
) -> Sequence[Event]:
    """Start to verify the best candidate that no look has had, or finish without one."""
    if number <= MAX_LOOKS and _candidate(history, plan, number, elapsed_s) is not None:
        return continue_look(history, plan, free, elapsed_s, number)
    if number > 1:
        return [Finished(elapsed_s, conclude(history, plan, number - 1, elapsed_s))]
    ranked = plan.ranking(history)
    measured = ranked.baseline is not None and ranked.standing(ranked.baseline) is not None
    reason = f"the search found nothing better than the baseline{ranked.nearest_miss()}"
    if plan.budget.seconds is not None and not measured:
        reason = "the budget was over before the baseline was measured; give a larger one"
    return [Finished(elapsed_s, unproven(history, plan, reason))]


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


def continue_look(
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
        kept = plan.ranking(history).baseline_breaks and keeps(look, comparisons)
        refused = decision is Decision.REJECT and not kept
        unfit = refused or (not proof.patient and look.failures("candidate"))
        if proof.folds and any(c.note and c.evidence == "rows" for c in comparisons):
            broken = True  # the rows can say nothing about whatever candidate
        elif unfit or (proof.folds and _rows_leave_open(comparisons)):
            return begin_look(history, plan, free, elapsed_s, number + 1)
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
            trial = replace(trial, limit_s=plan.capped_s(plan.ranking(history).baseline))
        trials.append(trial)
    return admit(history, free, elapsed_s, trials)


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
    """The verdict of the last look, and what is handed over."""
    if not number:  # the search's answer is handed over, with what is known about it
        candidate = _candidate(history, plan, 1, elapsed_s)
        reason = "the budget ended before anything could be verified"
        return unproven(history, plan, reason, candidate)
    candidate = _candidate(history, plan, number, elapsed_s) or plan.baseline
    look = looks(history).get(number, Look())
    return concluded(history, plan, candidate, _case(plan, look, number, elapsed_s))
