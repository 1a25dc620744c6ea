"""The chain of a trained model: stages are small values; heavy libraries are reached by name."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, final

import numpy as np

from tunewright.core.config import Config, Value, digest_of
from tunewright.core.knobs import Knob
from tunewright.core.metrics import SAME_ANSWERS, Sample
from tunewright.core.registry import resolve
from tunewright.core.roles import Artifact, Context
from tunewright.core.trial import Need
from tunewright.errors import TrialFailed
from tunewright.measuring import payloads
from tunewright.measuring.sampling import sample_calls
from tunewright.workloads.inference.comparing import ODD, REAL, odd_inputs, why_unequal
from tunewright.workloads.inference.data import Answers, Arrays, Compiled, Model, Runner, answered
from tunewright.workloads.inference.frameworks import framework_of
from tunewright.workloads.inference.importing import LABELS, METRIC
from tunewright.workloads.inference.quality import contributions
from tunewright.workloads.inference.rewrites import Calibration, rewrites_of
from tunewright.workloads.inference.runtimes import runtime_of
from tunewright.workloads.inference.spec import EXAMPLE, MODEL, ROWS, Facts, arrays_of
from tunewright.workloads.tabular.quality import mean_of

CALIBRATED = 512  # rows of the search by which a rewrite is calibrated, at most
TIMED, SPENT_S = 20, 0.2  # calls with other rows each, and how long they are repeated
BASELINE = "float32"
TOOK, FAILED = "took", "failed"  # files beside a form: how long it took, or why there is none


def calibration_of(place: str, facts: Facts) -> Calibration:
    """What a rewrite may look at: rows of the search alone, or the example where there are none."""
    inputs = arrays_of(Path(place) / (ROWS if facts.search else EXAMPLE))
    most = min(facts.search or len(inputs[0]), CALIBRATED)
    batch = facts.signature.batch
    return Calibration(
        facts.signature, tuple(np.asarray(one[:most]) for one in inputs), batch or most
    )


@final
@dataclass(frozen=True)
class Import:
    """Turns the model that was taken in into the form that the runtime reads."""

    place: str
    facts: Facts
    knobs: tuple[Knob, ...]
    name: Literal["import"] = "import"

    def needs(self, _config: Config) -> Need:
        """A core."""
        return Need()

    def run(self, _upstream: Sequence[Artifact], config: Config, context: Context) -> Artifact:
        """Model, and how long it took to make; two runtimes that read one form share it."""
        runtime = runtime_of(str(config["runtime"]))
        framework = framework_of(self.facts.framework)
        place = context.lasting / f"form-{runtime.takes}"
        with _once(place):
            if (place / TOOK).is_file():
                files = {p.name: p.read_bytes() for p in place.iterdir() if p.name != TOOK}
                took_s = float((place / TOOK).read_text(encoding="utf-8"))
            elif (place / FAILED).is_file():
                raise TrialFailed((place / FAILED).read_text(encoding="utf-8"))
            else:
                started_s = time.perf_counter()
                convert = resolve(framework.forms[runtime.takes])
                try:
                    files = dict(convert(Path(self.place) / MODEL, self.facts.signature))
                except TrialFailed as error:
                    place.mkdir(parents=True)
                    (place / FAILED).write_text(str(error), encoding="utf-8")
                    raise
                took_s = time.perf_counter() - started_s
                place.mkdir(parents=True)
                for name, body in {**files, TOOK: str(took_s).encode()}.items():
                    (place / name).write_bytes(body)
        return Artifact(Model(runtime.takes, files), {"convert_s": Sample((took_s,), "s")})


@contextmanager
def _once(place: Path) -> Iterator[None]:
    """Others that want to make the same wait until it is there; what was left half is made anew."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.exists() and not any((place / name).is_file() for name in (TOOK, FAILED)):
            shutil.rmtree(place)
        yield


