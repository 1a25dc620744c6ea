"""Training of the network, in numpy alone: for tables, its matrices are too small for more to pay.

After RealMLP-TD (Holzmüller et al. 2024): weights divided by the root of their inputs, layers that
start at a unit scale, fast scales of the inputs. In place of a rate that falls towards a last
epoch, the weights are averaged, the latest counting most (Shamir & Zhang 2013): so any epoch can be
the last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from tunewright.workloads.tabular.data import Ints, Task
from tunewright.workloads.tabular.design import link
from tunewright.workloads.tabular.network import (
    LAYERS,
    Singles,
    Weights,
    embedded,
    mish,
    mish_slope,
    scores,
)

Rows = tuple[Singles, Singles, Singles]
WAVES, MIXED = 16, 3  # of each number
_RATES = {"input": 6.0, "bias": 0.1, "frequency": 0.1, "phase": 0.1, "mix": 0.1, "shift": 0.1}
BATCH = 256
WARM = 50  # steps until the full rate
LATEST = 8.0  # the mean of the weights is over about the last eighth of all steps
PATIENCE = 12  # epochs without a better loss on the judged rows


@final
@dataclass(frozen=True)
class Recipe:
    """How to train. sigma: of the frequencies. rate: of learning."""

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

    rows: columns as the design gives them, `numbers` numbers first; targets, (rows, outputs), for a
    regression standardised, else one column a class, or one for two classes; and how much each row
    counts, (rows, 1), 1 in the mean.
    """

    def __init__(self, rows: Rows, numbers: int, recipe: Recipe, seed: int) -> None:
        self.rows, (columns, targets, _) = rows, rows
        self.x = columns
        self.recipe, self.task = recipe, recipe.task
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

    def run(self, judged: Rows | None = None) -> tuple[dict[str, Singles], int]:
        """The weights after all epochs, or after the best one by the loss of the judged rows.

        Nothing in an epoch depends on how many there are to be: training for as many epochs as were
        chosen gives what was chosen.
        """
        recipe, count = self.recipe, len(self.x)
        batch = min(BATCH, max(count // 4, 1))
        flat = self.all.flat
        first, second, mean = np.zeros_like(flat), np.zeros_like(flat), flat.copy()
        best, best_loss, best_epoch, step = mean, math.inf, recipe.epochs, 0
        for epoch in range(1, recipe.epochs + 1):
            order = self.rng.permutation(count)
            for start in range(0, count - batch + 1, batch):
                picked = order[start : start + batch]
                slopes = self.slopes_at(self._some(picked), recipe.dropout)
                first += 0.1 * (slopes - first)
                second += 0.05 * (np.square(slopes) - second)
                step += 1
                scale = math.sqrt(1 - 0.95**step) / (1 - 0.9**step)
                rate = recipe.rate * min(step / WARM, 1.0)
                flat -= (rate * recipe.decay) * self.decays * flat
                flat -= (rate * scale) * self.rates * first / (np.sqrt(second) + 1e-8)
                mean += (flat - mean) * min(LATEST / (step + LATEST), 1.0)
            if judged is not None:
                loss = self._loss(mean, judged)
                if loss < best_loss:
                    best, best_loss, best_epoch = mean.copy(), loss, epoch
                elif epoch - best_epoch >= PATIENCE:
                    break
        flat[:] = best
        return divided(self.of), best_epoch

    def _some(self, picked: Ints) -> Rows:
        columns, targets, counts = self.rows
        return columns[picked], targets[picked], counts[picked]

    def _loss(self, flat: Singles, rows: Rows) -> float:
        """The loss of these rows with these weights."""
        x, y, counts = rows
        saved = self.all.flat.copy()
        self.all.flat[:] = flat
        z = scores(divided(self.of), x).astype(np.float64)
        self.all.flat[:] = saved
        if self.task == "regression":
            return float(np.average(np.square(z - y), weights=counts))
        answers = link(z, self.task).reshape(len(y), -1)
        right = y * answers if answers.shape[1] > 1 else 1 - np.abs(y - answers)
        losses = -np.log(np.maximum(right.sum(axis=1), 1e-15))
        return float(np.average(losses, weights=counts[:, 0]))

    def slopes_at(self, rows: Rows, dropout: float) -> Singles:
        """The slope of the loss on these rows for each parameter; overwritten by the next call."""
        x, y, counts = rows
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
        back = self._loss_slope(here, y) * counts
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
