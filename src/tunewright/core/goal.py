"""Goal: what to maximize or minimize, and what must hold."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, final

from tunewright.core.metrics import Metric
from tunewright.core.units import parse_quantity
from tunewright.errors import InputError, nearest

_COMPARISON = re.compile(r"\s*([\w.-]+)\s*(<=|>=|<|>|==?)\s*(.+?)\s*")
_RELATIVE = re.compile(r"baseline\s*(?:([-+*/×])\s*(\S+(?: [^\s\d]+)?))?")
_TURNED = re.compile(r"(\S+?)\s*([*×+]|(?<=%)\s*of\b)\s*baseline")  # 1.1 * baseline, 110% of …
_COMMA = r",(?!\s*[0-9])"  # that is not within a number
_WITHIN = re.compile(r"\s*([\w.-]+)\s+within\s+(\S+)\s+of\s+baseline\s*")
_MARGIN = re.compile(r"\s*([\w.-]+)\s*:\s*(\S+)\s*")


@final
@dataclass(frozen=True)
class Constraint:
    """metric <= bound, or metric >= bound; the bound is `factor` × baseline + `offset`.

    "within": equivalence; the metric may leave the baseline by neither side of that bound.
    """

    metric: Metric
    op: Literal["<=", ">=", "within"]
    factor: float
    offset: float
    text: str

    def bound(self, baseline: float) -> float:
        """The bound in the metric's unit, given the baseline's value."""
        return self.factor * baseline + self.offset

    def slack(self, value: float, baseline: float) -> float:
        """How far `value` is inside the bound; negative where the constraint is broken."""
        distance = self.bound(baseline) - value
        if self.op == "within":
            return min(distance, value - self.other_bound(baseline))
        return distance if self.op == "<=" else -distance

    def other_bound(self, baseline: float) -> float:
        """The lower bound of an equivalence, as far from the baseline as the upper one."""
        return baseline / self.factor if self.offset == 0 else baseline - self.offset


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


def parse_goal(text: str, metrics: Sequence[Metric]) -> Goal:
    """The Goal that a sentence states: "minimize A subject to B >= baseline - 0.01 and C <= 5ms".

    Without an objective it asks for no more than the constraints, and "" for nothing. Raises
    InputError for an unknown metric, a direction against the metric's nature, a bound or a unit
    that cannot be read.
    """
    asked, bounds = _clauses(text)
    objectives = []
    for part in asked:
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
    constraints = [parse_constraint(part, metrics) for part in bounds if part.strip()]
    return Goal(tuple(objectives), tuple(constraints), " ".join(text.split()))


def stated_directions(goal: str) -> dict[str, Literal["lower", "higher"]]:
    """Which way is better, for each metric whose direction this sentence states."""
    asked, bounds = _clauses(goal)
    stated: dict[str, Literal["lower", "higher"]] = {}
    for part in bounds:
        if match := _COMPARISON.fullmatch(part):
            stated[match[1]] = "lower" if match[2].startswith("<") else "higher"
    for part in asked:
        words = part.split()
        if len(words) == 2 and words[0] in ("minimize", "maximize"):
            stated[words[1]] = "lower" if words[0] == "minimize" else "higher"
    return stated


def stated_units(goal: str) -> dict[str, str]:
    """The unit of each metric that this sentence bounds by a quantity: "s" of "latency <= 5ms"."""
    units: dict[str, str] = {}
    for part in _clauses(goal)[1]:
        if match := _COMPARISON.fullmatch(part):
            for unit in ("", "s", "B"):
                with suppress(InputError):
                    _bound(match[3], Metric(match[1], "lower", "", unit))
                    units.setdefault(match[1], unit)
    return units


def _clauses(goal: str) -> tuple[list[str], list[str]]:
    """The parts of a goal's sentence: what is asked, and what must hold. Some may be blank."""
    head, _, tail = goal.replace("subject-to", "subject to").partition("subject to")
    return head.replace(" and ", ",").split(","), re.split(rf"\band\b|{_COMMA}", tail)