@final
@dataclass(frozen=True)
class Rewrite:
    """Makes a model smaller or coarser, by those of its knobs that are not at their defaults."""

    place: str
    facts: Facts
    knobs: tuple[Knob, ...]
    name: str

    def needs(self, _config: Config) -> Need:
        """A core."""
        return Need()

    def run(self, upstream: Sequence[Artifact], config: Config, _context: Context) -> Artifact:
        """Model; exact no more where anything was changed."""
        model: Model = upstream[0].value
        started_s = time.perf_counter()
        for rewrite in rewrites_of(self.name, config):
            if rewrite.form != model.form:
                continue
            change = resolve(rewrite.change)
            files = change(model.files, config, calibration_of(self.place, self.facts))
            model = replace(model, files=files, exact=False)
        took_s = time.perf_counter() - started_s
        return Artifact(model, {f"{self.name}_s": Sample((took_s,), "s")})


@final
@dataclass(frozen=True)
class Compile:
    """Makes the runtime's own files, and lets it answer the judged rows.

    What is exact must answer them, and odd ones, as the original does; the rest is judged by the
    metric alone, and must at least give finite answers.
    """

    place: str
    facts: Facts
    knobs: tuple[Knob, ...]
    name: Literal["compile"] = "compile"

    def needs(self, _config: Config) -> Need:
        """A core."""
        return Need()

    def run(self, upstream: Sequence[Artifact], config: Config, context: Context) -> Artifact:
        """Compiled, with its answers beside it."""
        model, facts = upstream[0].value, self.facts
        runtime, place = runtime_of(str(config["runtime"])), Path(self.place)
        own = {knob.name: config[knob.name] for knob in self.knobs if knob.name in config}
        compiled = Compiled(
            runtime.name, model.files, {**own, **precision_of(config)}, facts.signature
        )
        started_s = time.perf_counter()
        if runtime.compile:
            files = resolve(runtime.compile)(compiled, arrays_of(place / EXAMPLE))
            compiled = replace(compiled, files=files)
        samples = {"compile_s": Sample((time.perf_counter() - started_s,), "s")}
        runner: Runner = resolve(runtime.load)(compiled)
        exact = model.exact and "precision" not in compiled.settings
        answers = self._answers(runner, context, exact=exact)
        samples |= self._samples(answers, context, exact=exact)
        size = sum(len(file) for file in compiled.files.values())
        samples["model_bytes"] = Sample((float(size),), "B")
        return Artifact(compiled, samples, judged=answers)

    def _answers(self, runner: Runner, context: Context, *, exact: bool) -> Answers:
        facts, place = self.facts, Path(self.place)
        rows, at = arrays_of(place / ROWS), judged_rows(facts, context.fidelity.piece.split)
        batch = facts.signature.batch or facts.batch
        judged = tuple(one[at] for one in rows)
        real = answered(runner, judged, _at_once(facts, len(judged[0])))
        odd = answered(runner, odd_inputs(rows, facts.signature), batch)
        baseline = context.baseline()
        if baseline is None or not exact:
            if any(one.dtype.kind == "f" and not np.isfinite(one).all() for one in real):
                raise TrialFailed("expected finite answers; got NaN or infinite ones")
        else:
            theirs: Answers = baseline.judged
            odd_parts = range(0, len(odd[0]), ODD)
            why = why_unequal(real, theirs.real, "rows") or next(filter(None, (
                why_unequal(tuple(o[i : i + ODD] for o in odd),
                            tuple(o[i : i + ODD] for o in theirs.odd), "odd rows")
                for i in odd_parts
            )), "")  # fmt: skip
            if why:
                raise TrialFailed(f"{why}; another runtime may do")
        own: dict[str, Any] = {}
        if facts.metric:
            y = arrays_of(place / LABELS)[0][at]
            metric = payloads.read(place / METRIC) if facts.own else None
            own[facts.metric] = contributions(facts.metric, facts.reads, real, y, metric)
        few = tuple(one[:REAL] for one in real) if facts.metric else real
        return Answers(real if exact else few, odd, own)

    def _samples(self, answers: Answers, context: Context, *, exact: bool) -> dict[str, Sample]:
        """The metric, its change against the original, and for a verdict that of each row."""
        metric, samples = self.facts.metric, dict[str, Sample]()
        if not metric:
            return samples
        values = answers.contributions[metric]
        samples[metric] = mean_of(values)
        baseline = context.baseline()
        if baseline is not None:
            change = mean_of(values - baseline.judged.contributions[metric])
            if metric == "accuracy" and not exact:
                # None of n answers changed: still one of n others may.
                change = replace(change, error=max(change.error or 0.0, 1 / len(values)))
            samples[f"{metric}_change"] = change
        if context.fidelity.piece.split == "test":
            samples[f"{metric}_rows"] = Sample(tuple(values.tolist()))
            if exact:
                samples[SAME_ANSWERS] = Sample((1.0,))
        return samples


