"""Fitting a network with PyTorch: one loop over arrays in memory, with what the knobs ask for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights
from torch import Tensor, nn
from torch.nn import functional

from tunewright.errors import TrialFailed
from tunewright.workloads.training.framework import REPORTS, Array, Job, Trained
from tunewright.workloads.training.pytorch.networks import made
from tunewright.workloads.training.schedules import factor

ANSWERED = 4096  # rows at a time
SPIKE = 20.0  # times a loss that was reached already: what climbs so far does not come back
STATE = "state.safetensors"
Loss = Callable[[Tensor, Tensor], Tensor]


def train(job: Job) -> Trained:
    """Train once. Raises TrialFailed where the loss is no number any more, MemoryError."""
    torch.set_num_threads(int(job.config.get("threads", 1)))
    _warm_up(torch.device(job.device))
    torch.manual_seed(job.seed)
    try:
        return _trained(job)
    except torch.OutOfMemoryError as error:
        raise MemoryError(f"{job.device} ran out of memory; a smaller batch needs less") from error


def _warm_up(device: torch.device) -> None:
    """One step of a network of no account: what torch does on first use is no training."""
    net = nn.Linear(8, 8).to(device)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.zeros(64, 8, device=device)).sum().backward()
    optimizer.step()


def _trained(job: Job) -> Trained:
    device = torch.device(job.device)
    began_s = time.perf_counter()
    x, y = tensor_of(job.x).to(device), torch.from_numpy(np.array(job.y)).to(device)
    net = network(job, x[:2]).to(device)
    net.train()
    optimizer = _optimizer(job.config, net)
    averaged = _Average(net, float(job.config.get("ema", 0.0)))
    loss_of = _loss(job.loss, float(job.config.get("label_smoothing", 0.0)))
    batch, epochs = min(int(job.config["batch"]), len(x)), int(job.config["epochs"])
    steps = epochs * math.ceil(len(x) / batch)
    schedule, clip = str(job.config.get("schedule", "constant")), float(job.config.get("clip", 0.0))
    base, least, step, epoch = [g["lr"] for g in optimizer.param_groups], math.inf, 0, 0
    lowered = job.config.get("precision") == "bf16"
    looked_s, next_look = 0.0, 1
    for epoch in range(epochs):
        whole = 0.0
        for rows in _batches(len(x), batch, device):
            scale = factor(schedule, step / steps)
            for group, lr in zip(optimizer.param_groups, base, strict=True):
                group["lr"] = lr * scale
            with torch.autocast(device.type, torch.bfloat16, enabled=lowered):
                loss = loss_of(net(x[rows]), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            if clip:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            averaged.update()
            step += 1
            whole += float(loss.detach()) * len(rows)
            if not math.isfinite(whole):
                raise TrialFailed(
                    f"the loss was {float(loss.detach())} at batch {step} of {steps}, in epoch "
                    f"{epoch + 1}: the training diverged"
                )
        mean = whole / len(x)
        if mean > SPIKE * max(least, 0.05):
            raise TrialFailed(
                f"the loss went from {least:.3g} up to {mean:.3g} in epoch {epoch + 1}: the "
                "training diverged"
            )
        least = min(least, mean)
        done = (epoch + 1) / epochs
        if job.report and job.watched is not None and done * REPORTS >= next_look and done < 1:
            paused_s = time.perf_counter()
            with averaged.shown():
                job.report(math.floor(done * REPORTS), answers(net, job.watched, job))
            next_look = math.floor(done * REPORTS) + 1
            net.train()
            looked_s += time.perf_counter() - paused_s
    averaged.keep()
    train_s = time.perf_counter() - began_s - looked_s
    weights = {name: value.contiguous().cpu() for name, value in net.state_dict().items()}
    return Trained(
        save_weights(_untied(weights)), lambda rows: answers(net, rows, job), train_s, epochs
    )


def network(job: Job, few: Tensor) -> nn.Module:
    """The network of a job, before anything is learned."""
    return made(job.model, job.arguments, few, max(job.classes, 1))


def tensor_of(x: Array) -> Tensor:
    """Rows as a network takes them: whole numbers of 8 bits from 0 to 1, all others as float."""
    rows = torch.from_numpy(np.ascontiguousarray(x))
    return rows.float() / 255 if rows.dtype == torch.uint8 else rows.float()


def answers(net: nn.Module, x: Array, job: Job) -> Array:
    """Probabilities of (rows, classes), or values of (rows,)."""
    net.eval()
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        parts = [
            net(tensor_of(x[at : at + ANSWERED]).to(device)).float().cpu()
            for at in range(0, len(x), ANSWERED)
        ]
    said = torch.cat(parts)
    said = torch.softmax(said, 1) if job.classes else said.reshape(len(x))
    return said.double().numpy()


def restored(net: nn.Module, weights: bytes) -> nn.Module:
    """The network with learned weights. Raises TrialFailed for those of another one."""
    try:
        net.load_state_dict(load_weights(weights))
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise TrialFailed(f"expected the weights of this network; got others: {first}") from error
    return net


def _untied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights that share no memory, which safetensors refuses."""
    seen: set[int] = set()
    own = {}
    for name, value in weights.items():
        own[name] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    return own


