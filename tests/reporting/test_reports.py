import math
import re
import typing
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.config import Config
from tunewright.core.events import Ended, Finished, Opened, Started
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.knobs import Choice, Integer, Knob
from tunewright.core.metrics import Metric, Sample
from tunewright.core.trial import (
    Fidelity,
    Measurement,
    Need,
    Outcome,
    Piece,
    Purpose,
    Span,
    Trial,
)
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.reporting.html import render_html
from tunewright.reporting.phrases import change_of, headline, limit_of
from tunewright.reporting.summary import summary
from tunewright.reporting.text import WIDTH, render_text
from tunewright.reporting.words import WORDS
from tunewright.testing import strategies
from tunewright.verifying.findings import Kind as FindingKind

LATENCY = Metric("latency_p50", "lower", "predict", "s", sample="latency", quiet=True)
AUC = Metric("roc_auc", "higher", "fit", scale="difference", evidence="rows")
GOAL = parse_goal("minimize latency_p50 subject to roc_auc >= baseline - 0.005", [LATENCY, AUC])
RUNTIME = Knob("runtime", Choice(("library", "native")), "library", "resource", "compile")
TREES = Knob("trees", Integer(1, 200), 100, "hyperparameter", "fit")
BASELINE = {"runtime": "library", "trees": 100, "leaves": 31}


def applied(*events):
    history = History()
    for event in events:
        history = history.applied(event)
    return history


class Study:
    """A made study: each trial runs one stage after another on a clock of its own."""

    def __init__(self, metrics=(LATENCY, AUC)):
        self.now_s, self.number, self.latency, self.auc = 0.0, 0, *metrics
        opened = Opened(
            0.0, "adult-1", GOAL.text, "digest", {"name": "adult", "kind": "table"}, metrics,
            (RUNTIME, TREES), ("fit", "predict"),
        )  # fmt: skip
        self.events = [opened]

    def trial(
        self, values, latency_s=None, auc=None, purpose=Purpose(), outcome=Outcome.OK, reused=False
    ):
        self.number += 1
        timed = latency_s is not None
        stage, since = ("predict", "predict") if timed else ("fit", "")
        fidelity = Fidelity(stage, since, piece=Piece(repeat=purpose.block))
        trial = Trial(self.number, Config(values), fidelity, purpose, need=Need(alone=timed))
        self.events.append(Started(self.now_s, trial))
        begin_s, self.now_s = self.now_s, self.now_s + 1.0
        spans = [Span("fit", begin_s + 0.1, begin_s + 0.6, reused)]
        samples = {} if auc is None else {self.auc.name: Sample((auc,))}
        if timed:
            spans.append(Span("predict", begin_s + 0.6, begin_s + 0.9))
            samples[self.latency.sample] = Sample((latency_s,), "s")
        self.events.append(
            Ended(self.now_s, self.number, 1, Measurement(outcome, samples, tuple(spans)))
        )

    def verdict(self, decision, comparisons=(), values=None, **more):
        config = Config(BASELINE if values is None else values)
        end = Verdict(decision, config, "because", tuple(comparisons), **more)
        return applied(*self.events, Finished(self.now_s, end))


FINAL = {"runtime": "native", "trees": 55, "leaves": 24}


def tuned(metrics=(LATENCY, AUC), knob="trees"):
    study = Study(metrics)
    study.trial(BASELINE, auc=0.927)
    study.trial(BASELINE, 1.2e-3, 0.927, reused=True)
    study.trial(BASELINE | {"runtime": "native"}, 9.1e-5, 0.927, reused=True)
    for i in range(24):
        leaves = 8 + 4 * (i % 6)
        auc = 0.90 + 0.027 * math.tanh((10 + 4 * i) * leaves / 900)
        study.trial({"runtime": "native", knob: 10 + 4 * i, "leaves": leaves}, 1e-5 + 1e-6 * i, auc)
    study.trial(FINAL, 2.9e-5, 0.9262)
    study.trial({"runtime": "onnx", "trees": 9}, outcome=Outcome.CRASHED)
    for arm, values, auc in (("baseline", BASELINE, 0.928), ("candidate", FINAL, 0.927)):
        study.trial(values, auc=auc, purpose=Purpose("refit", arm, 1))
    for block in range(7):
        wobble = 1 + 0.02 * math.sin(5 * block)
        study.trial(BASELINE, 1.21e-3, purpose=Purpose("pair", "baseline", 1, block), reused=True)
        study.trial(
            FINAL, 2.95e-5 * wobble, purpose=Purpose("pair", "candidate", 1, block), reused=True
        )
    return study


