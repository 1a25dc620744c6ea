"""LightGBM's boosted trees."""

from __future__ import annotations

from collections.abc import Mapping

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Choice, Integer, Knob, Real
from tunewright.core.trial import Need
from tunewright.knobs import threads, tuned
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.trees import keep

LEAST_TREES = 10  # fewer are no model worth having, so early stopping chooses none
_STOPPED: dict[str, Value] = {"early_stopping": "yes", "n_trees": 3000, "learning_rate": 0.03}
_LIBRARY = "tunewright.workloads.tabular.lightgbm_library"


def _knobs(cores: int) -> tuple[Knob, ...]:
    """The defaults are LightGBM's own."""
    return (
        tuned("n_trees", Integer(LEAST_TREES, 3000, log=True), 100),
        tuned("early_stopping", Choice(("no", "yes")), "no"),
        tuned("learning_rate", Real(0.01, 0.3, log=True), 0.1),
        tuned("num_leaves", Integer(4, 255, log=True), 31),
        tuned("min_child_samples", Integer(2, 100, log=True), 20),
        tuned("colsample", Real(0.3, 1.0), 1.0),
        tuned("subsample", Real(0.5, 1.0), 1.0),
        tuned("l2", Real(0.0, 30.0), 0.0),
        tuned("extra_trees", Choice(("no", "yes")), "no"),
        threads("fit_threads", "fit", 1, cores, exact=True),
        keep("keep_trees"),
    )


def _needs(config: Config) -> Need:
    return Need(cores=int(config["fit_threads"]))


_PORTFOLIO: tuple[Mapping[str, Value], ...] = (
    {
        **_STOPPED, "learning_rate": 0.05, "num_leaves": 63, "min_child_samples": 5,
        "colsample": 0.6, "subsample": 0.8, "l2": 1.0,
    },
    {**_STOPPED, "num_leaves": 16, "colsample": 0.5, "subsample": 0.7, "l2": 3.0},
    {**_STOPPED, "num_leaves": 128, "min_child_samples": 3, "extra_trees": "yes"},
    {**_STOPPED, "num_leaves": 128, "min_child_samples": 3, "colsample": 0.9},
)  # fmt: skip
_DEAR: tuple[Mapping[str, Value], ...] = (
    {**_STOPPED, "learning_rate": 0.15, "num_leaves": 31, "colsample": 0.5, "subsample": 0.8},
    {**_STOPPED, "learning_rate": 0.2, "num_leaves": 63, "extra_trees": "yes", "colsample": 0.7},
)  # each round grows a tree a class, so few rounds must do
_SMALL: tuple[Mapping[str, Value], ...] = (
    {"n_trees": 25, "learning_rate": 0.2, "num_leaves": 8},
    {"n_trees": 60, "learning_rate": 0.15, "num_leaves": 4},
)  # what few trees leave undone, a larger step makes up for
_MANY = 100_000  # rows times classes


def _portfolio(rows: int, outputs: int) -> tuple[Mapping[str, Value], ...]:
    return _DEAR if outputs > 1 and rows * outputs > _MANY else _PORTFOLIO


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
    monotone=True,
    portfolio=_portfolio,
    small=_SMALL,
)
