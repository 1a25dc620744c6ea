"""tunewright measures an AI workload, searches what may change, and proves the winner.

import tunewright as tw
request = tw.Request("adult", "table", {"path": "adult.csv", "target": "income"},
                     goal="minimize latency_p50", budget="60s")
result = tw.tune(request)
predictor = tw.load(tw.deploy(result))
predictor.predict_row({"age": 39, ...})
"""

from typing import Any

from tunewright.core.registry import resolve

# Imported when first asked for: a process that only predicts must not load the tuner.
_PUBLIC = {
    "Request": "tunewright.planning:Request",
    "Result": "tunewright.session:Result",
    "tune": "tunewright.session:tune",
    "verify": "tunewright.comparing:verify",
    "Question": "tunewright.comparing:Question",
    "Effort": "tunewright.comparing:Effort",
    "Programs": "tunewright.comparing:Programs",
    "resume": "tunewright.session:resume",
    "deploy": "tunewright.deploying.deploy:deploy",
    "load": "tunewright.deploying.bundle:load",
}
__all__ = [
    "Effort", "Programs", "Question", "Request", "Result",
    "deploy", "load", "resume", "tune", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tunewright' has no attribute {name!r}")
    return resolve(_PUBLIC[name])
