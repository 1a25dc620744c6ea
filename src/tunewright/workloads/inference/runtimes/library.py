"""Models of scikit-learn, LightGBM and XGBoost as their users call them."""

from __future__ import annotations

from tunewright.workloads.inference.runtimes.runtime import Runtime

_LOAD = "tunewright.workloads.inference.runtimes.library_call:load"
SKLEARN = Runtime(
    "scikit-learn", "own-estimator", "sklearn", "pip install scikit-learn", _LOAD, plain=True
)
LIGHTGBM = Runtime(
    "lightgbm-python", "own-booster", "lightgbm", "pip install lightgbm", _LOAD, plain=True
)
XGBOOST = Runtime(
    "xgboost-python", "own-xgboost", "xgboost", "pip install 'tunewright[xgboost]'", _LOAD,
    plain=True,
)  # fmt: skip
