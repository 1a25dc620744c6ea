"""Early stopping against Optuna's, on training curves of neural networks, in simulated time.

The curves are those of a surrogate of LCBench (YAHPO Gym): seven hyperparameters, 52 epochs, and
what each epoch takes. All methods run on so many workers at a time. Counted is the simulated time
until some trial has reported an accuracy within a share of the best that is known: that of 4,000
random configs trained to the end, and of all that any method has found.

Without Optuna only ours is run.

Run: python benchmarks/early_stopping.py DIRECTORY_OF_SURROGATES [--tasks 10] [--seeds 2]
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from results import machine, write_section

from tunewright.core.budget import Budget
from tunewright.core.config import Config
from tunewright.core.events import Ended, Reported, Started, Stopped
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.knobs import Integer, Knob, Real, Space
from tunewright.core.metrics import Metric, Sample
from tunewright.core.roles import Effort, Halt, Problem
from tunewright.core.trial import Fidelity, Measurement, Outcome, Span, Trial
from tunewright.searching.halving import HalvingSearcher

EPOCHS = 52
WORKERS = 4
FULL_RUNS = 120.0  # of the median run to the end: what each method may take
SHARES = (0.01, 0.003)
RANDOM = 4000
METRIC = Metric("accuracy", "higher", "run", scale="difference", evidence="same data")
INPUTS = (  # of the surrogate, in its own order; it gives the time first, then the accuracy
    "epoch", "batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units",
    "max_dropout",
)  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """What a config reports: after each epoch the seconds so far, and the accuracy."""

    seconds: Any
    accuracy: Any


@dataclass
class Task:
    """One data set of the surrogate."""

    session: Any
    number: int
    space: Space
    known: dict[Config, Curve] = field(default_factory=dict)

    def curves(self, configs: list[Config]) -> list[Curve]:
        """The curves of these configs."""
        rows = np.array(
            [
                [float(epoch if name == "epoch" else config[name]) for name in INPUTS]
                for config in configs
                for epoch in range(1, EPOCHS + 1)
            ],
            dtype=np.float32,
        )
        task = np.full((len(rows), 1), self.number, dtype=np.int32)
        out = self.session.run(None, {"x_cat": task, "x_cont": rows})[0]
        out = out.reshape(len(configs), EPOCHS, -1)
        seconds = np.maximum.accumulate(np.maximum(out[:, :, 0], 1e-3), axis=1)
        return [Curve(s, a) for s, a in zip(seconds, out[:, :, 1] / 100, strict=True)]

    def curve(self, config: Config) -> Curve:
        """The curve of one config, remembered."""
        if config not in self.known:
            self.known[config] = self.curves([config])[0]
        return self.known[config]


def read_space(path: Path) -> Space:
    """The hyperparameters, without the task and the epoch."""
    knobs = []
    for hp in json.loads(path.read_text())["hyperparameters"]:
        if hp["type"] == "categorical" or hp["name"] == "epoch":
            continue
        kind = Integer if hp["type"] == "uniform_int" else Real
        domain = kind(hp["lower"], hp["upper"], hp["log"])
        default = (
            hp["default"] if kind is Integer else min(max(hp["default"], hp["lower"]), hp["upper"])
        )
        knobs.append(Knob(hp["name"], domain, default, "hyperparameter", "run"))
    return Space(tuple(knobs))


# One method in simulated time

Finds = list[tuple[float, float]]  # when a better accuracy was reported, and which


@dataclass
class Simulation:
    """Workers that train in simulated time; what happens there is told to a method."""

    task: Task
    limit_s: float
    now_s: float = 0.0
    finds: Finds = field(default_factory=list)
    running: list[tuple[float, int, int, Curve, float]] = field(default_factory=list)
    kept: dict[Config, int] = field(default_factory=dict)  # epochs that a checkpoint holds

    def start(self, number: int, config: Config) -> None:
        """A worker begins to train, or goes on where a trial of the config was stopped."""
        curve, epoch = self.task.curve(config), self.kept.get(config, 0)
        began_s = self.now_s - (float(curve.seconds[epoch - 1]) if epoch else 0.0)
        at_s = began_s + float(curve.seconds[epoch])
        heapq.heappush(self.running, (at_s, number, epoch, curve, began_s))

    def reports(self) -> Iterator[tuple[int, int, float]]:
        """(trial, epoch, accuracy), in the order of time, until the limit."""
        while self.running and self.running[0][0] <= self.limit_s:
            self.now_s, number, epoch, curve, began_s = heapq.heappop(self.running)
            accuracy = float(curve.accuracy[epoch])
            if not self.finds or accuracy > self.finds[-1][1]:
                self.finds.append((self.now_s, accuracy))
            self.going = (number, epoch, curve, began_s)
            yield number, epoch + 1, accuracy

    def go_on(self) -> None:
        """The trial that reported last trains its next epoch."""
        number, epoch, curve, began_s = self.going
        at_s = began_s + float(curve.seconds[epoch + 1])
        heapq.heappush(self.running, (at_s, number, epoch + 1, curve, began_s))

    def stop(self, number: int, config: Config) -> None:
        """A trial is stopped before its next epoch ends."""
        self.kept[config] = next(epoch for _, other, epoch, *_ in self.running if other == number)
        self.running = [one for one in self.running if one[1] != number]
        heapq.heapify(self.running)


def ours(task: Task, seed: int, limit_s: float) -> Finds:
    """Tunewright's halving searcher."""
    goal = parse_goal("maximize accuracy", [METRIC])
    effort = Effort("steps", 1.0, math.inf, continues=True, halved=True)
    problem = Problem(
        task.space, goal, task.space.default, ("run",), "", Fidelity("run", "run"),
        (effort,), Budget(seconds=limit_s), seed, metrics=(METRIC,),
    )  # fmt: skip
    searcher, history, world = HalvingSearcher(problem), History(), Simulation(task, limit_s)
    configs: dict[int, Config] = {}

    def ask() -> None:
        nonlocal history
        wanted = searcher.propose(history, WORKERS - len(history.running))
        for one in wanted:
            if isinstance(one, Halt):
                history = history.applied(Stopped(world.now_s, one.number, 1, "halted"))
                world.stop(one.number, configs[one.number])
                ask()
                return
        for one in wanted:
            trial = Trial(history.last_number + 1, one.config, one.fidelity)
            history = history.applied(Started(world.now_s, trial))
            configs[trial.number] = one.config
            world.start(trial.number, one.config)

    ask()
    for number, epoch, accuracy in world.reports():
        samples = {"accuracy": Sample((accuracy,))}
        if epoch == EPOCHS:
            spans = (Span("run", world.going[3], world.now_s),)
            done = Measurement(Outcome.OK, samples, spans)
            history = history.applied(Ended(world.now_s, number, 1, done))
        else:
            history = history.applied(Reported(world.now_s, number, 1, float(epoch), samples))
            world.go_on()
        ask()
    return world.finds


