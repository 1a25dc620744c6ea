"""Training of the network, in numpy alone: for tables, its matrices are too small for more to pay.

After RealMLP-TD (Holzmüller et al. 2024): weights divided by the root of their inputs, a learning
rate that comes back in waves, dropout and decay that fade, and layers that start at a unit scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Task
from tunewright.workloads.tabular.design import link
from tunewright.workloads.tabular.network import (
    LAYERS,
    Singles,
    Weights,
    embedded,
    mish,
    mish_slope,
)

WAVES, MIXED = 16, 3  # of each number
_RATES = {"input": 6.0, "bias": 0.1, "frequency": 0.1, "phase": 0.1, "mix": 0.1, "shift": 0.1}
BATCH = 256


@final
@dataclass(frozen=True)
class Recipe:
    """How to train. sigma: of the frequencies. rate: of learning, before its schedule."""

    task: Task
    epochs: int
    width: int
    rate: float
    dropout: float
    sigma: float
    decay: float


@final
class _Parameters:
    """Arrays with names that lie in one vector, so that one step of Adam is a few operations."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        sizes = [math.prod(shape) for shape in shapes.values()]
        self.flat = np.zeros(sum(sizes), np.float32)
        ends = np.cumsum(sizes)
        self.slices = {
            name: slice(end - size, end)
            for name, end, size in zip(shapes, ends.tolist(), sizes, strict=True)
        }
        self.by_name: dict[str, Singles] = {
            name: self.flat[self.slices[name]].reshape(shape) for name, shape in shapes.items()
        }


def divided(weights: Weights) -> dict[str, Singles]:
    """The arrays as `network.scores` reads them: each layer divided by the root of its inputs."""
    return {
        name: array / np.float32(math.sqrt(len(array))) if name.startswith("weight") else array
        for name, array in weights.items()
    }