@final
@dataclass(frozen=True)
class Predict:
    """Loads what was compiled and times single calls, each of the batch that the user stated."""

    place: str
    facts: Facts
    knobs: tuple[Knob, ...]
    cores: int
    name: Literal["predict"] = "predict"

    def needs(self, config: Config) -> Need:
        """A process that loads no other runtime: two in one process distort each other's timing."""
        runtime = runtime_of(str(config["runtime"]))
        return Need(
            cores=int(config.get("threads", 0)) or self.cores, process="lane", lane=runtime.name,
            imports=(runtime.load.partition(":")[0],),
        )  # fmt: skip

    def run(self, upstream: Sequence[Artifact], config: Config, _context: Context) -> Artifact:
        """Nothing but samples of its speed."""
        compiled: Compiled = upstream[0].value
        own = {knob.name: config[knob.name] for knob in self.knobs if knob.name in config}
        compiled = replace(compiled, settings={**compiled.settings, **own})
        started_s = time.perf_counter()
        runner: Runner = resolve(runtime_of(compiled.runtime).load)(compiled)
        load_s = time.perf_counter() - started_s
        inputs = [runner.native(one) for one in timed(self.place, self.facts)]
        taken = sample_calls(runner.call, inputs, budget_s=SPENT_S)
        throughput = self.facts.batch * len(taken) / sum(taken)
        return Artifact(None, {
            "latency": Sample(tuple(taken), "s"), "load_s": Sample((load_s,), "s"),
            "throughput": Sample((throughput,)),
        })  # fmt: skip


def timed(place: str, facts: Facts) -> list[Arrays]:
    """Calls of the user's batch, with other rows each as far as there are any."""
    if not facts.search:
        return [tuple(np.array(one) for one in arrays_of(Path(place) / EXAMPLE))]
    rows = arrays_of(Path(place) / ROWS)
    starts = range(0, TIMED * facts.batch, facts.batch)
    return [
        tuple(np.array(one[np.arange(start, start + facts.batch) % facts.search]) for one in rows)
        for start in starts
    ]


def judged_rows(facts: Facts, split: str) -> slice:
    """Where the rows are by which a trial is judged."""
    if not facts.search:
        return slice(None)
    return slice(facts.search, None) if split == "test" else slice(0, facts.search)


def _at_once(facts: Facts, rows: int) -> int:
    """The rows of a call where only the answers matter."""
    return facts.signature.batch or max(min(rows, 256), 1)


def precision_of(config: Config) -> dict[str, Value]:
    """The precision that a runtime is asked to compute in, where it is another than the model's."""
    asked = str(config.get("precision", BASELINE))
    return {"precision": asked} if asked == "bfloat16" else {}


def version_of(place: str, facts: Facts) -> str:
    """A digest of the data of a study."""
    return digest_of([Path(place).name, facts.content])
