"""Optimizing: a trained model goes in, a quicker one comes out, proven to be as good."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

from tunewright import session
from tunewright.core.config import Config
from tunewright.core.goal import stated_directions
from tunewright.core.registry import resolve
from tunewright.core.texts import names_of
from tunewright.core.units import format_quantity
from tunewright.core.verdict import Decision, Verdict
from tunewright.errors import InputError, check_type
from tunewright.planning import NO_LIMITS, Limits, Request
from tunewright.session import Result, Watch, Workspace
from tunewright.storing.studies import ROOT
from tunewright.workloads.inference.importing import Quality, imported

KIND, PLACE = "model", "model"
LOAD, DEPLOY = "tunewright.deploying.bundle:load", "tunewright.deploying.deploy:deploy"
PREPARED = ("convert_s", "simplify_s", "quantise_s", "compile_s")  # what a candidate costs once


@final
@dataclass(frozen=True, repr=False)
class Optimized:
    """A model as it is answered best, and the study that found out how.

    What it answers with is what the verdict hands over: where nothing was gained, that is the
    original, called as before. own: that call.
    """

    result: Result
    own: Callable[[Any], Any]

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, None while the study is unfinished."""
        return self.result.verdict

    @property
    def best(self) -> Config | None:
        """What the verdict hands over, None while there is none."""
        return self.result.best

    @property
    def gained(self) -> bool:
        """Whether something else than the original is handed over."""
        return self.best is not None and self.best != _baseline(self.result)

    @cached_property
    def predictor(self) -> Any:
        """What answers: loaded from the study's bundle, or None where it is your own model."""
        bundle = resolve(DEPLOY)(self.result)
        return None if bundle is None else resolve(LOAD)(bundle)

    def predict(self, x: Any) -> Any:
        """The answer to an array of rows, or to a tuple or a mapping of several arrays."""
        return self.own(x) if self.predictor is None else self.predictor.predict(x)

    def __repr__(self) -> str:
        """The verdict with its figures, what to do, and after how many calls it has paid."""
        return "\n".join([repr(self.result), *(f"  {line}" for line in advice(self.result))])


def advice(result: Result) -> Iterator[str]:
    """What to do with a finished study of a model, in a line or two."""
    verdict = result.verdict
    if verdict is None:
        return
    first = _baseline(result)
    if first is None or verdict.config == first:
        yield "keep what you have: nothing else was shown to be better"
        return
    changed = {k: v for k, v in verdict.config.items() if first.get(k) != v}
    told = " ".join(f"{knob}={value}" for knob, value in changed.items())
    proven = verdict.decision is Decision.ACCEPT
    yield f"use {told}" if proven else f"not proven, but the best that was seen: {told}"
    once_s = prepared_s(result)
    latency = next((c for c in verdict.comparisons if c.metric.startswith("latency")), None)
    if latency is None or math.isnan(latency.estimate) or not once_s:
        return
    saved_s = latency.baseline - latency.candidate
    if saved_s > 0:
        yield (
            f"made in {format_quantity(once_s, 's')}, which pays after "
            f"{math.ceil(once_s / saved_s):,} calls"
        )


def _baseline(result: Result) -> Config | None:
    """The config that every study begins with."""
    return next((trial.config for trial, _ in result.history.ended()), None)


def prepared_s(result: Result) -> float:
    """What it took to convert, simplify, quantise and compile what is handed over, in seconds."""
    verdict = result.verdict
    for trial, measurement in result.history.ended():
        if verdict is not None and trial.config == verdict.config:
            samples = measurement.samples
            spent = [samples[name].quantile(0.5) for name in PREPARED if name in samples]
            if spent:
                return math.fsum(spent)
    return 0.0


@contextmanager
def prepared(  # noqa: PLR0913 - what a study of a model may be told
    model: Any,
    example: Any,
    quality: Quality | None,
    *,
    goal: str,
    budget: str,
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    name: str = "",
    batch: int = 1,
    runtimes: tuple[str, ...] = (),
    root: Path = ROOT,
    began_s: float | None = None,
) -> Iterator[tuple[Request, Workspace, Callable[[Any], Any]]]:
    """The request for a model that is taken in, the workspace in which it lies, and its own call.

    batch: the rows of a call where no example says so.
    """
    called = name or (Path(model).stem if isinstance(model, (str, os.PathLike)) else "")
    called = called or type(model).__name__.lower()
    with session.prepare(called, KIND, limits, root, began_s) as workspace:
        spec, call = imported(model, example, quality, workspace.directory / PLACE, batch, runtimes)
        request = Request(called, KIND, spec, goal, {}, budget, seed, limits, refit="verified")
        yield request, workspace, call


def optimize(  # noqa: PLR0913 - as above
    model: Any,
    *,
    example: Any = None,
    quality: tuple[Any, Any, str | Callable[..., Any]] | None = None,
    goal: str = "",
    budget: str = "60s",
    runtimes: str | Sequence[str] = (),
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    name: str = "",
    root: str | os.PathLike[str] = ROOT,
    watch: Watch = session.unwatched,
) -> Optimized:
    """Find the quickest way to answer with a trained model that is proven to be as good.

    model: of PyTorch, Keras, scikit-learn, LightGBM, XGBoost or ONNX, or the path of its file.
    example: what one call gets: an array, or a tuple or a mapping of several, whose first axis are
    rows; the number of rows is what a call is timed with. quality: rows that the model has not
    learned from, their labels, and a metric: accuracy, log_loss, roc_auc, rmse, mae, r2, or a
    function of (y, answers). A part of them calibrates and chooses, the others are for the verdict.
    Without it only conversions compete whose answers are the original's. goal: by default the
    median time of a call, with quality no worse than its margin. runtimes: those to choose from, by
    name; by default all that are installed, but for "inductor", which compiles for half a minute.
    Raises InputError for what cannot be used, StoreError where nothing can be written, Interrupted
    (with the result so far) on Ctrl-C.
    """
    check_type("goal", goal, str, "'minimize latency_p50 subject to accuracy >= baseline - 0.005'")
    check_type("budget", budget, str, "'60s'")
    check_type("limits", limits, Limits, "tunewright.Limits(workers=2)")
    check_type("name", name, str, "'classifier'")
    judged = _quality(quality, goal)
    began_s = time.monotonic()
    with prepared(
        model, example, judged, goal=goal, budget=budget, seed=seed, limits=limits, name=name,
        runtimes=names_of("runtimes", runtimes), root=Path(root), began_s=began_s,
    ) as (request, workspace, own):  # fmt: skip
        result = session.begin(request, workspace=workspace, root=Path(root), watch=watch)
        return Optimized(result, own)


def _quality(given: Any, goal: str) -> Quality | None:
    if given is None:
        return None
    if not isinstance(given, tuple) or len(given) != 3:
        raise InputError(
            "quality: expected (x, y, metric), such as (x_val, y_val, 'accuracy'); got "
            f"{type(given).__name__}" + (f" of {len(given)}" if isinstance(given, tuple) else "")
        )
    x, y, metric = given
    if not isinstance(metric, str) and not callable(metric):
        raise InputError(f"quality: expected a metric's name or a function; got {metric!r:.60}")
    made = Quality(x, y, metric)
    return Quality(x, y, metric, stated_directions(goal).get(made.name, "higher"))
