"""Whole numbers of eight bits for weights, and for what flows between layers (ONNX models)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from tunewright.core.config import Config
from tunewright.errors import TrialFailed
from tunewright.workloads.inference.rewrites import Calibration

FILE = "model.onnx"
LAYERS = ("MatMul", "Gemm", "Conv")  # what is quantised, and what may be left out
Files = Mapping[str, bytes]


def dynamic(files: Files, config: Config, calibration: Calibration) -> Files:
    """Weights beforehand, activations by what a call brings."""

    def change(source: Path, target: Path, left_out: Sequence[str]) -> None:
        quantize_dynamic(
            source, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=False,
            op_types_to_quantize=["MatMul", "Gemm"], nodes_to_exclude=list(left_out),
            extra_options={"MatMulConstBOnly": True},
        )  # fmt: skip

    return _changed(files, config, calibration, change, ("MatMul", "Gemm"))


def static(files: Files, config: Config, calibration: Calibration) -> Files:
    """Weights and activations beforehand, by the calibration's rows."""

    def change(source: Path, target: Path, left_out: Sequence[str]) -> None:
        quantize_static(
            source, target, _Reader(calibration), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax, op_types_to_quantize=list(LAYERS),
            nodes_to_exclude=list(left_out),
        )  # fmt: skip

    return _changed(files, config, calibration, change, LAYERS)


def weights(files: Files, _config: Config, _calibration: Calibration) -> Files:
    """Weights alone: they are made float again as the model is loaded, so that files are small."""
    model = onnx.load_from_string(files[FILE])
    graph = model.graph
    large = {i.name: i for i in graph.initializer if _is_large(i)}
    if not large:
        raise TrialFailed("expected weights of some size; got none that would be smaller")
    scales = []
    for name, one in large.items():
        values = onnx.numpy_helper.to_array(one)
        scale = max(float(np.abs(values).max()), 1e-12) / 127
        whole = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
        one.CopyFrom(onnx.numpy_helper.from_array(whole, f"{name}_int8"))
        scales += [onnx.numpy_helper.from_array(np.array(scale, np.float32), f"{name}_scale")]
        graph.node.insert(0, onnx.helper.make_node(
            "DequantizeLinear", [f"{name}_int8", f"{name}_scale"], [name]
        ))  # fmt: skip
    graph.initializer.extend(scales)
    return {**files, FILE: bytes(model.SerializeToString())}


def _is_large(one: Any) -> bool:
    return one.data_type == onnx.TensorProto.FLOAT and int(np.prod(one.dims)) >= 1024


def _changed(
    files: Files,
    config: Config,
    calibration: Calibration,
    change: Callable[[Path, Path, Sequence[str]], None],
    kinds: Sequence[str],
) -> Files:
    """The files with the model changed, its worst layers left as they are where that is asked."""
    with tempfile.TemporaryDirectory() as name, _quiet():
        source, ready, target = (Path(name) / f"{part}.onnx" for part in ("a", "b", "c"))
        source.write_bytes(files[FILE])
        quant_pre_process(source, ready, skip_symbolic_shape=True)
        layers = [n.name for n in onnx.load(ready).graph.node if n.op_type in kinds]
        if not layers:
            raise TrialFailed(f"expected layers to quantise ({', '.join(kinds)}); got none")
        left_out = []
        if worst := int(config.get("float_layers", 0)):
            left_out = _worst(ready, layers, calibration)[:worst]
            if len(left_out) >= len(layers):
                raise TrialFailed(f"expected layers to quantise; got {len(layers)}, all left out")
        change(ready, target, left_out)
        return {**files, FILE: target.read_bytes()}


def _worst(model: Path, layers: Sequence[str], calibration: Calibration) -> list[str]:
    """The layers by how much rounding their own weights would move what they give, most first.

    Each is judged alone, by the error of its weights beside their size: first and last layers of
    small models lead. What flows in counts through the spread of its outliers.
    """
    read = onnx.load(model)
    arrays = {i.name: onnx.numpy_helper.to_array(i) for i in read.graph.initializer}
    flows = _ranges(read, layers, calibration)
    errors = {}
    for node in read.graph.node:
        if node.name not in layers:
            continue
        error = flows.get(node.name, 0.0)
        for name in node.input:
            if name in arrays and arrays[name].ndim > 1:
                values = arrays[name]
                scale = max(float(np.abs(values).max()), 1e-12) / 127
                rounded = np.rint(values / scale) * scale
                error += float(
                    np.square(values - rounded).sum() / max(np.square(values).sum(), 1e-12)
                )
        errors[node.name] = error
    return sorted(errors, key=lambda name: -errors[name])


def _ranges(read: Any, layers: Sequence[str], calibration: Calibration) -> dict[str, float]:
    """For each layer the share of its input's power that eight bits over its range would lose."""
    wanted = {n.name: n.input[0] for n in read.graph.node if n.name in layers}
    model = onnx.ModelProto()
    model.CopyFrom(read)
    given = {one.name for one in model.graph.input} | {one.name for one in model.graph.output}
    for name in dict.fromkeys(wanted.values()):
        if name not in given:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [one.name for one in session.get_outputs()]
    feed = next(iter(_Reader(calibration).batches()))
    values = {**feed, **dict(zip(names, session.run(None, feed), strict=True))}
    lost = {}
    for layer, name in wanted.items():
        flow = np.asarray(values[name], np.float64)
        step = float(np.ptp(flow)) / 255
        lost[layer] = step**2 / 12 / max(float(np.square(flow).mean()), 1e-12)
    return lost


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # their class ships no types
    """The calibration's rows as the quantiser wants them."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._left = self.batches()

    def batches(self) -> Iterator[dict[str, Any]]:
        """Calls of as many rows as the model takes."""
        rows, batch = self._calibration.rows, self._calibration.batch
        names = [one.name for one in self._calibration.signature.inputs]
        for begin in range(0, len(rows[0]) - batch + 1, batch):
            part = tuple(one[begin : begin + batch] for one in rows)
            yield dict(zip(names, part, strict=True))

    def get_next(self) -> dict[str, Any] | None:
        """See their class."""
        return next(self._left, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the quantiser logs to whoever listens at the root."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
