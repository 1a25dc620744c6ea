"""How quickly a searcher finds the best of measured kernel spaces, beside its peers.

Each space is a table of GPU kernels, measured in full (`kt-*` below DATA). A searcher sees the
median of five of a kernel's own repeats; what is not in the table, or could not be compiled, is a
failure and counts as an evaluation. Everybody begins with the same kernel of median time. Regret is
that of the config with the best median seen so far: 0 for the best kernel's true median, 1 for the
median of the space.

Run: python benchmarks/search.py DATA [--seeds 10] [--evaluations 100] [--only "joint;random"]
     [--also MODULE:SEARCHER] [--write]
Optuna is needed for its sampler (pip install 'optuna==5.*'); without it that peer is left out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import random
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from results import machine, write_section

from tunewright.core.budget import Budget
from tunewright.core.config import Value
from tunewright.core.events import Ended, Started
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.knobs import Choice, Knob, Space
from tunewright.core.metrics import Metric, Sample
from tunewright.core.registry import resolve
from tunewright.core.roles import Problem, Proposal
from tunewright.core.trial import Fidelity, Measurement, Need, Outcome, Purpose, Span, Trial

REPEATS = 5  # of a kernel's own, whose median an evaluation gives
TIME = Metric("time", "lower", "run", "s", quiet=True)
Key = tuple[Value, ...]


@dataclass(frozen=True)
class Kernels:
    """One measured space. times: of each kernel, () where it does not run."""

    name: str
    values: Mapping[str, tuple[Value, ...]]
    times: Mapping[Key, tuple[float, ...]]
    true: Mapping[Key, float]
    start: Key
    best: float
    median: float


class Replay:
    """One run on one space: gives times, and keeps the regret after each evaluation."""

    def __init__(self, kernels: Kernels, seed: int, evaluations: int) -> None:
        self.kernels, self.evaluations = kernels, evaluations
        self.regrets: list[float] = []
        self._chance = random.Random(f"{kernels.name}/{seed}")
        self._seen: dict[Key, list[float]] = {}

    @property
    def over(self) -> bool:
        """Whether all evaluations are used up."""
        return len(self.regrets) >= self.evaluations

    def __call__(self, key: Key) -> float | None:
        """A kernel's time, None where it fails."""
        times = self.kernels.times.get(key, ())
        value = None
        if times:
            value = statistics.median(self._chance.choices(times, k=REPEATS))
            self._seen.setdefault(key, []).append(value)
        self.regrets.append(self._regret())
        return value

    def _regret(self) -> float:
        if not self._seen:
            return 1.0
        chosen = min(self._seen, key=lambda key: statistics.median(self._seen[key]))
        kernels = self.kernels
        regret = (kernels.true[chosen] - kernels.best) / (kernels.median - kernels.best)
        return min(max(regret, 0.0), 1.0)


def load(data: Path) -> list[Kernels]:
    """The measured spaces below a directory."""
    found = []
    for path in sorted(data.glob("kt-*/*.parquet")):
        names = json.loads((path.parent / "meta.json").read_text())["knobs"]
        rows = pq.read_table(path, columns=[*names, "valid", "time_p50", "times"]).to_pylist()
        values = {name: tuple(sorted({row[name] for row in rows})) for name in names}
        values = {name: known for name, known in values.items() if len(known) > 1}
        good = [row for row in rows if row["valid"] and row["time_p50"]]
        times = {tuple(row[n] for n in values): tuple(row["times"]) for row in good}
        true = {tuple(row[n] for n in values): row["time_p50"] for row in good}
        middle = statistics.median(true.values())
        start = min(true, key=lambda key: (abs(true[key] - middle), key))
        name = f"{path.parent.name}/{path.stem}"
        found.append(Kernels(name, values, times, true, start, min(true.values()), middle))
    return found


def by_chance(replay: Replay, seed: int) -> None:
    """Random search without repetition."""
    kernels, chance = replay.kernels, random.Random(seed)
    replay(kernels.start)
    seen = {kernels.start}
    while not replay.over:
        key = tuple(chance.choice(known) for known in kernels.values.values())
        if key not in seen:
            seen.add(key)
            replay(key)


def by_tpe(*, multivariate: bool, ordered: bool) -> Callable[[Replay, int], None]:
    """Optuna's TPE; a failure is pruned, which it learns from as from the worst."""
    optuna = importlib.import_module("optuna")

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", module="optuna")

    def run(replay: Replay, seed: int) -> None:
        kernels = replay.kernels
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=multivariate)
        study = optuna.create_study(sampler=sampler)
        first = dict(zip(kernels.values, kernels.start, strict=True))
        if ordered:
            first = {name: kernels.values[name].index(value) for name, value in first.items()}
        study.enqueue_trial(first)

        def objective(trial: Any) -> float:
            key = tuple(
                known[trial.suggest_int(name, 0, len(known) - 1)]
                if ordered
                else trial.suggest_categorical(name, known)
                for name, known in kernels.values.items()
            )
            value = replay(key)
            if value is None:
                raise optuna.TrialPruned
            return value

        study.optimize(objective, n_trials=replay.evaluations)

    return run


