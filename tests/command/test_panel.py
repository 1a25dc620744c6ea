"""The panel while a study runs: at any width and at any moment it holds, and says the figures."""

import io
import os
import re
import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tunewright.cli.lines import Lines
from tunewright.cli.panel import HEIGHT, Panel
from tunewright.cli.running import Telling, _display
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.testing.studies import TABLE, TableModel, request, simulate

GOALS = [
    "maximize auc and minimize latency_p50",
    "minimize latency_p50 subject to auc >= baseline - 0.005",
    "maximize auc",
]


@cache
def live(goal):
    """The history after each event of a study."""
    return [h for _, h in simulate(TABLE, request(goal, "60s"), TableModel()).live]


def panel(goal, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    return Panel("digits", parse_goal(goal, TABLE.metrics), "60s", console)


def drawn(goal, history, width):
    shown = panel(goal, width)
    with shown.console.capture() as captured:
        shown.saw(history)
        shown.console.print(shown.drawn())
    return captured.get()


@given(st.sampled_from(GOALS), st.floats(0, 1), st.integers(60, 120))
def test_it_holds_at_any_moment_on_any_screen(goal, share, width):
    histories = [History(), *live(goal)]
    lines = drawn(goal, histories[round(share * (len(histories) - 1))], width).splitlines()
    assert {len(line) for line in lines if line} == {width}
    assert len(lines) <= HEIGHT + 12


@pytest.mark.parametrize(("wide", "shown"), [(38, Lines), (59, Lines), (60, Panel), (100, Panel)])
def test_a_screen_too_narrow_for_it_gets_lines(monkeypatch, wide, shown):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr("shutil.get_terminal_size", lambda _: os.terminal_size((wide, 24)))
    goal = parse_goal(GOALS[0], TABLE.metrics)
    with _display(goal, "60s", "digits", Telling()) as display:
        assert type(display) is shown


@pytest.mark.parametrize("goal", GOALS)
def test_it_says_what_was_spent_what_is_best_and_where_the_configs_stand(goal):
    text = drawn(goal, live(goal)[-1], 100)
    assert re.search(r"\d+ of 60 s, \d+ trials", text)
    assert "best so far" in text
    for metric in parse_goal(goal, TABLE.metrics).metrics:
        assert re.search(rf"{metric.name} +[\d.]+", text)
    assert "★" in text
    assert "◆" in text


def test_lines_are_said_above_it_and_stay():
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    goal = parse_goal(GOALS[0], TABLE.metrics)
    with Panel("digits", goal, "60s", console) as shown:
        shown.saw(live(GOALS[0])[-1])
        shown.say(1.5, "a trial ended as crashed: [red]", like="crashed")
    said, _, rest = out.getvalue().partition("1.5 s  a trial ended as crashed: [red]\n")
    assert rest, said
    assert "╭" in rest


def test_nothing_is_drawn_beside_a_trial_that_is_timed(monkeypatch):
    monkeypatch.setattr("tunewright.cli.panel.TICK_S", 0.01)
    timed = next(h for h in live(GOALS[0]) if any(t.need.alone for t in h.running))
    with panel(GOALS[0], 80) as shown:
        shown.saw(timed)
        shown._due_s = 0.0
        before = shown.console.file.tell()
        time.sleep(0.1)
        assert shown.console.file.tell() == before
