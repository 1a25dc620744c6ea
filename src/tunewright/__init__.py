"""tunewright measures an AI workload, searches what may change, and proves the winner.

import tunewright as tw
spec = tw.TableSpec("adult.csv", target="income")
result = tw.tune(tw.Request("adult", "table", spec, goal="minimize latency_p50", budget="60s"))
predictor = tw.load(tw.deploy(result))
predictor.predict_row({"age": 39, ...})
"""

from typing import TYPE_CHECKING, Any

from tunewright.core.registry import resolve

if TYPE_CHECKING:
    from tunewright.comparing import Programs, Question, Sampling, verify
    from tunewright.deploying.bundle import load
    from tunewright.deploying.deploy import deploy
    from tunewright.planning import Limits, Request
    from tunewright.session import Result, resume, tune
    from tunewright.workloads.command import CommandSpec
    from tunewright.workloads.tabular.workload import TableSpec

# Imported when first asked for: a process that only predicts must not load the tuner.
_PUBLIC = {
    "Request": "tunewright.planning:Request",
    "Result": "tunewright.session:Result",
    "tune": "tunewright.session:tune",
    "verify": "tunewright.comparing:verify",
    "Question": "tunewright.comparing:Question",
    "Sampling": "tunewright.comparing:Sampling",
    "TableSpec": "tunewright.workloads.tabular.workload:TableSpec",
    "CommandSpec": "tunewright.workloads.command:CommandSpec",
    "Limits": "tunewright.planning:Limits",
    "Programs": "tunewright.comparing:Programs",
    "resume": "tunewright.session:resume",
    "deploy": "tunewright.deploying.deploy:deploy",
    "load": "tunewright.deploying.bundle:load",
}
__all__ = [
    "CommandSpec", "Limits", "Programs", "Question", "Request", "Result", "Sampling", "TableSpec",
    "deploy", "load", "resume", "tune", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tunewright' has no attribute {name!r}")
    return resolve(_PUBLIC[name])