def by_searcher(where: str) -> Callable[[Replay, int], None]:
    """One of our own searchers, as a program's knobs are searched."""
    make = resolve(where)

    def run(replay: Replay, seed: int) -> None:
        kernels = replay.kernels
        start = dict(zip(kernels.values, kernels.start, strict=True))
        knobs = [
            Knob(name, Choice(known), start[name], "hyperparameter", "run")
            for name, known in kernels.values.items()
        ]
        space, goal = Space(tuple(knobs)), parse_goal("minimize time", [TIME])
        problem = Problem(
            space, goal, space.default, ("run",), "", Fidelity("run", "run"),
            budget=Budget(trials=replay.evaluations), seed=seed, metrics=(TIME,),
        )  # fmt: skip
        searcher, history = make(problem), History()
        while not replay.over:
            (wanted,) = (p for p in searcher.propose(history, 1) if isinstance(p, Proposal))
            value = replay(tuple(wanted.config[name] for name in kernels.values))
            number = history.last_number + 1
            trial = Trial(number, wanted.config, wanted.fidelity, Purpose(), need=Need(alone=True))
            spans = (Span("run", number - 1.0, float(number)),)
            measurement = (
                Measurement(Outcome.REJECTED, {}, spans, "it does not compile")
                if value is None
                else Measurement(Outcome.OK, {"time": Sample((value,), "s")}, spans)
            )
            history = history.applied(Started(number - 1.0, trial))
            history = history.applied(Ended(float(number), number, 1, measurement))

    return run


def main() -> None:
    """Print, and with --write keep, both figures of every searcher."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--only", default="")
    parser.add_argument("--also", default="")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    spaces = load(options.data)
    searchers = {
        "random": by_chance,
        "joint": by_searcher("tunewright.searching.joint:JointSearcher"),
    }
    if importlib.util.find_spec("optuna"):
        searchers |= {
            "TPE, categories": by_tpe(multivariate=False, ordered=False),
            "TPE, multivariate, categories": by_tpe(multivariate=True, ordered=False),
            "TPE, multivariate, numbers": by_tpe(multivariate=True, ordered=True),
        }
    if options.also:
        searchers[options.also] = by_searcher(options.also)
    only = options.only.split(";") if options.only else [*searchers]
    lines = []
    for name in only:
        area, final, took_s = figures(searchers[name], spaces, options)
        means = [statistics.fmean(each.values()) for each in (area, final)]
        detail = " ".join(f"{area[s]:.3f}/{final[s]:.3f}" for s in area)
        print(
            f"{name:32} area {means[0]:.4f}  final {means[1]:.4f}  {took_s:6.1f} ms  {detail}",
            flush=True,
        )
        lines.append(f"| {name} | {means[0]:.4f} | {means[1]:.4f} | {took_s:.1f} |")
    if options.write:
        how = (
            f"`python benchmarks/search.py DATA --seeds {options.seeds}"
            f" --evaluations {options.evaluations} --write`, {datetime.now(UTC):%Y-%m-%d},"
            f" {machine()}."
            f" {len(spaces)} measured kernel spaces; less is better."
        )
        head = [
            how,
            "",
            "| searcher | area under the regret | final regret | CPU ms an evaluation |",
            "| --- | ---: | ---: | ---: |",
        ]
        write_section("Search", "\n".join([*head, *lines]))


def figures(
    search: Callable[[Replay, int], None], spaces: list[Kernels], options: argparse.Namespace
) -> tuple[dict[str, float], dict[str, float], float]:
    """By space, the area under the regret and the last regret; CPU milliseconds an evaluation."""
    area: dict[str, float] = {}
    final: dict[str, float] = {}
    began_s = time.process_time()
    for kernels in spaces:
        runs = [Replay(kernels, seed, options.evaluations) for seed in range(options.seeds)]
        for seed, replay in enumerate(runs):
            search(replay, seed)
        area[kernels.name] = statistics.fmean(statistics.fmean(r.regrets) for r in runs)
        final[kernels.name] = statistics.fmean(r.regrets[-1] for r in runs)
    took_s = time.process_time() - began_s
    return area, final, 1e3 * took_s / (len(spaces) * options.seeds * options.evaluations)


if __name__ == "__main__":
    main()
