"""Planning: what a user asks for, and how a study will answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from tunewright.core.budget import parse_budget
from tunewright.core.goal import Goal, parse_goal
from tunewright.core.metrics import Metric
from tunewright.core.registry import resolve
from tunewright.core.roles import Searcher, Workload, space_of
from tunewright.errors import InputError
from tunewright.loop import MAX_PAIRS, Plan, Proof
from tunewright.searching import SEARCHERS

WORKLOADS = {
    "table": "tunewright.workloads.tabular:table",
    "command": "tunewright.workloads.command:command",
    "programs": "tunewright.workloads.comparison:programs",
    "functions": "tunewright.workloads.comparison:functions",
}
WARM = {  # what a worker of such a workload imports before its first trial
    "table": (
        "tunewright.workloads.tabular.reading",
        "tunewright.workloads.tabular.lightgbm_alone",
        "tunewright.workloads.tabular.lightgbm_library",
    ),
}


@final
@dataclass(frozen=True)
class Request:
    """What a user asks for; all of it is JSON, so that a study can be resumed from its journal.

    kind, options: the workload's kind and the arguments of its constructor.
    workers: trials at a time, at most; None for as many as there are cores.
    limit_s: wall time of a trial, at most; None for half the budget.
    candidate: the knobs to be proven, other than the baseline's; None to search for them.
    pairs: pairs of processes at most. forgiving: runs that fail are left out. alike: both arms must
    put out the same. saved: a baseline's earlier runs, by metric, as (yardstick, value).
    """

    name: str
    kind: str
    options: Mapping[str, Any]
    goal: str
    budget: str = "60s"
    seed: int = 0
    workers: int | None = None
    limit_s: float | None = None
    memory_mib: float | None = None
    candidate: Mapping[str, Any] | None = None
    pairs: int = MAX_PAIRS
    forgiving: bool = False
    alike: bool = False
    saved: Mapping[str, Any] = field(default_factory=dict)


def build_workload(request: Request) -> Workload:
    """The workload that a request is about. Raises InputError where it cannot be one."""
    workload: Workload = resolve(WORKLOADS[request.kind])(**request.options)
    return workload


def guarded_goal(text: str, workload: Workload) -> Goal:
    """The goal that `text` states; where only speed or size is named, the quality is guarded.

    The guard is the workload's first quality metric within its default margin of the baseline.
    """
    goal = parse_goal(text, workload.metrics)
    quality = [metric for metric in workload.metrics if metric.evidence == "rows"]
    if not quality or any(metric.evidence == "rows" for metric in goal.metrics):
        return goal
    joined = "and" if goal.constraints else "subject to"
    return parse_goal(f"{text} {joined} {_guard(quality[0])}", workload.metrics)


def _guard(metric: Metric) -> str:
    lower = metric.better == "lower"
    sign = "<=" if lower else ">="
    if metric.scale == "difference":
        return f"{metric.name} {sign} baseline {'+' if lower else '-'} {metric.margin:g}"
    return f"{metric.name} {sign} baseline * {1 + metric.margin if lower else 1 - metric.margin:g}"


def make_plan(workload: Workload, request: Request, looks_before: int = 0) -> Plan:
    """How the study will go: which stages the goal needs, and how the winner will be proven."""
    goal, budget = guarded_goal(request.goal, workload), parse_budget(request.budget)
    names = [stage.name for stage in workload.stages]
    first_timing = next((i for i, s in enumerate(workload.stages) if s.timing), len(names))
    quality = names[first_timing - 1] if first_timing else ""
    timed = any(names.index(metric.stage) >= first_timing for metric in goal.metrics)
    paired = any(metric.evidence != "rows" for metric in goal.metrics)
    paired = paired or not goal.metrics  # nothing is asked: the runs are only measured
    timing = names[-1] if timed or not goal.metrics else ""
    proven, space = request.candidate is not None, space_of(workload)
    others = [m for m in workload.metrics if m not in goal.metrics]
    return Plan(
        goal=goal,
        space=space,
        baseline=workload.baseline,
        searcher=None if proven else _searcher(workload, goal, quality, timing, request.seed),
        budget=budget,
        quality=quality,
        timing=timing,
        proof=Proof(
            through=(timing or quality) if paired else "",
            folds=workload.evidence.folds,
            most_pairs=request.pairs,
            watched=tuple(others) if proven and goal.metrics else (),
            warm_up=proven,
            forgiving=request.forgiving,
            alike=request.alike,
            saved=request.saved,
            looks_before=looks_before,
        ),
        candidate=space.config({**workload.baseline, **(request.candidate or {})})
        if proven
        else None,
        seed=request.seed,
        limit_s=request.limit_s or (budget.seconds or 7200.0) / 2,
    )


def _searcher(workload: Workload, goal: Goal, quality: str, timing: str, seed: int) -> Searcher:
    if not goal.objectives:
        known = ", ".join(metric.name for metric in workload.metrics)
        raise InputError(f"expected something to minimize or maximize, one of {known}; got nothing")
    names = [stage.name for stage in workload.stages]
    searcher: Searcher = resolve(SEARCHERS["staged"])(
        space_of(workload), goal, workload.baseline, names, quality, timing, seed
    )
    return searcher
