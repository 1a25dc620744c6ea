"""Taking in boosters of LightGBM and XGBoost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tunewright.core.registry import resolve
from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.inference.data import Arrays, Input, Signature
from tunewright.workloads.inference.frameworks import own
from tunewright.workloads.inference.frameworks.framework import Kept
from tunewright.workloads.inference.frameworks.sklearn_models import SCHEMA, answer_of, schema_of
from tunewright.workloads.tabular.families.xgboost import to_trees

TEXT, BODY = "model.txt", "model.json"


def keep_lightgbm(model: Any, _example: Arrays, directory: Path) -> Kept:
    """See Framework."""
    if isinstance(model, Path):
        try:
            model = resolve("lightgbm:Booster")(model_str=model.read_text(encoding="utf-8"))
        except Exception as error:
            raise InputError(
                f"expected a text that LightGBM wrote; got {model}: {error}; write it with "
                "booster.save_model"
            ) from error
    booster = getattr(model, "booster_", model)
    text = booster.model_to_string()
    facts = dict(line.partition("=")[::2] for line in text.partition("Tree=")[0].splitlines())
    classes, objective = int(facts.get("num_class", 1)), facts.get("objective", "")
    count = classes if classes > 1 else 2 if objective.startswith("binary") else 0
    (directory / TEXT).write_text(text, encoding="utf-8")
    (directory / SCHEMA).write_text(
        json.dumps({"classes": count, "regression": not count, "both": model is not booster}),
        encoding="utf-8",
    )
    return _kept(model, int(booster.num_feature()), count, directory)


def keep_xgboost(model: Any, _example: Arrays, directory: Path) -> Kept:
    """See Framework."""
    if isinstance(model, Path):
        read, where = resolve("xgboost:Booster")(), model
        try:
            read.load_model(str(where))
        except Exception as error:
            raise InputError(
                f"expected a file that XGBoost wrote; got {where}: "
                f"{str(error).splitlines()[0][:200]}; write it with booster.save_model"
            ) from error
        model = read
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    body = json.loads(booster.save_raw("json"))
    learner = body["learner"]
    objective = learner["objective"]["name"]
    classes = int(learner["learner_model_param"]["num_class"])
    count = classes if classes > 1 else 2 if objective == "binary:logistic" else 0
    (directory / BODY).write_text(json.dumps(body), encoding="utf-8")
    (directory / SCHEMA).write_text(
        json.dumps({
            "classes": count, "regression": not count, "both": model is not booster,
            "objective": objective,
        }),
        encoding="utf-8",
    )  # fmt: skip
    called = model if model is not booster else BoosterOfRows(booster)
    return _kept(called, int(booster.num_features()), count, directory)


class BoosterOfRows:
    """A Booster of XGBoost that is asked with arrays."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, x: Any) -> Any:
        """What it says of rows."""
        return self.booster.predict(resolve("xgboost:DMatrix")(x))


def _kept(model: Any, features: int, classes: int, directory: Path) -> Kept:
    own.write(directory, model)
    answer = answer_of(model)
    signature = Signature((Input("x", "float64", (features,)),))
    known = tuple(getattr(model, "classes_", ()))
    call = lambda inputs: (np.asarray(answer(inputs[0])),)  # noqa: E731 - one line is enough
    return Kept(signature, call, "probabilities" if classes else None, known)


def lightgbm_trees(directory: Path, _signature: Signature) -> Mapping[str, bytes]:
    """The form "trees"."""
    return {name: (directory / name).read_bytes() for name in (TEXT, SCHEMA)}


def xgboost_trees(directory: Path, signature: Signature) -> Mapping[str, bytes]:
    """The form "trees". Raises TrialFailed for an objective that its text has no word for."""
    told = (directory / SCHEMA).read_bytes()
    facts = json.loads(told)
    known = ("binary:logistic", "multi:softprob", "reg:squarederror")
    if facts["objective"] not in known:
        raise TrialFailed(f"expected one of {', '.join(known)}; got {facts['objective']}")
    schema = schema_of(signature, facts["classes"], regression=facts["regression"])
    body = _from_base(json.loads((directory / BODY).read_text(encoding="utf-8")))
    return {TEXT: to_trees(body, schema).encode(), SCHEMA: told}


def _from_base(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The model with what each of several classes starts from in the leaves of its first tree."""
    learner = body["learner"]
    base = [
        float(one) for one in learner["learner_model_param"]["base_score"].strip("[]").split(",")
    ]
    model = learner["gradient_booster"]["model"]
    seen: set[int] = set()
    for tree, output in zip(model["trees"], model["tree_info"], strict=True):
        if output not in seen and len(base) > 1:
            tree["split_conditions"] = [
                value + base[output] if left < 0 else value
                for value, left in zip(tree["split_conditions"], tree["left_children"], strict=True)
            ]
        seen.add(output)
    return body
