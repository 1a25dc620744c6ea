"""Importing this imports LightGBM without scikit-learn and pandas, which takes a fifth of the time.

For worker processes of our own alone: afterwards this process has no LGBMClassifier. Training and
Booster need neither of the two.
"""

from __future__ import annotations

import importlib
import os
import sys

UNNEEDED = ("sklearn", "pandas", "dask", "matplotlib", "graphviz")

# Threads that spin at each barrier make a fit many times slower when something else runs, too.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "lightgbm" not in sys.modules:
    hidden = [name for name in UNNEEDED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # as Python says "cannot be imported"
    try:
        importlib.import_module("lightgbm")
    finally:
        for name in hidden:
            del sys.modules[name]
