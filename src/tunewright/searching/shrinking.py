"""Shrinking: what breaks a bound on time or size, made as much smaller as the bound asks for.

Below a fit such variants cost next to nothing, and a good model cut short may be better than any
that is small by nature.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tunewright.core.config import Config
from tunewright.core.evidence import Record
from tunewright.core.goal import Constraint, Goal
from tunewright.core.knobs import Real
from tunewright.searching.chain import Chain
from tunewright.searching.state import Seen

BEST = 5  # of what breaks a bound
LOOKED_AT = 100  # of these, the newest
SPARE = 0.8  # of the bound is aimed at: what an answer costs beside the model does not shrink


def called_as_others(seen: Seen, chain: Chain, prior: Sequence[Config]) -> Iterator[Config]:
    """The baseline's own fit, called as what is worth trying first of its family is called."""
    own = chain.baseline
    late = {knob.name for knob in chain.late(seen.dearest)}
    for config in prior:
        if chain.family(config) == chain.family(own):
            yield chain.config({**own, **{k: v for k, v in config.items() if k in late}})
            return


def smaller(seen: Seen, chain: Chain, goal: Goal) -> Iterator[Config]:
    """Smaller variants of what breaks a bound and is better than all that hold it.

    Better by the first objective, of which the smaller one seldom has more.
    """
    bounds = [
        c
        for c in goal.constraints
        if c.op == "<=" and c.metric.better == "lower" and c.metric.evidence != "rows"
    ]
    lows = {
        knob.name: knob.domain.low
        for knob in chain.late(seen.dearest)
        if knob.family == "simplification" and isinstance(knob.domain, Real)
    }
    if not bounds or not lows:
        return
    first = goal.objectives[0]
    broken = [seen.record(config) for config in [*seen.broken.values()][-LOOKED_AT:]]
    known = [
        (first.signed(value), record.config.id, record)
        for record in broken
        if record is not None and record is not seen.ranked.baseline  # that is called as today
        if (value := record.value(first)) is not None
    ]
    holding = next(iter(seen.board(0, 1)), None)
    best = holding.value(first) if holding else None
    bar = math.inf if best is None else first.signed(best)
    for value, _, record in sorted(known)[:BEST]:
        if value >= bar:
            return
        config, beyond = record.config, _beyond(record, seen.ranked.baseline, bounds)
        if beyond <= 1.0:
            continue
        cut = {
            name: max(low, float(f"{float(config[name]) * SPARE / beyond:.4g}"))
            for name, low in lows.items()
            if name in config
        }
        if any(value < float(config[name]) for name, value in cut.items()):
            yield chain.config({**config, **cut})


def _beyond(record: Record, baseline: Record | None, bounds: Sequence[Constraint]) -> float:
    """How many times a bound it takes; of several the most."""
    most = 0.0
    for constraint in bounds:
        metric = constraint.metric
        value = record.value(metric)
        base = baseline.value(metric) if baseline else None
        bound = constraint.bound(base or 0.0)
        if value is not None and bound > 0 and math.isfinite(value):
            most = max(most, value / bound)
    return most
