"""Shrinking: what breaks a bound on time or size, made as much smaller as the bound asks for.

Below a fit such variants cost next to nothing, and a good model cut short may be better than any
that is small by nature.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from tunewright.core.config import Config
from tunewright.core.evidence import Record
from tunewright.core.goal import Goal
from tunewright.core.knobs import Real
from tunewright.searching.chain import Chain
from tunewright.searching.state import Seen

BEST = 5  # of what breaks a bound
LOOKED_AT = 100  # of these, the newest
SPARE = 0.8  # of the bound is aimed at: what an answer costs beside the model does not shrink


def smaller(seen: Seen, chain: Chain, goal: Goal) -> Iterator[Config]:
    """Smaller variants of what is best by the first objective and breaks a bound."""
    first = goal.objectives[0]
    knobs = [
        knob
        for knob in chain.late(seen.dearest)
        if knob.family == "simplification" and isinstance(knob.domain, Real)
    ]
    broken = [seen.record(config) for config in [*seen.broken.values()][-LOOKED_AT:]]
    known = [
        (first.signed(value), record.config.id, record)
        for record in broken
        if record is not None and record is not seen.ranked.baseline  # that is called as today
        if (value := record.value(first)) is not None
    ]
    for _, _, record in sorted(known)[:BEST] if knobs else ():
        config, beyond = record.config, _beyond(record, seen.ranked.baseline, goal)
        cut = {
            knob.name: max(
                knob.domain.low, float(f"{float(config[knob.name]) * SPARE / max(beyond, 1.0):.4g}")
            )
            for knob in knobs
            if knob.name in config and isinstance(knob.domain, Real)
        }
        if beyond > 1.0 and any(value < float(config[name]) for name, value in cut.items()):
            yield chain.config({**config, **cut})


def _beyond(record: Record, baseline: Record | None, goal: Goal) -> float:
    """How many times a bound on time or size it takes; of several the most."""
    most = 0.0
    for constraint in goal.constraints:
        metric = constraint.metric
        value = record.value(metric)
        base = baseline.value(metric) if baseline else None
        if metric.evidence == "rows" or metric.better != "lower" or constraint.op != "<=":
            continue
        bound = constraint.bound(base or 0.0)
        if value is not None and bound > 0 and math.isfinite(value):
            most = max(most, value / bound)
    return most
