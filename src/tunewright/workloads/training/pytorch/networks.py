"""Networks: the user's own, and those that are known by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from tunewright.errors import InputError, nearest
from tunewright.workloads.training.pytorch.names import INPUTS, OUTPUTS

Make = Callable[..., nn.Module]


def made(model: Any, arguments: Mapping[str, Any], few: Tensor, outputs: int) -> nn.Module:
    """A network: what a class or a function makes of its arguments.

    few: some rows, whose shape a network may ask for. Raises InputError for what makes none.
    """
    make: Make = NETWORKS[model] if isinstance(model, str) else model
    named = dict(arguments)
    for parameter in inspect.signature(make).parameters.values():
        if parameter.default is parameter.empty and parameter.name not in named:
            if parameter.name in INPUTS:
                named[parameter.name] = few[0].numel()
            elif parameter.name in OUTPUTS:
                named[parameter.name] = outputs
            elif parameter.name == "shape":
                named[parameter.name] = tuple(few.shape[1:])
    net = make(**named)
    if not isinstance(net, nn.Module):
        raise InputError(f"expected a torch.nn.Module of the model; got {type(net).__name__}")
    return net


def mlp(
    features: int, outputs: int, width: int = 64, depth: int = 1, dropout: float = 0.0
) -> nn.Module:
    """Dense layers with ReLU; one hidden layer of 64 is the classic two-layer network."""
    sizes = [features, *[width] * depth]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


def cnn(shape: tuple[int, ...], outputs: int, width: int = 16, dropout: float = 0.0) -> nn.Module:
    """Two convolutions with norms, each halving the image, then a mean over it."""
    if len(shape) not in (2, 3):
        raise InputError(
            f"expected images of (height, width) or (channels, height, width) for 'cnn'; got rows "
            f'of shape {shape}; say model="mlp"'
        )
    channels = shape[0] if len(shape) == 3 else 1
    size = shape[-2:]

    def block(before: int, after: int) -> list[nn.Module]:
        return [
            nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
            nn.MaxPool2d(2),
        ]  # fmt: skip

    return nn.Sequential(
        nn.Flatten(),
        nn.Unflatten(1, (channels, *size)),
        *block(channels, width),
        *block(width, 2 * width),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(18 * width, outputs),
    )


class _Residual(nn.Module):
    """x + what two layers make of the normalised x (Gorishniy et al. 2021)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.BatchNorm1d(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """The rows, a little further."""
        moved: Tensor = x + self.inner(x)
        return moved


def resnet(
    features: int, outputs: int, width: int = 64, depth: int = 2, dropout: float = 0.0
) -> nn.Module:
    """The residual network for tables; its first norm learns the scale of the columns."""
    blocks = [_Residual(width, dropout) for _ in range(depth)]
    head = [nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, outputs)]
    return nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(features), nn.Linear(features, width), *blocks, *head
    )


NETWORKS: dict[str, Make] = {"mlp": mlp, "cnn": cnn, "resnet": resnet}


def check(model: Any, arguments: Mapping[str, Any], few: Tensor, outputs: int) -> nn.Module:
    """The network, after it has answered some rows. Raises InputError where it cannot."""
    if isinstance(model, str) and model not in NETWORKS:
        raise InputError(f"unknown network {model!r}: {nearest(model, NETWORKS)}")
    label = model if isinstance(model, str) else getattr(model, "__name__", "the model")
    try:
        net = made(model, arguments, few, outputs).eval()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"expected {label} to be made of its knobs; got {error}") from error
    try:
        with torch.no_grad():
            said = net(few)
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"expected {label} to take rows of the shape {tuple(few.shape[1:])}; got an error: "
            f"{first}; reshape X, or change the model"
        ) from error
    wanted = f"({len(few)}, {outputs})"
    if not isinstance(said, Tensor):
        raise InputError(f"expected {label} to answer with a tensor; got {type(said).__name__}")
    shape = tuple(said.shape)
    if outputs == 1 and said.numel() == len(few):
        return net
    if outputs == 1 or len(shape) != 2 or shape[0] != len(few) or shape[1] < outputs:
        raise InputError(
            f"expected {label} to answer {len(few)} rows with {wanted} numbers, one for each class "
            f"in y, or one in all; got {shape}: labels are out of its range, or its last layer is "
            "another"
        )
    return net
