"""What the user has today: an estimator of his own, or a bundle. A baseline, and never more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from tunewright.core.knobs import Choice, Knob
from tunewright.core.trial import Need
from tunewright.workloads.tabular.families import Backend, Family

NAME = "yours"

FAMILY = Family(
    name=NAME,
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=lambda _: (),
    fit="tunewright.workloads.tabular.yours_library:fit",
    runtimes={
        "estimator": Backend("tunewright.workloads.tabular.yours_library:estimator"),
        "bundle": Backend("tunewright.workloads.tabular.yours_library:bundle"),
    },
    runtime="yours_runtime",
    default_runtime="estimator",
    file="yours",
    needs=lambda _: Need(),
    plain=True,
)


def kind_of(reference: str) -> Literal["estimator", "bundle"]:
    """What a reference names: a directory is a bundle, "module:attribute" an estimator."""
    return "bundle" if Path(reference).is_dir() else "estimator"


def knobs(reference: str) -> tuple[Knob, ...]:
    """The knobs of this baseline; no search proposes their family."""
    (runtime,) = FAMILY.space(1)
    what = Knob(NAME, Choice((reference,)), reference, "algorithm", "fit", when=runtime.when)
    kind = kind_of(reference)
    return what, replace(runtime, domain=Choice((kind,)), default=kind)
