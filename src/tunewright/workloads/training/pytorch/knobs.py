"""Knobs of a training with PyTorch. The defaults are those of the classic script: Adam, 0.001."""

from __future__ import annotations

import os

from tunewright.core.conditions import Condition
from tunewright.core.knobs import Choice, Integer, Knob, Real
from tunewright.knobs import threads
from tunewright.workloads.training.schedules import SCHEDULES
from tunewright.workloads.training.workload import STAGE

MORE_EPOCHS = 3  # times those that the user has, at most
BATCHES = 8, 2048


def knobs_of(*, epochs: int, batch: int, rows: int, classes: int, device: str) -> tuple[Knob, ...]:
    """What may change in a training of so many rows, epochs and rows a batch."""

    def knob(name: str, domain: Real | Integer | Choice, default: object, when: str = "") -> Knob:
        condition = Condition(when) if when else None
        return Knob(name, domain, default, "hyperparameter", STAGE, when=condition)  # type: ignore[arg-type]

    most = max(min(BATCHES[1], rows // 4), batch, BATCHES[0] + 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    adam, sgd = "optimizer != 'sgd'", "optimizer == 'sgd'"
    smoothing = [knob("label_smoothing", Real(0.0, 0.2), 0.0)] if classes else []
    lowered = []
    if device != "cpu" or _has_bf16():
        lowered = [Knob("precision", Choice(("fp32", "bf16")), "fp32", "simplification", STAGE)]
    return (
        knob("optimizer", Choice(("adam", "adamw", "sgd")), "adam"),
        knob("lr", Real(1e-4, 3e-2, log=True), 1e-3, adam),
        knob("sgd_lr", Real(1e-3, 1.0, log=True), 0.05, sgd),
        knob("weight_decay", Choice((0.0, 1e-4, 1e-3, 1e-2, 1e-1)), 1e-2, "optimizer == 'adamw'"),
        knob("sgd_weight_decay", Choice((0.0, 1e-5, 1e-4, 1e-3)), 0.0, sgd),
        knob("schedule", Choice(SCHEDULES), "constant"),
        knob("batch", Integer(min(BATCHES[0], batch), most, log=True), batch),
        knob("epochs", Integer(1, MORE_EPOCHS * epochs, log=True), epochs),
        knob("clip", Choice((0.0, 0.5, 2.0)), 0.0),
        *smoothing,
        knob("ema", Choice((0.0, 0.9, 0.99)), 0.0),
        Knob("fused", Choice((False, True)), False, "resource", STAGE),
        threads("threads", STAGE, cores, cores, exact=False),
        *lowered,
    )


def _has_bf16() -> bool:
    """Whether this processor multiplies in bf16: elsewhere it is emulated, and slow."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - it is no file to keep
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
