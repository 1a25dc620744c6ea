"""Structured pruning of ONNX models: neurons and channels that matter least are taken out.

Tensors become smaller, so that any runtime gains. Nothing is trained: what reads the pruned layer
is fitted by least squares, on rows of the calibration, to what it gave before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from tunewright.core.config import Config
from tunewright.errors import TrialFailed
from tunewright.workloads.inference.rewrites import Calibration

FILE = "model.onnx"
POINTWISE = frozenset({
    "Relu", "LeakyRelu", "Gelu", "Sigmoid", "Tanh", "Clip", "Elu", "Selu", "Softplus", "HardSwish",
    "HardSigmoid", "Erf", "Identity", "Dropout",
})  # fmt: skip
POOLING = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool"})
RIDGE = 1e-4  # of the mean power of what flows in
LEAST = 2  # neurons that are left
Files = Mapping[str, bytes]


@final
@dataclass(frozen=True)
class Pair:
    """A layer whose outputs can go, what lies between, and the layer that alone reads them."""

    above: Any
    between: tuple[Any, ...]
    below: Any


@final
class _Graph:
    """A model's graph, with who makes and who reads each value."""

    def __init__(self, body: bytes) -> None:
        self.model = onnx.load_from_string(body)
        graph = self.model.graph
        self.arrays = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
        self.readers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.outputs = {one.name for one in graph.output}

    def weight(self, node: Any) -> NDArray[Any] | None:
        """The constant weights of a layer, with its outputs last (Gemm, MatMul) or first (Conv)."""
        if node.op_type not in ("Gemm", "MatMul", "Conv") or node.input[1] not in self.arrays:
            return None
        if len(self.readers[node.input[1]]) > 1:
            return None  # shared with another layer
        array = self.arrays[node.input[1]]
        if node.op_type == "Conv":
            return array if _attribute(node, "group", 1) == 1 and array.ndim == 4 else None
        plain = not _attribute(node, "transA", 0) and _attribute(node, "alpha", 1.0) == 1.0
        return array if array.ndim == 2 and plain else None

    def transposed(self, node: Any) -> bool:
        """Whether a layer's weights have their outputs first."""
        return node.op_type == "Conv" or bool(_attribute(node, "transB", 0))

    def pairs(self) -> Iterator[Pair]:
        """The layers that can be pruned, in order."""
        for node in self.model.graph.node:
            if self.weight(node) is None:
                continue
            between: list[Any] = []
            value = node.output[0]
            while value not in self.outputs and len(self.readers.get(value, ())) == 1:
                reader = self.readers[value][0]
                if self.weight(reader) is not None and reader.input[0] == value:
                    if (reader.op_type == "Conv") == (node.op_type == "Conv"):
                        yield Pair(node, tuple(between), reader)
                    break
                if not self._passes(reader, value, node):
                    break
                between.append(reader)
                value = reader.output[0]

    def _passes(self, reader: Any, value: str, layer: Any) -> bool:
        """Whether a node keeps each neuron apart from all others."""
        kind = reader.op_type
        if kind in POINTWISE or (kind in POOLING and layer.op_type == "Conv"):
            return bool(reader.input[0] == value)
        if kind == "BatchNormalization":
            return all(name in self.arrays for name in reader.input[1:])
        if kind in ("Add", "Mul"):
            other = next((name for name in reader.input if name != value), None)
            width = self.count(layer)
            return (
                other in self.arrays and self._along(self.arrays[other], width, layer) is not None
            )
        return False

    def _along(self, array: NDArray[Any], width: int, layer: Any) -> int | None:
        """The axis along which a constant follows the neurons; -1 for a single number."""
        if array.size == 1:
            return -1
        axis = array.ndim - (3 if layer.op_type == "Conv" else 1)
        others = array.size == width and 0 <= axis < array.ndim and array.shape[axis] == width
        return axis if others else None

    def count(self, layer: Any) -> int:
        """The outputs of a layer."""
        array = self.arrays[layer.input[1]]
        return int(array.shape[0] if self.transposed(layer) else array.shape[-1])

    def flow(self, names: Sequence[str], calibration: Calibration) -> list[NDArray[Any]]:
        """What these values are on the calibration's rows."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for name in names:
            if name not in self.outputs:
                model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        inputs = [one.name for one in calibration.signature.inputs]
        batch, rows = calibration.batch, calibration.rows
        parts = [
            session.run(
                list(names), dict(zip(inputs, (r[i : i + batch] for r in rows), strict=True))
            )
            for i in range(0, len(rows[0]) - batch + 1, batch)
        ]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def keep(self, pair: Pair, kept: NDArray[Any]) -> None:
        """Take all other neurons out of a layer, and of what lies between it and the next."""
        width = self.count(pair.above)
        first = self.transposed(pair.above)
        weights = self.arrays[pair.above.input[1]]
        self.arrays[pair.above.input[1]] = weights[kept] if first else weights[:, kept]
        if len(pair.above.input) > 2 and pair.above.input[2] in self.arrays:
            bias = self.arrays[pair.above.input[2]]
            if bias.shape[-1:] == (width,):
                self.arrays[pair.above.input[2]] = bias[..., kept]
        for node in pair.between:
            if node.op_type == "BatchNormalization":
                for name in node.input[1:]:
                    self.arrays[name] = self.arrays[name][kept]
            for name in node.input if node.op_type in ("Add", "Mul") else ():
                if name in self.arrays:
                    axis = self._along(self.arrays[name], width, pair.above)
                    if axis is not None and axis >= 0:
                        self.arrays[name] = np.take(self.arrays[name], kept, axis)

    def body(self) -> bytes:
        """The model's file with the arrays as they are now."""
        graph = self.model.graph
        made = [
            onnx.numpy_helper.from_array(np.ascontiguousarray(self.arrays[i.name]), i.name)
            for i in graph.initializer
        ]
        del graph.initializer[:]
        graph.initializer.extend(made)
        del graph.value_info[:]  # their shapes may be others by now
        return bytes(self.model.SerializeToString())


