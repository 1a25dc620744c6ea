"""Priority: whom the scheduler prefers."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator

from tunewright.core.knobs import Choice, Knob
from tunewright.knobs.offers import Family, Offer


def offers(stage: str, _cores: int) -> Iterator[Offer]:
    """Niceness, as far down as this user may go."""
    if shutil.which("nice") is None:
        return
    limit = getattr(resource, "RLIMIT_NICE", None)
    allowed = os.geteuid() == 0 or (limit is not None and resource.getrlimit(limit)[0] >= 30)
    first = ("-10",) if allowed else ()
    yield Offer(
        Knob("niceness", Choice((*first, "0", "10")), "0", "resource", stage),
        "the scheduler's preference; -10 goes before others, 10 behind them",
        before=("nice", "-n", "{}"),
        spelled={"0": ""},
    )


FAMILY = Family("priority", "the process's niceness", offers, "there is no program 'nice'")
