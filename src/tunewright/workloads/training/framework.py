"""The role of a framework: it trains a network once, and answers with what was learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Task

Array = NDArray[Any]
Report = Callable[[float, Array], None]
REPORTS = 27  # of a training, at most: a power of the searcher's, 1, 3, 9 … of its way


@final
@dataclass(frozen=True, eq=False)
class Job:
    """One training.

    model: what makes the network. loss: its name. arguments: of the model. config: values of all
    knobs. x, y: what is learned from. seed: of all chance. task, classes: what is predicted, and
    among how many classes (0 for numbers). device: where it runs. watched: rows whose answers
    `report` is told as training goes on, with its progress from 0 to 1; None for nobody.
    """

    model: Any
    loss: str
    arguments: Mapping[str, Any]
    config: Mapping[str, Any]
    x: Array
    y: Array
    seed: int
    task: Task
    classes: int
    device: str = "cpu"
    watched: Array | None = None
    report: Report | None = None


@final
@dataclass(frozen=True, eq=False)
class Trained:
    """What a training gave.

    weights: as safetensors. predict: answers rows: probabilities of (rows, classes), or values of
    (rows,). train_s: what it took, without any judging. epochs: how many there were.
    """

    weights: bytes
    predict: Callable[[Array], Array]
    train_s: float
    epochs: int


@final
@dataclass(frozen=True)
class Framework:
    """A framework as one value.

    library: what is imported, extra: what installs it. warm: modules of a worker that is about to
    fork; nothing may run in them. check: "module:function" that refuses a model which cannot learn
    the data, before anything is searched. train: "module:function" from a Job to a Trained.
    files: "module:function" that turns what was trained into the index and files of a bundle.
    """

    name: str
    library: str
    warm: tuple[str, ...]
    train: str
    check: str
    files: str
