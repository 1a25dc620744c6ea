"""Training of networks with PyTorch: `tunewright.tune(tunewright.torch.Training(Net, (X, y)))`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from tunewright.core.registry import resolve
from tunewright.errors import InputError, check_type, nearest
from tunewright.workloads.functions.knobs import Unnamed
from tunewright.workloads.training.arrays import arrays_of
from tunewright.workloads.training.declared import Parts, leave, own_space
from tunewright.workloads.training.knobs import knobs_of
from tunewright.workloads.training.pytorch.kind import FRAMEWORK
from tunewright.workloads.training.pytorch.knobs import more_knobs
from tunewright.workloads.training.pytorch.names import LOSSES, NETWORKS
from tunewright.workloads.training.workload import TrainingSpec

__all__ = ["Training"]
_NETWORKS = "tunewright.workloads.training.pytorch.networks"
Loss = Literal["cross_entropy", "mse", "mae", "huber"]


@final
@dataclass(frozen=True, eq=False)
class Training:
    """The training of a network from arrays.

    model: a class or a function that makes a `torch.nn.Module`, or "mlp", "cnn" or "resnet". Its
    arguments are knobs: those of `space`, those whose default is `tunewright.integer(…)` and the
    like, else sizes and shares of dropout that have a number as default. What it must be given and
    the data decide (features, classes) is filled in. For classes it answers with logits.
    data: (X, y), arrays or tensors, or a map-style dataset. uint8 is scaled to 0…1. test: the rows
    for the verdict, where they were divided already. epochs, batch: those that you have today.
    device: "cpu" or "cuda". seeds: trainings of each config for the verdict.
    Raises InputError for what cannot be trained.
    """

    model: Callable[..., Any] | str
    data: Any
    loss: Loss = "cross_entropy"
    test: Any = None
    space: Mapping[str, Unnamed] | None = None
    epochs: int = 10
    batch: int = 128
    device: str = "cpu"
    seeds: int = 5

    def __post_init__(self) -> None:
        for library in ("torch", "safetensors"):
            if importlib.util.find_spec(library) is None:
                raise InputError(
                    f"expected {library}, which a training with PyTorch needs; it is not there: "
                    'pip install "tunewright[torch]"'
                )
        if self.loss not in LOSSES:
            raise InputError(f"unknown loss {self.loss!r}: {nearest(str(self.loss), LOSSES)}")
        for name, least in (("epochs", 1), ("batch", 1), ("seeds", 3)):
            check_type(name, getattr(self, name), int, str(max(least, 5)))
            if getattr(self, name) < least:
                raise InputError(f"{name}: expected at least {least}; got {getattr(self, name)}")
        check_type("device", self.device, str, "'cpu'")
        if isinstance(self.model, str):
            if self.model not in NETWORKS:
                raise InputError(f"unknown network {self.model!r}: {nearest(self.model, NETWORKS)}")
        elif not callable(self.model):
            raise InputError(
                "expected a class or a function that makes a network anew for each training; got "
                f"{type(self.model).__name__}; give its class, or lambda: …"
            )

    @property
    def kind(self) -> str:
        """The kind of workload."""
        return FRAMEWORK.name

    @property
    def label(self) -> str:
        """What it is called."""
        own = getattr(self.model, "__name__", type(self.model).__name__)
        return self.model if isinstance(self.model, str) else str(own).strip("<>")

    def left(self, directory: Path, *, in_process: bool) -> TrainingSpec:
        """Its spec, where what travels is left in the directory of a study."""
        answers: Any = LOSSES[self.loss]
        arrays = arrays_of(self.data, task=answers, test=self.test)
        make = resolve(f"{_NETWORKS}:{self.model}") if isinstance(self.model, str) else self.model
        space, inferred = own_space(make, self.space)
        rows = len(arrays.learned)
        knobs = (
            *knobs_of(epochs=self.epochs, batch=min(self.batch, rows), rows=rows),
            *more_knobs(classes=len(arrays.classes), device=self.device),
        )
        parts = Parts(
            FRAMEWORK, self.model, arrays, knobs, space, self.loss, self.label, self.seeds,
            self.device, inferred,
        )  # fmt: skip
        return leave(parts, directory, in_process=in_process)
