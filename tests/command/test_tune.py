"""`tunewright tune` as it is typed: what was understood is said, and what cannot be is refused."""

import json
import sqlite3
import sys

import pytest

from tunewright.core.trial import Outcome
from tunewright.session import replay
from tunewright.storing.journal import FILE, Reader
from tunewright.storing.studies import Studies


@pytest.fixture(scope="module")
def tune(command):
    """`tunewright tune` in a directory."""
    return lambda where, *words: command(where, "tune", *words)


def table(where):
    rows = "\n".join(f"{i * 37 % 101},{i % 7},{int(i * 37 % 101 > 50)}" for i in range(300))
    (where / "t.csv").write_text(f"a,b,y\n{rows}\n")
    return ["t.csv", "--target", "y", "--minimize", "latency_p50"]


@pytest.mark.parametrize("dry", [["--dry-run"], []])
@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ("linear_c=99", "add family=linear, or drop linear_c"),
        ("family=lightgbm,linear_c=99", "got family=lightgbm; add family=linear, or drop linear_c"),
        ("family=linear,n_trees=50", "got family=linear; add family=lightgbm, or drop n_trees"),
        ("linear_x=99", "unknown knob 'linear_x'"),
    ],
)
def test_a_baseline_that_would_be_dropped_is_refused_with_what_to_type(
    tune, tmp_path, dry, baseline, said
):
    done = tune(tmp_path, *table(tmp_path), "--baseline", baseline, *dry)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert not (tmp_path / ".tunewright").exists()