def compared(name="latency_p50", auc="roc_auc", decision=Decision.ACCEPT):
    return (
        Comparison(name, "objective", "ratio", 1.21e-3, 2.95e-5, 1 / 41, 1 / 44, 1 / 38, 1.0, decision, 7, "pairs"),
        Comparison(auc, "constraint", "difference", 0.928, 0.927, -0.001, -0.003, 0.001, -0.005, decision, 9045, "rows"),
    )  # fmt: skip


def accepted():
    return tuned().verdict(Decision.ACCEPT, compared(), FINAL, pairs=7, looks=1, alpha=0.025)


def test_the_summary_counts_what_happened():
    found = summary(accepted(), GOAL)
    assert found.outcomes == {"ok": 44, "crashed": 1}
    assert found.fits == 1 + 24 + 1 + 1 + 2  # the rest was reused
    assert found.measured == {"latency_p50": 27, "roc_auc": 27}
    assert [stage.stage for stage in found.stages] == ["fit", "predict"]
    assert found.stages[0].seconds == pytest.approx(0.5 * 29)
    assert found.stages[1].seconds == pytest.approx(0.3 * 41)
    assert found.own_s == pytest.approx(45.0 - 0.5 * 29 - 0.3 * 41)
    assert found.own_share == pytest.approx(found.own_s / 45.0)
    assert found.verification_s == pytest.approx(45.0 - 29.1)  # from the first span of a refit
    assert len(found.pairs) == 7
    assert found.pairs[-1].high - found.pairs[-1].low < found.pairs[2].high - found.pairs[2].low


def test_pairs_of_what_crosses_zero_are_all_shown_as_differences():
    study = Study()
    for block, value in enumerate([0.2, -0.1, 0.3, -0.2, 0.1, 0.0, 0.2]):
        study.trial(BASELINE, 4.0, purpose=Purpose("pair", "baseline", 1, block), reused=True)
        study.trial(FINAL, value, purpose=Purpose("pair", "candidate", 1, block), reused=True)
    found = summary(study.verdict(Decision.ACCEPT, compared(), FINAL, pairs=7), GOAL)
    assert len(found.pairs) == 7
    assert found.pair_metric.scale == "difference"
    assert found.pairs[-1].low < -3.93 < found.pairs[-1].high


def test_overlapping_spans_count_once():
    study = Study()
    trial = Trial(1, Config(BASELINE), Fidelity("fit"))
    spans = (
        Span("fit", 0.0, 2.0),
        Span("fit", 1.0, 3.0),
        Span("load", 2.5, 4.0),
        Span("fit", 1.2, 1.4),
    )
    ended = Ended(5.0, 1, 1, Measurement(Outcome.OK, {}, spans))
    found = summary(applied(*study.events, Started(0.0, trial), ended), GOAL)
    assert {s.stage: s.seconds for s in found.stages} == {"fit": 3.0, "load": 1.5}
    assert found.own_s == pytest.approx(1.0)


def test_the_gain_is_attributed_from_baseline_over_the_runtime_to_the_final_config():
    found = summary(accepted(), GOAL)
    assert [step.label for step in found.steps] == ["baseline", "runtime only", "final"]
    assert [step.values["latency_p50"] for step in found.steps] == [1.2e-3, 9.1e-5, 2.9e-5]
    assert found.steps[1].config.changes == {"runtime": "native"}
    assert found.handed_over.changes == {"leaves": 24, "runtime": "native", "trees": 55}


@pytest.mark.parametrize(
    ("decision", "comparisons", "sentence"),
    [
        (
            Decision.ACCEPT,
            compared(),
            "ACCEPT: latency_p50 41× lower [38, 44]; roc_auc not worse (−0.001 [−0.003, +0.001])",
        ),
        (
            Decision.INCONCLUSIVE,
            compared(decision=Decision.INCONCLUSIVE),
            "INCONCLUSIVE: latency_p50 unproven (41× lower [38, 44]); roc_auc unproven (−0.001 [−0.003, +0.001])",
        ),
        (
            Decision.REJECT,
            compared(decision=Decision.REJECT)[1:],
            "REJECT: roc_auc breaks its bound (−0.001 [−0.003, +0.001])",
        ),
        (Decision.INCONCLUSIVE, (), "INCONCLUSIVE: because"),
    ],
)
def test_the_headline_is_one_sentence(decision, comparisons, sentence):
    study = tuned()
    history = study.verdict(decision, comparisons, FINAL)
    assert headline(summary(history, GOAL)) == sentence
    assert headline(summary(applied(*study.events), GOAL)) == "UNFINISHED"


