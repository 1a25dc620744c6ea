"""Knobs of any training. The defaults are those of the classic script: Adam, 0.001."""

from __future__ import annotations

from tunewright.core.conditions import Condition
from tunewright.core.config import Value
from tunewright.core.knobs import Choice, Domain, Integer, Knob, Real
from tunewright.knobs import threads
from tunewright.machine import usable_cores
from tunewright.workloads.training.schedules import SCHEDULES
from tunewright.workloads.training.workload import STAGE

MORE_EPOCHS = 3  # times those that the user has, at most
BATCHES = 8, 2048
OPTIMIZERS = "adam", "adamw", "sgd"


def knobs_of(
    *, epochs: int, batch: int, rows: int, optimizer: str = "adam", lr: float = 1e-3
) -> tuple[Knob, ...]:
    """What may change in a training of so many rows, whatever the framework.

    epochs, batch, optimizer, lr: what the user has today.
    """
    most = max(min(BATCHES[1], rows // 4), batch, BATCHES[0] + 1)
    cores = usable_cores()
    names = tuple(dict.fromkeys((optimizer, *OPTIMIZERS)))
    own, sgd = "optimizer != 'sgd'", "optimizer == 'sgd'"
    steep = Real(min(1e-3, lr), max(1.0, lr), log=True)
    flat = Real(min(1e-4, lr), max(3e-2, lr), log=True)
    return (
        tuned("optimizer", Choice(names), optimizer),
        tuned("lr", flat, 1e-3 if optimizer == "sgd" else lr, own),
        tuned("sgd_lr", steep, lr if optimizer == "sgd" else 0.05, sgd),
        tuned("schedule", Choice(SCHEDULES), "constant"),
        tuned("batch", Integer(min(BATCHES[0], batch), most, log=True), batch),
        tuned("epochs", Integer(1, MORE_EPOCHS * epochs, log=True), epochs),
        threads("threads", STAGE, cores, cores, exact=False),
    )


def tuned(name: str, domain: Domain, default: Value, when: str = "") -> Knob:
    """A hyperparameter of a training."""
    condition = Condition(when) if when else None
    return Knob(name, domain, default, "hyperparameter", STAGE, when=condition)
