"""Reading ONNX files: what they are called with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tunewright.core.registry import resolve
from tunewright.errors import InputError
from tunewright.workloads.inference.data import Arrays, Compiled, Input, Signature
from tunewright.workloads.inference.frameworks.framework import Kept, original

FILE = "model.onnx"
LAYERS = ("MatMul", "Gemm", "Conv")
LOAD = "tunewright.workloads.inference.runtimes.onnxruntime_session:load"


def keep(model: Any, _example: Arrays, directory: Path) -> Kept:
    """See Framework."""
    where = model if isinstance(model, Path) else "the model"
    try:
        read = onnx.load(model) if isinstance(model, Path) else model
        body = bytes(read.SerializeToString())
        signature = signature_of(read)
    except InputError:
        raise
    except Exception as error:  # protobuf and the file system raise what they like
        raise InputError(
            f"expected an ONNX file; got {where}, which cannot be read as one: "
            f"{type(error).__name__}: {error}; export the model again"
        ) from error
    (directory / FILE).write_bytes(body)
    try:
        call = resolve(LOAD)(Compiled("onnxruntime", {FILE: body}, {}, signature))
    except Exception as error:
        raise InputError(
            f"expected a model that ONNX Runtime runs; got {where}: {_short(error)}; "
            "export it with other operators, or another opset"
        ) from error
    layers = sum(node.op_type in LAYERS for node in read.graph.node)
    return Kept(signature, call, layers=layers)


def signature_of(model: Any) -> Signature:
    """The inputs of a graph, in order; raises InputError where one is no tensor of rows."""
    given = {one.name for one in model.graph.initializer}
    inputs, batches = [], set()
    for one in model.graph.input:
        if one.name in given:
            continue
        tensor = one.type.tensor_type
        if not one.type.HasField("tensor_type") or not tensor.HasField("shape"):
            raise InputError(
                f"expected inputs that are tensors of a known shape; got {one.name!r}; "
                "export the model with shapes"
            )
        dims = [d.dim_value if d.HasField("dim_value") else 0 for d in tensor.shape.dim]
        if not dims or any(size <= 0 for size in dims[1:]):
            raise InputError(
                f"expected {one.name!r} to have one axis of open size, the rows, which comes "
                f"first; got the shape {dims}; export the model with a fixed shape of a row"
            )
        batches.add(dims[0])
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        inputs.append(Input(one.name, np.dtype(dtype).name, tuple(dims[1:])))
    if not inputs or len(batches) > 1:
        raise InputError(
            f"expected inputs with as many rows each; got {[one.name for one in inputs]} with "
            f"{sorted(batches)}; export the model with one open first axis"
        )
    return Signature(tuple(inputs), batches.pop() or None)


def as_onnx(directory: Path, _signature: Signature) -> Mapping[str, bytes]:
    """The file as it is."""
    return {FILE: original(directory, FILE)}


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
