"""Taking in modules of PyTorch, and turning them into ONNX."""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.inference.data import Arrays, Input, Signature
from tunewright.workloads.inference.frameworks import own
from tunewright.workloads.inference.frameworks.framework import Kept, original

FILE = "model.pt2"
LAYERS = ("linear", "addmm", "matmul", ".mm.", "conv")  # in the names of operators
SHOWN = 300  # characters of what torch says


def keep(model: Any, example: Arrays, directory: Path) -> Kept:
    """See Framework. A module is exported here, so that its class need not be found elsewhere."""
    if isinstance(model, Path):
        program = _loaded(model)
        signature = _signature(program)
        called = eager(program)
        own.write(directory, program_bytes(program))
    else:
        if not isinstance(model, torch.nn.Module):
            raise InputError(
                f"expected a torch.nn.Module; got {type(model).__name__}; give the model itself"
            )
        if not example:
            raise InputError(
                "expected an example of what one call gets; got none; give example=x, or quality"
            )
        if model.training:
            raise InputError(
                "expected a model that is ready to answer; got one in training mode, which drops "
                "and averages otherwise; call model.eval() first"
            )
        program, signature = _exported(model, example)
        called = model
        own.write(directory, model)
    (directory / FILE).write_bytes(program_bytes(program))

    def call(inputs: Arrays) -> Arrays:
        with torch.inference_mode():
            return arrays(called(*tensors(inputs)))

    called_for = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    layers = sum(any(kind in one for kind in LAYERS) for one in called_for)
    return Kept(signature, call, layers=layers)


def tensors(inputs: Arrays) -> tuple[torch.Tensor, ...]:
    """The arrays as tensors, without a copy."""
    return tuple(torch.from_numpy(np.require(one, requirements="W")) for one in inputs)


def arrays(answer: Any) -> Arrays:
    """A module's answer as arrays, whatever holds its tensors."""
    if isinstance(answer, torch.Tensor):
        return (answer.numpy(force=True),)
    if isinstance(answer, Mapping):
        answer = tuple(answer.values())
    if isinstance(answer, (tuple, list)):
        return tuple(part for one in answer for part in arrays(one))
    raise TypeError(f"expected a tensor, or several, as the answer; got {type(answer).__name__}")


def program_bytes(program: Any) -> bytes:
    """An exported program as torch.export saves it."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def eager(program: Any) -> Any:
    """An exported program that is run as a module, without the checks of what it is called with."""
    module = program.module(check_guards=False)
    module._forward_pre_hooks.clear()
    return module


def _loaded(path: Path) -> Any:
    try:
        with _quiet():
            return torch.export.load(path)
    except Exception as error:
        raise InputError(
            f"expected a program that torch.export.save wrote; got {path}: "
            f"{type(error).__name__}: {_short(error)}; give the module itself in Python"
        ) from error


def _exported(model: torch.nn.Module, example: Arrays) -> tuple[Any, Signature]:
    """The program with an open first axis, or with the example's own where that cannot be."""
    batch = len(example[0])
    twice = tuple(np.concatenate([one, one])[: max(batch, 2)] for one in example)
    try:
        open_ = tuple({0: torch.export.Dim.DYNAMIC} for _ in example)
        with _quiet():
            program = torch.export.export(model, tensors(twice), dynamic_shapes=open_)
    except Exception:  # noqa: BLE001 - torch raises what it likes; the example's own shape may do
        try:
            with _quiet():
                program = torch.export.export(model, tensors(example))
        except Exception as error:
            shapes = ", ".join(str(one.shape) for one in example)
            raise InputError(
                f"expected a module that torch.export can trace with inputs of {shapes}; got "
                f"{type(error).__name__}: {_short(error)}; rewrite what it names (a branch on "
                "values, an operator of your own), or give an ONNX file"
            ) from error
        return program, _signature(program)
    return program, _signature(program)


def _signature(program: Any) -> Signature:
    """What a program is called with."""
    names = program.graph_signature.user_inputs
    nodes = {
        node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"
    }
    inputs, sizes = [], set()
    for name in names:
        value = nodes.get(name)
        if not isinstance(value, torch.Tensor) or value.ndim < 1:
            raise InputError(
                f"expected inputs that are tensors of rows; got {name}; wrap the model in one that "
                "takes tensors alone"
            )
        sizes.add(int(value.shape[0]) if isinstance(value.shape[0], int) else 0)
        rest = value.shape[1:]
        if not all(isinstance(size, int) for size in rest):
            raise InputError(
                f"expected {name} with one open axis, the rows; got {tuple(value.shape)}; export "
                "it so"
            )
        dtype = str(value.dtype).removeprefix("torch.")
        inputs.append(Input(name, dtype, tuple(int(size) for size in rest)))
    if len(sizes) != 1:
        raise InputError(
            f"expected inputs with as many rows each; got {sorted(sizes)}; export it so"
        )
    return Signature(tuple(inputs), sizes.pop() or None)


def exported(directory: Path, _signature: Signature) -> Mapping[str, bytes]:
    """The form "exported"."""
    return {FILE: original(directory, FILE)}


def as_onnx(directory: Path, signature: Signature) -> Mapping[str, bytes]:
    """The form "onnx". Raises TrialFailed where an operator has no counterpart there."""
    program = torch.export.load(io.BytesIO(original(directory, FILE)))
    try:
        with _quiet(), tempfile.TemporaryDirectory() as place:
            names = [one.name for one in signature.inputs]
            made = torch.onnx.export(program, (), dynamo=True, verbose=False, input_names=names)
            assert made is not None
            made.save(f"{place}/model.onnx", external_data=False)
            return {"model.onnx": (Path(place) / "model.onnx").read_bytes()}
    except Exception as error:
        raise TrialFailed(
            f"torch cannot turn the model into ONNX: {_short(error)}; its other runtimes remain"
        ) from error


def _short(error: BaseException) -> str:
    """What is wrong, where torch tells a long story: the cause of all, its first lines."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:SHOWN]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch warns of and logs, which is nothing to the user here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
