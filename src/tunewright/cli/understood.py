"""What `tune` understood, said before any budget is spent."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from tunewright.core.budget import Budget
from tunewright.core.goal import Goal
from tunewright.core.knobs import Choice, Integer, Knob, Real
from tunewright.core.metrics import Metric
from tunewright.core.roles import Workload, space_of
from tunewright.core.units import format_quantity
from tunewright.planning import Request
from tunewright.stats.intervals import smallest_margin
from tunewright.verifying.claims import MIN_PAIRS, alpha_of
from tunewright.workloads.command import CommandWorkload
from tunewright.workloads.tabular import TableWorkload

# Standard deviation of the per-row differences between a candidate and the baseline, for scores;
# for errors, relative to the error itself. Typical of simplified boosting on public tables.
SPREAD = {
    "roc_auc": 0.10, "accuracy": 0.22, "log_loss": 0.35, "r2": 0.10, "rmse": 0.50, "mae": 0.35,
}  # fmt: skip


def understood(
    workload: Workload, goal: Goal, budget: Budget, request: Request, looks_before: int
) -> str:
    """Rows, split, baseline, goal, provable margin, knobs and budget, one labelled line each."""
    lines = []
    if isinstance(workload, TableWorkload):
        lines += _table(workload)
    elif isinstance(workload, CommandWorkload):
        lines += _command(workload)
    lines.append(("baseline", _baseline(workload)))
    lines.append(("goal", goal.text))
    lines += [("margin", _margin(m)) for m in goal.objectives[1:]]
    if isinstance(workload, TableWorkload):
        if looks_before:
            lines.append(("looks", _looks(looks_before)))
        lines += [("provable", text) for text in _provable(workload, goal, looks_before)]
    by_family = groupby(
        sorted(space_of(workload).knobs, key=lambda k: k.family), lambda k: k.family
    )
    for family, knobs in by_family:
        lines.append((family, "; ".join(_knob(knob) for knob in knobs)))
    lines.append(("budget", _budget(budget, request)))
    return "\n".join(f"{label:<15}{text}" for label, text in lines)


def _table(workload: TableWorkload) -> list[tuple[str, str]]:
    facts = workload.facts
    task: str = facts.task
    if facts.positive is not None:
        task += f", positive class {facts.positive}"
    elif facts.classes:
        task += f", {len(facts.classes)} classes"
    path, here = Path(facts.path), Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    lines = [
        ("data", f"{shown}: {facts.rows:,} rows, {facts.columns} columns"),
        ("task", f"{task}; target {facts.target}"),
    ]
    lines += [("dropped", f"{column}: {why}") for column, why in facts.dropped]
    if facts.rows_without_target:
        lines.append(("dropped", f"{facts.rows_without_target:,} rows without a target"))
    rows = f"{facts.train:,} rows to learn, {facts.valid:,} to choose, {facts.test:,} untouched"
    lines.append(("split", f"{rows}; {facts.split}"))
    lines += [("note", note) for note in facts.notes]
    return lines


def _command(workload: CommandWorkload) -> list[tuple[str, str]]:
    lines = [(f"step {stage.name}", str(stage)) for stage in workload.stages[:-1]]
    lines = [("program", " ".join(workload.facts.argv)), ("directory", str(workload.facts.cwd))]
    reported = ", ".join(metric.name for metric in workload.metrics)
    return [
        *lines,
        ("metrics", f"{reported}; quality is judged on the same data as the search saw"),
    ]


def _baseline(workload: Workload) -> str:
    default = workload.baseline == space_of(workload).default
    what = "the defaults" if default else "as asked"
    if isinstance(workload, TableWorkload) and default:
        what = "LightGBM's defaults through its own one-row predict"
    return f"{what}: " + " ".join(f"{k}={v}" for k, v in workload.baseline.items())


def _margin(metric: Metric) -> str:
    worse = f"{metric.margin:.2g}" if metric.scale == "difference" else f"{metric.margin:.2%}"
    return f"{metric.name} may get worse by {worse}"


def _looks(before: int) -> str:
    return (
        f"{before} earlier by studies of this data in this directory, so the error level of the "
        f"first one here is {alpha_of(1 + before):.3g} instead of {alpha_of(1):.3g}"
    )


def _provable(workload: TableWorkload, goal: Goal, looks_before: int) -> list[str]:
    """The smallest margin that this test split can prove, for each metric that rows judge."""
    lines = []
    for metric in goal.metrics:
        spread = SPREAD.get(metric.name)
        if metric.evidence != "rows" or spread is None:
            continue
        margin = smallest_margin(spread, workload.facts.test, alpha_of(1 + looks_before))
        shown = f"{margin:.2g}" if metric.scale == "difference" else f"{margin:.1%}"
        asked = [
            c.factor - 1 if c.offset == 0 else c.offset
            for c in goal.constraints
            if c.metric is metric
        ]
        short = any(0 < abs(a) < margin for a in asked if a)
        lines.append(
            f"{metric.name}: margins from about {shown} on {workload.facts.test:,} untouched rows "
            "(modelled: two models as alike as is usual)"
            + ("; yours is smaller, so it may stay inconclusive" if short else "")
        )
    return lines


def _knob(knob: Knob) -> str:
    match knob.domain:
        case Choice(values):
            domain = ",".join(str(v) for v in values)
        case Integer(low, high) | Real(low, high):
            domain = f"{low:g}..{high:g}"
    return f"{knob.name}={knob.default} ({knob.stage}: {domain})"


def _budget(budget: Budget, request: Request) -> str:
    limit = f"; a trial is stopped after {request.limit_s:g} s" if request.limit_s else ""
    if budget.seconds is None:
        return (
            f"{budget.trials} search trials, then pairs of fresh processes until it is clear{limit}"
        )
    return (
        f"{format_quantity(budget.seconds, 's')}: search first; the last 10 to 40 % for refits and "
        f"at least {MIN_PAIRS} pairs of fresh processes{limit}"
    )
