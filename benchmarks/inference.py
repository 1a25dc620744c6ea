"""Inference at fixed quality: trained models against their frameworks' own calls.

Each model is trained here, on Fashion-MNIST (five classes' worth of pictures in an .npz with x and
y) or on scikit-learn's digits, and given to `tunewright.optimize` with rows that it has not seen.
The figures are those of the verdict: pairs of fresh processes, alone on the machine.

The traps are negative controls: nothing can be gained there, and nothing may be claimed.

Run: python benchmarks/inference.py null --studies 10 --budget 12s, and
python benchmarks/inference.py MODEL [--batch 1] [--budget 60s] [--data FILE.npz]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightgbm import LGBMClassifier
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from torch import nn

import tunewright as tw
from tunewright.core.verdict import Decision, alpha_of
from tunewright.optimizing import prepared
from tunewright.planning import Proving
from tunewright.session import begin
from tunewright.workloads.inference.importing import Quality

HERE = Path(__file__).parent
GOAL = "minimize latency_p50 subject to accuracy >= baseline - 0.005"
TRAINED = 2500  # rows; the others are given to judge by


def rows(path: str | None) -> tuple[Any, Any]:
    """Pictures between 0 and 1 as (n, 1, side, side), and their classes."""
    if path:
        with np.load(path) as file:
            names = {len(file[name].shape): name for name in file.files}
            y = file["y"] if "y" in file.files else file[names[1]]
            x = file["x"] if "x" in file.files else file[names[max(names)]]
        side = round(float(np.sqrt(np.prod(x.shape[1:]))))
        x = x.reshape(len(x), 1, side, side)
    else:
        x, y = load_digits(return_X_y=True)
        x = x.reshape(-1, 1, 8, 8)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = np.asarray(x, np.float32)[order], np.asarray(y, np.int64)[order]
    return x / x.max(), y


def networks(name: str, side: int, classes: int) -> Any:
    """A network of PyTorch that takes flat pictures, pictures, or a picture's lines."""

    class Lines(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(side, 64)
            layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True, dropout=0.0)
            self.encoder = nn.TransformerEncoder(layer, 4)
            self.head = nn.Linear(64, classes)

        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(self.embed(x)).mean(1))

    torch.manual_seed(0)
    if name == "mlp":
        return nn.Sequential(
            nn.Linear(side * side, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(),
            nn.Linear(512, classes),
        )  # fmt: skip
    if name == "cnn":
        return nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * (side // 4) ** 2, 128), nn.ReLU(), nn.Linear(128, classes),
        )  # fmt: skip
    return Lines()


def trained(name: str, x: Any, y: Any, epochs: int) -> Any:
    """The network, after so many epochs."""
    side = round(float(np.sqrt(x[0].size)))
    model = networks(name, side, int(y.max()) + 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    xs, ys = torch.from_numpy(x), torch.from_numpy(y)
    for epoch in range(epochs):
        order = torch.randperm(len(ys), generator=torch.Generator().manual_seed(epoch))
        for i in range(0, len(ys), 64):
            at = order[i : i + 64]
            loss = torch.nn.functional.cross_entropy(model(xs[at]), ys[at])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


def grown(name: str, x: Any, y: Any) -> Any:
    """A forest, or boosted trees."""
    if name == "forest":
        return RandomForestClassifier(100, random_state=0).fit(x, y)
    if name == "histogram":
        return HistGradientBoostingClassifier(max_iter=50, random_state=0).fit(x, y)
    return LGBMClassifier(n_estimators=50, verbose=-1, random_state=0).fit(x, y)


def trap(x: Any, y: Any) -> Any:
    """A model that is as quick as it gets: an ONNX file of one tiny layer."""
    model = LogisticRegression(max_iter=300).fit(x, y)
    made = to_onnx(model, x[:1], options={id(model): {"zipmap": False}})
    answer = made.graph.output[-1]
    del made.graph.output[:]
    made.graph.output.append(answer)
    return made


def study(name: str, batch: int, budget: str, path: str | None) -> dict[str, Any]:
    """What came of one model."""
    x, y = rows(path)
    count = min(TRAINED, len(y) // 2) if path else 900
    shape = {"mlp": (-1, x[0].size), "cnn": x.shape, "transformer": x[:, 0].shape}
    x = x.reshape(shape.get(name, (-1, x[0].size)))
    more: dict[str, Any] = {}
    if name in shape:
        model = trained(name, x[:count], y[:count], 3 if name == "cnn" else 8)
    elif name == "trap":
        model, more = trap(x[:count], y[:count]), {"runtimes": ("onnxruntime",)}
    else:
        model = grown(name, x[:count], y[:count])
    started_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        fast = tw.optimize(
            model, example=x[:batch], quality=(x[count:], y[count:], "accuracy"), goal=GOAL,
            budget=budget, root=place, **more,
        )  # fmt: skip
        wall_s = time.perf_counter() - started_s
        print(fast, file=sys.stderr)
        verdict = fast.verdict
        assert verdict is not None
        found = {c.metric: c for c in verdict.comparisons}
        latency, accuracy = found.get("latency_p50"), found.get("accuracy")
        if latency is not None and np.isnan(latency.estimate):
            latency = None  # JSON has no word for it
        return {
            "model": name, "batch": batch, "rows": "fashion" if path else "digits",
            "decision": verdict.decision.name, "wall_s": round(wall_s, 1),
            "times": latency and [1 / v for v in (latency.estimate, latency.high, latency.low)],
            "baseline_s": latency and latency.baseline, "pairs": verdict.pairs,
            "accuracy": accuracy and [accuracy.baseline, accuracy.candidate],
            "config": dict(verdict.config),
        }  # fmt: skip


def null(studies: int, budget: str) -> dict[str, Any]:
    """How often a model is claimed to be quicker than itself: every claim is an error."""
    x, y = rows(None)
    x = x.reshape(len(x), -1)
    model, accepted = trap(x[:900], y[:900]), 0
    for seed in range(studies):
        judged = Quality(x[900:], y[900:], "accuracy")
        with (
            tempfile.TemporaryDirectory() as place,
            prepared(
                model, x[:1], judged, goal=GOAL, budget=budget, seed=seed, root=Path(place),
                name=f"null-{seed}",
            ) as (request, workspace, _),
        ):  # fmt: skip
            asked = replace(request, proof=Proving(candidate={}))
            verdict = begin(asked, workspace=workspace, root=Path(place)).verdict
            assert verdict is not None
            accepted += verdict.decision is Decision.ACCEPT
    return {"model": "itself", "studies": studies, "accepted": accepted, "level": alpha_of(1)}


def main() -> None:
    """Run one study and add its line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=["mlp", "cnn", "transformer", "forest", "histogram",
                                          "lightgbm", "trap", "null"])  # fmt: skip
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--data")
    parser.add_argument("--studies", type=int, default=10)
    options = parser.parse_args()
    if options.model == "null":
        found = null(options.studies, options.budget)
    else:
        found = study(options.model, options.batch, options.budget, options.data)
    print(json.dumps(found))
    with (HERE / "inference.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
