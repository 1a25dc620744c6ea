"""The plan, as it was understood: said before any budget is spent."""

from __future__ import annotations

import math
from itertools import groupby

from tunewright.core.budget import parse_budget
from tunewright.core.costs import LIMIT_FACTOR, RESERVE, limit_floor_s
from tunewright.core.goal import Goal
from tunewright.core.knobs import Choice, Integer, Knob, Real
from tunewright.core.metrics import Metric
from tunewright.core.roles import Workload, space_of
from tunewright.core.units import format_quantity
from tunewright.core.verdict import MIN_PAIRS
from tunewright.planning import Request, kind_of
from tunewright.reporting.layout import labelled

COLUMN = 15  # of the labels
LISTED = 12  # values of a choice that are shown


def preview(
    workload: Workload, goal: Goal, request: Request, looks_before: int, width: int | None = None
) -> str:
    """The workload, goal, margins, knobs and budget, labelled; without a width one line each."""
    lines = [*kind_of(request.kind).describe(workload, goal, looks_before)]
    lines.append(("goal", goal.text))
    lines += [("margin", _margin(m)) for m in goal.objectives if len(goal.objectives) > 1]
    space = space_of(workload)
    knobs = sorted(space.knobs, key=lambda knob: knob.family)
    for family, of in groupby(knobs, lambda knob: knob.family):
        lines.append((family, "; ".join(_knob(knob) for knob in of)))
    if math.isfinite(space.count):
        lines.append(("space", f"{space.count:,.0f} configs at most"))
    lines.append(("budget", _budget(request)))
    if (request.limits.workers or 1) > 1 and any(metric.quiet for metric in goal.metrics):
        told = "where nothing is timed; what is timed has the machine alone, one run at a time"
        lines.append(("workers", f"{request.limits.workers} {told}"))
    if width is None:
        return "\n".join(f"{label:<{COLUMN}}{text}" for label, text in lines)
    return "\n".join(one for label, text in lines for one in labelled(label, text, width, COLUMN))


def _margin(metric: Metric) -> str:
    worse = f"{metric.margin:.2g}" if metric.scale == "difference" else f"{metric.margin:.2%}"
    return f"{metric.name} may get worse by {worse} where another objective gets better"


def _knob(knob: Knob) -> str:
    match knob.domain:
        case Choice(values):
            shown = [str(v) for v in values]
            domain = ",".join(shown)
            if len(shown) > LISTED:
                domain = f"{','.join(shown[:3])},…,{shown[-1]}, {len(shown)} values"
        case Integer(low, high) | Real(low, high):
            domain = f"{low:g}..{high:g}"
    unit = f" {knob.unit}" if knob.unit else ""
    when = f" when {knob.when.text}" if knob.when and knob.family == "hyperparameter" else ""
    return f"{knob.name}={knob.default} ({knob.stage}: {domain}{unit}{when})"


def _budget(request: Request) -> str:
    budget, limit_s = parse_budget(request.budget), request.limits.trial_s
    limit = f"a trial is stopped after {LIMIT_FACTOR:.0f} times what the baseline takes"
    limit += f", or after {format_quantity(limit_floor_s(budget), 's')} where that is more"
    if limit_s:
        limit = f"a trial is stopped after {limit_s:g} s"
    if budget.seconds is None:
        pairs = "then pairs of fresh processes until it is clear"
        return f"{budget.trials} search trials, {pairs}; {limit}"
    least, most = (f"{100 * share:.0f}" for share in RESERVE)
    return (
        f"{format_quantity(budget.seconds, 's')}: search first; the last {least} to {most} % for "
        f"refits and at least {MIN_PAIRS} pairs of fresh processes; {limit}"
    )
