"""Taking in estimators of scikit-learn: their trees as LightGBM reads them, the rest as ONNX."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]  # it ships no types
import numpy as np
from numpy.typing import NDArray

from tunewright.core.registry import resolve
from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.inference.data import Arrays, Input, Signature
from tunewright.workloads.inference.frameworks import own
from tunewright.workloads.inference.frameworks.framework import Kept
from tunewright.workloads.inference.frameworks.tree_onnx import ensemble
from tunewright.workloads.tabular import trees
from tunewright.workloads.tabular.data import Schema
from tunewright.workloads.tabular.trees import Tree

SCHEMA = "schema.json"  # what the trees of a model speak of
TO_ONNX = "skl2onnx:to_onnx"


def keep(model: Any, _example: Arrays, directory: Path) -> Kept:
    """See Framework. A classifier answers with probabilities where it has them."""
    if isinstance(model, Path):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = joblib.load(model)
        except Exception as error:
            raise InputError(
                f"expected an estimator that joblib or pickle wrote; got {model}: "
                f"{type(error).__name__}: {error}; write it with joblib.dump"
            ) from error
    if not hasattr(model, "predict"):
        raise InputError(
            f"expected an estimator that predicts; got {type(model).__name__}; give the pipeline"
        )
    features = getattr(model, "n_features_in_", None)
    if features is None:
        raise InputError(
            f"expected a fitted estimator; got {type(model).__name__} that was not fitted; fit it"
        )
    classes = tuple(getattr(model, "classes_", ()))
    own.write(directory, model)
    signature = Signature((Input("x", "float64", (int(features),)),))
    answer = answer_of(model)
    proper = classes and hasattr(model, "predict_proba")
    without = () if _sums(model, len(classes)) else ("trees",)
    if hasattr(model, "_predictors"):
        without = ("onnx",)  # its thresholds need double precision, which trees there have not
    call = lambda inputs: (np.asarray(answer(inputs[0])),)  # noqa: E731 - one line is enough
    return Kept(signature, call, "probabilities" if proper else None, classes, without=without)


def _sums(model: Any, classes: int) -> bool:
    """Whether its trees say one number a leaf, which LightGBM's format wants."""
    single = type(model).__name__ in FORESTS or hasattr(model, "tree_")
    few = classes <= 2 and getattr(model, "n_outputs_", 1) == 1
    return hasattr(model, "_predictors") or (single and few)


def answer_of(model: Any) -> Any:
    """What answers: probabilities, else scores, else values."""
    if hasattr(model, "classes_"):
        return getattr(model, "predict_proba", None) or getattr(
            model, "decision_function", model.predict
        )
    return model.predict


def as_trees(directory: Path, signature: Signature) -> Mapping[str, bytes]:
    """The form "trees": text that LightGBM's library reads. Raises TrialFailed for no trees."""
    model = _read(directory)
    grown, classes, objective, mean = _grown(model)
    schema = schema_of(signature, classes, regression=objective == "")
    text = trees.to_text(grown, schema, objective=objective, mean=mean)
    return {"model.txt": text.encode(), SCHEMA: _told(classes, objective)}


def as_onnx(directory: Path, signature: Signature) -> Mapping[str, bytes]:
    """The form "onnx". Raises TrialFailed where an estimator has no counterpart there."""
    model = _read(directory)
    if hasattr(model, "estimators_") and hasattr(model, "n_estimators"):
        shares = _shares(model)
        if shares is not None:
            return {"model.onnx": ensemble(shares, signature.inputs[0].shape[0])}
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            width = signature.inputs[0].shape[0]
            made = resolve(TO_ONNX)(model, np.zeros((1, width), np.float64), options=options)
    except Exception as error:
        raise TrialFailed(
            f"skl2onnx cannot turn {type(model).__name__} into ONNX: "
            f"{' '.join(str(error).split())[:300]}"
        ) from error
    answer = made.graph.output[-1]  # a classifier's first output is its label
    del made.graph.output[:]
    made.graph.output.append(answer)
    made.graph.input[0].name, before = "x", made.graph.input[0].name
    for node in made.graph.node:
        node.input[:] = ["x" if name == before else name for name in node.input]
    return {"model.onnx": bytes(made.SerializeToString())}


