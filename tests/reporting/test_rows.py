"""What the rows of a verdict show of a model: calibration, confusion, residuals, importance."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tunewright as tw
from tunewright.core.events import Ended, Started
from tunewright.core.history import History
from tunewright.core.kinds import Importance
from tunewright.planning import Proving, Request
from tunewright.reporting.html import render_html
from tunewright.reporting.rows import BINS, LEAST, MOST, calibration, judged
from tunewright.reporting.summary import summary
from tunewright.running.cache import ArtifactCache
from tunewright.session import begin
from tunewright.storing.journal import Reader
from tunewright.workloads.tabular.importance import importance

HERE = tw.Limits(workers=0)


@given(st.lists(st.floats(0, 1), max_size=300), st.randoms())
def test_every_row_is_in_one_bin_and_the_share_in_its_interval(said, chance):
    bins = calibration(said, [int(chance.random() < p) for p in said])
    assert sum(one.n for one in bins) == (len(said) if len(said) >= LEAST else 0)
    assert len(bins) <= BINS
    assert all(0 <= one.low <= one.share <= one.high <= 1 + 1e-12 for one in bins)
    assert [one.said for one in bins] == sorted(one.said for one in bins)


def test_probabilities_that_are_right_are_told_to_be():
    chance = random.Random(3)
    said = [chance.random() for _ in range(4000)]
    bins = calibration(said, [int(chance.random() < p) for p in said])
    assert sum(one.low <= one.said <= one.high for one in bins) >= BINS - 2
    wrong = calibration([p / 2 for p in said], [int(chance.random() < p) for p in said])
    assert sum(one.low <= one.said <= one.high for one in wrong) <= 2


@given(st.lists(st.floats(0, 1), min_size=LEAST, max_size=60), st.randoms())
def test_a_row_of_twice_the_weight_shows_what_two_rows_show(said, chance):
    places = [int(chance.random() < p) for p in said]
    whole = calibration(said, places, [2.0] * len(said))
    assert [(one.said, one.share) for one in whole] == [
        (pytest.approx(one.said), pytest.approx(one.share)) for one in calibration(said, places)
    ]
    heavy = calibration([0.2] * 20, [1] * 5 + [0] * 15, [3.0] * 5 + [1.0] * 15)
    assert heavy[0].share == 0.5
    assert heavy[0].low < calibration([0.2] * 20, [1] * 10 + [0] * 10)[0].low


def study(root, answer, **said):
    """A study in this process that looks at the untouched rows."""
    rows = [(i * 37 % 101 / 7, i * 53 % 97 / 5, i * 29 % 89 / 3) for i in range(400)]
    lines = [f"{a},{b},{c},{answer(a, b)}" for a, b, c in rows]
    path = root / "t.csv"
    path.write_text("\n".join(["a,<b>,noise,y", *lines]) + "\n")
    spec = tw.Table(path, "y", families=("linear",), **said)
    bound = "r2" if said.get("task") == "regression" else "accuracy"
    goal = f"subject to {bound} >= baseline - 0.5"
    proof = Proving({"linear_c": 0.5})
    request = Request("t", "table", spec, goal, {"family": "linear"}, "2 trials", proof=proof)
    return begin(replace(request, limits=HERE), root=root / "studies")


TWO = {"answer": lambda a, b: "yes" if 3 * a + b > 30 else "no"}
THREE = {"answer": lambda a, b: "low mid high".split()[min(int((3 * a + b) / 20), 2)]}  # noqa: SIM905
NUMBER = {"answer": lambda a, b: 3 * a + b / 9, "task": "regression"}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return study(tmp_path_factory.mktemp("two"), **TWO)


def test_the_confusion_counts_every_untouched_row(two, tmp_path):
    found = judged(two.history)
    opened = two.history.opened
    assert opened.folds > 1  # each was answered by a model that had not learned from it
    assert found.n == sum(map(sum, found.confusion)) == 160
    assert set(found.classes) == {"yes", "no"}
    assert sum(found.confusion[i][i] for i in range(2)) > 0.9 * found.n
    assert found.calibration
    three = judged(study(tmp_path, **THREE).history)
    assert len(three.confusion) == 3
    assert three.calibration == ()


def test_the_residuals_of_a_regression_are_values_beside_values(tmp_path):
    found = judged(study(tmp_path, **NUMBER).history)
    assert found.classes == ()
    assert len(found.residuals) == min(found.n, MOST)
    said, answers = zip(*found.residuals, strict=True)
    assert np.corrcoef(said, answers)[0, 1] > 0.99


def told(result):
    kept = ArtifactCache(result.directory / "artifacts").get(result.verdict.key)
    return importance(kept.artifact)


def test_what_decides_is_important_and_noise_is_not(two):
    metric, (first, *others) = told(two)
    assert metric == "log_loss"
    assert first.name == "a"
    assert first.low > 0
    noise = next(one for one in others if one.name == "noise")
    assert noise.low <= 0 <= noise.high
    assert told(two) == told(two)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_draws_them_and_escapes_what_is_the_users(two, language):
    metric, columns = told(two)
    found = replace(
        summary(two.history, two.goal), importance=tuple(columns), importance_of=metric,
        learned_from="learned from every row, after the verdict",
    )  # fmt: skip
    page = render_html(found, language)
    words = {
        "en": ("Are its probabilities right?", "Which classes it takes", "What it answers from",
               "learned from every row"),
        "zh": ("概率是否可信", "类别混淆", "依据哪些列作答", "用全部的行重新训练"),
    }  # fmt: skip
    assert all(word in page for word in words[language])
    assert "&lt;b&gt;" in page
    assert "<b>,noise" not in page
    many = tuple(Importance(f"column {i}", -i, -i - 0.1, -i + 0.4, 50) for i in range(40))
    assert "column 30" not in render_html(replace(found, importance=many), language)


@pytest.mark.parametrize("said", [TWO, NUMBER])
def test_a_part_that_was_never_judged_leaves_the_others_to_be_told(tmp_path, said):
    result = study(tmp_path, **said)
    whole, history = judged(result.history), History()
    with Reader(result.directory) as reader:
        events = list(reader.read())
    refits = {
        e.trial.number
        for e in events
        if isinstance(e, Started) and e.trial.purpose.kind == "refit" and e.trial.purpose.block == 0
    }
    for event in events:
        if isinstance(event, Ended) and event.number in refits:
            event = replace(event, measurement=replace(event.measurement, samples={}))  # noqa: PLW2901 - what was measured is gone
        history = history.applied(event)
    assert 0 < judged(history).n < whole.n
