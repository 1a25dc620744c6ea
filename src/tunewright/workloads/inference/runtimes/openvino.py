"""OpenVINO on the CPU."""

from __future__ import annotations

from pathlib import Path

from tunewright.workloads.inference.runtimes.runtime import Runtime

BF16 = ("avx512_bf16", "amx_bf16")  # instructions without which bfloat16 gains nothing


def _coarse() -> tuple[str, ...]:
    """What this processor gains from."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        flags = []
    return ("int8-static", "bfloat16") if set(BF16) & set(flags) else ("int8-static",)


RUNTIME = Runtime(
    name="openvino",
    takes="onnx",
    library="openvino",
    install="pip install 'tunewright[openvino]'",
    load="tunewright.workloads.inference.runtimes.openvino_request:load",
    precisions=_coarse(),
    layered=True,
)
