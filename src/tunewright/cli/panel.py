"""A live panel in a terminal: the budget, what runs, the best so far, and a small picture of both.

It is drawn when something has happened, and in a silence once a second; never beside a trial that
is timed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import RLock, Thread
from typing import Self, final

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel as Frame
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tunewright.cli.lines import Lines, columns
from tunewright.core.budget import parse_budget
from tunewright.core.config import Config
from tunewright.core.evidence import Record
from tunewright.core.goal import Goal
from tunewright.core.history import History
from tunewright.core.metrics import Metric
from tunewright.core.preference import Ranking, ranked
from tunewright.core.trial import Trial
from tunewright.core.units import format_quantity
from tunewright.reporting.configs import in_short, naming_of
from tunewright.reporting.layout import padded, shortened
from tunewright.reporting.words import say

TICK_S = 1.0  # in a silence the panel is drawn so often …
LEAST_S = 0.25  # … and otherwise no sooner than that after the last time …
REST = 20.0  # … or than so many times what drawing it took
HEIGHT = 8  # lines of the picture
DECADES = 5.0  # beyond this ratio an axis is logarithmic
MARKS = {  # the later ones are drawn over the others
    "tried": ("·", "dim"),
    "front": ("•", "blue"),
    "baseline": ("◆", "yellow"),
    "best": ("★", "green"),
}


@final
@dataclass
class Panel:
    """Lines that scroll above a panel; as a context it draws it, and leaves nothing of it behind.

    name: of what is tuned. budget: as typed.
    """

    name: str
    goal: Goal
    budget: str
    console: Console = field(default_factory=lambda: Console(width=columns() - 2))
    _history: History = field(default_factory=History)
    _latest: tuple[Trial, ...] = ()
    _seen_s: float = field(default_factory=time.monotonic)
    _due_s: float = 0.0
    _lock: RLock = field(default_factory=RLock)
    _over: Flag = field(default_factory=Flag)

    def __post_init__(self) -> None:
        self._lines = Lines(write=lambda text: self.console.print(Text(text), soft_wrap=True))
        self._live = Live(
            console=self.console, auto_refresh=False, transient=True, get_renderable=self.drawn
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """The panel is gone from here on; the lines stay."""
        with self._lock:
            self._over.set()
            self._live.stop()

    def say(self, elapsed_s: float, text: str, like: str = "") -> None:
        """Print a line above the panel; of several that are alike, the first ones."""
        with self._lock:
            self._lines.say(elapsed_s, text, like)

    def passed(self, elapsed_s: float, doing: str) -> None:
        """Something happened on the study's clock."""
        self._lines.passed(elapsed_s, doing)

    def saw(self, history: History) -> None:
        """Draw what is known now, unless that was done a moment ago."""
        self._history, self._seen_s = history, time.monotonic()
        self._latest = history.running or self._latest  # between two trials nothing runs
        if self._seen_s >= self._due_s:
            self._draw()

    def _draw(self) -> None:
        with self._lock:
            if self._over.is_set():
                return
            began_s = time.monotonic()
            self._live.refresh()
            took_s = time.monotonic() - began_s
            self._due_s = began_s + took_s + max(LEAST_S, REST * took_s)

    def _tick(self) -> None:
        while not self._over.wait(TICK_S):
            timed = any(trial.need.alone for trial in self._history.running)
            if not timed and time.monotonic() >= self._due_s:
                self._draw()

    # What is drawn

    def drawn(self) -> RenderableType:
        """The panel as it is now."""
        history, state = self._history, ranked(self.goal, self._history)
        silent_s = time.monotonic() - self._seen_s
        elapsed_s = history.elapsed_s + (silent_s if history.opened else 0.0)
        base = state.baseline.config if state.baseline else Config({})
        parts: list[RenderableType] = [self._spent(history, elapsed_s), self._running(base)]
        if state.baseline is not None:
            parts += [Text(), self._best(state)]
            parts += self._picture(state)
        told = shortened(f"{self.name} · {self.goal.text}", self.console.width - 6)
        title = Text(told, no_wrap=True)
        return Frame(Group(*parts), title=title, title_align="left", border_style="dim")

    def _spent(self, history: History, elapsed_s: float) -> Table:
        """A bar of the budget, in its own unit."""
        budget, trials = parse_budget(self.budget), history.last_number
        if budget.seconds is None:
            whole, spent = float(budget.trials or 1), float(trials)
            told = f"{trials} of {budget.trials} search trials, {elapsed_s:.0f} s"
        else:
            whole, spent = budget.seconds, elapsed_s
            told = f"{elapsed_s:.0f} of {budget.seconds:g} s, {trials} trials"
        row = Table.grid(expand=True, padding=(0, 1))
        row.add_column(ratio=1)
        row.add_column(justify="right", no_wrap=True)
        row.add_row(ProgressBar(whole, min(spent, whole)), told)
        return row

    def _running(self, base: Config) -> Text:
        """What runs at this moment: the first of it, and how much more there is."""
        if not self._latest:
            return Text("starting", style="dim")
        first, *more = self._latest
        what = {"search": "search", "refit": "refit", "pair": "pair of fresh processes"}
        arm = f" of the {first.purpose.arm}" if first.purpose.arm else ""
        naming = naming_of(self._history.opened, base)
        config = in_short(naming.told(first.subject)) or say("baseline", "en")
        told = f"{what[first.purpose.kind]}{arm}" + ("" if arm else f": {config}")
        tail = f" and {len(more)} more" if more else ""
        text = Text(shortened(told, self.console.width - 4 - len(tail)), no_wrap=True)
        return text.append(tail, style="dim")

    def _best(self, state: Ranking) -> Table:
        """Each metric of the goal: the baseline, the preferred config, and the best by it alone."""
        table = Table.grid(padding=(0, 3, 0, 0))
        heads = ("", "baseline", "best so far", "best by this alone")
        for head in heads:
            table.add_column(no_wrap=True, justify="right" if head else "left")
        table.add_row(*(Text(head, style="dim") for head in heads))
        best, front = state.leading(), state.front()
        for metric in self.goal.metrics:
            alone = [v for record in front if (v := record.value(metric)) is not None]
            table.add_row(
                metric.name,
                _told(state.baseline, metric),
                Text(_told(best, metric), style="bold green"),
                format_quantity(min(alone, key=metric.signed), metric.unit)
                if alone and metric in self.goal.objectives
                else "",
            )
        return table

    def _picture(self, state: Ranking) -> list[RenderableType]:
        """The configs by the first objective (up and down) and what it is weighed against."""
        if not self.goal.objectives:
            return []
        up, *others = self.goal.metrics
        across = others[0] if others else None
        front = {record.config.id for record in state.front()}
        best = state.leading()
        points: list[tuple[float, float, str]] = []
        for place, record in enumerate(state.evidence.records.values(), start=1):
            y, x = record.value(up), record.value(across) if across else float(place)
            if y is None or x is None or not (math.isfinite(x) and math.isfinite(y)):
                continue
            mark = "front" if record.config.id in front else "tried"
            mark = "baseline" if record is state.baseline else mark
            points.append((x, y, "best" if record is best else mark))
        if len(points) < 2:
            return []
        name = across.name if across else "config, in order"
        return [Text(), *_plot(points, self.console.width - 4, (name, across), up)]