@pytest.mark.parametrize(
    ("low", "middle", "high", "told"),
    [
        (1.29, 1.68, 2.09, "latency_p50 is worse (1.68× higher [1.29, 2.09])"),
        (1.01, 1.03, 1.05, "latency_p50 is worse (+3 % [+1, +5])"),
        (0.99, 1.03, 1.05, "latency_p50 unproven (+3 % [−1, +5])"),
        (0.8, 0.85, 0.9, "latency_p50 unproven (1.18× lower [1.11, 1.25])"),
    ],
)
@pytest.mark.parametrize("decision", [Decision.REJECT, Decision.INCONCLUSIVE])
def test_an_objective_that_lies_wholly_on_the_bad_side_is_said_to_be_worse(
    low, middle, high, told, decision
):
    c = Comparison(
        "latency_p50", "objective", "ratio", 1, middle, middle, low, high, 1, decision, 5, "pairs"
    )
    found = summary(tuned().verdict(decision, [c]), GOAL)
    assert headline(found) == f"{decision.name}: {told}"
    assert ("变差" in headline(found, "zh")) == ("worse" in told)


def test_odd_intervals_read_well():
    nan, inf = math.nan, math.inf
    comparisons = [
        Comparison("latency_p50", "objective", "ratio", 1, 2, 1.234, 0.0, inf, 1, Decision.ACCEPT, 5, "pairs"),
        Comparison("latency_p50", "objective", "ratio", 1, 2, 0.5, 0.0, 0.9, 1, Decision.ACCEPT, 5, "pairs"),
        Comparison("roc_auc", "constraint", "difference", nan, nan, nan, nan, nan, nan,
                   Decision.INCONCLUSIVE, 0, "rows"),
        Comparison("roc_auc", "constraint", "difference", 0, 0, 0.0, -inf, inf, 0, Decision.INCONCLUSIVE, 2, "rows"),
    ]  # fmt: skip
    told = headline(summary(tuned().verdict(Decision.INCONCLUSIVE, comparisons), GOAL))
    assert told == (
        "INCONCLUSIVE: latency_p50 change still unclear; latency_p50 at least 1.11× lower; "
        "roc_auc not measured; roc_auc unproven (0 [−∞, ∞])"
    )
    assert "nan" not in render_text(
        summary(tuned().verdict(Decision.INCONCLUSIVE, comparisons), GOAL)
    )


def test_the_text_fits_one_screen():
    text = render_text(summary(accepted(), GOAL))
    lines = text.splitlines()
    assert lines[0].startswith("ACCEPT: latency_p50 41× lower [38, 44]")
    assert len(lines) <= 30
    assert max(map(len, lines)) <= WIDTH
    for part in (
        "7 pairs",
        "9,045 rows",
        "own cost",
        "verification",
        "runtime only",
        "29 fits",
        "sampled",
    ):
        assert part in text


