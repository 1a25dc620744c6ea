"""A module of PyTorch, called eagerly and without gradients."""

from __future__ import annotations

import io
from typing import Any

import torch

from tunewright.workloads.inference.data import Compiled, Runner
from tunewright.workloads.inference.frameworks import own
from tunewright.workloads.inference.frameworks.torch_models import arrays, eager, tensors


def load(model: Compiled) -> Runner:
    """See Runtime."""
    module = own.read(model)
    if isinstance(module, bytes):
        module = eager(torch.export.load(io.BytesIO(module)))
    if threads := int(model.settings.get("threads", 0)):
        torch.set_num_threads(threads)

    def call(given: tuple[torch.Tensor, ...]) -> Any:
        with torch.inference_mode():
            return module(*given)

    return Runner(call, tensors, arrays)