def neurons(files: Files, config: Config, calibration: Calibration) -> Files:
    """The model with this share of the neurons and channels of each layer that can be pruned."""
    graph, share = _Graph(files[FILE]), float(config["neurons"])
    pairs = list(graph.pairs())
    if not pairs:
        raise TrialFailed("expected layers that read each other alone, to prune; got none")
    before = {pair.below.name: pair.below.input[0] for pair in pairs}
    flows = dict(zip(before, graph.flow(list(before.values()), calibration), strict=True))
    for pair in pairs:
        count = graph.count(pair.above)
        left = max(round(share * count), LEAST)
        if left >= count:
            continue
        biased = len(pair.below.input) > 2 and pair.below.op_type != "Conv"
        constant = 1.0 if biased else 0.0
        flow = _by_neuron(flows[pair.below.name], pair.below)
        kept, mixed = _chosen(flow, _outward(graph, pair.below), left, constant)
        graph.keep(pair, kept)
        _mended(graph, pair.below, mixed)
    return {**files, FILE: graph.body()}


def _by_neuron(flow: NDArray[Any], layer: Any) -> NDArray[np.float64]:
    """A row a place, a column a neuron."""
    if layer.op_type == "Conv":
        flow = np.moveaxis(flow, 1, -1)
    rows = flow.reshape(-1, flow.shape[-1]).astype(np.float64)
    step = max(len(rows) // 20_000, 1)
    return rows[::step]


def _outward(graph: _Graph, layer: Any) -> NDArray[np.float64]:
    """By how much each neuron counts in what the layer below makes of it."""
    weights = graph.arrays[layer.input[1]].astype(np.float64)
    axis = 1 if graph.transposed(layer) else 0
    flat = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)
    return np.asarray(np.sqrt(np.square(flat).sum(axis=1)))


def _chosen(
    flow: NDArray[np.float64], outward: NDArray[np.float64], left: int, constant: float
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The neurons to keep, and how all of them are told by those, by least squares.

    One after the other goes: the one whose loss can be made up for best by all that are left
    (backward elimination by the inverse of the covariance, as in optimal brain surgery).
    constant: 1 where a constant part can be made up for by a bias, else 0.
    """
    ones = np.column_stack((flow, constant * np.ones(len(flow))))
    power = ones.T @ ones / len(ones)
    ridge = RIDGE * max(float(np.trace(power)) / len(power), 1e-12)
    inverse = np.linalg.inv(power + ridge * np.eye(len(power)))
    alive = np.ones(flow.shape[1], bool)
    for _ in range(flow.shape[1] - left):
        diagonal = np.diag(inverse)[:-1]
        loss = np.where(alive, np.square(outward) / np.maximum(diagonal, 1e-300), np.inf)
        worst = int(np.argmin(loss))
        alive[worst] = False
        column = inverse[:, worst].copy()
        inverse -= np.outer(column, column) / max(column[worst], 1e-300)
    kept = np.flatnonzero(alive)
    basis = ones[:, [*kept, -1]]
    gram = basis.T @ basis / len(basis) + ridge * np.eye(len(kept) + 1)
    mixed = np.linalg.solve(gram, basis.T @ flow / len(basis))
    return kept, np.asarray(mixed, np.float64)


def _mended(graph: _Graph, layer: Any, mixed: NDArray[np.float64]) -> None:
    """Let the layer below read what is left as if all were there still; before they are taken out.

    Its weights become those of what is left plus, for each neuron that goes, what tells it. A
    constant part goes into the bias, where the layer has one (a convolution's edges have none).
    """
    name = layer.input[1]
    weights = graph.arrays[name]
    axis = 1 if graph.transposed(layer) else 0
    inward = np.moveaxis(weights, axis, 0).astype(np.float64)
    told = np.tensordot(mixed, inward, axes=(1, 0))  # (kept + 1, …)
    graph.arrays[name] = np.moveaxis(told[:-1], 0, axis).astype(weights.dtype)
    constant = told[-1]
    if len(layer.input) > 2 and layer.input[2] in graph.arrays:
        bias = graph.arrays[layer.input[2]]
        if len(graph.readers[layer.input[2]]) == 1:
            added = (
                constant.reshape(len(constant), -1).sum(axis=1) if constant.ndim > 1 else constant
            )
            graph.arrays[layer.input[2]] = (bias + added).astype(bias.dtype)


def _attribute(node: Any, name: str, default: float) -> float:
    """A number that a node states."""
    for one in node.attribute:
        if one.name == name:
            return float(onnx.helper.get_attribute_value(one))
    return default
