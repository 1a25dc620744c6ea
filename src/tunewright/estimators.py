"""Estimators: a study as scikit-learn's fit and predict, for pipelines and cross-validation."""

from __future__ import annotations

import math
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Number
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from tunewright import session
from tunewright.core.config import Config, Value
from tunewright.core.registry import resolve
from tunewright.core.roles import Workload
from tunewright.core.trial import Fidelity, Outcome, Piece, Trial
from tunewright.core.verdict import Verdict
from tunewright.deploying.deploy import kept_key
from tunewright.errors import InputError, TooFew
from tunewright.planning import Limits, Request, build_workload
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.session import Interrupted, Result
from tunewright.workloads.tabular.cells import composed
from tunewright.workloads.tabular.columns import read_column
from tunewright.workloads.tabular.data import Blended, Floats
from tunewright.workloads.tabular.doubts import in_order
from tunewright.workloads.tabular.frames import keep
from tunewright.workloads.tabular.predictor import Predictor
from tunewright.workloads.tabular.workload import TableSpec

CARD = "tunewright.reporting.notebook:card"  # what is only shown in a notebook
PLAIN: Mapping[str, Value] = {"family": "linear"}  # fits where there are too few rows for trees


@final
@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows that count, with their answers. weights: None where all count the same."""

    columns: pa.Table
    answers: NDArray[Any]
    weights: Floats | None

    @classmethod
    def of(cls, columns: pa.Table, answers: NDArray[Any], sample_weight: Any) -> Self:
        """Those whose weight is not 0. Raises ValueError for weights that cannot be meant."""
        check_consistent_length(columns, answers)
        if sample_weight is None:
            return cls(columns, answers, None)
        if isinstance(sample_weight, Number):
            sample_weight = np.full(len(answers), sample_weight)
        weights = check_array(
            sample_weight, ensure_2d=False, dtype=np.float64, ensure_non_negative=True,
            input_name="sample_weight",
        )  # fmt: skip
        if weights.shape != answers.shape:
            raise ValueError(
                f"expected a sample_weight for each of {len(answers)} rows; got an array of the "
                f"shape {weights.shape}"
            )
        if not 0 < (most := float(weights.max())) * len(weights) < math.inf:
            raise ValueError(
                f"expected sample weights with a finite sum above zero; got {most:g} at most"
            )
        some = weights > 0
        weights = weights[some]
        return cls(
            columns.filter(pa.array(some)), answers[some], None if (weights == 1).all() else weights
        )


class _Tuned(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """What both estimators share; see TunedClassifier."""

    def __init__(  # noqa: PLR0913 - scikit-learn's parameters are keywords, with defaults
        self,
        *,
        budget: str = "60s",
        goal: str = "",
        baseline: Mapping[str, Value] | None = None,
        families: tuple[str, ...] = (),
        seed: int = 0,
        workers: int | None = None,
    ) -> None:
        self.budget = budget
        self.goal = goal
        self.baseline = baseline
        self.families = families
        self.seed = seed
        self.workers = workers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True  # a missing value is information
        tags.input_tags.string = True
        return tags

    def __getstate__(self) -> Any:
        state = dict(super().__getstate__())
        state.pop("_predictor", None)  # libraries behind it; made again from the model's files
        return state

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        if hasattr(self, "model_"):
            self._predictor = Predictor(self.model_)

    def _html_repr(self) -> str:
        drawn: str = super()._html_repr()
        return drawn + getattr(self, "_card", "")

    def _learn(self, rows: _Rows, target: Any, said: dict[str, Any]) -> Self:
        """Tune on these rows and fit what came out on all of them."""
        data, name = _beside(rows.columns, "target", target)
        if rows.weights is not None:
            data, said["weight"] = _beside(data, "weight", rows.weights)
        with tempfile.TemporaryDirectory(prefix="tunewright-") as place:
            path, root = keep(data, Path(place)), Path(place) / "studies"
            spec = TableSpec(path, name, families=tuple(self.families), seed=self.seed, **said)
            try:
                self.model_, result = self._tuned(spec, root)
            except Interrupted as error:  # its study goes with the directory
                raise KeyboardInterrupt from error
            except InputError as error:
                if said.get("task") == "regression" and np.ptp(target) == 0:
                    raise ValueError(
                        f"expected different values in y; got {target[0]:g} in every row; give "
                        "more varied rows"
                    ) from error
                raise ValueError(str(error)) from error
        self._predictor = Predictor(self.model_)
        self.verdict_: Verdict | None = result.verdict if result else None
        self._card: str = resolve(CARD)(result) if result else ""
        return self

    def _tuned(self, spec: TableSpec, root: Path) -> tuple[Blended, Result | None]:
        limits, chosen = Limits(workers=self.workers), self.baseline or {}
        request = Request(
            "fit", "table", spec, self.goal, chosen, self.budget, self.seed, limits, refit="all"
        )
        try:
            workload = build_workload(request)
        except TooFew:
            warnings.warn(
                "expected enough different rows to hold some back; got too few; nothing is tuned, "
                "and a plain model of all of them is fitted",
                stacklevel=4,
            )
            return self._untuned(spec, root), None
        result = session.begin(request, workload=workload, root=root)
        key = kept_key(result)
        kept = ArtifactCache(result.directory / "artifacts").get(key) if key else None
        if kept is None:
            reason = result.verdict.reason if result.verdict else "it did not end"
            raise InputError(f"expected a model; got none: {reason}; give a larger budget")
        return kept.artifact.value, result

    def _untuned(self, spec: TableSpec, root: Path) -> Blended:
        """A plain model of all rows: too few to hold any back."""
        chosen = self.baseline or ({} if self.families else PLAIN)
        whole = Request(
            "fit", "table", replace(spec, whole=True), "", chosen, self.budget, self.seed
        )
        workload = build_workload(whole)
        return _fitted(workload, workload.baseline, self.seed, root)

    def _answers(self, x: Any) -> Floats:
        """What the model says of these rows, in one call."""
        check_is_fitted(self)
        data = _arrow(self, x, reset=False)
        schema = self._predictor.schema
        data = data.rename_columns([composed(name) for name in data.column_names])
        schemas = [in_order(column, data[composed(column.name)])[0] for column in schema.columns]
        read = [read_column(one, data[composed(one.name)])[0] for one in schemas]
        return self._predictor.answers(read)


@final
class TunedClassifier(ClassifierMixin, _Tuned):  # type: ignore[misc]  # as above
    """A classifier that is found by a study, proven against LightGBM's defaults, and then fitted.

    budget: "60s", "5min", or "50 trials", which use no clock. goal: "maximize roc_auc subject to
    latency_p50 <= 100us"; by default quality first, then the time of one row. baseline: knobs that
    differ from LightGBM's defaults. families: the models to choose from (all). seed: of all chance.
    workers: trials at a time, None for as many as there are cores; 0 runs everything in this very
    process, without a clock: the budget is then one of trials, the goal one of quality alone, and
    equal data and seeds give equal models.

    X may be an array or a data frame with names, texts, dates and missing values. sample_weight:
    how much each row counts, in fits and in judgements; one of weight 0 is as good as absent. Where
    there are too few rows to hold any back, a plain model is fitted, and a warning says so; there a
    weight of 2 is as good as two rows.
    classes_, n_features_in_, feature_names_in_: as scikit-learn has them. verdict_: what the study
    proved, None where none could be begun. model_: the model itself, without its libraries.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Tune, prove, and fit the winner on all rows. Raises ValueError for unusable data."""
        columns, answers = _arrow(self, X, reset=True), _target(y)
        check_classification_targets(answers)
        rows = _Rows.of(columns, answers, sample_weight)
        self.classes_, codes = np.unique(rows.answers, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"expected at least two classes in y; got one class, {self.classes_[0]!r}"
            )
        digits = len(str(len(self.classes_)))
        names = [f"{i:0{digits}}: {label}" for i, label in enumerate(self.classes_)]
        positive = names[1] if len(names) == 2 else None
        return self._learn(rows, [names[code] for code in codes], {"positive": positive})

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803 - as above
        """The probability of each class, in the order of `classes_`."""
        out = self._answers(X)
        if out.ndim == 1:
            return np.column_stack((1.0 - out, out))
        return np.asarray(out / out.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803 - as above
        """The likeliest class of each row."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        chosen: NDArray[Any] = self.classes_[likeliest]
        return chosen


