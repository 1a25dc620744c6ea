"""What is said while a study runs, and where it has no winner."""

import io
import json
import math
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.cli import lines as lines_module
from tunewright.cli.lines import Lines
from tunewright.cli.running import _as_multiple, _Progress
from tunewright.core.config import Config
from tunewright.core.events import Ended, Started
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.metrics import Metric, Sample
from tunewright.core.trial import Fidelity, Measurement, Outcome, Piece, Trial
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.reporting.phrases import change_of, headline
from tunewright.reporting.reasons import short_of
from tunewright.reporting.summary import summary
from tunewright.session import Result
from tunewright.testing.studies import (
    PROGRAMS,
    TABLE,
    ProgramModel,
    TableModel,
    comparison,
    request,
    simulate,
)


@cache
def studied(goal="minimize latency_p50 subject to auc >= baseline - 0.005"):
    done = simulate(TABLE, request(goal, "60s"), TableModel())
    return summary(done.history, parse_goal(goal, TABLE.metrics))


def unproven(reason="the search found nothing better than the baseline", **more):
    """A study without a winner, for this reason."""
    verdict = Verdict(Decision.INCONCLUSIVE, studied().baseline, reason)
    return replace(studied(), **{"verdict": verdict, "outcomes": {"ok": 9}, **more})


# Why there is no winner


@given(st.integers(2, 50), st.integers(2, 50))
def test_what_was_not_tried_is_not_said_to_be_no_better(tried, count):
    told = headline(unproven(configs=min(tried, count), space=float(count)))
    assert "nothing better" not in told
    if tried < count:
        assert f"{tried} of {count} configs were tried" in told
    else:
        assert f"all {count} configs were tried" in told


@pytest.mark.parametrize(
    ("needed_s", "budget"), [(62.0, "2min"), (1.0, "2min"), (3300.0, "55min"), (9000.0, "180min")]
)
def test_a_run_too_short_for_a_search_says_so_and_what_would_do(needed_s, budget):
    told = headline(unproven(configs=1, space=math.inf, needed_s=needed_s))
    assert "too short for a search: only the baseline was tried" in told
    assert f"a budget of about {budget} would do" in told


def test_failures_and_a_baseline_out_of_bounds_are_told():
    broken = (("size", "5.6 MB", "size <= 1 MB"),)
    outcomes = {"ok": 3, "timeout": 1, "stopped": 1}
    found = unproven(configs=3, space=4.0, broken=broken, outcomes=outcomes)
    told = headline(found)
    assert "3 of 4 configs were tried" in told
    assert "some trials failed (1 timeout)" in told
    assert "the baseline itself breaks size <= 1 MB: its size is 5.6 MB" in told
    assert "基线本身违反" in headline(found, "zh")
    assert "handed over" not in told
    kept = replace(found, verdict=replace(found.verdict, config=Config({"n": 2})))
    assert "the best of what keeps every bound, unproven" in headline(kept)
    assert "交付的是" in headline(kept, "zh")


def test_the_summary_knows_what_was_tried_and_what_the_baseline_breaks():
    found = studied("minimize latency_p50 subject to size <= 10kB")
    assert found.broken == (("size", "31 kB", "size <= 10kB"),)
    assert studied().broken == ()
    assert studied().configs > 3
    assert math.isfinite(studied().needed_s)


def test_no_reason_names_a_limit_that_nobody_set():
    why = "sh ran longer than 7.5 s, which is what a trial may"
    found = unproven(f"the baseline failed (timeout: {why})")
    assert headline(found) == (
        "INCONCLUSIVE: the baseline took longer than half of the budget (7.5 s); "
        "a budget of about 30s would do"
    )
    assert why in headline(replace(found, limited=True))


@pytest.mark.parametrize(
    ("budget_s", "proof_s", "said"),
    [(16.0, 24.0, "the 5 pairs that a verdict needs take about 24 s, which this budget does not hold; a budget of about 2min would do"),
     (60.0, 24.0, ""), (None, 24.0, "")],
)  # fmt: skip
def test_a_budget_that_holds_no_proof_is_said_as_soon_as_it_is_known(budget_s, proof_s, said):
    found = replace(unproven(), budget_s=budget_s, proof_s=proof_s, paired=True, needed_s=84.0)
    assert short_of(found) == said