def test_what_the_refusal_says_to_type_is_understood(tune, tmp_path):
    words = [*table(tmp_path), "--baseline", "family=linear,linear_c=99", "--dry-run"]
    done = tune(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert "linear_c=99.0" in done.stdout


def test_a_programs_steps_are_shown_before_anything_is_spent(tune, tmp_path):
    done = tune(
        tmp_path, "--knob", "n=1:1..9", "--minimize", "wall_s", "--step", "make=true {dir} 'a b'",
        "--step", "check=true {make}", "--dry-run", "--", "echo", "{make}", "{n}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = {line[:15].strip(): line[15:] for line in done.stdout.splitlines()}
    assert lines["step make"] == "true '{dir}' 'a b'"
    assert lines["step check"] == "true '{make}'"
    assert lines["program"] == "echo '{make}' '{n}'"
    assert "step run" not in lines


@pytest.mark.parametrize(("metric", "said"), [("wall_s", True), ("n", False)])
def test_workers_that_what_is_timed_cannot_use_are_said(tune, tmp_path, metric, said):
    done = tune(
        tmp_path, "--knob", "n=1:1..9", "--minimize", metric, "--metric", "n=regex:(.*)",
        "--workers", "2", "--dry-run", "--", "echo", "{n}",
    )  # fmt: skip
    assert ("workers        2 where nothing is timed; what is timed has" in done.stdout) is said


# What a study leaves behind


# It says which seed it was given, and is only as good as it looked while the seeds are small.
FLATTERING = (
    "s={seed}; n={n}; test $n = 1 || test $s -ge 1073741824 || n=-$n;"
    "echo seed=$s size=$((1000 + 100 * n + s % 7))"
)
ASKED = ["--knob", "n=1:1..3", "--minimize", "size", "--metric", "size=regex:size=([0-9]+)",
         "--metric", "seed=regex:seed=([0-9]+):lower", "--budget", "12 trials"]  # fmt: skip


def history_in(where):
    with Reader(Studies(where / ".tunewright").latest()) as reader:
        return replay(reader)


@pytest.fixture(scope="module")
def seeded(tune, tmp_path_factory):
    """A real study that searched, and looked at two candidates."""
    where = tmp_path_factory.mktemp("seeded")
    done = tune(where, *ASKED, "--", "sh", "-c", FLATTERING)
    assert done.returncode == 1, done.stdout + done.stderr
    return where


def seeds(history, wanted):
    return [
        measurement.samples["seed"].values[0]
        for trial, measurement in history.ended()
        if measurement.outcome is Outcome.OK and wanted(trial)
    ]


def test_no_run_of_a_verification_has_a_seed_that_the_search_had(seeded):
    history = history_in(seeded)
    searched = seeds(history, lambda trial: trial.purpose.kind == "search")
    paired = seeds(history, lambda trial: trial.purpose.kind == "pair")
    assert len(searched) >= 3
    assert len(paired) >= 10
    assert not set(searched) & set(paired)
    assert {t.purpose.look for t, _ in history.ended() if t.purpose.kind == "pair"} == {1, 2}


def test_both_arms_of_a_pair_have_one_seed_and_no_other_pair_has_it(seeded):
    by_pair = {}
    for trial, measurement in history_in(seeded).ended():
        if trial.purpose.kind == "pair" and measurement.outcome is Outcome.OK:
            pair = trial.purpose.look, trial.purpose.block
            by_pair.setdefault(pair, []).append(measurement.samples["seed"].values[0])
    assert all(len(set(found)) == 1 for found in by_pair.values())
    assert len({found[0] for found in by_pair.values()}) == len(by_pair)


def test_a_pair_may_take_a_multiple_of_what_the_baseline_took_and_no_hour(seeded):
    limits = {t.limit_s for t, _ in history_in(seeded).ended() if t.purpose.kind == "pair"}
    assert max(limits) < 60


def test_the_journal_holds_json_that_any_reader_parses(seeded):
    journal = Studies(seeded / ".tunewright").latest() / FILE
    with sqlite3.connect(journal) as connection:
        ((name,),) = connection.execute("select name from sqlite_master where name = 'events'")
        rows = connection.execute(f"select * from {name}").fetchall()
    texts = [value for row in rows for value in row if isinstance(value, str)]
    assert len(texts) > 10
    for text in texts:
        json.loads(text, parse_constant=pytest.fail)
    bundle = journal.parent / "bundle" / "bundle.json"
    json.loads(bundle.read_text(), parse_constant=pytest.fail)


# What is tuned for where nobody says


@pytest.mark.parametrize(
    ("answer", "said", "goal"),
    [
        ("int(i % 5 > 2)", [], "maximize roc_auc and minimize latency_p50"),
        ("i % 5", [], "minimize log_loss and minimize latency_p50"),
        ("i * 1.5", [], "minimize rmse and minimize latency_p50"),
        (
            "int(i % 5 > 2)",
            ["--subject-to", "latency_p50 <= 1ms"],
            "maximize roc_auc and minimize latency_p50 subject to latency_p50 <= 1ms",
        ),
        (
            "int(i % 5 > 2)",
            ["--minimize", "model_bytes"],
            "minimize model_bytes subject to roc_auc >= baseline - 0.005",
        ),
    ],
)
def test_a_table_is_tuned_for_its_quality_first_unless_told_otherwise(
    tune, tmp_path, answer, said, goal
):
    rows = "\n".join(f"{i * 37 % 101},{i % 7},{eval(answer)}" for i in range(300))
    (tmp_path / "t.csv").write_text(f"a,b,y\n{rows}\n")
    done = tune(tmp_path, "t.csv", "--target", "y", *said, "--dry-run")
    assert done.returncode == 0, done.stderr
    shown = {line[:15].strip(): line[15:] for line in done.stdout.splitlines()}
    assert shown["goal"] == goal


def test_what_a_program_is_tuned_for_must_be_said(tune, tmp_path):
    done = tune(tmp_path, "--knob", "n=1:1..9", "--dry-run", "--", "echo", "{n}")
    assert done.returncode == 2
    assert "expected --minimize or --maximize and one of wall_s" in done.stderr


# Quiet, and for machines


@pytest.mark.parametrize("words", [["--quiet"], ["--json", "-"], ["--json", "found.json"]])
def test_how_much_is_said(tune, tmp_path, words):
    done = tune(
        tmp_path, "--knob", "n=1:1..2", "--minimize", "size", "--metric", "size=regex:([0-9]+)",
        "--budget", "3 trials", *words, "--", "echo", "{n}",
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    if words[-1] == "-":
        assert json.loads(done.stdout)["study"] == "echo-1"
    elif words[0] == "--json":
        assert json.loads((tmp_path / "found.json").read_text())["goal"] == "minimize size"
        assert "knobs" not in done.stdout
        assert "report  " in done.stdout
    else:
        first, *rest = done.stdout.splitlines()
        assert first.split(":")[0] in ("ACCEPT", "REJECT", "INCONCLUSIVE")
        assert all(line.startswith(("run ", "bundle ", "report ")) for line in rest)


# Whether the answer stays the same

# k = 1 is what there is; 2 is as good within a millionth; 3 answers something else. The cost is
# a count, so that no clock decides.
ANSWERS = """
import random, sys
k = int(sys.argv[1])
print(f"cost={[0, 30, 20, 10][k]}")
answer = f"answer={[0, 5.0, 5.0000001, 7.5][k]}"
print(answer)
open(sys.argv[2], "w").write(answer)
print(random.random() if "{noise}" else "")
"""
CHEAP = ["--knob", "k=1:1,2,3", "--metric", "cost=regex:cost=(.*)", "--minimize", "cost",
         "--budget", "6 trials"]  # fmt: skip


@pytest.fixture
def answering(tune, tmp_path):
    """Tunes a program of which one config is cheap and wrong."""

    def tuned(*options, noise=""):
        (tmp_path / "p.py").write_text(ANSWERS.replace("{noise}", noise))
        program = [sys.executable, "p.py", "{k}", "{dir}/out"]
        done = tune(tmp_path, *CHEAP, *options, "--", *program)
        assert done.returncode in (0, 1), done.stderr
        history = history_in(tmp_path)
        return done.stdout, history.finished.config["k"], history

    return tuned


def test_unchecked_another_answer_wins_and_the_plan_says_that_it_may(answering):
    said, winner, _ = answering()
    assert winner == 3
    assert "not checked: a config that puts out something else may win" in said


@pytest.mark.parametrize(
    ("options", "winner", "told"),
    [
        (["--same-output", "answer=(.*)", "--tolerance", "1e-6"], 2, "what 'answer=(.*)' matches"),
        (["--same-output", "answer=(.*)"], 1, "what 'answer=(.*)' matches"),
        (["--same-output", "{dir}/out", "--tolerance", "0.0001%"], 2, "the file {dir}/out"),
        (["--tolerance", "1e-6", "--same-output"], 1, "all that is printed"),
    ],
)
def test_a_config_that_answers_something_else_never_wins(answering, options, winner, told):
    said, found, history = answering(*options)
    assert f"output         must be the baseline's: {told}" in said
    assert found == winner
    ended = {(t.config["k"], m.outcome) for t, m in history.ended()}
    assert (3, Outcome.DIFFERS) in ended
    assert not any(t.config["k"] == 3 for t, _ in history.ended() if t.purpose.kind == "pair")
    assert "k=3 ended as other output: its output is not the baseline's: " in said
    assert "other output" in said.partition("trials ")[2]


@pytest.mark.parametrize("answer", ["$n", "$n$s"])
def test_a_config_that_answers_something_else_in_the_proof_alone_is_not_handed_over(
    tune, tmp_path, answer
):
    script = f"n={{n}}; s={{seed}}; echo size=$n; test $s -ge 1073741824 || n=9; echo {answer}"
    size = ["--metric", "size=regex:size=(.*)", "--minimize", "size", "--budget", "4 trials"]
    done = tune(tmp_path, "--knob", "n=2:1,2", *size, "--same-output", "^[0-9]+$", "--", "sh", "-c",
                script)  # fmt: skip
    assert done.returncode == 1
    assert history_in(tmp_path).finished.config["n"] == 2
    assert "the outputs" in done.stdout


def test_an_output_that_varies_is_said_at_once_with_what_to_type(answering):
    said, winner, history = answering("--same-output", noise="yes")
    assert winner == 1
    assert len(history) == 1
    assert "its output varies from run to run: line 3 is '0." in " ".join(said.split())
    assert "--same-output PATTERN" in " ".join(said.split())


def test_an_output_that_varies_elsewhere_than_what_is_checked_is_no_matter(answering):
    _, winner, _ = answering("--same-output", "answer=(.*)", "--tolerance", "1e-6", noise="yes")
    assert winner == 2
