"""Running a study in a terminal: what happens while it runs, and what it ends with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import click

from tunewright import session
from tunewright.core.events import Ended, Event, Finished, Started
from tunewright.core.goal import Goal
from tunewright.core.history import History
from tunewright.core.known import known
from tunewright.core.units import format_quantity
from tunewright.core.verdict import Decision
from tunewright.deploying.deploy import deploy
from tunewright.reporting.summary import summary
from tunewright.reporting.text import render_text


def started_s() -> float:
    """When this process started, on the monotonic clock: what the user has waited for."""
    try:
        ticks = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):  # not Linux
        age_s = 0.0
    return time.monotonic() - age_s


def run(goal: Goal, start: Callable[[session.Watch], session.Result]) -> int:
    """Run a study, print what it finds, and give the exit code."""
    try:
        result = start(_Progress(goal))
    except session.Interrupted as interrupted:
        click.echo(_best_so_far(interrupted.result), err=True)
        click.echo(str(interrupted), err=True)
        return 130
    return conclude(result)


def conclude(result: session.Result) -> int:
    """Print a finished study's summary, write its bundle, and give the exit code."""
    told = summary(result.history, result.goal)
    click.echo("\n" + render_text(told))
    bundle = deploy(result)
    if bundle is not None:
        table = any(metric.evidence == "rows" for metric in result.goal.metrics)
        hint = f"  (tunewright predict {bundle} rows.csv)" if table else ""
        click.echo(f"bundle  {bundle}{hint}")
    verdict = result.verdict
    return 0 if verdict is not None and verdict.decision is Decision.ACCEPT else 1


@final
@dataclass
class _Progress:
    """Prints a line for each new best, and one for each phase and pair."""

    goal: Goal
    best: str = ""
    phase: str = field(default="search")
    look: int = 0

    def __call__(self, event: Event, history: History) -> None:
        match event:
            case Started(_, trial) if trial.purpose.look > max(self.look, 1):
                self.look = trial.purpose.look
                _line(event.elapsed_s, "verification: not proven; the next candidate has a look")
            case Started(_, trial) if trial.purpose.kind != self.phase:
                self.phase = trial.purpose.kind
                said = {
                    "refit": "refitting both on all but the test rows",
                    "pair": "pairs of fresh processes",
                }
                _line(event.elapsed_s, f"verification: {said.get(self.phase, self.phase)}")
            case Ended(_, _, _, measurement) if measurement.detail:
                _line(
                    event.elapsed_s,
                    f"a trial ended as {measurement.outcome.value}: {measurement.detail}",
                )
            case Ended() if self.phase == "search":
                self._search(event, history)
            case Finished():
                _line(event.elapsed_s, "done")
            case _:
                pass

    def _search(self, event: Event, history: History) -> None:
        state = known(self.goal)(history)
        best = next(iter(state.best(1)), None)
        if best is None or best.config.id == self.best:
            return
        self.best = best.config.id
        values = []
        for metric in self.goal.metrics:
            value = best.value(metric)
            base = state.baseline.value(metric) if state.baseline else None
            if value is None:
                continue
            text = f"{metric.name} {format_quantity(value, metric.unit)}"
            if base and metric.scale == "ratio" and best is not state.baseline:
                text += f" ({value / base:.3g}×)"
            values.append(text)
        base_values = state.baseline.config if state.baseline else {}
        changed = [f"{k}={v}" for k, v in best.config.items() if base_values.get(k) != v]
        _line(event.elapsed_s, f"{', '.join(values)}   {' '.join(changed) or 'baseline'}")


def _line(elapsed_s: float, text: str) -> None:
    click.echo(f"{elapsed_s:6.1f} s  {text}")


def _best_so_far(result: session.Result) -> str:
    goal = result.goal
    best = next(iter(known(goal)(result.history).best(1)), None)
    if best is None:
        return "interrupted before anything was measured"
    values = [(m, best.value(m)) for m in goal.metrics]
    told = ", ".join(f"{m.name} {format_quantity(v, m.unit)}" for m, v in values if v is not None)
    config = " ".join(f"{k}={v}" for k, v in best.config.items())
    return f"best so far, not verified: {told}   {config}"