class Page(HTMLParser):
    """What a browser would see: tags, attributes and text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href", "xlink:href")]
        self.ids = [*getattr(self, "ids", []), *(v for k, v in attrs if k == "id")]

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_needs_nothing_else_and_holds_everything(language):
    found = summary(accepted(), GOAL)
    page = Page(render_html(found, language))
    assert headline(found, language) in page.text
    assert page.tags.count("svg") == 3
    assert "script" not in page.tags
    assert all(link.startswith("#") for link in page.links)
    assert set(page.links) <= {f"#{i}" for i in page.ids}
    for part in ("通过" if language == "zh" else "ACCEPT", "latency_p50", "29 µs", "adult-1"):
        assert part in page.text


HOSTILE = [
    "</text></svg><script>alert(1)</script>",
    "$\\frac{",
    "a&b\"'<b>",
    "<!--",
    "年龄 {{ 7*7 }}",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_column_name_is_text(name):
    latency, auc = Metric(name, "lower", "predict", "s", sample="latency"), Metric(
        name + "2", "higher", "fit", scale="difference", evidence="rows"
    )  # fmt: skip
    goal = GOAL.__class__(
        (latency,), (GOAL.constraints[0].__class__(auc, ">=", 1.0, -0.005, name),), name
    )
    history = tuned((latency, auc), knob=name).verdict(
        Decision.ACCEPT, compared(name, name + "2"), {"runtime": name, name: name}
    )
    found = summary(history, goal, workload=name)
    page = Page(render_html(found))
    assert not {"script", "b>"} & set(page.tags)
    assert page.tags.count("svg") == 3
    assert page.text.count(name) >= 4
    assert render_text(found)


@given(strategies.histories())
def test_any_history_has_a_summary_and_a_text(events):
    found = summary(applied(*events), GOAL)
    assert found.own_share >= 0
    assert max(map(len, render_text(found).splitlines())) <= WIDTH


def test_a_study_that_has_barely_begun_has_a_page():
    for history in (applied(*Study().events), History()):
        page = Page(render_html(summary(history, GOAL), "zh"))
        assert "未完成" in page.text


def test_both_languages_fill_the_same_places():
    for english, chinese in WORDS.values():
        places = [set(re.findall(r"{(\w+)", text)) for text in (english, chinese)]
        assert places[0] == places[1]
        assert chinese


def test_every_kind_of_evidence_and_every_finding_has_words():
    kinds = typing.get_args(typing.get_type_hints(Comparison)["evidence"])
    for key in (*kinds, *typing.get_args(FindingKind)):
        assert all(WORDS[key]), key


def test_the_report_shows_what_was_understood_and_the_command_line_to_paste():
    opened, *rest = tuned().events
    facts = (("data", "adult.csv: 9 rows"), ("dropped", "id: a running number"))
    request = {**opened.request, "seed": 7, "budget": "60s"}
    opened = replace(opened, facts=facts, environment={"cpu": "a chip"}, request=request)
    end = Verdict(Decision.ACCEPT, Config(FINAL | {"extra": None}), "because", compared())
    found = summary(applied(opened, *rest, Finished(99.0, end)), GOAL)
    found = replace(found, commands={"run": "T='x y' zstd -3 f"}, date="2026-01-02")
    for language in ("en", "zh"):
        text = Page(render_html(found, language)).text
        for part in ("a running number", "a chip", "60s", "7", "T='x y' zstd -3 f", "2026-01-02"):
            assert part in text
        assert "extra" not in text
    assert render_text(found).endswith("\nrun     T='x y' zstd -3 f\n")


def test_every_evidence_and_outcome_has_its_words():
    words = [*typing.get_args(typing.get_type_hints(Comparison)["evidence"])]
    assert {*words, *(outcome.value for outcome in Outcome)} <= set(WORDS)


ENDS = st.floats(0, math.inf, allow_nan=False)


@given(st.lists(ENDS, min_size=3, max_size=3))
def test_no_change_is_told_with_an_endless_number(ends):
    low, middle, high = sorted(ends)
    c = Comparison(
        "t", "objective", "ratio", 1, 1, middle, low, high, 1, Decision.ACCEPT, 5, "pairs"
    )
    told = change_of(c, {}, "en", "t")
    assert "∞" not in told
    assert "nan" not in told
    assert not re.search(r" 1(\.0\d)?× (lower|higher) \[", told) or high >= 2


def test_the_gain_is_shown_only_where_all_were_measured_equally_often():
    found = summary(accepted(), GOAL)
    assert "Where the gain comes from" in render_text(found)
    often = replace(found, steps=(found.steps[0], replace(found.steps[-1], times=3)))
    assert "Where the gain comes from" not in render_text(often)
    assert "Where the gain comes from" not in render_html(often)


def test_medians_that_disagree_with_the_pairs_are_told():
    c = replace(compared()[0], candidate=1.21e-3 / 98)
    found = summary(tuned().verdict(Decision.ACCEPT, [c], FINAL), GOAL)
    assert "by the medians of all runs" in render_text(found).replace("\n        ", " ")
    same = summary(accepted(), GOAL)
    assert "by the medians" not in render_text(same)


@given(st.floats(0.5, 1.5), st.floats(0.0, 0.3))
def test_the_limit_is_told_as_the_change_beside_it_is(middle, margin):
    ends = (middle, 0.9 * middle, 1.1 * middle, 1 + margin)
    told = Comparison(
        "wall_s", "objective", "ratio", 1.0, middle, *ends, Decision.ACCEPT, 5, "pairs"
    )
    in_per_cent = " %" in change_of(told, {}, "en")
    assert limit_of(told, {}).endswith(" %" if in_per_cent else "×")
    assert not in_per_cent or limit_of(replace(told, limit=1.05), {}) == "+5 %"
    assert not in_per_cent or limit_of(replace(told, limit=1.0), {}) == "0 %"


@pytest.mark.parametrize("decision", [*Decision])
def test_a_chinese_page_has_the_marks_of_its_script(decision):
    failed = {"ok": 5, "crashed": 2, "timeout": 1}
    for comparisons in ((), compared(decision=decision)):
        found = summary(tuned().verdict(decision, comparisons, FINAL), GOAL)
        text = Page(render_html(replace(found, outcomes=failed), "zh")).text
        assert not re.findall("[\u4e00-\u9fff](?: [\\w-]+)?(?:[:;,] | \\()", text)