def schema_of(signature: Signature, classes: int, *, regression: bool) -> Schema:
    """As much of a table's schema as its runtimes of trees read."""
    names = tuple(str(i) for i in range(classes))
    task = "regression" if regression else "binary" if classes == 2 else "multiclass"
    return Schema(task, "y", names, (), features=tuple(range(signature.inputs[0].shape[0])))  # type: ignore[arg-type]  # their number is all that is read


def _told(classes: int, objective: str) -> bytes:
    return json.dumps({"classes": classes, "regression": not objective and not classes}).encode()


def _read(directory: Path) -> Any:
    _, body = pickle.loads((directory / own.FILE).read_bytes())  # noqa: S301 - of the own study
    return pickle.loads(body)  # noqa: S301 - as above


def _grown(model: Any) -> tuple[Sequence[Tree], int, str, bool]:
    """The trees, the number of classes, what turns sums into answers, and whether it is a mean."""
    classes = len(getattr(model, "classes_", ()))
    if hasattr(model, "_predictors"):
        return _boosted(model, classes)
    if not hasattr(model, "estimators_") and hasattr(model, "tree_"):
        single = [model]
    elif type(model).__name__ in FORESTS:
        single = list(model.estimators_)
    else:
        raise TrialFailed(f"expected trees; got {type(model).__name__}")
    if classes > 2 or getattr(model, "n_outputs_", 1) != 1:
        raise TrialFailed("expected one number a leaf; got a share for each of several classes")
    return [_tree(one.tree_, classes) for one in single], classes, "", True


FORESTS = (
    "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier",
    "ExtraTreesRegressor",
)  # fmt: skip


def _tree(tree: Any, classes: int) -> Tree:
    """One tree of a forest, which rounds what it is asked to single precision."""
    values = tree.value[:, 0, :]
    value = values[:, 1] / values.sum(axis=1) if classes else values[:, 0]
    limit = tree.threshold
    below = limit.astype(np.float32)
    below = np.where(below > limit, np.nextafter(below, np.float32(-np.inf)), below)
    return Tree(
        np.where(tree.children_left < 0, -1, tree.feature), trees.as_singles(below),
        tree.children_left, tree.children_right, tree.missing_go_to_left, value,
    )  # fmt: skip


def _shares(model: Any) -> list[tuple[Any, NDArray[Any]]] | None:
    """Each tree of a forest of classes with the shares at its nodes; None for another model."""
    if type(model).__name__ not in FORESTS or getattr(model, "n_outputs_", 1) != 1:
        return None
    classes = len(getattr(model, "classes_", ()))
    grown = []
    for one in model.estimators_:
        values = one.tree_.value[:, 0, :]
        grown.append((one.tree_, values / values.sum(axis=1, keepdims=True) if classes else values))
    return grown


def _boosted(model: Any, classes: int) -> tuple[Sequence[Tree], int, str, bool]:
    """The trees of histogram boosting; the first ones say where it starts from."""
    if getattr(model, "is_categorical_", None) is not None and np.any(model.is_categorical_):
        raise TrialFailed("expected numeric features; got categorical ones")
    start = np.asarray(model._baseline_prediction, np.float64).reshape(-1)
    grown: list[Tree] = []
    for round_, one in enumerate(model._predictors):
        for place, predictor in enumerate(one):
            tree = _histogram_tree(predictor.nodes)
            grown.append(trees.shifted(tree, start[place]) if round_ == 0 else tree)
    if not classes:
        if getattr(model, "loss", "squared_error") not in ("squared_error", "absolute_error"):
            raise TrialFailed(f"expected a loss without a link; got {model.loss!r}")
        return grown, 0, "", False
    many = f"multiclass num_class:{classes}" if classes > 2 else "binary sigmoid:1"
    return grown, classes, many, False


def _histogram_tree(nodes: NDArray[Any]) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        np.where(leaf, -1, nodes["feature_idx"]).astype(np.int64),
        nodes["num_threshold"].astype(np.float64), nodes["left"].astype(np.int64),
        nodes["right"].astype(np.int64), nodes["missing_go_to_left"].astype(bool),
        nodes["value"].astype(np.float64),
    )  # fmt: skip