@final
class Trainer:
    """Trains the weights that `network.scores` reads.

    columns: as the design gives them, `numbers` numbers first. targets: (rows, outputs), for a
    regression standardised, else one column a class, or one for two classes.
    """

    def __init__(
        self, columns: Singles, targets: Singles, numbers: int, recipe: Recipe, seed: int
    ) -> None:
        self.x, self.y, self.recipe, self.task = columns, targets, recipe, recipe.task
        self.rng = np.random.default_rng(seed)
        ins = columns.shape[1] + numbers * MIXED
        sizes = [ins, *[recipe.width] * (LAYERS - 1), targets.shape[1]]
        shapes: dict[str, tuple[int, ...]] = {
            "frequency": (numbers, 1, WAVES), "phase": (numbers, 1, WAVES),
            "mix": (numbers, WAVES, MIXED), "shift": (numbers, 1, MIXED), "input": (ins,),
            **{f"weight{i}": (sizes[i], sizes[i + 1]) for i in range(LAYERS)},
            **{f"bias{i}": (sizes[i + 1],) for i in range(LAYERS)},
        }  # fmt: skip
        self.all, self.slopes = _Parameters(shapes), _Parameters(shapes)
        self.of, self.to = self.all.by_name, self.slopes.by_name
        self.rates = np.ones_like(self.all.flat)
        self.decays = np.zeros_like(self.all.flat)
        for name, where in self.all.slices.items():
            self.rates[where] = _RATES.get(name.rstrip("0123"), 1.0)
            self.decays[where] = float(name[:6] == "weight")
        self._start()

    def _start(self) -> None:
        """Chance, with each layer's answers to some rows brought to unit scale."""
        of, rng = self.of, self.rng
        of["frequency"][:] = 2 * np.pi * self.recipe.sigma * rng.normal(size=of["frequency"].shape)
        of["phase"][:] = rng.uniform(-np.pi, np.pi, of["phase"].shape)
        of["mix"][:] = rng.uniform(-1, 1, of["mix"].shape) / np.sqrt(WAVES)
        of["shift"][:] = rng.uniform(-1, 1, of["shift"].shape) / np.sqrt(WAVES)
        of["input"][:] = 1.0
        some = self.x[rng.permutation(len(self.x))[:1024]]
        here, _ = embedded(of, some)
        for i in range(LAYERS):
            weight, bias = of[f"weight{i}"], of[f"bias{i}"]
            weight[:] = rng.normal(size=weight.shape)
            z = here @ weight / np.float32(np.sqrt(len(weight)))
            size = z.std(axis=0)
            weight /= np.where(size > 1e-6, size, 1.0)
            if i == LAYERS - 1:
                weight *= 0.0
                break
            # each neuron begins to bend somewhere among the rows
            picked = here[rng.integers(0, len(here), (5, weight.shape[1]))]
            shares = rng.dirichlet(np.ones(5), weight.shape[1]).T[:, :, np.newaxis]
            points = (picked * shares).sum(axis=0)
            bias[:] = -(points * weight.T).sum(axis=1) / np.sqrt(len(weight))
            here = mish(here @ weight / np.float32(np.sqrt(len(weight))) + bias)

    def run(self) -> dict[str, Singles]:
        """Adam over all epochs."""
        recipe, count = self.recipe, len(self.x)
        batch = min(BATCH, max(count // 4, 1))
        steps = recipe.epochs * (count // batch)
        first, second = np.zeros_like(self.all.flat), np.zeros_like(self.all.flat)
        order: NDArray[Any] = np.empty(0, int)
        for step in range(steps):
            if len(order) < batch:
                order = self.rng.permutation(count)
            picked, order = order[:batch], order[batch:]
            done = step / steps
            fading = 1.0 if done < 0.5 else 0.5 * (1 + math.cos(2 * math.pi * (done - 0.5)))
            slopes = self.slopes_at(self.x[picked], self.y[picked], recipe.dropout * fading)
            first += 0.1 * (slopes - first)
            second += 0.05 * (np.square(slopes) - second)
            scale = math.sqrt(1 - 0.95 ** (step + 1)) / (1 - 0.9 ** (step + 1))
            rate = recipe.rate * 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * done)))
            self.all.flat -= (rate * recipe.decay * fading) * self.decays * self.all.flat
            self.all.flat -= (rate * scale) * self.rates * first / (np.sqrt(second) + 1e-8)
        return divided(self.of)

    def slopes_at(self, x: Singles, y: Singles, dropout: float) -> Singles:
        """The slope of the loss on these rows for each parameter; overwritten by the next call."""
        of, to = self.of, self.to
        given, phases = embedded(of, x)
        layers, bends = [given], []
        for i in range(LAYERS):
            weight = of[f"weight{i}"]
            here = layers[-1] @ weight
            here *= np.float32(1 / math.sqrt(len(weight)))
            here += of[f"bias{i}"]
            if i < LAYERS - 1:
                bend, here = mish_slope(here), mish(here)
                if dropout:
                    stays = self.rng.random(here.shape, np.float32) >= dropout
                    mask = stays * np.float32(1 / (1 - dropout))
                    here *= mask
                    bend *= mask
                bends.append(bend)
                layers.append(here)
        back = self._loss_slope(here, y)
        for i in reversed(range(LAYERS)):
            weight = of[f"weight{i}"]
            to[f"bias{i}"][:] = back.sum(axis=0)
            back = back * np.float32(1 / math.sqrt(len(weight)))
            np.matmul(layers[i].T, back, out=to[f"weight{i}"])
            back = back @ weight.T
            if i:
                back *= bends[i - 1]
        scale = of["input"]
        to["input"][:] = (back * given).sum(axis=0) / np.where(scale == 0, 1, scale)
        count = len(of["frequency"])
        if count:
            back = (back * scale)[:, x.shape[1] :].reshape(len(x), count, MIXED).transpose(1, 0, 2)
            waves = np.cos(phases)
            np.matmul(waves.transpose(0, 2, 1), back, out=to["mix"])
            to["shift"][:] = back.sum(axis=1, keepdims=True)
            swing = -np.sin(phases) * np.matmul(back, of["mix"].transpose(0, 2, 1))
            to["phase"][:] = swing.sum(axis=1, keepdims=True)
            numbers = x[:, :count].T[:, np.newaxis, :]
            np.matmul(numbers, swing, out=to["frequency"])
        return self.slopes.flat

    def _loss_slope(self, z: Singles, y: Singles) -> Singles:
        """Of the mean squared error, or of the log loss."""
        if self.task == "regression":
            return (z - y) * np.float32(2 / len(y))
        answers = link(z.astype(np.float64), self.task).reshape(len(y), -1)
        return np.asarray((answers - y) / len(y), np.float32)
