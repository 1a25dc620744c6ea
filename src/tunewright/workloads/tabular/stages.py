"""The chain of a tabular model: stages are small values; heavy libraries are reached by name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from tunewright.core.config import Config, digest_of
from tunewright.core.knobs import Knob
from tunewright.core.metrics import Sample
from tunewright.core.registry import resolve
from tunewright.core.roles import Artifact, Context
from tunewright.core.trial import Fidelity, Need
from tunewright.errors import TrialFailed
from tunewright.measuring.sampling import sample_calls
from tunewright.workloads.tabular import calibration, class_weights, selection
from tunewright.workloads.tabular.blending import weights_of
from tunewright.workloads.tabular.conversion import why_unequal
from tunewright.workloads.tabular.data import (
    Blended,
    CompiledModel,
    Fitted,
    Floats,
    Ints,
    Judged,
    Learned,
    PlainTraining,
    Prepared,
    Schema,
    Source,
    Table,
    Training,
)
from tunewright.workloads.tabular.encoding import encode_rows, learn_features, plain_rows, taken
from tunewright.workloads.tabular.families import Family, family_of
from tunewright.workloads.tabular.predictor import Predictor, load_runtime
from tunewright.workloads.tabular.quality import METRICS, contributions, every_row, samples_of
from tunewright.workloads.tabular.splitting import subsample
from tunewright.workloads.tabular.sweeping import why_broken
from tunewright.workloads.tabular.transforms import KNOB, smeared, transform_of, transformed
from tunewright.workloads.tabular.weighing import picked, variance

TIMED_ROWS = 100  # five passes over them are enough values to know their 99th percentile
SMEARED_ROWS = 10_000  # their mean is known well enough
READ = "tunewright.workloads.tabular.reading:read"
RELEASE = "tunewright.workloads.tabular.releasing:release"
ARRAYS = ("x", "y", "judged_x", "judged_y")


@final
@dataclass(frozen=True)
class Load:
    """Reads the file; refuses one that changed since the study began."""

    source: Source
    content: str
    name: Literal["load"] = "load"
    knobs: tuple[Knob, ...] = ()

    def needs(self, _config: Config) -> Need:
        """A core."""
        return Need()

    def run(self, _upstream: Sequence[Artifact], _config: Config, _context: Context) -> Artifact:
        """The Table."""
        table: Table = resolve(READ)(self.source)
        if table.content != self.content:
            raise TrialFailed(f"expected unchanged data in {self.source.path}; got other values")
        resolve(RELEASE)(table.facts.rows * table.facts.columns)
        return Artifact(table)


@final
@dataclass(frozen=True)
class Prepare:
    """Encodes rows; learns and selects features by the training rows of the fidelity alone.

    With split "search" it is judged on one fold of the search's rows and learns from their others;
    with "test" it is judged on one part of the test rows and learns from all other rows there are;
    with "all" it learns from every row, and what it says of those it is judged on is worth nothing.
    """

    knobs: tuple[Knob, ...]
    name: Literal["prepare"] = "prepare"

    def needs(self, _config: Config) -> Need:
        """A core."""
        return Need()

    def run(self, upstream: Sequence[Artifact], config: Config, context: Context) -> Artifact:
        """Prepared, with its arrays as files."""
        table: Table = upstream[0].value
        rows, judged = divided(table, context.fidelity)
        files = context.directory / "arrays"
        files.mkdir()
        schema = _encoded(table, (rows, judged), config, context.seed, files)
        resolve(RELEASE)(len(rows) * len(schema.features))
        groups = None if table.groups is None else table.groups[judged]
        nothing = np.empty(0)
        shown = plain_rows(table, judged[:TIMED_ROWS])
        spread = _spread(table) if context.fidelity.piece.split == "test" else None
        of_rows, of_judged = (picked(table.weights, of) for of in (rows, judged))
        prepared = Prepared(
            schema, nothing, nothing, nothing, nothing, shown, groups, of_rows, of_judged, spread
        )
        return Artifact(prepared, files=files)


def _encoded(
    table: Table, divided_: tuple[Ints, Ints], config: Config, seed: int, files: Path
) -> Schema:
    """The schema that the first rows teach; both as arrays in files, and nothing of them here."""
    rows, judged = divided_
    schema, x = learn_features(table, rows, str(config["encoding"]))
    learned = Training(schema, x, table.y[rows], weights=picked(table.weights, rows))
    count = int(config.get(selection.KNOB, len(schema.columns)))
    schema, x = selection.selected(count, learned, seed)
    judged_x = encode_rows(table, schema, judged)
    arrays = (x, table.y[rows], judged_x, table.y[judged])
    for name, array in zip(ARRAYS, arrays, strict=True):
        np.save(files / f"{name}.npy", array)
    return schema


def _spread(table: Table) -> float | None:
    """The variance of the untouched answers that are judged in parts; None where they are not."""
    if table.facts.task != "regression" or len(table.test) == 1:
        return None
    rows = np.concatenate(table.test)
    return max(float(variance(table.y[rows], picked(table.weights, rows))), np.finfo(float).tiny)


def divided(table: Table, fidelity: Fidelity) -> tuple[Ints, Ints]:
    """The rows to learn from, and those to be judged on."""
    fold, untouched = fidelity.piece.fold, fidelity.piece.split == "test"
    judged = (table.test if untouched else table.folds)[fold]
    learned = np.setdiff1d(table.train, judged, assume_unique=True)
    if untouched:
        others = (part for i, part in enumerate(table.test) if i != fold)
        learned = np.sort(np.concatenate((table.train, *others)))
    if fidelity.piece.split == "all":
        learned = np.unique(np.concatenate((table.train, *table.test)))
    rows = subsample(learned, fidelity.effort.get("rows", 1.0), fidelity.piece.seed)
    return rows, judged


def prepared_of(artifact: Artifact) -> Prepared:
    """What Prepare left, its arrays mapped and not copied."""
    files: Path | None = artifact.files
    assert files is not None
    arrays: dict[str, Any] = {
        name: np.load(files / f"{name}.npy", mmap_mode="r") for name in ARRAYS
    }
    prepared: Prepared = artifact.value
    return replace(prepared, **arrays)


@final
@dataclass(frozen=True)
class Fit:
    """Trains a model of the family that the config names.

    In a search, a family that can stops early on the judged rows: then the knob that counts its
    rounds is an upper bound, and a sample of that name says what was chosen. A refit never does.
    """

    knobs: tuple[Knob, ...]
    name: Literal["fit"] = "fit"

    def needs(self, config: Config) -> Need:
        """What the family needs."""
        return _family(config).needs(config)

    def run(self, upstream: Sequence[Artifact], config: Config, context: Context) -> Artifact:
        """Fitted; its digest is that of the model's text."""
        data, family = prepared_of(upstream[0]), _family(config)
        searching = context.fidelity.piece.split == "search"
        transform = transform_of(str(config.get(KNOB, "none")), data.y)
        schema = replace(data.schema, transform=transform)
        judged = (data.judged_x, transformed(data.judged_y, transform)) if searching else None
        y = transformed(data.y, transform)
        weights = class_weights.weights_of(config.get(class_weights.KNOB, class_weights.NONE), data)
        training: Training | PlainTraining = Training(schema, data.x, y, judged, *weights)
        if family.plain:
            table: Table = context.above("load").value
            rows, _ = divided(table, context.fidelity)
            schema = replace(schema, columns=table.schemas, left_out=())  # it has its own ways
            training = PlainTraining(schema, taken(table, rows), y, data.weights)
        started_s = time.perf_counter()
        learned: Learned = resolve(family.fit)(training, config, context.seed)
        samples = {"fit_s": Sample((time.perf_counter() - started_s,), "s")}
        samples |= {knob: Sample((value,)) for knob, value in learned.chosen.items()}
        model = Fitted(schema, family.name, learned.text)
        if transform is not None:
            step = -(-len(data.y) // SMEARED_ROWS)
            said = load_runtime(_before(model), threads=1).batch(data.x[::step])
            counts = picked(data.weights, slice(None, None, step))
            transform = smeared(transform, data.y[::step], said, counts)
            model = replace(model, schema=replace(schema, transform=transform))
        return Artifact(model, samples, digest_of(learned.text))


@final
@dataclass(frozen=True)
class Simplify:
    """Makes a model smaller, as its family can."""

    knobs: tuple[Knob, ...]
    name: Literal["simplify"] = "simplify"

    def needs(self, _config: Config) -> Need:
        """A core."""
        return Need()

    def run(self, upstream: Sequence[Artifact], config: Config, _context: Context) -> Artifact:
        """Fitted."""
        model: Fitted = upstream[0].value
        simplify = family_of(model.family).simplify
        if not simplify:
            return Artifact(model)
        return Artifact(replace(model, text=resolve(simplify)(model.text, config)))


@final
@dataclass(frozen=True)
class Compile:
    """Turns a model into the files of one runtime, and lets it answer the judged rows.

    A model that was converted must answer them, and odd ones, as it did before; one that is to be
    monotone along a column must be so on them. Its temperature is learned here, from what it says
    as it will be handed over: in a search a sample tells it, and the config that is refitted names
    it.
    """

    knobs: tuple[Knob, ...]
    name: Literal["compile"] = "compile"

    def needs(self, _config: Config) -> Need:
        """A core."""
        return Need()

    def run(self, upstream: Sequence[Artifact], config: Config, context: Context) -> Artifact:
        """CompiledModel, with its answers beside it."""
        model: Fitted = upstream[0].value
        family = family_of(model.family)
        runtime = str(config[family.runtime])
        backend, files = family.runtimes[runtime], {family.file: model.text.encode()}
        if backend.export:
            files = resolve(backend.export)(model.text, model.schema)
        compiled = CompiledModel(model.schema, family.name, runtime, files)
        data = prepared_of(context.above("prepare"))
        if backend.export and (unequal := why_unequal(compiled, _before(model), data.judged_x)):
            raise TrialFailed(f"{unequal}; choose another {family.runtime}")
        judge = replace(compiled, runtime=backend.judge or runtime)
        asked: Any = data.judged_x
        promised = any(column.monotone for column in model.schema.columns)
        if family.plain or promised:
            table: Table = context.above("load").value
            columns = taken(table, divided(table, context.fidelity)[1])
            if family.plain:
                asked = columns
            elif broken := why_broken(judge, columns):
                raise TrialFailed(f"{broken}; choose another family")
        said = load_runtime(judge, threads=1).batch(asked)
        y, weights = np.asarray(data.judged_y), data.judged_weights
        wanted = config.get(calibration.KNOB, calibration.NONE)
        searching = context.fidelity.piece.split == "search"
        found = calibration.calibration_of(
            wanted, len(data.y), (said, y, weights) if searching else None
        )
        compiled = replace(compiled, schema=replace(model.schema, calibration=found))
        samples = {calibration.KNOB: Sample((found.temperature,))} if found else {}
        prediction = calibration.calibrated(said, found)
        judged = Judged(prediction, y, data.rows, data.groups, weights=weights, spread=data.spread)
        return Artifact(compiled, samples, judged=judged)


@final
@dataclass(frozen=True)
class Blend:
    """Lets models answer together, and judges what they say. A single model is a blend of one."""

    knobs: tuple[Knob, ...] = ()
    name: Literal["blend"] = "blend"

    def needs(self, _config: Config) -> Need:
        """A core."""
        return Need()

    def run(self, upstream: Sequence[Artifact], config: Config, context: Context) -> Artifact:
        """Blended, with samples of its quality and size, and the weights where it chose them."""
        answers: list[Judged] = [artifact.judged for artifact in upstream]
        first = answers[0]
        weights = [weight for _, weight in config.members] or [1.0]
        if config.unweighted:
            task = upstream[0].value.schema.task
            said = [one.prediction for one in answers]
            weights = weights_of(said, first.y, task, first.weights).tolist()
        models: list[CompiledModel] = [artifact.value for artifact in upstream]
        blended = Blended(tuple(zip(models, weights, strict=True)))
        schema = blended.schema
        prediction = _mean([answer.prediction for answer in answers], weights)
        own = {
            metric.name: contributions(
                metric.name, first.y, prediction, first.weights, first.spread
            )
            for metric in METRICS[schema.task]
        }
        baseline = context.baseline()
        theirs = baseline.judged.contributions if baseline else None
        samples = samples_of(own, theirs, first.groups, first.weights)
        if context.fidelity.piece.split == "test":
            samples |= every_row(own, first, prediction, schema.classes)
        size = sum(len(file) for model in models for file in model.files.values())
        samples["model_bytes"] = Sample((float(size),), "B")
        samples[selection.METRIC] = Sample((float(len(schema.columns)),))
        if config.unweighted:
            samples["weights"] = Sample(tuple(weights))
        judged = replace(first, prediction=np.empty(0), contributions=own)
        return Artifact(blended, samples, judged=judged)


@final
@dataclass(frozen=True)
class Predict:
    """Times one row at a time, from a plain dict to an answer."""

    knobs: tuple[Knob, ...]
    runtimes: tuple[str, ...]
    name: Literal["predict"] = "predict"

    def needs(self, config: Config) -> Need:
        """A process that loads no other runtime: two in one process distort each other's timing."""
        used = [f"{knob}={config[knob]}" for knob in self.runtimes if knob in config]
        members = [member for member, _ in config.members] or [config]
        return Need(
            cores=int(config.get("threads", 1)), process="lane", lane=",".join(used),
            imports=tuple(sorted({_runtime_module(member) for member in members})),
        )  # fmt: skip

    def run(self, upstream: Sequence[Artifact], config: Config, _context: Context) -> Artifact:
        """Nothing but samples of its speed."""
        started_s = time.perf_counter()
        predictor = Predictor(upstream[0].value, int(config.get("threads", 1)))
        load_s = time.perf_counter() - started_s
        judged: Judged = upstream[0].judged
        latency = Sample(tuple(sample_calls(predictor.predict_row, judged.rows)), "s")
        return Artifact(None, {"latency": latency, "load_s": Sample((load_s,), "s")})


def _runtime_module(config: Config) -> str:
    """The module that answers for a config."""
    family = _family(config)
    return family.runtimes[str(config[family.runtime])].load.partition(":")[0]


def _before(model: Fitted) -> CompiledModel:
    """The model as it was fitted, in a runtime that converts nothing."""
    family = family_of(model.family)
    files = {family.file: model.text.encode()}
    return CompiledModel(model.schema, family.name, family.reference, files)


def _family(config: Config) -> Family:
    return family_of(str(config["family"]))


def _mean(answers: Sequence[Floats], weights: Sequence[float]) -> Floats:
    if len(answers) == 1:
        return answers[0]
    total = sum(weights)
    parts = [weight / total * answer for weight, answer in zip(weights, answers, strict=True)]
    return np.asarray(np.sum(parts, axis=0))