def optuna_with(make: Callable[[Any], Any]) -> Callable[[Task, int, float], Finds]:
    """Optuna with its default sampler and this pruner."""

    def run(task: Task, seed: int, limit_s: float) -> Finds:
        import optuna  # noqa: PLC0415 - a peer that need not be installed

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=make(optuna.pruners),
        )  # fmt: skip
        study.enqueue_trial(dict(task.space.default))
        world, trials = Simulation(task, limit_s), dict[int, Any]()

        def ask() -> None:
            trial = study.ask()
            values = {}
            for knob in task.space.knobs:
                low, high, log = knob.domain.low, knob.domain.high, knob.domain.log
                suggest = (
                    trial.suggest_int if isinstance(knob.domain, Integer) else trial.suggest_float
                )
                values[knob.name] = suggest(knob.name, low, high, log=log)
            trials[trial.number] = trial
            world.start(trial.number, task.space.config(values))

        for _ in range(WORKERS):
            ask()
        for number, epoch, accuracy in world.reports():
            trial = trials[number]
            trial.report(accuracy, epoch)
            if epoch == EPOCHS:
                study.tell(trial, accuracy)
                ask()
            elif trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                ask()
            else:
                world.go_on()
        return world.finds

    return run


METHODS: dict[str, Callable[[Task, int, float], Finds]] = {
    "tunewright": ours,
    "Optuna ASHA": optuna_with(
        lambda pruners: pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    ),
    "Optuna Hyperband": optuna_with(
        lambda pruners: pruners.HyperbandPruner(1, max_resource=EPOCHS, reduction_factor=3)
    ),
}


