"""Knobs that a training with PyTorch has beside those of any training."""

from __future__ import annotations

from pathlib import Path

from tunewright.core.knobs import Choice, Knob, Real
from tunewright.workloads.training.knobs import tuned
from tunewright.workloads.training.workload import STAGE


def more_knobs(*, classes: int, device: str) -> tuple[Knob, ...]:
    """What may change where the loop is ours; by default nothing of it is in use.

    bf16 is offered where the device multiplies in it: elsewhere it is emulated, and slow.
    """
    decay = Choice((0.0, 1e-4, 1e-3, 1e-2, 1e-1))
    smoothing = [tuned("label_smoothing", Real(0.0, 0.2), 0.0)] if classes else []
    lowered = [Knob("precision", Choice(("fp32", "bf16")), "fp32", "simplification", STAGE)]
    return (
        tuned("weight_decay", decay, 1e-2, "optimizer == 'adamw'"),
        tuned("sgd_weight_decay", Choice((0.0, 1e-5, 1e-4, 1e-3)), 0.0, "optimizer == 'sgd'"),
        tuned("clip", Choice((0.0, 0.5, 2.0)), 0.0),
        *smoothing,
        tuned("ema", Choice((0.0, 0.9, 0.99)), 0.0),
        Knob("fused", Choice((False, True)), default=False, family="resource", stage=STAGE),
        *(lowered if device != "cpu" or _has_bf16() else []),
    )


def _has_bf16() -> bool:
    """Whether this processor multiplies in bf16."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
