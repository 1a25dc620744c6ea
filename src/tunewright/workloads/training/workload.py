"""The training of a network as a workload: one stage that trains and is judged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from tunewright.core.config import Config, Value, digest_of
from tunewright.core.goal import Goal
from tunewright.core.kinds import HandOver, Kind, Later, Stated
from tunewright.core.knobs import Knob, Space
from tunewright.core.metrics import SEED, Metric, Sample
from tunewright.core.registry import resolve
from tunewright.core.roles import NO_PORTFOLIO, Artifact, Context, Effort, Portfolio, Untouched
from tunewright.core.trial import Need
from tunewright.errors import InputError, TrialFailed
from tunewright.measuring import payloads
from tunewright.measuring.forked import Tell, peak_bytes
from tunewright.workloads.apart import apart
from tunewright.workloads.functions.answers import telling
from tunewright.workloads.tabular.data import Judged, Task
from tunewright.workloads.tabular.quality import AIMS, METRICS, contributions, every_row, samples_of
from tunewright.workloads.training.arrays import Array, Arrays
from tunewright.workloads.training.framework import Framework, Job, Trained
from tunewright.workloads.training.portfolio import portfolio_of
from tunewright.workloads.training.predictor import predictor

STAGE = "train"
LOOKS = "looks"
OWN = (
    Metric("train_s", "lower", STAGE, "s", quiet=True),
    Metric("rows_per_s", "higher", STAGE, quiet=True),
    Metric("peak_bytes", "lower", STAGE, "B", evidence="pairs"),
)


@final
@dataclass(frozen=True, eq=False)
class Recipe:
    """What travels: the model, what labels of choices stand for, and the data.

    arguments: the knobs that are the model's own. loss: its name, "" where the model has its own.
    """

    model: Any
    arguments: frozenset[str]
    objects: Mapping[str, Mapping[str, Any]]
    loss: str
    arrays: Arrays

    def valued(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The model's own arguments in a config."""
        return {
            name: self.objects.get(name, {}).get(value, value) if isinstance(value, str) else value
            for name, value in config.items()
            if name in self.arguments
        }


@final
@dataclass(frozen=True)
class TrainingSpec:
    """A training in the directory of a study, and what is known of it; all of it is JSON.

    framework: its name. payload: the directory of the Recipe. content: a digest of the data.
    seeds: trainings of each config for a verdict. notes: what was understood, as labelled lines.
    in_process: trainings run in the study's own process. where: the model as "module:name", ""
    where no other program can import it.
    """

    framework: str
    payload: str
    label: str
    task: Task
    content: str
    knobs: tuple[Knob, ...]
    seeds: int = 5
    device: str = "cpu"
    in_process: bool = False
    where: str = ""
    notes: tuple[tuple[str, str], ...] = ()


@cache
def recipe_of(directory: str) -> Recipe:
    """The recipe in a directory, read once a process. Raises TrialFailed where it cannot be."""
    try:
        recipe: Recipe = payloads.read(Path(directory))
    except Exception as error:
        raise TrialFailed(f"cannot load the model in another process: {telling(error)}") from error
    return recipe


