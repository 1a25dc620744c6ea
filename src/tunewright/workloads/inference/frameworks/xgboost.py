"""Boosters of XGBoost, their estimators, and the files that it writes."""

from __future__ import annotations

from tunewright.workloads.inference.frameworks.framework import Framework

_HERE = "tunewright.workloads.inference.frameworks"
FRAMEWORK = Framework(
    name="xgboost",
    modules=("xgboost",),
    suffixes=(".ubj", ".json", ".xgb"),
    runtime="xgboost-python",
    keep=f"{_HERE}.boosters:keep_xgboost",
    forms={
        "own-xgboost": f"{_HERE}.own:files",
        "trees": f"{_HERE}.boosters:xgboost_trees",
    },
)
