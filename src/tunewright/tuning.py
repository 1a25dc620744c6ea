"""Tuning: a table, a program or a function goes in, a study comes out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunewright import session
from tunewright.core.config import Value
from tunewright.core.registry import resolve
from tunewright.errors import InputError, as_arguments, check_type
from tunewright.planning import NO_LIMITS, Limits, Request, kind_for, kind_of
from tunewright.session import Result, Watch
from tunewright.storing.studies import ROOT
from tunewright.workloads.functions.declared import Function, is_estimator, spec_of
from tunewright.workloads.functions.knobs import Unnamed
from tunewright.workloads.training.declared import Declared

CROSS_VALIDATED = "tunewright.workloads.functions.estimators:cross_validated"


@as_arguments()
def tune(  # noqa: PLR0913 - what a study may be told, nearly all with defaults
    workload: Any,
    *,
    space: Mapping[str, Unnamed] | None = None,
    data: Any = None,
    goal: str = "",
    budget: str = "60s",
    baseline: Mapping[str, Value] | str | os.PathLike[str] = "",
    seed: int = 0,
    limits: Limits = NO_LIMITS,
    name: str = "",
    kind: str = "",
    root: str | os.PathLike[str] = ROOT,
    watch: Watch = session.unwatched,
) -> Result:
    """Search for a better config of a Table, a Command, a function or an estimator and prove it.

    A study is left in `root`.
    space: what may change in a function, where no `@workload` says it, or in an estimator of
    scikit-learn. data: for a function's parameter of that name; for an estimator (X, y), which are
    cross-validated. Large arrays in it are mapped from a file by all processes, and not copied.
    goal: "maximize roc_auc and minimize latency_p50 subject to model_bytes <= 1MB"; without one a
    table is tuned for its quality first, then for the time of one row. budget: "60s", "5min" or
    "50 trials". baseline: knobs that differ from what the user would have without us, or for a
    table his own estimator as "module:attribute", or the directory of a bundle. seed: of all chance
    in the search and the models. kind: where the spec is of a kind of your own.
    Raises InputError for what cannot be run, StoreError where nothing can be written, Interrupted
    (with the result so far) on Ctrl-C.
    """
    check_type("goal", goal, str, "'maximize roc_auc'")
    check_type("budget", budget, str, "'60s' or '50 trials'")
    check_type("baseline", baseline, (str, os.PathLike, Mapping), "{'n_trees': 50}")
    check_type("seed", seed, int, "0")
    check_type("limits", limits, Limits, "tunewright.Limits(workers=2)")
    check_type("name", name, str, "'adult'")
    check_type("kind", kind, str, "'table'")
    check_type("root", root, (str, os.PathLike), "'.tunewright'")
    if is_estimator(workload) and not kind:
        made: Callable[..., Function] = resolve(CROSS_VALIDATED)
        workload, space = made(workload, space, data, goal), None
    function = isinstance(workload, Function) or (callable(workload) and not kind)
    if not function and (space is not None or data is not None):
        raise InputError("expected space= and data= only for a function; drop them")
    training = isinstance(workload, Declared)
    kind = workload.kind if training else kind
    kind = "function" if function else kind or kind_for(workload)
    knobs = baseline if isinstance(baseline, Mapping) else {}
    if baseline and not isinstance(baseline, Mapping):
        if kind != "table":
            raise InputError(f"expected knobs as the baseline of a {kind}; got {baseline!r}")
        workload = replace(workload, baseline=baseline)

    def request(spec: Any) -> Request:
        called = name or kind_of(kind).called(spec)
        return Request(called, kind, spec, goal, knobs, budget, seed, limits)

    if training:
        called = name or workload.label
        with session.prepare(called, kind, limits, Path(root)) as workspace:
            spec = workload.left(workspace.directory, in_process=limits.workers == 0)
            return session.begin(request(spec), workspace=workspace, watch=watch)
    if not function:
        return session.begin(request(workload), root=Path(root), watch=watch)
    one = workload if isinstance(workload, Function) else Function(workload)
    one = one if space is None else replace(one, space=space)
    called = name or one.name
    with session.prepare(called, kind, limits, Path(root)) as workspace:
        spec = spec_of(one, goal, data, workspace.directory)
        return session.begin(request(spec), workspace=workspace, watch=watch)
