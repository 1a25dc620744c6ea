"""Planning: what a user asks for, and how a study will answer it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any, Literal, final

from tunewright.core.budget import parse_budget
from tunewright.core.config import Value
from tunewright.core.costs import Costs, start_s, unbounded_limit_s
from tunewright.core.events import decode, encode
from tunewright.core.goal import Goal, parse_goal, stated_directions, within_margin
from tunewright.core.kinds import Kind
from tunewright.core.metrics import Metric, first_anew, last_cached
from tunewright.core.preference import ranking
from tunewright.core.registry import resolve
from tunewright.core.roles import Problem, Searcher, Workload, space_of
from tunewright.core.trial import Fidelity
from tunewright.errors import InputError, check_type, nearest
from tunewright.loop.plan import MAX_PAIRS, Plan, Proof
from tunewright.searching import SEARCHERS
from tunewright.stats.rows import LEAST_RUNS
from tunewright.workloads import KINDS

Refit = Literal["", "all", "verified"]


@final
@dataclass(frozen=True)
class Limits:
    """What a study may use. workers: trials at a time, None for as many as there are cores.

    With 0 workers everything runs in this very process, one trial after the other and without a
    clock: nothing can be stopped or timed, and equal seeds give equal studies.
    trial_s: wall time of a trial, at most; None for half the budget and a multiple of the
    baseline's. memory_mib: resident memory of a trial's processes; None for no limit.
    """

    workers: int | None = None
    trial_s: float | None = None
    memory_mib: float | None = None

    def __post_init__(self) -> None:
        check_type("workers", self.workers, (int, NoneType), "2")
        check_type("trial_s", self.trial_s, (int, float, NoneType), "10.0")
        check_type("memory_mib", self.memory_mib, (int, float, NoneType), "4096")


NO_LIMITS = Limits()


@final
@dataclass(frozen=True)
class Series:
    """Comparisons that share one error, each a study of its own.

    id: the same in all of them, and in no others. lines: all programs by what they are called; the
    first is what each of the others is held against. budget: of all together.
    """

    id: str
    lines: Mapping[str, str]
    budget: str


@final
@dataclass(frozen=True)
class Proving:
    """What is asked of the proof.

    candidate: the knobs to be proven, other than the baseline's; None to search for them.
    pairs: pairs of runs at most. ignore_failures: runs that fail are left out. saved: a baseline's
    earlier runs, by metric, as (yardstick, value). among: how many comparisons share the error;
    series: which.
    """

    candidate: Mapping[str, Value] | None = None
    pairs: int = MAX_PAIRS
    ignore_failures: bool = False
    saved: Mapping[str, tuple[tuple[float | None, float], ...]] = field(default_factory=dict)
    among: int = 1
    series: Series | None = None


@final
@dataclass(frozen=True)
class Request:
    """What a user asks for; all of it is JSON, so that a study can be resumed from its journal.

    kind, workload: the kind of workload and its spec. baseline: knobs that differ from what the
    user would have without us. seed: of all chance in the study. refit: what is handed over is
    fitted on "all" rows after the verdict, or is the very model that was "verified"; "" for all
    where the verdict itself rests on several models, each judged by what it had not learned from,
    and else for the verified one, or where none was for one that learned from as many rows.
    """

    name: str
    kind: str
    workload: Any
    goal: str
    baseline: Mapping[str, Value] = field(default_factory=dict)
    budget: str = "60s"
    seed: int = 0
    limits: Limits = Limits()
    proof: Proving = Proving()
    refit: Refit = ""


def kind_of(name: str) -> Kind:
    """The kind with this name, or in this place ("module:NAME"). Raises InputError for neither."""
    where = KINDS.get(name, name)
    if ":" not in where:
        raise InputError(
            f"unknown kind of workload {name!r}: {nearest(name, KINDS)}; "
            "one of your own is named by 'module:NAME'"
        )
    try:
        kind = resolve(where)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"expected a kind at 'module:NAME'; got {where!r}: {error}") from error
    check_type("kind", kind, Kind, "'table', 'command' or 'module:NAME'")
    found: Kind = kind
    return found


def to_json(request: Request) -> Mapping[str, Any]:
    """Plain JSON that `from_json` reads."""
    body: Mapping[str, Any] = encode(request)
    return body


def check_recorded(request: Request) -> None:
    """Raise InputError for a request that a journal could not give back."""
    try:
        from_json(json.loads(json.dumps(to_json(request), allow_nan=False)))
    except (TypeError, ValueError, InputError) as error:
        raise InputError(
            "expected a workload and a baseline of values that JSON can hold, so that the study "
            f"can be resumed; got others: {error}; give texts, numbers, or lists of them"
        ) from error


def from_json(body: Mapping[str, Any]) -> Request:
    """The request that `to_json` wrote. Raises InputError for what is none."""
    try:
        kind = kind_of(body["kind"])
        spec = decode(kind.spec, body["workload"])
        rest = {name: value for name, value in body.items() if name != "workload"}
        request: Request = decode(Request, {**rest, "workload": None})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"expected a request of this version; got another: {error!r}") from error
    return replace(request, workload=spec)


def build_workload(request: Request) -> Workload:
    """The workload that a request is about. Raises InputError where it cannot be one."""
    stated = stated_directions(request.goal)
    return kind_of(request.kind).build(request.workload, request.baseline, stated)


def kind_for(spec: object) -> str:
    """The name of the kind whose spec this is. Raises InputError for none of the known ones."""
    for name in KINDS:
        if isinstance(spec, kind_of(name).spec):
            return name
    raise InputError(
        f"expected a Table or a Command; got {type(spec).__name__}; name the kind of one of your "
        "own as kind='module:NAME'"
    )


def understood_goal(request: Request, workload: Workload) -> Goal:
    """The goal of a request, with what goes without saying.

    Where a search has no objective, it has those of its kind. Where only speed or size is named,
    the quality is guarded: the workload's first quality metric stays within its default margin of
    the baseline.
    """
    text, goal = request.goal, parse_goal(request.goal, workload.metrics)
    if not goal.objectives and request.proof.candidate is None:
        text = f"{_aims(request, workload)} {text}".strip()
        goal = parse_goal(text, workload.metrics)
    quality = [metric for metric in workload.metrics if metric.evidence == "rows"]
    if not quality or any(metric.evidence == "rows" for metric in goal.metrics):
        return goal
    joined = "and" if goal.constraints else "subject to"
    return parse_goal(f"{text} {joined} {within_margin(quality[0]).text}", workload.metrics)


def _aims(request: Request, workload: Workload) -> str:
    """What a workload of this kind is tuned for where nobody says; "" where that must be said."""
    aims = kind_of(request.kind).aims(workload)
    if request.limits.workers == 0:
        aims = [metric for metric in aims if not metric.since]
    return " and ".join(
        f"{'minimize' if metric.better == 'lower' else 'maximize'} {metric.name}" for metric in aims
    )


def make_plan(workload: Workload, request: Request, looks_before: int = 0, study: str = "") -> Plan:
    """How the study will go: which stages the goal needs, and how the winner will be proven."""
    goal, budget = understood_goal(request, workload), parse_budget(request.budget).closed()
    asked = goal.metrics or workload.metrics  # nothing is asked: the runs are only measured
    proof, limits, space = request.proof, request.limits, space_of(workload)
    proven = proof.candidate is not None
    stages = tuple(stage.name for stage in workload.stages)
    fresh, cached = fresh_trial(asked, stages), last_cached(asked, stages)
    if limits.workers == 0 and (fresh or budget.seconds):
        got = repr(goal.text if fresh else request.budget)
        raise InputError(
            f"expected a goal and a budget that need no clock, as there are no workers; got {got}; "
            "ask for quality in so many trials, or allow a worker"
        )
    once = fresh is None and any(m.evidence == "fixed" for m in asked)
    through = fresh.through if fresh else cached if once and not workload.untouched.folds else ""
    others = tuple(m for m in workload.metrics if m not in goal.metrics)
    refitted = workload.untouched.folds > 0
    since = first_anew(asked, stages)
    started_s = start_s(workload.stages[-1].needs(workload.baseline))
    least = LEAST_RUNS if workload.untouched.seeds else 1
    costs = Costs(budget, workload.untouched.folds, stages, cached, since, started_s, least)
    shared = "" if fresh and fresh.since == stages[0] else cached  # a search measures all at once
    problem = Problem(
        space, goal, workload.baseline, stages, shared, fresh, workload.efforts, budget,
        request.seed, prior=workload.portfolio, metrics=workload.metrics, refitted=refitted,
        costs=costs,
    )  # fmt: skip
    return Plan(
        goal=goal,
        space=space,
        baseline=workload.baseline,
        searcher=_searcher(problem, workload, searched=not proven),
        budget=budget,
        ranking=ranking(goal, workload.metrics, stages, refitted=refitted),
        stages=workload.stages,
        cached=cached,
        quiet=frozenset(m.stage for m in (*asked, *(others if proven else ())) if m.quiet),
        proof=Proof(
            through=through,
            since=since,
            folds=workload.untouched.folds,
            seeds=workload.untouched.seeds,
            most_pairs=proof.pairs if fresh else 1,
            watched=others if proven and goal.metrics else (),
            warm_up=proven,
            patient=proven,
            ignore_failures=proof.ignore_failures,
            same_output=kind_of(request.kind).same_output(request.workload),
            saved=proof.saved,
            looks_before=looks_before,
            among=proof.among,
        ),
        costs=costs,
        candidate=space.config({**workload.baseline, **(proof.candidate or {})})
        if proven
        else None,
        study=study,
        seed=request.seed,
        limit_s=limits.trial_s or unbounded_limit_s(budget),
        capped=limits.trial_s is None,
    )


def refitted_on(request: Request, workload: Workload, looks: int) -> Literal["", "test", "all"]:
    """What is handed over is fitted on that after so many looks, as in Piece; "" for not at all."""
    folds = workload.untouched.folds
    if not folds or request.refit == "verified":
        return ""
    if request.refit == "all" or (folds > 1 and not workload.untouched.seeds):
        return "all"
    return "" if looks else "test"


def fresh_trial(metrics: Sequence[Metric], stages: Sequence[str]) -> Fidelity | None:
    """A trial of the search that measures anew what must be, None where nothing must.

    It runs only the stages that report such a metric anew: a sample of the search claims nothing.
    """
    reported = sorted((metric.stage for metric in metrics if metric.since), key=stages.index)
    return Fidelity(reported[-1], reported[0]) if reported else None


def _searcher(problem: Problem, workload: Workload, *, searched: bool) -> Searcher:
    if searched and not problem.goal.objectives:
        known = ", ".join(metric.name for metric in workload.metrics)
        raise InputError(f"expected something to minimize or maximize, one of {known}; got nothing")
    # How far a run came tells of one objective; unless that was asked for, several need them all.
    halved = any(
        effort.halved and (len(problem.goal.objectives) == 1 or math.isfinite(effort.full))
        for effort in problem.efforts
    )
    kind = "none" if not searched else "halving" if halved else "joint"
    searcher: Searcher = resolve(SEARCHERS[kind])(problem)
    return searcher