@final
@dataclass(frozen=True)
class Train:
    """Trains a network anew, and judges it on rows that it did not learn from.

    With split "search" it learns from most rows of the search and is judged on the others of them;
    with "test" it learns from all of these and is judged on the untouched rows, each fold with
    another seed; with "all" it learns from every row. It runs in a process that is forked for it:
    its parent has imported the framework, and never computes with it.
    """

    spec: TrainingSpec
    framework: Framework
    knobs: tuple[Knob, ...]
    name: Literal["train"] = "train"

    def needs(self, config: Config) -> Need:
        """As many cores as it has threads, and the device."""
        threads = config.get("threads", 1)
        gpus = 0 if self.spec.device == "cpu" else 1
        return Need(threads if isinstance(threads, int) else 1, gpus=gpus, process="own")

    def run(self, _upstream: tuple[Artifact, ...], config: Config, context: Context) -> Artifact:
        """The weights, with samples of quality and cost. Raises TrialFailed where it diverges."""
        recipe, spec = recipe_of(self.spec.payload), self.spec
        arrays, piece = recipe.arrays, context.fidelity.piece
        learned, judged = _rows(arrays, piece.split)
        seed = int(digest_of([context.seed, piece.split, piece.fold]), 16) % 2**31

        def work(tell: Tell) -> _Answer:
            job = Job(
                recipe.model, recipe.loss, recipe.valued(config), config, arrays.x[learned],
                arrays.y[learned], seed, spec.task, len(arrays.classes), spec.device,
            )  # fmt: skip
            if piece.split == "search":
                watched = arrays.x[judged]
                job = replace(job, watched=watched, report=lambda step, said: tell((step, said)))
            return _answer(self.framework, job, arrays.x[judged])

        def hear(message: tuple[float, Array]) -> None:
            step, said = message
            context.report(step, samples_of(_own(spec.task, arrays, judged, said), None))

        answer = work(hear) if spec.in_process else apart("training", work, hear, context)
        if answer.failed:
            raise answer.failed
        return self._judged(answer, arrays, judged, context)

    def _judged(self, answer: _Answer, arrays: Arrays, judged: Array, context: Context) -> Artifact:
        task, split = self.spec.task, context.fidelity.piece.split
        own = _own(task, arrays, judged, answer.said)
        groups = arrays.groups[judged] if arrays.groups is not None else None
        samples = samples_of(own, None, groups)
        samples["train_s"] = Sample((answer.train_s,), "s")
        samples["rows_per_s"] = Sample((answer.rows / answer.train_s,))
        if answer.peak_bytes:
            samples["peak_bytes"] = Sample((answer.peak_bytes,), "B")
        if split == "test":
            stand = np.arange(len(judged)) if groups is None else groups
            read = Judged(answer.said, arrays.y[judged], (), stand)
            samples |= every_row(own, read, _read(task, answer.said), _names(arrays))
            samples[SEED] = Sample((float(context.fidelity.piece.fold),))
        return Artifact(answer.weights, samples)


@final
@dataclass(frozen=True, eq=False)
class _Answer:
    """What came of a training in its own process."""

    said: Array = field(default_factory=lambda: np.empty(0))
    weights: bytes = b""
    train_s: float = 0.0
    rows: int = 0
    peak_bytes: float = 0.0
    failed: Exception | None = None


def _answer(framework: Framework, job: Job, judged: Array) -> _Answer:
    """Train, and answer the judged rows; what fails is part of the answer."""
    try:
        trained: Trained = resolve(framework.train)(job)
        said = trained.predict(judged)
    except (TrialFailed, MemoryError, InputError) as error:
        return _Answer(failed=type(error)(str(error)))
    except Exception as error:  # noqa: BLE001 - the user's own model
        return _Answer(failed=TrialFailed(telling(error)))
    if not np.isfinite(said).all():
        return _Answer(failed=TrialFailed("the network answers NaN: the training diverged"))
    rows = len(job.x) * trained.epochs
    return _Answer(said, trained.weights, trained.train_s, rows, peak_bytes() or 0.0)


def _rows(arrays: Arrays, split: str) -> tuple[Array, Array]:
    """The rows to learn from, and those to be judged on."""
    if split == "search":
        return arrays.learned, arrays.chosen
    every = np.sort(np.concatenate((arrays.learned, arrays.chosen)))
    if split == "all":
        every = np.sort(np.concatenate((every, arrays.untouched)))
    return every, arrays.untouched


def _own(task: Task, arrays: Arrays, rows: Array, said: Array) -> dict[str, Array]:
    """One number a row for each metric of the task."""
    y, read = arrays.y[rows], _read(task, said)
    return {metric.name: contributions(metric.name, y, read) for metric in METRICS[task]}


