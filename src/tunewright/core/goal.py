"""Goal: what to maximize or minimize, and what must hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

from tunewright.core.metrics import Metric
from tunewright.core.units import format_quantity, parse_quantity
from tunewright.errors import InputError, nearest

_COMPARISON = re.compile(r"\s*([\w.-]+)\s*(<=|>=|<|>|==?)\s*(.+?)\s*")
_RELATIVE = re.compile(r"baseline\s*(?:([-+*/])\s*(\S+))?")


@final
@dataclass(frozen=True)
class Constraint:
    """metric <= bound, or metric >= bound; the bound is `factor` × baseline + `offset`."""

    metric: Metric
    op: Literal["<=", ">="]
    factor: float
    offset: float
    text: str

    def bound(self, baseline: float) -> float:
        """The bound in the metric's unit, given the baseline's value."""
        return self.factor * baseline + self.offset

    def slack(self, value: float, baseline: float) -> float:
        """How far `value` is inside the bound; negative where the constraint is broken."""
        room = self.bound(baseline) - value
        return room if self.op == "<=" else -room


@final
@dataclass(frozen=True)
class Goal:
    """Ordered objectives, each a metric to be improved in its better direction, and constraints."""

    objectives: tuple[Metric, ...]
    constraints: tuple[Constraint, ...]
    text: str

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric that the goal reads, once each, objectives first."""
        every = [*self.objectives, *(c.metric for c in self.constraints)]
        return tuple({metric.name: metric for metric in every}.values())

    def better(self, a: float, b: float) -> bool:
        """Whether `a` beats `b` on the first objective."""
        return a < b if self.objectives[0].better == "lower" else a > b

    def worst(self) -> float:
        """A value that everything beats on the first objective."""
        return math.inf if self.objectives[0].better == "lower" else -math.inf


def parse_goal(text: str, metrics: Sequence[Metric]) -> Goal:
    """The Goal that a sentence states: "minimize A subject to B >= baseline - 0.01 and C <= 5ms".

    Raises InputError for an unknown metric, a direction against the metric's nature, a bound or a
    unit that cannot be read.
    """
    head, _, tail = re.sub(r"subject-to", "subject to", text).partition("subject to")
    objectives = []
    for part in head.replace(" and ", ",").split(","):
        words = part.split()
        if not words:
            continue
        if len(words) != 2 or words[0] not in ("minimize", "maximize"):
            raise InputError(
                f"expected 'minimize METRIC' or 'maximize METRIC'; got {part.strip()!r}"
            )
        metric = _metric(words[1], metrics)
        if (words[0] == "minimize") != (metric.better == "lower"):
            other = "minimize" if metric.better == "lower" else "maximize"
            raise InputError(
                f"{metric.name} is better when {metric.better}; say '{other} {metric.name}'"
            )
        objectives.append(metric)
    if not objectives:
        raise InputError("expected at least one 'minimize METRIC' or 'maximize METRIC'; got none")
    constraints = [
        parse_constraint(part, metrics) for part in re.split(r"\band\b|,", tail) if part.strip()
    ]
    return Goal(tuple(objectives), tuple(constraints), " ".join(text.split()))


def parse_constraint(text: str, metrics: Sequence[Metric]) -> Constraint:
    """The Constraint that "roc_auc >= baseline - 0.005" or "latency_p50 <= 50us" states."""
    match = _COMPARISON.fullmatch(text)
    if match is None or match[2] not in ("<=", ">="):
        raise InputError(f"expected 'METRIC <= BOUND' or 'METRIC >= BOUND'; got {text.strip()!r}")
    metric = _metric(match[1], metrics)
    op: Literal["<=", ">="] = "<=" if match[2] == "<=" else ">="
    if (op == "<=") != (metric.better == "lower"):
        raise InputError(
            f"{metric.name} is better when {metric.better}, so its bound is "
            f"'{metric.name} {'<=' if metric.better == 'lower' else '>='} …'; got {text.strip()!r}"
        )
    bound = match[3]
    if not bound.startswith("baseline"):
        return Constraint(
            metric, op, 0.0, parse_quantity(bound, metric.unit), " ".join(text.split())
        )
    relative = _RELATIVE.fullmatch(bound)
    if relative is None:
        raise InputError(
            f"expected 'baseline', 'baseline - 0.01' or 'baseline * 1.02'; got {bound!r}"
        )
    sign, amount = relative[1], relative[2]
    factor, offset = 1.0, 0.0
    if sign in ("*", "/"):
        number = parse_quantity(amount, "")
        if number <= 0:
            raise InputError(f"expected a factor above 0; got {amount!r}")
        factor = number if sign == "*" else 1 / number
    elif sign:
        offset = parse_quantity(amount, metric.unit) * (1 if sign == "+" else -1)
    return Constraint(metric, op, factor, offset, " ".join(text.split()))


def missed(
    goal: Goal, values: Mapping[str, float], baseline: Mapping[str, float]
) -> list[Constraint]:
    """The constraints that these values break or cannot answer."""
    return [
        c
        for c in goal.constraints
        if c.metric.name not in values
        or (c.factor and c.metric.name not in baseline)
        or c.slack(values[c.metric.name], baseline.get(c.metric.name, 0.0)) < 0
    ]


def describe_constraint(constraint: Constraint, baseline: float | None) -> str:
    """The constraint as typed, with its bound in numbers once the baseline is known."""
    if not constraint.factor or baseline is None:
        return constraint.text
    bound = format_quantity(constraint.bound(baseline), constraint.metric.unit)
    return f"{constraint.text} (= {bound})"


def _metric(name: str, metrics: Sequence[Metric]) -> Metric:
    by_name = {metric.name: metric for metric in metrics}
    if name not in by_name:
        raise InputError(f"unknown metric {name!r}: {nearest(name, by_name)}")
    return by_name[name]
