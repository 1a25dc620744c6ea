"""LightGBM's boosted trees."""

from __future__ import annotations

from tunewright.core.config import Config
from tunewright.core.knobs import Integer, Knob, Real
from tunewright.core.trial import Need
from tunewright.knobs import threads, tuned
from tunewright.workloads.tabular.families import Backend, Family

_LIBRARY = "tunewright.workloads.tabular.lightgbm_library"


def _knobs(cores: int) -> tuple[Knob, ...]:
    """The defaults are LightGBM's own."""
    return (
        tuned("n_trees", Integer(20, 500, log=True), 100),
        tuned("learning_rate", Real(0.01, 0.3, log=True), 0.1),
        tuned("num_leaves", Integer(4, 255, log=True), 31),
        tuned("min_child_samples", Integer(5, 100, log=True), 20),
        tuned("colsample", Real(0.4, 1.0), 1.0),
        tuned("l2", Real(0.0, 10.0), 0.0),
        threads("fit_threads", "fit", 1, cores, exact=True),
        Knob("keep_trees", Real(0.05, 1.0, log=True), 1.0, "simplification", "simplify"),
    )


def _needs(config: Config) -> Need:
    return Need(cores=int(config["fit_threads"]))


FAMILY = Family(
    name="lightgbm",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    needs=_needs,
    fit=f"{_LIBRARY}:fit",
    simplify=f"{_LIBRARY}:truncate",
    runtimes={
        "library": Backend(f"{_LIBRARY}:estimator", lean=False, judge="booster"),
        "booster": Backend(f"{_LIBRARY}:booster", lean=False),
        "native": Backend("tunewright.workloads.tabular.lightgbm_native:native"),
        "onnxruntime": Backend(
            "tunewright.workloads.tabular.onnx_session:trees",
            export="tunewright.workloads.tabular.onnx_export:export_trees",
        ),
    },
    runtime="runtime",
    default_runtime="library",
    file="model.txt",
)
