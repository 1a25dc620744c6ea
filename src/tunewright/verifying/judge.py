"""The verdict: a fold over a look's trials. Anything unexpected is INCONCLUSIVE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tunewright.core.goal import within_margin
from tunewright.core.verdict import Comparison, Decision
from tunewright.verifying.claims import Case, Claim, compare
from tunewright.verifying.pairs import ARMS, failing_arm, failure_story, outputs_of

WATCHED = 0.1  # weight of a watched metric among the claims, where an objective has 1
_UNLIKE = {
    "differ": (Decision.REJECT, "the outputs of the two differ"),
    "vary": (
        Decision.INCONCLUSIVE,
        "the outputs vary from run to run, so they cannot be compared",
    ),
    "unknown": (Decision.INCONCLUSIVE, "not enough evidence on the outputs"),
}

Compare = Callable[[Claim, float], Comparison]


def judge(case: Case) -> tuple[Decision, str, tuple[Comparison, ...]]:
    """What a look proves so far: ACCEPT, REJECT or INCONCLUSIVE, why, and the comparisons.

    ACCEPT: better on at least one objective (where there is one), no worse than its margin on all
    others, and every constraint holds. REJECT: a constraint is broken, or no objective can be
    better.
    """
    if unfit := case.look.unfit():
        arm, measurement = unfit
        reason = f"the {arm} ended as {measurement.outcome.value}: {measurement.detail}"
        return (Decision.REJECT if arm == "candidate" else Decision.INCONCLUSIVE), reason, ()
    comparisons, guards = _comparisons(case)
    decision, reason = _decided(comparisons, guards)
    failed = [arm for arm in ARMS if case.look.failures(arm)]
    if failed and not case.ignore_failures:
        failing = failing_arm(case.look) == "candidate" and failed == ["candidate"]
        decision = Decision.REJECT if failing else Decision.INCONCLUSIVE
        reason = failure_story(case.look)
    elif case.same_output and (outputs := outputs_of(case.look)) != "same":
        decision, reason = _UNLIKE[outputs]
    return decision, reason, comparisons


def _comparisons(case: Case) -> tuple[tuple[Comparison, ...], dict[str, Decision]]:
    """Every claim compared, and whether the objectives that are not better keep to their margins.

    Constraints must all hold, so each may spend the whole error. Objectives and watched metrics are
    claims of which any may be made, so they share it by Holm.
    """
    alpha = case.alpha
    free = [Claim(metric, "objective") for metric in case.goal.objectives]
    free += [Claim(metric, "watched") for metric in case.watched]

    bound = [compare(case, Claim(c.metric, "constraint", c), alpha) for c in case.goal.constraints]
    shared = holm(free, partial(compare, case), alpha)
    objectives, watched = shared[: len(case.goal.objectives)], shared[len(case.goal.objectives) :]
    guards = {
        metric.name: compare(case, Claim(metric, "constraint", within_margin(metric)), alpha)
        for metric, comparison in zip(case.goal.objectives, objectives, strict=True)
        if comparison.decision is not Decision.ACCEPT
    }
    return (*objectives, *bound, *watched), {name: c.decision for name, c in guards.items()}


def holm(claims: Sequence[Claim], compare: Compare, alpha: float) -> list[Comparison]:
    """The claims compared so that the chance of any wrong one is at most `alpha` (Holm 1979).

    The error is shared by weight, and what is decided passes its share on to the others. What was
    asked weighs more than what is merely watched: watching must not cost much power.
    """
    comparisons: dict[int, Comparison] = {}
    open_ = list(range(len(claims)))
    while open_:
        weights = {i: WATCHED if claims[i].role == "watched" else 1.0 for i in open_}
        whole = sum(weights.values())
        tried = {i: compare(claims[i], alpha * weights[i] / whole) for i in open_}
        decided = [i for i in open_ if tried[i].decision is not Decision.INCONCLUSIVE]
        comparisons |= tried if not decided else {i: tried[i] for i in decided}
        open_ = [i for i in open_ if i not in comparisons]
    return [comparisons[i] for i in range(len(claims))]


def _decided(
    comparisons: Sequence[Comparison], guards: Mapping[str, Decision]
) -> tuple[Decision, str]:
    objectives = [c for c in comparisons if c.role == "objective"]
    constraints = [c for c in comparisons if c.role == "constraint"]
    if broken := [c for c in constraints if c.decision is Decision.REJECT]:
        return Decision.REJECT, f"{broken[0].metric} breaks its constraint"
    better = [c for c in objectives if c.decision is Decision.ACCEPT]
    if not objectives and not constraints:
        return Decision.INCONCLUSIVE, "nothing was asked: the runs were only measured"
    if objectives and all(c.decision is Decision.REJECT for c in objectives):
        return Decision.REJECT, f"{objectives[0].metric} is not better"
    if worse := [name for name, decision in guards.items() if decision is Decision.REJECT]:
        return Decision.REJECT, f"{worse[0]} is worse by more than its margin"
    open_ = [c.metric for c in constraints if c.decision is not Decision.ACCEPT]
    unkept = [name for name, decision in guards.items() if decision is not Decision.ACCEPT]
    if (better or not objectives) and not unkept and not open_:
        won = f"{better[0].metric} is better" if better else "everything that was asked for holds"
        return Decision.ACCEPT, won
    unproven = open_ or unkept or [c.metric for c in objectives]
    return Decision.INCONCLUSIVE, f"not enough evidence on {', '.join(dict.fromkeys(unproven))}"