def until(finds: Finds, wanted: float, limit_s: float) -> float:
    """When this accuracy was reached; the limit where it was not."""
    return next((at_s for at_s, accuracy in finds if accuracy >= wanted), limit_s)


def main() -> None:
    """Run all methods on all tasks, and write what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("surrogates", type=Path)
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    space = read_space(options.surrogates / "lcbench__config_space.json")
    encoding = json.loads((options.surrogates / "lcbench__encoding.json").read_text())
    session = onnxruntime.InferenceSession(options.surrogates / "lcbench__model.onnx")
    methods = dict(METHODS)
    try:
        import optuna  # noqa: F401, PLC0415 - a peer that need not be installed
    except ImportError:
        methods = {"tunewright": ours}
    numbers = [
        n for name, n in encoding["OpenML_task_id"].items() if name not in ("#na#", "167083")
    ]
    chance = np.random.default_rng(0)
    random = [space.at(chance.random(len(space.knobs)).tolist()) for _ in range(RANDOM)]
    took: dict[tuple[str, float], list[float]] = {}
    for number in numbers[options.first : options.first + options.tasks]:
        task = Task(session, number, space)
        curves = [c for i in range(0, RANDOM, 500) for c in task.curves(random[i : i + 500])]
        full_s = statistics.median(float(c.seconds[-1]) for c in curves)
        limit_s = FULL_RUNS * full_s / WORKERS
        found = {
            name: [method(task, seed, limit_s) for seed in range(options.seeds)]
            for name, method in methods.items()
        }
        best = max(float(c.accuracy.max()) for c in curves)
        best = max([best, *(f[-1][1] for finds in found.values() for f in finds)])
        for share in SHARES:
            for name, finds in found.items():
                times = [until(f, (1 - share) * best, limit_s) / full_s * WORKERS for f in finds]
                took.setdefault((name, share), []).extend(times)
        line = {name: [round(took[name, s][-1], 2) for s in SHARES] for name in methods}
        print(number, f"best {best:.4f}", line, flush=True)
    text = table(took, list(methods), options)
    print(text)
    if options.write:
        write_section("Early stopping", text)


def table(took: dict[tuple[str, float], list[float]], methods: list[str], options: Any) -> str:
    """The section of RESULTS.md."""
    command = f"early_stopping.py DIRECTORY --tasks {options.tasks} --seeds {options.seeds}"
    what = (
        f"Surrogate of LCBench, 52 epochs, {WORKERS} workers, {options.tasks} data sets x "
        f"{options.seeds} seeds, at most {FULL_RUNS:g} full trainings each. In full trainings (the "
        "median config's, on one worker): until the best known accuracy is reached to within a "
        "share; geometric means, and in how many runs it was not."
    )
    lines = [
        f"`python benchmarks/{command}`, simulated time; decided on {machine()}.",
        "",
        what,
        "",
        f"| method | {' | '.join(f'to {share:.1%} | missed' for share in SHARES)} |",
        f"|---|{'---:|---:|' * len(SHARES)}",
    ]
    for name in methods:
        cells = []
        for share in SHARES:
            times = took[name, share]
            mean = math.exp(statistics.fmean(math.log(max(t, 1e-3)) for t in times))
            cells += [f"{mean:.2f}", str(sum(t >= FULL_RUNS for t in times))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
