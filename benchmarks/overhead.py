"""What tunewright itself costs: a trial, a resume, and `--help`.

Ten thousand trials that cost nothing go through the real session with a real journal, so that all
the time that passes is our own. Run: python benchmarks/overhead.py [--trials 10000] [--runs 3]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tunewright.core.events import Event
from tunewright.core.history import History
from tunewright.core.roles import Halt, Proposal, Resources, Searcher, Store
from tunewright.core.trial import Measurement, Trial
from tunewright.loop import decide
from tunewright.planning import make_plan
from tunewright.session import drive, opened_by, replay
from tunewright.storing.journal import Journal
from tunewright.testing.simulated import SimulatedClock, SimulatedExecutor
from tunewright.testing.studies import TABLE, TableModel, request

GOAL = "minimize latency_p50"
WORKERS = 2
HELPS = 11


def main() -> None:
    """Print the medians and what they are held against."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    found = [study(options.trials) for _ in range(options.runs)]
    per_trial_ms, search_ms, kept_ms, resume_s, megabytes = (
        statistics.median(column) for column in zip(*found, strict=True)
    )
    print(f"ask + tell + durable commit, a trial   {per_trial_ms:8.3f} ms   (target 2 ms)")
    print(f"the searcher's CPU time of that        {search_ms:8.3f} ms   (target 1 ms)")
    print(f"the disk's part of that, in commits    {kept_ms:8.3f} ms")
    print(f"resume after {options.trials:,} trials            {resume_s:8.3f} s    (target 2 s)")
    print(f"the journal                            {megabytes:8.1f} MB")
    print(f"tunewright --help                      {help_s():8.3f} s    (target 0.3 s)")


def study(trials: int) -> tuple[float, float, float, float, float]:
    """Milliseconds a trial, the searcher's of them and the disk's, seconds to resume, megabytes."""
    with tempfile.TemporaryDirectory(prefix="tunewright-overhead-") as where:
        directory = Path(where)
        per_trial_ms, search_ms, kept_ms = run(directory, trials)
        resume_s = resume(directory, trials)
        megabytes = sum(path.stat().st_size for path in directory.iterdir()) / 1e6
    return per_trial_ms, search_ms, kept_ms, resume_s, megabytes


def run(directory: Path, trials: int) -> tuple[float, float, float]:
    """Milliseconds that the session spends on each trial, and of these the searcher and the disk.

    The time of the workload's own model is left out.
    """
    clock, timed = SimulatedClock(), Timed()
    plan = make_plan(TABLE, request(GOAL, f"{trials} trials"))
    searcher = Asked(plan.searcher)
    plan = replace(plan, searcher=searcher)
    opened = opened_by(request(GOAL, f"{trials} trials"), TABLE, plan, 0.0)
    with Journal(directory) as journal:
        began_s = time.perf_counter()
        journal.append([opened])
        executor, store = SimulatedExecutor(clock, timed, WORKERS), Kept(journal)
        history = drive(History().applied(opened), plan, TABLE, store, executor, clock)
        took_s = time.perf_counter() - began_s - timed.took_s
    each = 1e3 / len(history)
    return each * took_s, each * searcher.took_s, each * store.waited_s


def resume(directory: Path, trials: int) -> float:
    """Seconds to open the journal, replay it and decide once, before the study was finished."""
    with Journal(directory) as journal:
        events = list(journal.read())
    unfinished = directory / "unfinished"
    with Journal(unfinished) as journal:
        journal.append(events[: -len(events) // 100])
    del events
    began_s = time.perf_counter()
    plan = make_plan(TABLE, request(GOAL, f"{2 * trials} trials"))
    with Journal(unfinished) as journal:
        history = replay(journal)
        decide(history, plan, Resources(WORKERS, WORKERS), history.elapsed_s)
    return time.perf_counter() - began_s


class Asked:
    """A searcher, and how long the processor worked for it."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher, self.took_s = searcher, 0.0

    def propose(self, history: History, n: int) -> Sequence[Proposal | Halt]:
        """What the searcher proposes."""
        began_s = time.process_time()
        wanted = self._searcher.propose(history, n)
        self.took_s += time.process_time() - began_s
        return wanted


class Kept:
    """A store, and how long it waited for the disk: what it took, less what the processor did."""

    def __init__(self, store: Store) -> None:
        self._store, self.waited_s = store, 0.0
        self.read, self.put, self.get = store.read, store.put, store.get

    def append(self, events: Sequence[Event]) -> None:
        """Keep these events."""
        began_s, worked_s = time.perf_counter(), time.process_time()
        self._store.append(events)
        took_s, worked_s = time.perf_counter() - began_s, time.process_time() - worked_s
        self.waited_s += max(took_s - worked_s, 0.0)


class Timed:
    """The model, and how long it took itself."""

    def __init__(self) -> None:
        self._model, self.took_s = TableModel(), 0.0

    def __call__(self, trial: Trial) -> Measurement:
        """What the model says."""
        began_s = time.perf_counter()
        measurement = self._model(trial)
        self.took_s += time.perf_counter() - began_s
        return measurement


def help_s() -> float:
    """Seconds that the installed program takes to say what it can do."""
    program = Path(sys.executable).with_name("tunewright")
    took = []
    for _ in range(HELPS):
        began_s = time.perf_counter()
        subprocess.run([program, "--help"], check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - began_s)
    return statistics.median(took)


if __name__ == "__main__":
    main()
