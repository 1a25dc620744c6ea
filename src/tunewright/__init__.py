"""tunewright measures an AI workload, searches what may change, and proves the winner.

import tunewright as tw
table = tw.Table("adult.csv", target="income")
result = tw.tune(table, goal="maximize roc_auc, minimize latency_p50", budget="60s")
predictor = tw.load(tw.deploy(result))
predictor.predict_row({"age": 39, ...})
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tunewright.core.registry import resolve

if TYPE_CHECKING:
    from tunewright import keras, torch
    from tunewright.comparing import Programs, Question, Sampling, verify
    from tunewright.deploying.bundle import load
    from tunewright.deploying.deploy import deploy
    from tunewright.estimators import TunedClassifier, TunedRegressor
    from tunewright.optimizing import Optimized, optimize
    from tunewright.planning import Limits
    from tunewright.profiling import Profile, profile
    from tunewright.session import Result, resume
    from tunewright.several import Compared, resume_all, verify_all
    from tunewright.tuning import tune
    from tunewright.workloads.functions.declared import workload
    from tunewright.workloads.functions.knobs import choice, integer, real
    from tunewright.workloads.functions.runs import Run
    from tunewright.workloads.programs.spec import CommandSpec as Command
    from tunewright.workloads.tabular.workload import TableSpec as Table

# Imported when first asked for: a process that only predicts must not load the tuner.
_PUBLIC = {
    "Result": "tunewright.session:Result",
    "tune": "tunewright.tuning:tune",
    "verify": "tunewright.comparing:verify",
    "Profile": "tunewright.profiling:Profile",
    "profile": "tunewright.profiling:profile",
    "Question": "tunewright.comparing:Question",
    "Sampling": "tunewright.comparing:Sampling",
    "Table": "tunewright.workloads.tabular.workload:TableSpec",
    "Command": "tunewright.workloads.programs.spec:CommandSpec",
    "Optimized": "tunewright.optimizing:Optimized",
    "optimize": "tunewright.optimizing:optimize",
    "Limits": "tunewright.planning:Limits",
    "Run": "tunewright.workloads.functions.runs:Run",
    "choice": "tunewright.workloads.functions.knobs:choice",
    "integer": "tunewright.workloads.functions.knobs:integer",
    "real": "tunewright.workloads.functions.knobs:real",
    "workload": "tunewright.workloads.functions.declared:workload",
    "Programs": "tunewright.comparing:Programs",
    "TunedClassifier": "tunewright.estimators:TunedClassifier",
    "TunedRegressor": "tunewright.estimators:TunedRegressor",
    "resume": "tunewright.session:resume",
    "Compared": "tunewright.several:Compared",
    "resume_all": "tunewright.several:resume_all",
    "verify_all": "tunewright.several:verify_all",
    "deploy": "tunewright.deploying.deploy:deploy",
    "load": "tunewright.deploying.bundle:load",
}
_MODULES = ("keras", "torch")
__all__ = [
    "Command", "Compared", "Limits", "Optimized", "Profile", "Programs", "Question", "Result",
    "Run", "Sampling", "Table", "TunedClassifier", "TunedRegressor", "choice", "deploy",
    "integer", "keras", "load", "optimize", "profile", "real", "resume", "resume_all", "torch",
    "tune", "verify", "verify_all", "workload",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name in _MODULES:
        return import_module(f"tunewright.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tunewright' has no attribute {name!r}")
    return resolve(_PUBLIC[name])
