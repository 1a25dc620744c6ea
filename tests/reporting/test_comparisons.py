"""What a comparison says: one sentence, one screen, and the same for machines."""

import json
import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tunewright.core.goal import parse_goal
from tunewright.core.metrics import Metric
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.reporting.formats import to_json, to_junit, to_markdown
from tunewright.reporting.html import render_html
from tunewright.reporting.phrases import change_of, headline
from tunewright.reporting.reasons import note_of
from tunewright.reporting.summary import summary
from tunewright.reporting.text import WIDTH, render_text
from tunewright.testing.studies import PEAK, PROGRAMS, WALL, ProgramModel, comparison, simulate
from tunewright.verifying.findings import Finding

ACCEPT, REJECT, INCONCLUSIVE = Decision.ACCEPT, Decision.REJECT, Decision.INCONCLUSIVE
ACC = Metric("acc", "higher", "run", scale="difference", margin=0.005, evidence="same data")
METRICS = (WALL, PEAK, ACC)


def studied(model=ProgramModel(0.5), goal="minimize wall_s", **more):
    done = simulate(PROGRAMS, comparison(goal, **more), model)
    return summary(done.history, parse_goal(goal, PROGRAMS.metrics))


FASTER = studied()
OPEN = studied(ProgramModel(1.0), pairs=8)
FAILED = studied(
    ProgramModel(0.5, fails=lambda t: t.purpose.arm == "candidate" and t.purpose.block == 2),
    pairs=8,
)
EVERY = (FASTER, OPEN, FAILED, studied(ProgramModel(2.0)), studied(goal=""), studied(budget="1s"))


def told(*comparisons, decision=ACCEPT, reason="", goal="minimize wall_s"):
    """A comparison's summary with this verdict."""
    verdict = Verdict(
        decision,
        FASTER.verdict.config,
        reason or f"{comparisons[0].metric} is better",
        comparisons,
        pairs=9,
    )
    return replace(FASTER, verdict=verdict, goal=parse_goal(goal, METRICS), metrics=METRICS)


def one(metric, role, estimate, low, high, decision=ACCEPT, limit=1.0, **more):
    scale = "difference" if metric == "acc" else "ratio"
    evidence = more.pop("evidence", "pairs")
    return Comparison(
        metric,
        role,
        scale,
        1.0,
        estimate,
        estimate,
        low,
        high,
        limit,
        decision,
        9,
        evidence,
        **more,
    )


FAST = one("wall_s", "objective", 1 / 1.31, 1 / 1.35, 1 / 1.27)


# The sentence


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (told(FAST), "ACCEPT: B is 1.31× [1.27, 1.35] faster"),
        (
            told(FAST, one("peak_bytes", "constraint", 1.01, 0.99, 1.03, limit=1.05),
                 goal="minimize wall_s subject to peak_bytes <= baseline * 1.05"),
            "ACCEPT: B is 1.31× [1.27, 1.35] faster; peak_bytes not worse by more than 5 % (+1 % [−1, +3])",
        ),
        (
            told(FAST, one("acc", "constraint", 0.0, -0.001, 0.001, limit=0.01),
                 goal="minimize wall_s subject to acc within 0.01 of baseline"),
            "ACCEPT: B is 1.31× [1.27, 1.35] faster; acc within 0.01 of A",
        ),
        (
            told(one("wall_s", "objective", 1.5, 1.4, 1.6, REJECT), decision=REJECT, reason="wall_s is not better"),
            "REJECT: B is 1.5× [1.4, 1.6] slower",
        ),
        (
            told(one("wall_s", "objective", 1.0, 0.97, 1.03, INCONCLUSIVE, detectable=1.042),
                 decision=INCONCLUSIVE, reason="not enough evidence on wall_s"),
            "INCONCLUSIVE: not enough evidence on wall_s: a difference below 4.2 % could not have been seen",
        ),
        (
            told(replace(FAST, decision=INCONCLUSIVE, note="every run took equally long"),
                 decision=INCONCLUSIVE, reason="not enough evidence on wall_s"),
            "INCONCLUSIVE: wall_s: every run took equally long",
        ),
        (
            told(FAST, decision=REJECT, reason="the outputs of the two differ"),
            "REJECT: the outputs of the two differ; B is 1.31× [1.27, 1.35] faster",
        ),
        (
            told(FAST, one("peak_bytes", "watched", 2.0, 1.9, 2.1, REJECT)),
            "ACCEPT: B is 1.31× [1.27, 1.35] faster; peak_bytes 2× higher [1.9, 2.1]",
        ),
        (
            told(one("wall_s", "constraint", 1.2, 1.15, 1.25, REJECT, limit=1.05), decision=REJECT,
                 reason="wall_s breaks its constraint", goal="subject to wall_s <= baseline * 1.05"),
            "REJECT: wall_s breaks its bound (1.2× higher [1.15, 1.25])",
        ),
    ],
)  # fmt: skip
def test_the_verdict_is_one_sentence(found, sentence):
    assert headline(found) == sentence


