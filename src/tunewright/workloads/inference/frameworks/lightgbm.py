"""Boosters of LightGBM, their estimators, and the text files that it writes."""

from __future__ import annotations

from tunewright.workloads.inference.frameworks.framework import Framework

_HERE = "tunewright.workloads.inference.frameworks"
FRAMEWORK = Framework(
    name="lightgbm",
    modules=("lightgbm",),
    suffixes=(".txt", ".lgb"),
    runtime="lightgbm-python",
    keep=f"{_HERE}.boosters:keep_lightgbm",
    forms={
        "own-booster": f"{_HERE}.own:files",
        "trees": f"{_HERE}.boosters:lightgbm_trees",
    },
)
