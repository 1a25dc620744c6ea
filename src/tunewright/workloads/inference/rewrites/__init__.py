"""Rewrites: how a model is made smaller or coarser, each a line here and one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from tunewright.core.conditions import Condition
from tunewright.core.config import Config, Value
from tunewright.core.knobs import Choice, Integer, Knob
from tunewright.workloads.inference.data import Arrays, Signature

_HERE = "tunewright.workloads.inference.rewrites"


@final
@dataclass(frozen=True)
class Calibration:
    """Rows that a rewrite may look at, and how many of them a call takes."""

    signature: Signature
    rows: Arrays
    batch: int


@final
@dataclass(frozen=True)
class Rewrite:
    """One way to change a model.

    stage: where in the chain. form: of the models that it reads. knob, values: it is wanted where
    the knob has one of these, or where there are none, another than `default`. change:
    "module:function" of files, a config and a Calibration, that gives files; raises TrialFailed.
    """

    stage: str
    form: str
    knob: str
    change: str
    values: tuple[Value, ...] = ()
    default: Value = 1.0


REWRITES = (
    Rewrite("simplify", "onnx", "neurons", f"{_HERE}.pruning:neurons"),
    Rewrite("quantise", "onnx", "precision", f"{_HERE}.int8:dynamic", ("int8-dynamic",)),
    Rewrite("quantise", "onnx", "precision", f"{_HERE}.int8:static", ("int8-static",)),
    Rewrite("quantise", "onnx", "precision", f"{_HERE}.int8:weights", ("int8-weights",)),
)
SHARES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1)  # of the neurons of each layer
FLOAT_LAYERS = 4  # at most are left as they are
INT8 = ("int8-dynamic", "int8-static", "int8-weights")


def rewrites_of(stage: str, config: Config) -> Iterator[Rewrite]:
    """What a config asks for at this stage, in the order of the list."""
    for one in REWRITES:
        value = config.get(one.knob)
        wanted = value in one.values if one.values else value not in {None, one.default}
        if one.stage == stage and wanted:
            yield one


def knobs_of(runtimes: dict[str, tuple[str, ...]], layers: int) -> tuple[Knob, ...]:
    """The knobs of `simplify` and `quantise`, for a model of so many layers.

    runtimes: the precisions that each gains from.
    """
    able = {name: precisions for name, precisions in runtimes.items() if precisions}
    values = tuple(dict.fromkeys(p for precisions in able.values() for p in precisions))
    if not values or not layers:
        return ()
    narrow = tuple(
        Condition(f"precision not in {tuple(set(values) - set(own))!r} or runtime != {name!r}")
        for name, own in able.items()
        if set(values) - set(own)
    )
    layered = Condition.one_of("runtime", tuple(able))
    return (
        Knob("neurons", Choice(SHARES), 1.0, "simplification", "simplify", when=layered),
        Knob(
            "precision", Choice(("float32", *values)), "float32", "simplification", "quantise",
            when=layered, requires=narrow,
        ),
        Knob(
            "float_layers", Integer(0, min(layers - 1, FLOAT_LAYERS)), 0, "simplification",
            "quantise", when=Condition("precision == 'int8-static' or precision == 'int8-dynamic'"),
        ),
    )  # fmt: skip