def _plot(
    points: Sequence[tuple[float, float, str]],
    width: int,
    across: tuple[str, Metric | None],
    up: Metric,
) -> list[RenderableType]:
    """The points on a grid of characters, the more telling ones over the others."""
    unit = across[1].unit if across[1] else ""
    right, top = _axis([x for x, _, _ in points]), _axis([y for _, y, _ in points])
    ticks = [format_quantity(value, up.unit) for value in (top.high, top.low)]
    margin = max(map(len, ticks)) + 1
    wide = max(width - margin - 1, 10)
    order = [*MARKS]
    grid = [[""] * wide for _ in range(HEIGHT)]
    for x, y, mark in sorted(points, key=lambda point: order.index(point[2])):
        row = HEIGHT - 1 - round(top.share(y) * (HEIGHT - 1))
        grid[row][round(right.share(x) * (wide - 1))] = mark
    lines: list[RenderableType] = []
    for place, row_of in enumerate(grid):
        tick = ticks[0] if place == 0 else ticks[1] if place == HEIGHT - 1 else ""
        line = Text(f"{tick:>{margin - 1}} │", style="dim", no_wrap=True)
        for mark in row_of:
            char, style = MARKS[mark] if mark else (" ", "")
            line.append(char, style=style)
        lines.append(line)
    low, high = (format_quantity(value, unit) for value in (right.low, right.high))
    middle = f"{up.name} by {across[0]}"
    gap = max(wide - len(low) - len(high), 2)
    left = gap - cell_len(middle)
    shown = padded(" " * (left // 2) + middle, gap) if left >= 2 else " " * gap
    lines.append(Text(" " * (margin + 1) + f"{low}{shown}{high}", style="dim"))
    legend = Text(" " * (margin + 1))
    for name in (name for name in MARKS if any(mark == name for _, _, mark in points)):
        char, style = MARKS[name]
        legend.append(char, style=style).append(f" {name}   ", style="dim")
    return [*lines, legend]


@final
@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    logarithmic: bool

    def share(self, value: float) -> float:
        """Where a value stands, from 0 to 1."""
        ends = (self.low, self.high, value)
        low, high, at = map(math.log, ends) if self.logarithmic else ends
        return 0.5 if high <= low else (at - low) / (high - low)


def _axis(values: Sequence[float]) -> _Axis:
    low, high = min(values), max(values)
    return _Axis(low, high, low > 0 and high / low > DECADES)


def _told(record: Record | None, metric: Metric) -> str:
    value = record.value(metric) if record else None
    return "—" if value is None else format_quantity(value, metric.unit)
