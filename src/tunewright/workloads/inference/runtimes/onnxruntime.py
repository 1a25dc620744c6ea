"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

from tunewright.core.conditions import Condition
from tunewright.core.knobs import Choice, Knob
from tunewright.workloads.inference.runtimes.runtime import Runtime

NAME = "onnxruntime"
_HERE = Condition.one_of("runtime", (NAME,))
_SEVERAL = Condition(f"runtime == {NAME!r} and threads != 1")


def _knobs(_cores: int) -> Sequence[Knob]:
    """Graph optimisation, and how its threads and its memory are kept."""
    return (
        Knob(
            "graph", Choice(("all", "extended", "basic")), "all", "resource", "compile", when=_HERE
        ),
        Knob("spinning", Choice(("on", "off")), "on", "resource", "predict", when=_SEVERAL),
        Knob("arena", Choice(("on", "off")), "on", "resource", "predict", when=_HERE),
    )


RUNTIME = Runtime(
    name=NAME,
    takes="onnx",
    library="onnxruntime",
    install="pip install onnxruntime",
    load="tunewright.workloads.inference.runtimes.onnxruntime_session:load",
    knobs=_knobs,
    precisions=("int8-dynamic", "int8-static", "int8-weights"),
)
