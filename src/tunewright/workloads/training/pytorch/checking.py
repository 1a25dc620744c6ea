"""A look at a network before anything is searched: whether it can learn these data at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tunewright.errors import InputError
from tunewright.workloads.training.pytorch.fitting import tensor_of
from tunewright.workloads.training.pytorch.networks import check as check_network
from tunewright.workloads.training.workload import Recipe


def check(recipe: Recipe, config: Mapping[str, Any], device: str) -> None:
    """Raise InputError, in one sentence, where the model does not fit the data or the device."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f'expected a device that is there; got {device!r}: {first}; say "cpu"'
        ) from error
    arrays = recipe.arrays
    few = tensor_of(arrays.x[arrays.learned[:2]])
    net = check_network(recipe.model, recipe.valued(config), few, max(len(arrays.classes), 1))
    if not any(p.requires_grad for p in net.parameters()):
        raise InputError("expected a model with parameters to learn; got one without any")