def test_a_table_whose_refits_do_not_fit_is_told_of_them():
    found = replace(unproven(), budget_s=60.0, proof_s=71.0, paired=False, needed_s=250.0)
    assert short_of(found) == (
        "the refits that a verdict needs take about 71 s, which this budget does not hold; "
        "a budget of about 5min would do"
    )
    assert "重新训练" in short_of(found, "zh")


@settings(max_examples=10)
@given(st.floats(0.1, 9), st.floats(5, 100))
def test_a_comparison_says_what_its_pairs_need_where_the_budget_does_not_hold_them(b, budget_s):
    goal = parse_goal("minimize wall_s", PROGRAMS.metrics)
    done = simulate(PROGRAMS, comparison(pairs=5), ProgramModel(b, 0.0))
    found = replace(summary(done.history, goal), budget_s=budget_s)
    needed_s = 6 * (1 + b)
    assert found.proof_s == pytest.approx(needed_s)
    assert bool(short_of(found)) == (found.proof_s > budget_s)


def test_what_the_fewest_pairs_take_follows_the_baselines_cost():
    assert studied().proof_s > 5 * 2 * 1.5  # what a latency of the model takes to measure


@pytest.mark.parametrize(("middle", "cand", "open_"), [(0.99, 1.02, True), (1.02, 1.02, False)])
def test_a_change_beside_medians_that_point_the_other_way_is_open(middle, cand, open_):
    ends = (1.0, cand, middle, 0.86, 1.15)
    c = Comparison("cpu_s", "watched", "ratio", *ends, 1.0, Decision.INCONCLUSIVE, 5, "pairs")
    told = change_of(c, {}, "en")
    assert (told == "open: −14 % to +15 %") is open_
    assert ("未定" in change_of(c, {}, "zh")) is open_


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_too_few_proof_say_what_they_have_and_claim_nothing(language, count):
    done = simulate(PROGRAMS, comparison(pairs=5), ProgramModel(0.5))
    found = summary(done.history, parse_goal("minimize wall_s", PROGRAMS.metrics))
    nan = math.nan
    few = Comparison(
        "wall_s", "objective", "ratio", nan, nan, nan, nan, nan, nan, Decision.INCONCLUSIVE,
        count, "pairs", note=f"{count} of at least 5 pairs; a larger budget gives more",
    )  # fmt: skip
    verdict = Verdict(Decision.INCONCLUSIVE, Config({}), "not enough evidence on wall_s", (few,))
    told = headline(replace(found, verdict=verdict, pairs=found.pairs[:count]), language)
    assert (("claims nothing" if language == "en" else "不作断言") in told) == bool(count)
    assert bool(re.search(r"0\.\d+×", told)) == bool(count)
    assert "∞" not in told


# While it runs


@pytest.mark.parametrize("done", [0, 1])
@pytest.mark.parametrize("outcome", [Outcome.LOST, Outcome.CRASHED, Outcome.DIFFERS])
def test_a_trial_that_ends_badly_is_named_by_its_config(capsys, done, outcome):
    goal, fine = parse_goal("minimize wall_s", PROGRAMS.metrics), Measurement(Outcome.OK)
    a, b = PROGRAMS.baseline, Config({"program": "B"})
    events = []
    for number, config in enumerate([a, b][1 - done :], start=1):
        end = Measurement(outcome, detail="of its own accord") if config is b else fine
        trial = Trial(number, config, Fidelity("run", "run"))
        events += [Started(1.0, trial), Ended(2.0, number, 1, end)]
    history, progress = History(), _Progress(goal, Lines())
    for event in events:
        history = history.applied(event)
        progress(event, history)
    whose = "program=B" if done else "the baseline"
    assert f"{whose} ended as {outcome.value}: of its own accord" in capsys.readouterr().out