@pytest.mark.parametrize("language", ["en", "zh"])
@given(st.floats(0.91, 1.09), st.floats(1.05, 50), st.floats(1.05, 50))
def test_an_interval_about_1_is_never_a_factor_of_1(language, middle, down, up):
    c = one("wall_s", "objective", middle, middle / down, middle * up, INCONCLUSIVE)
    assume(c.low < 1 < c.high)
    told = change_of(c, {}, language)
    assert not re.match(r"(at least )?(1|0\.9\d*|1\.0\d*)×", told)
    assert not re.search(r"1/1 |至 1 倍", told)
    assert ("%" in told) or ("×" in told)


SENTENCES = [
    ("3 of 3 runs of the baseline and 0 of 3 runs of the candidate failed (crashed: x)", "A", "B"),
    ("the candidate ended as crashed: segfault", "", "B"),
    ("the baseline had not ended when the time was over", "A", ""),
]


@pytest.mark.parametrize(("reason", "first", "second"), SENTENCES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_comparison_calls_its_programs_by_their_names(reason, first, second, language):
    shown = told(replace(FAST, decision=INCONCLUSIVE, note=reason), decision=INCONCLUSIVE,
                 reason=reason)  # fmt: skip
    for text in (headline(shown, language), note_of(shown.verdict.comparisons[0], shown, language),
                 render_html(shown, language), to_junit(shown)):  # fmt: skip
        assert not re.search(
            "the (baseline|candidate) (ended|had)|of the (baseline|candidate)", text
        )
        assert not re.search("基线 3|候选 3|候选的结局|时基线", text)
        assert first in text
        assert second in text


def test_a_whole_study_reads_as_one_sentence():
    faster = r"ACCEPT: B is (2|1\.\d\d|2\.\d\d?)× \[1\.\d+, [23]\.\d+\] faster"
    assert re.match(faster, headline(FASTER))
    more = studied(ProgramModel(0.5, spread=0.2))
    assert re.fullmatch(rf"{faster}; peak_bytes 2× higher \[2, 2\]", headline(more))
    assert headline(OPEN).startswith(
        "INCONCLUSIVE: not enough evidence on wall_s: a difference below "
    )
    assert "1 of 8 runs of B failed (crashed: segfault)" in headline(FAILED)


@pytest.mark.parametrize("found", EVERY)
def test_both_languages_have_a_sentence_and_a_page(found):
    assert headline(found, "zh") != headline(found)
    for language in ("en", "zh"):
        page = render_html(found, language)
        assert "sort --new" in page
        assert "nan" not in page.lower().replace("finance", "")


# The screen


@pytest.mark.parametrize("found", EVERY)
def test_the_text_is_no_wider_than_a_screen(found):
    lines = render_text(found).splitlines()
    assert max(map(len, lines)) <= WIDTH, [line for line in lines if len(line) > WIDTH]
    assert lines[0].startswith(found.verdict.decision.name)
    assert "nan" not in render_text(found)


def test_the_text_shows_what_was_compared_and_how():
    text = render_text(FASTER)
    for part in (
        "A         sort --old",
        "B         sort --new",
        "asked     minimize wall_s",
        "wall_s",
        "peak_bytes",
        "pairs",
        "├",
        "┤",
        "┊ is 1×",
    ):
        assert part in text
    assert render_text(FAILED).count("B: 1 of 8 runs failed (segfault)") == 1


def test_long_program_lines_do_not_widen_the_screen():
    long = replace(FASTER, lines={"A": "python a.py " + "--option " * 30, "B": "x" * 300})
    assert max(map(len, render_text(long).splitlines())) <= WIDTH


def test_long_notes_do_not_widen_the_screen():
    note = "some values are 0: the clock is too coarse, or nothing was done"
    found = told(
        FAST,
        replace(
            one("peak_bytes", "watched", math.nan, math.nan, math.nan, INCONCLUSIVE), note=note
        ),
    )
    assert max(map(len, render_text(found).splitlines())) <= WIDTH
    how = "ValueError: expected one of many things; " + "got something else; " * 9
    failed = replace(
        FASTER, findings=(Finding("failed", "candidate", {"count": 1, "runs": 9, "how": how}),)
    )
    assert max(map(len, render_text(failed).splitlines())) <= WIDTH


# For machines


def no_constant(name):
    raise AssertionError(name)


@pytest.mark.parametrize("found", EVERY)
def test_json_holds_everything_and_no_number_that_is_none(found):
    body = json.loads(to_json(found), parse_constant=no_constant)
    assert body["decision"] == found.verdict.decision.name
    assert body["sentence"] == headline(found)
    assert body["programs"] == {"A": "sort --old", "B": "sort --new"}
    assert len(body["pairs"]) == len(found.pairs)
    assert [c["metric"] for c in body["comparisons"]] == [
        c.metric for c in found.verdict.comparisons
    ]
    assert set(body) >= {"reason", "goal", "alpha", "findings", "study", "pair_metric"}


def test_json_says_null_where_nothing_is_known():
    odd = one(
        "wall_s", "objective", math.nan, -math.inf, math.inf, INCONCLUSIVE, detectable=math.inf
    )
    body = json.loads(to_json(told(odd)), parse_constant=no_constant)
    (found,) = body["comparisons"]
    assert [found[name] for name in ("estimate", "low", "high", "detectable")] == [None] * 4
    assert found["decision"] == "INCONCLUSIVE"
    unfinished = json.loads(to_json(replace(FASTER, verdict=None)))
    assert (unfinished["decision"], unfinished["comparisons"]) == (None, [])


def cells(line):
    return re.split(r"(?<!\\)\|", line)


@pytest.mark.parametrize("note", ["a|b", "a\nb", "||", "plain"])
def test_markdown_keeps_its_table_whatever_a_note_says(note):
    found = told(
        replace(FAST, note=note, decision=INCONCLUSIVE), decision=INCONCLUSIVE, reason=f"so: {note}"
    )
    lines = to_markdown(found).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 3
    assert {len(cells(line)) for line in table} == {len(cells(table[0]))}
    assert lines[0].startswith("❔ **INCONCLUSIVE: ")
    assert lines[0].endswith("**")


def test_markdown_shows_the_programs_and_what_was_odd():
    text = to_markdown(FAILED)
    assert text.startswith("❔ **INCONCLUSIVE: ")
    assert "- A: `sort --old`\n- B: `sort --new`\n" in text
    assert "- B: 1 of 8 runs failed (segfault)" in text
    assert to_markdown(FASTER).startswith("✅ **ACCEPT: B is ")
    assert to_markdown(EVERY[3]).startswith("❌ **REJECT: B is ")


@pytest.mark.parametrize("found", EVERY)
def test_junit_counts_what_it_holds(found):
    suite = ET.fromstring(to_junit(found))
    cases = suite.findall("testcase")
    asked = [c for c in found.verdict.comparisons if c.role != "watched"]
    assert len(cases) == 1 + len(asked) == int(suite.get("tests"))
    assert len(suite.findall("testcase/failure")) == int(suite.get("failures"))
    assert len(suite.findall("testcase/error")) == int(suite.get("errors"))
    assert cases[0].get("name") == "verdict"
    kind = {ACCEPT: "system-out", REJECT: "failure", INCONCLUSIVE: "error"}[found.verdict.decision]
    assert cases[0].find(kind).text == headline(found)
    assert float(suite.get("time")) == pytest.approx(found.elapsed_s, abs=1e-3)


def test_junit_never_passes_what_is_unproven():
    held = one("peak_bytes", "constraint", 1.0, 0.99, 1.01, limit=1.05)
    open_ = replace(FAST, decision=INCONCLUSIVE)
    suite = ET.fromstring(
        to_junit(told(open_, held, decision=INCONCLUSIVE, reason="not enough evidence on wall_s"))
    )
    assert [(c.get("name"), c[0].tag) for c in suite] == [
        ("verdict", "error"), ("objective wall_s", "error"), ("constraint peak_bytes", "system-out"),
    ]  # fmt: skip
    unfinished = ET.fromstring(to_junit(replace(FASTER, verdict=None)))
    assert (unfinished.get("tests"), unfinished.get("errors")) == ("1", "1")


@given(st.text(max_size=30))
def test_whatever_a_program_printed_the_formats_are_well_formed(printed):
    verdict = replace(FASTER.verdict, decision=INCONCLUSIVE, reason=f"1 run failed ({printed})")
    failed = Finding("failed", "candidate", {"count": 1, "runs": 9, "how": printed})
    found = replace(FASTER, verdict=verdict, findings=(failed,), lines={"A": printed, "B": "b"})
    assert json.loads(to_json(found))["programs"]["A"] == printed
    assert ET.fromstring(to_junit(found)).get("tests") == "2"
    table = [line for line in to_markdown(found).splitlines() if line.startswith("|")]
    assert len({len(cells(line)) for line in table}) == 1
