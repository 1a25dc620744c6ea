"""Trainings: claims where there is nothing to find, and what a search finds on digits and images.

`python benchmarks/training.py null 100` counts false claims through the whole chain: two configs of
one network that differ in nothing but their chance, on labels drawn at random.
`python benchmarks/training.py digits 120s`, `… FILE.npz 300s`: the classic two-layer script as the
baseline, tuned and verified.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn

import tunewright as tw
from tunewright.planning import Proving, Request
from tunewright.session import begin

ROWS, COLUMNS, CLASSES = 240, 6, 3


class Chancy(nn.Module):
    """A network whose knob changes nothing but what its chance comes to."""

    def __init__(self, draws: int = 0) -> None:
        super().__init__()
        torch.rand(draws)
        self.layers = nn.Sequential(nn.Linear(COLUMNS, 8), nn.ReLU(), nn.Linear(8, CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        said: torch.Tensor = self.layers(x)
        return said


def null(studies: int) -> Counter[str]:
    """The decisions of so many studies in which there is nothing to find."""
    decisions: Counter[str] = Counter()
    for seed in range(studies):
        chance = np.random.default_rng(seed)
        x = chance.normal(size=(ROWS, COLUMNS)).astype(np.float32)
        y = chance.integers(0, CLASSES, ROWS)
        training = tw.torch.Training(
            Chancy, (x, y), space={"draws": tw.integer(0, 100, default=0)}, epochs=6, batch=32
        )
        with TemporaryDirectory() as directory:
            spec = training.left(Path(directory), in_process=True)
            request = Request(
                "null", "torch", spec, "maximize accuracy", {"lr": 0.02, "threads": 1}, "40 trials",
                seed, tw.Limits(workers=0),
                Proving({"draws": 1 + seed % 100, "lr": 0.02, "threads": 1}),
            )  # fmt: skip
            verdict = begin(request, root=Path(directory) / "studies").verdict
        assert verdict is not None
        decisions[verdict.decision.name] += 1
        if seed == 0:
            sys.stdout.write(f"{verdict.reason}; {verdict.comparisons}\n")
    return decisions


def tuned(name: str, budget: str, goal: str) -> None:
    """The classic script on these data, tuned."""
    if name == "digits":
        from sklearn.datasets import load_digits  # noqa: PLC0415

        x, y = load_digits(return_X_y=True)
        x = (x / 16).astype(np.float32)
    else:
        file = np.load(name)
        x, y = file["X"], file["y"]
    training = tw.torch.Training("mlp", (x, y))
    result = tw.tune(training, goal=goal, budget=budget, baseline={"threads": 1})
    sys.stdout.write(f"{result}\n{json.dumps(dict(result.best or {}))}\n")


if __name__ == "__main__":
    if sys.argv[1] == "null":
        sys.stdout.write(f"{dict(null(int(sys.argv[2])))}\n")
    else:
        wanted = sys.argv[3] if len(sys.argv) > 3 else "maximize accuracy and minimize train_s"
        tuned(sys.argv[1], sys.argv[2], wanted)
