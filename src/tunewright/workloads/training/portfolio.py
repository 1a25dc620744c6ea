"""What is worth trying first in a training: steeper rates on a schedule that ends low."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Integer, Real, Space
from tunewright.core.roles import Portfolio

# Times the rate, epochs and batch that the user has. A cycle allows rates that would diverge if
# they were kept, and reaches as far in fewer epochs (Smith & Topin 2018).
QUICK: tuple[tuple[float, float, float], ...] = ((10, 1 / 3, 1), (10, 1 / 6, 1 / 4))
CYCLES: tuple[tuple[float, float, float], ...] = ((10, 1, 1), *QUICK, (3, 1, 1 / 2))


def portfolio_of(space: Space, baseline: Config) -> Portfolio:
    """Cycles at the baseline's optimiser, as long as it trains and shorter, on one thread."""
    best = tuple(_cycles(space, baseline, CYCLES))
    return Portfolio(best, tuple(_cycles(space, baseline, QUICK)))


def _cycles(
    space: Space, baseline: Config, times: tuple[tuple[float, float, float], ...]
) -> Iterator[Config]:
    rate = "sgd_lr" if baseline.get("optimizer") == "sgd" else "lr"
    for steeper, longer, larger in times:
        changed = {rate: steeper, "epochs": longer, "batch": larger}
        values = {
            name: _scaled(space, name, baseline[name], by)
            for name, by in changed.items()
            if name in baseline
        }
        fixed: Mapping[str, Value] = {"schedule": "one_cycle", "threads": 1}
        known = {name: value for name, value in fixed.items() if name in baseline}
        yield space.config({**baseline, **known, **values})


def _scaled(space: Space, name: str, value: Value, by: float) -> Value:
    """A knob's value so many times as large, as far as its domain goes."""
    domain = space.by_name[name].domain
    assert isinstance(domain, Real | Integer)
    scaled = min(max(float(value) * by, domain.low), domain.high)
    return round(scaled) if isinstance(domain, Integer) else float(f"{scaled:.4g}")
