"""Bundles of networks trained with PyTorch: weights as safetensors, the network by its import path.

Beside them the same network as ONNX, where it can be exported and answers the same; then it is used
without PyTorch, and without the user's own code.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.training.framework import Array
from tunewright.workloads.training.onnx_answers import answers_of
from tunewright.workloads.training.pytorch.fitting import restored, tensor_of
from tunewright.workloads.training.pytorch.networks import made
from tunewright.workloads.training.workload import Recipe, TrainingSpec

WEIGHTS, ONNX = "weights.safetensors", "model.onnx"
CHECKED = 64  # rows that both must answer alike
ALIKE = 1e-3  # so near, beside the largest answer


def files(
    recipe: Recipe, spec: TrainingSpec, arguments: Mapping[str, Any], weights: bytes
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The index and the files of a bundle. Raises TrialFailed for weights of another network."""
    arrays = recipe.arrays
    rows = arrays.x[: min(CHECKED, len(arrays.x))]
    net = made(recipe.model, arguments, tensor_of(rows[:2]), max(len(arrays.classes), 1))
    net = restored(net, weights).eval()
    named = recipe.model if isinstance(recipe.model, str) else spec.where
    index: dict[str, Any] = {
        "model": named,
        "arguments": {
            k: v for k, v in arguments.items() if isinstance(v, str | int | float | bool)
        },
        "shape": list(arrays.x.shape[1:]),
        "scaled": arrays.x.dtype == np.uint8,
    }
    made_files = {WEIGHTS: weights}
    exported, why = _exported(net, rows)
    if exported:
        made_files[ONNX] = exported
    else:
        index["no_onnx"] = why
    return index, made_files


def _exported(net: nn.Module, rows: Array) -> tuple[bytes, str]:
    """The network as ONNX, or why there is none."""
    few = tensor_of(rows)
    quiet = logging.getLogger("torch.onnx")
    before = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with (
            TemporaryDirectory() as directory, warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
        ):  # fmt: skip
            warnings.simplefilter("ignore")
            where = Path(directory) / ONNX
            batch = torch.export.Dim("rows", min=1)
            torch.onnx.export(
                net, (few,), str(where), dynamo=True, external_data=False, verbose=False,
                input_names=["rows"], output_names=["answers"], dynamic_shapes=({0: batch},),
            )  # fmt: skip
            exported = where.read_bytes()
        with torch.inference_mode():
            ours = net(few).numpy()
        theirs = answers_of(exported)(few.numpy())
        if not np.allclose(ours, theirs, atol=ALIKE * max(float(np.abs(ours).max()), 1e-6)):
            return b"", "ONNX answers otherwise"
    except Exception as error:  # noqa: BLE001 - an exporter raises whatever it likes
        first = (str(error).strip().splitlines() or [""])[0]
        return b"", f"it cannot be exported to ONNX: {type(error).__name__}: {first:.200}"
    finally:
        quiet.setLevel(before)
    return exported, ""


def network_of(index: Mapping[str, Any], weights: bytes) -> nn.Module:
    """The network of a bundle, made by its import path."""
    named = str(index["model"])
    model: Any = named
    if ":" in named:
        module, _, path = named.partition(":")
        model = importlib.import_module(module)
        for part in path.split("."):
            model = getattr(model, part)
    few = torch.zeros(2, *index["shape"])
    outputs = max(len(index["classes"]), 1)
    return restored(made(model, index["arguments"], few, outputs), weights).eval()


def answering(index: Mapping[str, Any], bundle: Mapping[str, bytes]) -> Callable[[Array], Array]:
    """What answers rows with PyTorch. Raises InputError where the class cannot be imported."""
    try:
        net = network_of(index, bundle[WEIGHTS])
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"expected to import the network's class {index['model']!r}; got {error}; run this "
            "where its module is found"
        ) from error
    except TrialFailed as error:
        raise InputError(f"{error}; the class has changed since") from error

    def answers(rows: Array) -> Array:
        with torch.inference_mode():
            return np.asarray(net(torch.from_numpy(rows)).float().numpy())

    return answers