def test_two_configs_that_take_turns_are_said_once_each_unless_more_is_known(capsys):
    score = Metric("auc", "higher", "fit", scale="difference", evidence="rows")
    goal, history = parse_goal("maximize auc", [score]), History()
    progress = _Progress(goal, Lines())
    runs = [
        (0, 0, 0.5),
        (1, 0, 0.6),
        (2, 0, 0.7),
        (2, 1, 0.4),
        (2, 2, 0.4),
        (1, 1, 0.6),
        (1, 0, 0.6),
    ]
    for number, (n, fold, value) in enumerate(runs, start=1):
        trial = Trial(number, Config({"n": n}), Fidelity("fit", piece=Piece(fold=fold)))
        told = Measurement(Outcome.OK, {"auc": Sample((value,))})
        for event in (Started(1.0, trial), Ended(2.0, number, 1, told)):
            history = history.applied(event)
            progress(event, history)
    lines = [line.split(" s  ")[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "auc 0.5   baseline", "auc 0.6   n=1", "auc 0.7   n=2", "auc 0.5 on 3 folds   n=2",
        "auc 0.6 on 2 folds   n=1",
    ]  # fmt: skip


def test_there_is_a_line_after_a_silence_and_none_after_the_end(monkeypatch):
    monkeypatch.setattr(lines_module, "SILENCE_S", 0.15)
    printed = io.StringIO()
    with redirect_stdout(printed):
        with Lines() as lines:
            lines.passed(3.0, "nothing better so far")
            time.sleep(0.5)
        told = printed.getvalue()
        time.sleep(0.3)
    assert printed.getvalue() == told
    assert "nothing better so far" in told


def test_of_lines_that_are_alike_the_first_few_are_printed(capsys):
    lines = Lines()
    for at in range(9):
        lines.say(at, "crashed", like="crashed")
    lines.say(9.0, "done")
    assert capsys.readouterr().out.count("crashed") == 3


@given(
    st.sampled_from(["", "s", "B"]), st.sampled_from(["ratio", "difference"]),
    st.floats(-9, 9), st.floats(-9, 9) | st.none(),
)  # fmt: skip
def test_a_multiple_is_told_of_what_is_positive_by_nature(unit, scale, value, base):
    if _as_multiple(Metric("m", "lower", "run", unit, scale), value, base):
        assert unit
        assert min(value, base) > 0


def test_where_the_result_goes_survives_an_interruption(tmp_path):
    words, place = [sys.executable, "-m", "tunewright"], tmp_path / "result.json"
    with subprocess.Popen(
        [*words, "verify", "sleep 0.05", "sleep 0.05", "--pairs", "12", "--json", "result.json"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as driver:  # fmt: skip
        while "pair 1" not in driver.stdout.readline():
            assert driver.poll() is None
        driver.send_signal(signal.SIGINT)
        driver.communicate()
    assert driver.returncode == 130
    assert not place.exists()
    resume = [*words, "study", "resume"]
    done = subprocess.run(resume, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode in (0, 1, 3)
    assert json.loads(place.read_text())["study"] == "verify-sleep-1"


# From Python


def test_printing_a_result_says_the_figures(tmp_path):
    done = simulate(PROGRAMS, comparison(pairs=9), ProgramModel(0.5))
    result = Result(
        tmp_path / "pair-1", parse_goal("minimize wall_s", PROGRAMS.metrics), done.history
    )
    assert str(result) == repr(result)
    first, *figures = str(result).splitlines()
    assert first == "pair-1: ACCEPT, wall_s is better"
    assert re.fullmatch(r"  wall_s: .* s → .* ms, 0\.[45]\d*× \[0\.\d+×, 0\.\d+×\]", figures[0])
    assert figures[1].startswith("  peak_bytes: 1 MB → 2 MB, 2× [")
    unfinished = Result(tmp_path / "pair-1", result.goal, History())
    assert repr(unfinished) == "pair-1: unfinished"
