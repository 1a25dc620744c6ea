"""Threads of OpenMP, BLAS and torch: how many, where they stay, and how they wait."""

from __future__ import annotations

from collections.abc import Iterator

from tunewright.core.knobs import Choice, Integer, Knob
from tunewright.knobs.offers import Family, Offer

VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip


def offers(stage: str, cores: int) -> Iterator[Offer]:
    """How many threads, how they are bound, and whether they spin while they wait."""
    yield Offer(
        Knob("threads", Integer(0, cores), 0, "resource", stage),
        "threads of OpenMP, BLAS, torch, numba and rayon (0: as the program has it); fewer pay "
        "where several pools share the cores",
        tuple((name, "{}") for name in VARIABLES),
        spelled={"0": ""},
    )
    yield Offer(
        Knob("binding", Choice(("default", "close", "spread")), "default", "resource", stage),
        "whether threads of OpenMP stay on a core, side by side or apart",
        (("OMP_PROC_BIND", "{}"),),
        spelled={"default": ""},
    )
    yield Offer(
        Knob("waiting", Choice(("default", "active", "passive")), "default", "resource", stage),
        "whether idle threads of OpenMP spin (quick to go on) or sleep (leave the core to others)",
        (("OMP_WAIT_POLICY", "{}"),),
        spelled={"default": ""},
    )


FAMILY = Family("threads", "how many threads numeric libraries start, and where they stay", offers)