def parse_constraint(text: str, metrics: Sequence[Metric]) -> Constraint:
    """The Constraint that a text states.

    "roc_auc >= baseline - 0.005", "latency_p50 <= 50us" or "wall_s within 3% of baseline".
    """
    if within := _WITHIN.fullmatch(text):
        metric = _metric(within[1], metrics)
        margin = _margin(metric, within[2])
        factor, offset = (1 + margin, 0.0) if metric.scale == "ratio" else (1.0, margin)
        return Constraint(metric, "within", factor, offset, " ".join(text.split()))
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
    factor, offset = _bound(match[3], metric)
    return Constraint(metric, op, factor, offset, " ".join(text.split()))


def _bound(text: str, metric: Metric) -> tuple[float, float]:
    """The factor of the baseline's value, and what is added to it."""
    if "baseline" not in text:
        value = parse_quantity(text, metric.unit)
        if value < 0 and metric.unit in ("s", "B"):
            raise InputError(f"expected a bound above 0, as {metric.name} is; got {text!r}")
        return 0.0, value
    if turned := _TURNED.fullmatch(text):
        text = f"baseline {'+' if turned[2] == '+' else '*'} {turned[1]}"
    relative = _RELATIVE.fullmatch(text)
    if relative is None:
        raise InputError(
            f"expected 'baseline', 'baseline - 0.01' or 'baseline * 1.02'; got {text!r}"
        )
    sign, amount = relative[1], relative[2]
    if sign is None:
        return 1.0, 0.0
    if sign in "+-":
        one = 1 if sign == "+" else -1
        if not (amount.endswith("%") and metric.unit):
            return 1.0, one * parse_quantity(amount, metric.unit)
        factor = 1 + one * parse_quantity(amount, "")  # of what has a unit, a share
    else:
        factor = parse_quantity(amount, "")
    if factor <= 0:
        raise InputError(f"expected a factor above 0; got {amount!r}")
    return (1 / factor if sign == "/" else factor), 0.0


def not_worse(text: str, metrics: Sequence[Metric]) -> Constraint:
    """The Constraint that "wall_s: 5%" or "acc: 0.002" states: no worse than the baseline by more.

    The margin is a share for a metric that compares as a ratio, else in the metric's unit.
    """
    metric, margin = _named_margin(text, metrics)
    return within_margin(metric, _margin(metric, margin))


def within_margin(metric: Metric, margin: float | None = None) -> Constraint:
    """The Constraint that a metric is no worse than the baseline by more than its (own) margin."""
    margin = metric.margin if margin is None else margin
    lower, signed = metric.better == "lower", metric.signed(margin)
    factor, offset = (1 + signed, 0.0) if metric.scale == "ratio" else (1.0, signed)
    op: Literal["<=", ">="] = "<=" if lower else ">="
    bound = f"{'+' if lower else '-'} {margin:.12g}" if offset else f"* {factor:.12g}"
    return Constraint(metric, op, factor, offset, f"{metric.name} {op} baseline {bound}")


def equivalent(text: str, metrics: Sequence[Metric]) -> Constraint:
    """The Constraint that "wall_s: 3%" states: the metric leaves the baseline by no more."""
    metric, margin = _named_margin(text, metrics)
    return parse_constraint(f"{metric.name} within {margin} of baseline", metrics)


def _named_margin(text: str, metrics: Sequence[Metric]) -> tuple[Metric, str]:
    match = _MARGIN.fullmatch(text)
    if match is None:
        raise InputError(f"expected 'METRIC: MARGIN' such as 'wall_s: 5%'; got {text!r}")
    return _metric(match[1], metrics), match[2]


def _margin(metric: Metric, text: str) -> float:
    """A margin: a share of the baseline for a ratio, else in the metric's unit."""
    ratio = metric.scale == "ratio"
    margin = parse_quantity(text, "" if ratio else metric.unit)
    if not 0 < margin < (1 if ratio else math.inf):
        below = " and below 1, such as 5%" if ratio else ""
        raise InputError(f"{metric.name}: expected a margin above 0{below}; got {text!r}")
    return margin


def _metric(name: str, metrics: Sequence[Metric]) -> Metric:
    by_name = {metric.name: metric for metric in metrics}
    if name not in by_name:
        raise InputError(f"unknown metric {name!r}: {nearest(name, by_name)}")
    return by_name[name]