@final
class TunedRegressor(RegressorMixin, _Tuned):  # type: ignore[misc]  # as above
    """A regressor that is found by a study, proven against LightGBM's defaults, and then fitted.

    Everything is as in TunedClassifier; the default goal is the root of the mean squared error.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Tune, prove, and fit the winner on all rows. Raises ValueError for unusable data."""
        columns = _arrow(self, X, reset=True)
        answers = check_array(_target(y), ensure_2d=False, dtype=np.float64)
        rows = _Rows.of(columns, answers, sample_weight)
        return self._learn(rows, rows.answers, {"task": "regression"})

    def predict(self, X: Any) -> Floats:  # noqa: N803 - as above
        """The value for each row."""
        return self._answers(X)


def _beside(data: pa.Table, name: str, values: Any) -> tuple[pa.Table, str]:
    """The table with these values in a column of its own, and what that is called."""
    while name in data.column_names:
        name += "_"
    return data.append_column(name, pa.array(values)), name


def _target(y: Any) -> NDArray[Any]:
    """The answers as a vector."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    vector: NDArray[Any] = column_or_1d(y, warn=True)
    return vector


def _arrow(estimator: _Tuned, x: Any, *, reset: bool) -> pa.Table:
    """The rows as named columns; what scikit-learn asks of names and their number is kept."""
    if hasattr(x, "__arrow_c_stream__"):
        _check_feature_names(estimator, x, reset=reset)
        _check_n_features(estimator, x, reset=reset)
        # A frame's row labels come behind its columns, and are none.
        columns = pa.table(x).columns[: estimator.n_features_in_]
        if not len(columns[0]):
            raise ValueError("expected rows; got 0 sample(s)")
    else:
        _check_feature_names(estimator, x, reset=reset)
        array = check_array(
            x, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=2 if reset else 1,
            estimator=estimator,
        )  # fmt: skip
        _check_n_features(estimator, array, reset=reset)
        columns = [_column(array[:, i]) for i in range(array.shape[1])]
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = [f"x{i}" for i in range(len(columns))]
    return pa.table(columns, names=list(names))


def _column(values: NDArray[Any]) -> pa.Array:
    """An array's column; of objects, texts if there is one among them. Raises TypeError."""
    if values.dtype.kind not in "OUS":
        return pa.array(np.ascontiguousarray(values))
    cells = [None if _is_nan(cell) else cell for cell in values.tolist()]
    odd = [cell for cell in cells if not isinstance(cell, str | bytes | Number | None)]
    if odd:
        raise TypeError(f"argument must be a string or a number; got {odd[0]!r}")
    texts = any(isinstance(cell, str | bytes) for cell in cells)
    kind = str if texts else float
    return pa.array([None if cell is None else kind(cell) for cell in cells])


def _is_nan(cell: object) -> bool:
    return isinstance(cell, float) and math.isnan(cell)


def _fitted(workload: Workload, config: Config, seed: int, root: Path) -> Blended:
    """A config fitted on every row. Raises InputError where that fails."""
    trial = Trial(1, config, Fidelity("blend", piece=Piece("all", 0, seed)))
    cache = ArtifactCache(root / "artifacts")
    measurement = run_chain(trial, workload, cache, root / "trial", time.monotonic)
    kept = cache.get(measurement.key)
    if measurement.outcome is not Outcome.OK or kept is None:
        raise InputError(f"expected a model; got none: {measurement.detail}")
    blended: Blended = kept.artifact.value
    return blended