def _read(task: Task, said: Array) -> Array:
    """Answers as the metrics read them: of two classes the probability of the second."""
    return said[:, 1] / np.maximum(said[:, :2].sum(axis=1), 1e-300) if task == "binary" else said


def _names(arrays: Arrays) -> tuple[str, ...]:
    return tuple(map(str, arrays.classes))


@final
@dataclass(frozen=True)
class TrainingWorkload:
    """The training of a network; see Workload."""

    spec: TrainingSpec
    name: str
    stages: tuple[Train, ...]
    metrics: tuple[Metric, ...]
    baseline: Config
    digest: str
    untouched: Untouched
    portfolio: Portfolio = NO_PORTFOLIO
    efforts: tuple[Effort, ...] = (Effort(LOOKS, 1.0, math.inf, halved=True),)


def build(
    framework: Framework, spec: TrainingSpec, baseline: Mapping[str, Value], _stated: Stated
) -> TrainingWorkload:
    """The workload. Raises InputError where what travels is gone."""
    if not (Path(spec.payload) / payloads.VALUE).is_file():
        raise InputError(f"expected the pickled model in {spec.payload}; it is gone; tune again")
    space = Space(spec.knobs)
    own = space.asked(baseline)
    quality = tuple(replace(metric, stage=STAGE) for metric in METRICS[spec.task])
    recipe = hash_of(Path(spec.payload))
    return TrainingWorkload(
        spec=spec,
        name=spec.label,
        stages=(Train(spec, framework, spec.knobs),),
        metrics=(*quality, *OWN),
        baseline=own,
        digest=digest_of([spec.label, spec.content, spec.seeds, recipe]),
        untouched=Untouched(spec.seeds, spec.content, seeds=True),
        portfolio=portfolio_of(space, own),
    )


def hash_of(payload: Path) -> str:
    """A digest of the model as it travels."""
    return digest_of((payload / payloads.VALUE).read_bytes().hex())


def describe(workload: TrainingWorkload, _goal: Goal, looks: int) -> Iterator[tuple[str, str]]:
    """What was understood, and how it is judged."""
    yield from workload.spec.notes
    seen = f"; looked at {looks} times before" if looks else ""
    yield (
        "verdict",
        (
            f"{workload.spec.seeds} trainings of each config with seeds of their own, judged on "
            f"the untouched rows{seen}; times in pairs of processes alone on the machine"
        ),
    )
    base = " ".join(f"{knob}={value}" for knob, value in workload.baseline.items())
    yield "baseline", base


def aims(workload: TrainingWorkload) -> list[Metric]:
    """Quality first, then the time to train."""
    named = {metric.name: metric for metric in workload.metrics}
    name = "accuracy" if "accuracy" in named else AIMS[workload.spec.task]
    return [named[name], named["train_s"]]


def hand_over(workload: Later, config: Config, artifact: Artifact | None) -> HandOver | None:
    """The weights of the first of the trainings that were judged, and how to use them."""
    if artifact is None:
        return None
    made: TrainingWorkload = workload()
    stage, spec = made.stages[0], made.spec
    recipe = recipe_of(spec.payload)
    arguments = recipe.valued(config)
    index, files = resolve(stage.framework.files)(recipe, spec, arguments, artifact.value)
    index = {**index, "framework": stage.framework.name, "classes": list(recipe.arrays.classes)}
    return HandOver(index, files, "python -c \"import tunewright; tunewright.load('{bundle}')\"")


def kind(framework: Framework) -> Kind:
    """The kind of workload of this framework."""

    def built(spec: TrainingSpec, baseline: Mapping[str, Value], stated: Stated) -> Any:
        return build(framework, spec, baseline, stated)

    return Kind(
        name=framework.name,
        spec=TrainingSpec,
        build=built,
        describe=lambda workload, goal, looks: list(describe(workload, goal, looks)),
        hand_over=hand_over,
        answering=predictor,
        warm=framework.warm,
        called=lambda spec: spec.label,
        aims=aims,
    )
