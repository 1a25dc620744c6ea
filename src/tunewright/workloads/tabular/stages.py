"""The chain of a tabular model: stages are small values; heavy libraries are reached by name."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal, final

import numpy as np

from tunewright.core.config import Config, digest_of
from tunewright.core.knobs import Knob
from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact, Context
from tunewright.errors import TrialFailed
from tunewright.measuring.sampling import sample_calls
from tunewright.workloads.tabular.data import (
    CompiledModel,
    Evaluation,
    Fitted,
    Prepared,
    Source,
    Table,
)
from tunewright.workloads.tabular.encoding import encode_rows, learn_schema, plain_rows
from tunewright.workloads.tabular.predictor import Predictor, load_runtime
from tunewright.workloads.tabular.quality import METRICS, contributions, every_row, samples_of
from tunewright.workloads.tabular.splitting import subsample

TIMED_ROWS = 300

_HEAVY = {
    "column_names": "tunewright.workloads.tabular.reading:column_names",
    "read": "tunewright.workloads.tabular.reading:read",
    "fit_lightgbm": "tunewright.workloads.tabular.lightgbm_library:fit",
    "truncate": "tunewright.workloads.tabular.lightgbm_library:truncate",
    "fit_linear": "tunewright.workloads.tabular.linear_library:fit",
    "export_lightgbm": "tunewright.workloads.tabular.onnx_export:export_trees",
    "export_linear": "tunewright.workloads.tabular.onnx_export:export_linear",
}


def reach(name: str) -> Any:
    """A function whose module imports a heavy library."""
    module, _, attribute = _HEAVY[name].partition(":")
    return getattr(import_module(module), attribute)


@final
@dataclass(frozen=True)
class Load:
    """Reads the file; refuses one that changed since the study began."""

    source: Source
    content: str
    name: Literal["load"] = "load"
    knobs: tuple[Knob, ...] = ()
    timing: Literal[False] = False

    def run(self, _upstream: Artifact | None, _config: Config, _context: Context) -> Artifact:
        """The Table."""
        table = reach("read")(self.source)
        if table.content != self.content:
            raise TrialFailed(f"expected unchanged data in {self.source.path}; got other values")
        return Artifact(table)


@final
@dataclass(frozen=True)
class Prepare:
    """Encodes rows; learns the codes from the training rows of the fidelity alone.

    With split "search" it learns from training rows and is judged on validation rows; with "test"
    it is judged on one part of the test rows and learns from all other rows there are.
    """

    knobs: tuple[Knob, ...]
    name: Literal["prepare"] = "prepare"
    timing: Literal[False] = False

    def run(self, upstream: Artifact | None, config: Config, context: Context) -> Artifact:
        """Prepared."""
        table: Table = _value(upstream)
        fidelity = context.fidelity
        judged, learned = table.valid, table.train
        if fidelity.split == "test":
            judged = table.test[fidelity.fold]
            others = (part for fold, part in enumerate(table.test) if fold != fidelity.fold)
            learned = np.sort(np.concatenate((table.train, table.valid, *others)))
        rows = subsample(learned, fidelity.rows, fidelity.seed)
        schema = learn_schema(table, rows, ordered=config["encoding"] == "ordered")
        evaluation = Evaluation(
            encode_rows(table, schema, judged),
            table.y[judged],
            plain_rows(table, judged[:TIMED_ROWS]),
            None if table.groups is None else table.groups[judged],
        )
        x = encode_rows(table, schema, rows)
        return Artifact(Prepared(schema, x, table.y[rows], evaluation))


@final
@dataclass(frozen=True)
class Fit:
    """Trains a model."""

    knobs: tuple[Knob, ...]
    name: Literal["fit"] = "fit"
    timing: Literal[False] = False

    def run(self, upstream: Artifact | None, config: Config, context: Context) -> Artifact:
        """Fitted; its digest is that of the model's text."""
        data: Prepared = _value(upstream)
        family = str(config["family"])
        if family == "linear":
            text = reach("fit_linear")(data.x, data.y, data.schema, config["linear_c"])
        else:
            text = reach("fit_lightgbm")(data.x, data.y, data.schema, config, context.fidelity.seed)
        return Artifact(Fitted(data.schema, family, text, data.evaluation), digest=digest_of(text))


@final
@dataclass(frozen=True)
class Simplify:
    """Keeps the first trees of a model."""

    knobs: tuple[Knob, ...]
    name: Literal["simplify"] = "simplify"
    timing: Literal[False] = False

    def run(self, upstream: Artifact | None, config: Config, _context: Context) -> Artifact:
        """Fitted."""
        model: Fitted = _value(upstream)
        share = float(config.get("keep_trees", 1.0))
        if share == 1.0:
            return Artifact(model)
        return Artifact(replace(model, text=reach("truncate")(model.text, share)))


@final
@dataclass(frozen=True)
class Compile:
    """Turns a model into the files of one runtime, and judges it through that runtime."""

    knobs: tuple[Knob, ...]
    name: Literal["compile"] = "compile"
    timing: Literal[False] = False

    def run(self, upstream: Artifact | None, config: Config, context: Context) -> Artifact:
        """CompiledModel, with samples of its quality and size."""
        model: Fitted = _value(upstream)
        runtime = str(config["runtime" if model.family == "lightgbm" else "linear_runtime"])
        name = "model.txt" if model.family == "lightgbm" else "linear.json"
        files = {name: model.text.encode()}
        if runtime == "onnxruntime":
            onnx = {"model.onnx": reach(f"export_{model.family}")(model.text, model.schema)}
            files = onnx if model.family == "lightgbm" else {**files, **onnx}
        compiled = CompiledModel(model.schema, model.family, runtime, files, model.evaluation.rows)
        prediction = load_runtime(_without_estimator(compiled), threads=1).batch(model.evaluation.x)
        own = {
            metric.name: contributions(metric.name, model.evaluation.y, prediction)
            for metric in METRICS[model.schema.task]
        }
        baseline = context.baseline()
        samples = samples_of(
            own,
            baseline.value.contributions if baseline is not None else None,
        )
        if context.fidelity.split == "test":
            samples |= every_row(own, model.evaluation, model.schema.classes)
        samples["model_bytes"] = Sample((float(sum(map(len, files.values()))),), "B")
        return Artifact(replace(compiled, contributions=own), samples)


@final
@dataclass(frozen=True)
class Predict:
    """Times one row at a time, from a plain dict to an answer."""

    knobs: tuple[Knob, ...]
    name: Literal["predict"] = "predict"
    timing: Literal[True] = True

    def run(self, upstream: Artifact | None, config: Config, _context: Context) -> Artifact:
        """Nothing but samples of its speed."""
        compiled: CompiledModel = _value(upstream)
        started_s = time.perf_counter()
        predictor = Predictor(compiled, int(config["threads"]))
        load_s = time.perf_counter() - started_s
        latency = Sample(tuple(sample_calls(predictor.predict_row, compiled.rows)), "s")
        samples = {"latency": latency, "load_s": Sample((load_s,), "s")}
        return Artifact(None, samples)


def _without_estimator(model: CompiledModel) -> CompiledModel:
    """The same answers without scikit-learn: the estimator's are those of the Booster within."""
    alike = model.family == "lightgbm" and model.runtime == "library"
    return replace(model, runtime="booster") if alike else model


def _value(upstream: Artifact | None) -> Any:
    """What the stage above handed down."""
    if upstream is None:
        raise TrialFailed("expected an artifact from the stage above; got none")
    return upstream.value
