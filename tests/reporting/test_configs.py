"""Configs as they are told: a blend is never taken for the baseline, and settled is what is shown."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tunewright.cli.panel import Panel
from tunewright.cli.running import _best_so_far, _Progress
from tunewright.core.config import Config
from tunewright.core.events import Ended, Finished, Opened, Started
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.knobs import Choice, Integer, Knob
from tunewright.core.metrics import Metric, Sample
from tunewright.core.trial import Fidelity, Measurement, Outcome, Trial
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.reporting.configs import Naming, in_full, in_short
from tunewright.reporting.formats import to_json
from tunewright.reporting.html import render_html
from tunewright.reporting.notebook import card
from tunewright.reporting.summary import summary
from tunewright.reporting.text import WIDTH, render_text
from tunewright.session import Result
from tunewright.testing import strategies

AUC = Metric("roc_auc", "higher", "blend", scale="difference", evidence="rows")
GOAL = parse_goal("maximize roc_auc", [AUC])
STAGES = ("fit", "compile", "blend", "predict")
FAMILIES = ("lightgbm", "forest", "linear")
KNOBS = (
    Knob("family", Choice(FAMILIES), "lightgbm", "algorithm", "fit"),
    Knob("n_trees", Integer(1, 3000), 100, "hyperparameter", "fit"),
    Knob("threads", Integer(1, 8), 2, "resource", "predict"),
)
BASELINE = Config({"family": "lightgbm", "n_trees": 100, "threads": 2})
NAMING = Naming(BASELINE, KNOBS, STAGES)
alone = st.builds(
    lambda family, trees, threads: Config(
        {"family": family, "n_trees": trees, "threads": threads}
    ),
    st.sampled_from(FAMILIES), st.integers(1, 3000), st.integers(1, 8),
)  # fmt: skip
weights = st.floats(0.02, 1)
blends = st.builds(
    lambda threads, members: Config({"threads": threads}, members),
    st.integers(1, 8), st.lists(st.tuples(alone, weights), min_size=2, max_size=12),
)  # fmt: skip


class Study:
    """A study whose trials are of these configs, the baseline first; each is better."""

    def __init__(self, *configs, chosen=None):
        opened = Opened(0.0, "t-1", GOAL.text, "d", {}, (AUC,), KNOBS, STAGES)
        self.events = [opened]
        for number, config in enumerate(dict.fromkeys((BASELINE, *configs)), start=1):
            samples = {"roc_auc": Sample((0.5 + number / 100,))}
            if chosen and config != BASELINE and "n_trees" in config:
                samples["n_trees"] = Sample((chosen,))
            self.events += [
                Started(number, Trial(number, config, Fidelity("blend"))),
                Ended(number, number, 1, Measurement(Outcome.OK, samples)),
            ]

    def history(self, verdict=None):
        history = History()
        for event in self.events if verdict is None else [*self.events, verdict]:
            history = history.applied(event)
        return history

    def won(self, config):
        c = Comparison(
            "roc_auc", "objective", "difference", 0.5, 0.6, 0.1, 0.05, 0.15, 0,
            Decision.ACCEPT, 9, "rows",
        )  # fmt: skip
        return self.history(Finished(99.0, Verdict(Decision.ACCEPT, config, "better", (c,))))


@given(
    strategies.configs,
    st.builds(Naming, strategies.configs, strategies.spaces().map(lambda s: s.knobs)),
)
def test_any_config_with_members_is_told_and_none_is_taken_for_the_baseline(config, naming):
    for language in ("en", "zh"):
        told = naming.told(config)
        assert bool(in_short(told, language)) or not config.members
        assert bool(in_full(told, language)) or not config.members
        assert len(told.members) == len(config.members)
        assert not told.only(config) or not config.members


def test_a_blend_is_told_by_weight_family_and_what_is_not_the_default():
    members = [
        (Config({"family": "linear", "threads": 7}), 0.08),
        (Config({"family": "forest", "n_trees": 9}), 0.7),
        (Config({"family": "lightgbm", "n_trees": 100}), 0.22),
    ]
    told = NAMING.told(Config({"threads": 2}, members))
    assert in_full(told) == "blend of 3: 0.70 forest (n_trees=9), 0.22 lightgbm, 0.08 linear"
    assert in_short(told) == "blend of 3: forest 0.70, lightgbm 0.22, linear 0.08"
    other = NAMING.told(Config({"threads": 1}, [members[0], *members[1:], members[0]]))
    assert in_short(other) == "blend of 4: forest 0.70, lightgbm 0.22, linear 0.16 (2); threads=1"
    asked = NAMING.told(Config({"threads": 2}, [(one, 0.0) for one, _ in members]))
    assert in_short(asked) == in_full(asked) == "blend of 3, weights to be chosen"


@given(blends)
def test_a_blend_is_shown_wherever_a_config_is(blend):
    study = Study(*(member for member, _ in blend.members), blend)
    history, count = study.won(blend), len(blend.members)
    found = summary(history, GOAL)
    text = render_text(found)
    assert max(map(len, text.splitlines())) <= WIDTH
    words = " ".join(text.split())
    assert f"config blend of {count}: {in_full(found.handed_over).split(' ')[3]}" in words
    assert words.count(f"blend of {count}") == 2
    members = [member for member, _ in blend.members if member != BASELINE]
    assert ("runtime only" in words) == any({**m, "threads": 2} == {**BASELINE} for m in members)
    result = Result(Path("t-1"), GOAL, history)
    assert f"blend of {count}" in card(result)
    body = json.loads(to_json(found))
    assert body["config"] == dict(blend)
    assert [one["weight"] for one in body["members"]] == [weight for _, weight in blend.members]
    assert [one["config"] for one in body["members"]] == [dict(one) for one, _ in blend.members]
    unfinished = study.history()
    assert f"blend of {count}" in _best_so_far(replace(result, history=unfinished))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_lists_the_members_with_what_was_sampled_of_them(language):
    members = [
        (Config({"family": f, "n_trees": 7}), w)
        for f, w in zip(FAMILIES, (0.2, 0.7, 0.1), strict=True)
    ]
    blend = Config({"threads": 1}, members)
    some = Study(*(one for one, _ in members[:2]), blend)
    page = render_html(summary(some.won(blend), GOAL), language)
    for part in ("0.70", "forest", "n_trees=7", "threads=1", "0.52", "0.53"):
        assert part in page
    name = "blend of 3" if language == "en" else "3 个模型的加权混合"
    assert page.count(name) >= 2
    unsampled = render_html(summary(Study(blend).won(blend), GOAL), language)
    assert "0.70" in unsampled
    note = "sampled of it alone" if language == "en" else "单独使用"
    assert (note in page, note in unsampled) == (True, False)


class Said:
    """A display that keeps what it is told."""

    def __init__(self):
        self.lines = []

    def say(self, elapsed_s, text, like=""):
        self.lines.append(text)

    def passed(self, elapsed_s, doing):
        self.lines.append(doing)

    def saw(self, history):
        pass


@given(blends)
def test_progress_and_panel_tell_a_blend_from_the_baseline(blend):
    study, said = Study(blend), Said()
    progress, history = _Progress(GOAL, said), History()
    for event in study.events:
        history = history.applied(event)
        progress(event, history)
    assert any(f"blend of {len(blend.members)}" in line for line in said.lines)
    running = history.applied(
        Started(9.0, Trial(history.last_number + 1, blend, Fidelity("blend")))
    )
    console = Console(file=io.StringIO(), width=80)
    panel = Panel("t", GOAL, "60s", console)
    with console.capture() as captured:
        panel.saw(running)
        console.print(panel.drawn())
    assert f"search: blend of {len(blend.members)}" in captured.get()


def test_what_early_stopping_chose_is_shown_of_a_config_and_of_members():
    one = Config({"family": "lightgbm", "n_trees": 3000})
    blend = Config({"threads": 2}, [(one, 0.5), (Config({"family": "linear"}), 0.5)])
    found = summary(Study(one, blend, chosen=207).history(), GOAL)
    assert "n_trees=3000" not in render_text(found) + render_html(found)
    told = {t.config.members[0].changes["n_trees"] for t in found.tried if t.config.members}
    assert told == {207}
    settled = Config({"threads": 2}, [(Config({**one, "n_trees": 207}), 0.5), blend.members[1]])
    won = summary(Study(one, blend, chosen=207).won(settled), GOAL)
    assert won.handed_over.members[0].values == {"roc_auc": 0.52}
    assert won.steps[-1].config.members[0].changes == {"n_trees": 207}
