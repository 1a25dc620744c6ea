"""Linear and logistic regression with an L2 penalty."""

from __future__ import annotations

from tunewright.core.knobs import Knob, Real
from tunewright.knobs import tuned
from tunewright.workloads.tabular.families import Backend, Family


def _knobs(_cores: int) -> tuple[Knob, ...]:
    return (tuned("linear_c", Real(1e-3, 100.0, log=True), 1.0),)


FAMILY = Family(
    name="linear",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit="tunewright.workloads.tabular.linear_library:fit",
    runtimes={
        "library": Backend(
            "tunewright.workloads.tabular.linear_library:estimator", lean=False, judge="native"
        ),
        "native": Backend("tunewright.workloads.tabular.linear:native"),
        "onnxruntime": Backend(
            "tunewright.workloads.tabular.onnx_session:linear",
            export="tunewright.workloads.tabular.onnx_export:export_linear",
        ),
    },
    runtime="linear_runtime",
    default_runtime="native",
    file="linear.json",
)