def _batches(rows: int, batch: int, device: torch.device) -> Iterator[Tensor]:
    """The rows in a new order; a last batch of one row is left out, since norms refuse it."""
    order = torch.randperm(rows).to(device)
    for at in range(0, rows, batch):
        part = order[at : at + batch]
        if len(part) > 1 or rows == 1:
            yield part


def _loss(name: str, smoothing: float) -> Loss:
    if name == "cross_entropy":
        return lambda said, y: functional.cross_entropy(said, y, label_smoothing=smoothing)
    of: Loss = {
        "mse": functional.mse_loss,
        "mae": functional.l1_loss,
        "huber": functional.smooth_l1_loss,
    }[name]
    return lambda said, y: of(said.reshape(y.shape), y)


def _optimizer(config: Mapping[str, Any], net: nn.Module) -> torch.optim.Optimizer:
    name = str(config["optimizer"])
    decay = float(config.get("weight_decay", config.get("sgd_weight_decay", 0.0)))
    fused = bool(config.get("fused", False))
    parameters = [p for p in net.parameters() if p.requires_grad]
    if name == "sgd":
        lr = float(config["sgd_lr"])
        return torch.optim.SGD(
            parameters, lr, momentum=0.9, nesterov=True, weight_decay=decay, fused=fused
        )
    lr = float(config["lr"])
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr, weight_decay=decay, fused=fused)
    return torch.optim.Adam(parameters, lr, fused=fused)


@final
class _Average:
    """A moving average of the weights, which answers instead of them (Polyak); none at 0."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        self._own: list[Tensor] = [p for p in net.parameters() if p.requires_grad] if decay else []
        self._mean = [p.detach().clone() for p in self._own]
        self._decay, self._seen = decay, 0

    def update(self) -> None:
        """Take in the weights of this step; the first ones weigh more, as they have no past."""
        if self._own:
            self._seen += 1
            decay = min(self._decay, self._seen / (self._seen + 10))
            with torch.no_grad():
                torch._foreach_lerp_(self._mean, self._own, 1 - decay)

    def keep(self) -> None:
        """Let the average be the weights."""
        with torch.no_grad():
            for own, mean in zip(self._own, self._mean, strict=True):
                own.copy_(mean)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Let the average answer for a while."""
        self._swap()
        yield
        self._swap()

    def _swap(self) -> None:
        with torch.no_grad():
            for own, mean in zip(self._own, self._mean, strict=True):
                kept = own.clone()
                own.copy_(mean)
                mean.copy_(kept)
