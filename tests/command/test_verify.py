"""`tunewright verify` from end to end, on programs that take milliseconds."""

import json
import time
from xml.etree import ElementTree as ET

import pytest

import tunewright
from tunewright import Programs, Question, Sampling
from tunewright.core.config import Config
from tunewright.errors import InputError

COUNT = ["--metric", "n=regex:n=([0-9]+)", "--minimize", "n"]  # exact, whatever the machine does
TEN, FIVE, TWENTY = "echo n=10", "echo n=5", "echo n=20"
# Fails every third time, the run that warms up among them.
SOMETIMES = "sh -c 'echo x >> runs; test $(($(wc -l < runs) % 3)) != 0 || exit 3; echo n=5'"


def noisy(step):
    """A count that depends on the seed alone, and is about the same for all steps."""
    return f"sh -c 'echo n=$((1000 + {{seed}} * {step} % 97))'"


@pytest.fixture(scope="module")
def verify(command):
    """`tunewright verify` in a directory."""
    return lambda where, *words: command(where, "verify", *words)


def refused(done, *said):
    """One sentence, nothing else, and nothing was begun."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for words in said:
        assert words in done.stderr


# What is proven, refuted and left open


@pytest.mark.parametrize(
    ("programs", "code", "sentence"),
    [
        ((TEN, FIVE), 0, "ACCEPT: n 2× lower [2, 2]"),
        ((TEN, TWENTY), 1, "REJECT: "),
        ((TEN, "echo  n=10"), 1, "REJECT: "),
        ((noisy(31), noisy(17)), 3, "INCONCLUSIVE: not enough evidence on n: a difference below "),
    ],
)
def test_the_exit_code_says_what_was_found(verify, tmp_path, programs, code, sentence):
    done = verify(tmp_path, *programs, *COUNT, "--pairs", "8")
    assert done.returncode == code, done.stdout + done.stderr
    assert f"\n{sentence}" in done.stdout
    assert f"A         {programs[0]}\nB         {programs[1]}\n" in done.stdout
    assert "asked     minimize n" in done.stdout
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_a_program_that_sleeps_less_is_faster(verify, tmp_path):
    done = verify(tmp_path, "sleep 0.1", "sleep 0")
    assert done.returncode == 0
    assert "× [" in done.stdout.partition("ACCEPT: B is ")[2].partition("faster")[0]
    assert "pair 1   A 1" in done.stdout  # about a tenth of a second


def test_a_study_can_be_shown_reported_and_told_again(verify, command, tmp_path):
    done = verify(tmp_path, TEN, FIVE, *COUNT)
    name = done.stdout.rsplit("tunewright report ", 1)[1].strip()
    assert name == "verify-echo-1"
    told = done.stdout[done.stdout.index("ACCEPT") : done.stdout.index("report    ")]
    for words in (["study", "show", name], ["study", "resume", name]):
        again = command(tmp_path, *words)
        assert told.strip() in again.stdout
        assert again.returncode == 0
    assert command(tmp_path, "report", name).returncode == 0
    (page,) = tmp_path.rglob("*.html")
    assert "echo n=10" in page.read_text()


def test_margins_may_be_asked_for_instead(verify, tmp_path):
    held = verify(
        tmp_path, TEN, FIVE, *COUNT[:2], "--noninferior", "n: 5%", "--noninferior", "wall_s: 99%"
    )
    assert held.returncode == 0
    assert "asked     subject to n <= baseline * 1.05 and wall_s <= baseline * 1.99" in held.stdout
    changed = verify(tmp_path, TEN, FIVE, *COUNT, "--equivalent", "n: 5%")
    assert changed.returncode == 1
    assert "REJECT: " in changed.stdout
    assert "n breaks its" in changed.stdout


@pytest.mark.parametrize("asked", ["--noninferior", "--equivalent"])
def test_a_margin_alone_asks_for_nothing_else(verify, tmp_path, asked):
    done = verify(tmp_path, TEN, TEN, *COUNT[:2], asked, "n: 5%", "--pairs", "6")
    assert done.returncode == 0
    assert "wall_s" not in done.stdout.partition("asked     ")[2].partition("\n")[0]


def test_what_was_found_is_written_for_machines(verify, tmp_path):
    places = {name: tmp_path / f"found.{name}" for name in ("json", "markdown", "junit")}
    options = [word for name, place in places.items() for word in (f"--{name}", str(place))]
    assert verify(tmp_path, TEN, FIVE, *COUNT, *options).returncode == 0
    found = json.loads(places["json"].read_text())
    assert found["decision"] == "ACCEPT"
    assert found["programs"] == {"A": TEN, "B": FIVE}
    assert all(pair == [10.0, 5.0] for pair in found["pairs"])
    assert "| n |" in places["markdown"].read_text()
    assert ET.parse(places["junit"]).getroot().get("failures") == "0"
    nowhere = verify(tmp_path, TEN, FIVE, *COUNT, "--json", str(tmp_path / "no" / "where.json"))
    assert nowhere.returncode == 2
    assert nowhere.stderr.startswith("error: --json: expected a place to write")


# Outputs and failures


def test_outputs_are_told_and_refute_where_they_must_be_the_same(verify, tmp_path):
    told = verify(tmp_path, TEN, FIVE, *COUNT)
    assert told.returncode == 0
    assert "noise     the outputs of the two differ" in told.stdout
    asked = verify(tmp_path, TEN, FIVE, *COUNT, "--same-output")
    assert asked.returncode == 1
    assert "REJECT: the outputs of the two differ" in asked.stdout
    same = verify(
        tmp_path,
        "echo n={seed} m=9",
        "echo  n={seed}  m=5",
        "--metric",
        "m=regex:m=([0-9]+)",
        "--minimize",
        "m",
        "--same-output",
        "--pairs",
        "6",
    )
    assert same.returncode in (1, 3)
    assert "the outputs" in same.stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--same-output"], 1, "REJECT: the outputs of the two differ"),
        (["--same-output", "n=(.*)"], 1, "line"),
        (["--same-output", "a=(.*)"], 1, "match 1 is '1.000001', not '1.0'"),
        (["--same-output", "a=(.*)", "--tolerance", "1e-5"], 0, "ACCEPT: n 2×"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_what_must_be_the_same_is_said_before_or_behind_the_programs(
    verify, tmp_path, words, code, told, first
):
    programs = ["echo n=10 a=1.0", "echo n=5 a=1.000001"]
    order = [*words, *COUNT, *programs] if first else [*programs, *COUNT, *words]
    done = verify(tmp_path, *order, "--pairs", "6")
    assert done.returncode == code, done.stdout + done.stderr
    assert told in done.stdout or "match 1 is" in done.stdout


def test_the_word_behind_same_output_is_a_program_where_one_is_missing(verify, tmp_path):
    done = verify(tmp_path, *COUNT, "--same-output", TEN, FIVE)
    assert done.returncode == 1, done.stderr
    assert "REJECT: the outputs of the two differ" in done.stdout
    assert "outputs   one run beside the other: line 1 is 'n=" in done.stdout


def test_a_program_that_fails_sometimes_proves_something_only_where_that_is_ignored(
    verify, tmp_path
):
    strict = verify(tmp_path, TEN, SOMETIMES, *COUNT, "--pairs", "9")
    assert strict.returncode == 3
    assert "0 of 9 runs of A and 3 of 9 runs of B failed" in " ".join(strict.stdout.split())
    assert "noise B: 3 of 9 runs failed (sh exited with status 3: it printed nothing)" in " ".join(
        strict.stdout.split()
    )
    lenient = verify(tmp_path, TEN, SOMETIMES, *COUNT, "--pairs", "9", "--ignore-failures")
    assert lenient.returncode == 0
    assert "ACCEPT: n 2× lower" in lenient.stdout
    assert "runs failed (sh exited with status 3" in lenient.stdout


@pytest.mark.parametrize(("programs", "code"), [((TEN, "false"), 1), (("false", TEN), 3)])
def test_a_program_that_never_works_ends_the_comparison(verify, tmp_path, programs, code):
    done = verify(tmp_path, *programs, *COUNT)
    assert done.returncode == code
    assert f"3 of 3 runs of {'B' if code == 1 else 'A'}" in " ".join(done.stdout.split())
    arm = "B" if code == 1 else "A"
    assert f"the warm-up of {arm}, which does not count, ended as crashed: false" in done.stdout
    said = done.stdout.splitlines()
    assert sum(f"a run of {arm} ended as crashed: false exited" in line for line in said) == 3


# A baseline of another day


@pytest.fixture(scope="module")
def saved(verify, tmp_path_factory):
    """What `--save` wrote of a program that counts to ten."""
    place = tmp_path_factory.mktemp("saved") / "ten.json"
    done = verify(place.parent, "--save", str(place), TEN, *COUNT[:2], "--pairs", "6")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"saved   6 runs of '{TEN}' in {place}\n")
    return place


@pytest.mark.parametrize(("line", "code"), [(FIVE, 0), (TWENTY, 1), (TEN, 1)])
def test_a_program_is_held_against_what_was_saved(verify, tmp_path, saved, line, code):
    words = ["--minimize", "n", "--pairs", "6", "--json", "found.json"]
    done = verify(tmp_path, "--against", str(saved), line, *words)
    assert done.returncode == code, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert {(c["evidence"], c["n"]) for c in found["comparisons"]} >= {("saved", 6)}
    assert found["comparisons"][0]["baseline"] == 10.0
    assert found["findings"] == [f for f in found["findings"] if "outputs" not in f["kind"]]


def test_unless_told_otherwise_time_must_not_have_grown_by_more_than_five_per_cent(
    verify, tmp_path, saved
):
    done = verify(tmp_path, "--against", str(saved), f"sh -c 'sleep 0.2; {TEN}'", "--pairs", "6")
    assert done.returncode == 1
    assert "asked     subject to wall_s <= baseline * 1.05" in done.stdout
    assert "wall_s breaks its" in done.stdout


def edited(saved, where, **changes):
    body = json.loads(saved.read_text())
    for name, value in changes.items():
        body[name] = {**body[name], **value} if isinstance(value, dict) else value
    place = where / "edited.json"
    place.write_text(json.dumps(body))
    return str(place)


def test_another_machine_or_version_is_one_sentence(verify, tmp_path, saved):
    other = edited(saved, tmp_path, machine={"cpu": "Z80", "cores": "1 usable of 1"})
    refused(
        verify(tmp_path, "--against", other, FIVE), "cores was 1 usable of 1 and is", "cpu was Z80",
        f'tunewright verify "{TEN}" "{FIVE}"',
    )  # fmt: skip
    refused(
        verify(tmp_path, "--against", edited(saved, tmp_path, yardstick=0), FIVE), "another version"
    )
    refused(
        verify(tmp_path, "--against", edited(saved, tmp_path, format=99), FIVE), "another version"
    )


@pytest.mark.parametrize("body", ["", "[]", "{}", "not JSON", '{"line": 1}', "\0\1\2"])
def test_a_file_that_holds_no_baseline_is_one_sentence(verify, tmp_path, body):
    place = tmp_path / "b.json"
    place.write_text(body)
    refused(verify(tmp_path, "--against", str(place), FIVE), "expected a saved baseline")


def test_a_damaged_baseline_is_one_sentence(verify, tmp_path, saved):
    for changes in (
        {"runs": {"wall_s": 7}},
        {"runs": {"wall_s": [[1]]}},
        {"runs": {"wall_s": [["a", "b"]]}},
        {"programs": 5},
        {"machine": 5},
    ):
        place = edited(saved, tmp_path, **changes)
        refused(verify(tmp_path, "--against", place, FIVE), "expected a saved baseline")


def test_a_baseline_that_fails_or_ends_too_early_is_not_saved(verify, tmp_path):
    place = tmp_path / "b.json"
    for words in ([SOMETIMES, "--pairs", "6"], ["sleep 1", "--budget", "2s"]):
        done = verify(tmp_path, "--save", str(place), *words)
        assert done.returncode == 2
        assert "expected at least 5 good runs to save" in done.stderr
        assert not place.exists()


# What cannot be run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], ["expected two programs, each in quotes; got 0"]),
        ([TEN], ["expected two programs, each in quotes; got 1"]),
        ([TEN, ""], ["program B: expected a program to run; got nothing"]),
        ([TEN, "echo 'x"], ["program B: expected a closing '"]),
        (["no-such-program", TEN], ["'no-such-program', which is not on the PATH"]),
        ([TEN, FIVE, "--minimize", "wall"], ["unknown metric 'wall': did you mean 'wall_s'?"]),
        ([TEN, FIVE, "--maximize", "wall_s"], ["say 'minimize wall_s'"]),
        (
            [TEN, FIVE, "--noninferior", "wall_s"],
            ["expected 'METRIC: MARGIN' such as 'wall_s: 5%'"],
        ),
        ([TEN, FIVE, "--noninferior", "wall_s: much"], ["got 'much'"]),
        (
            [TEN, FIVE, "--equivalent", "wall_s: -1%"],
            ["expected a margin above 0 and below 1, such as 5%"],
        ),
        ([TEN, FIVE, "--budget", "soon"], ["expected a budget such as 60s"]),
        ([TEN, FIVE, "--metric", "n"], ["'n'"]),
        ([TEN, FIVE, "--save", "x.json"], ["expected one program; got 2"]),
        ([TEN, "--against", "x.json", "--same-output"], ["no output is saved"]),
        (
            [TEN, "--save", "x.json", "--against", "y.json"],
            ["expected --save or --against; got both"],
        ),
        (
            [TEN, "--against", "nowhere.json"],
            ["expected a saved baseline; got nowhere.json: No such file"],
        ),
        ([TEN, "echo {level}"], ["{level} is no knob"]),
        ([TEN, FIVE, "--setup", "no-such-program"], ["no-such-program"]),
    ],
)
def test_bad_input_is_one_sentence(verify, tmp_path, words, said):
    refused(verify(tmp_path, *words), *said)
    assert not (tmp_path / ".tunewright").exists()


def test_a_setup_runs_once_and_both_find_what_it_made(verify, tmp_path):
    log = tmp_path / "log"
    make = f"sh -c 'echo x >> {log}; echo 10 > {{dir}}/n'"
    show = "sh -c 'echo n=$(cat {setup}/n)'"
    done = verify(
        tmp_path, show, "sh -c 'echo n=$(($(cat {setup}/n) / 2))'", *COUNT, "--setup", make
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert log.read_text() == "x\n"


# From Python


def slow(numbers):
    time.sleep(0.003)
    return sum(numbers)


def quick(numbers):
    return sum(numbers)


def broken(numbers):
    raise ValueError(f"cannot add {len(numbers)} numbers")


@pytest.mark.slow
def test_two_functions_are_called_in_processes_of_their_own(tmp_path):
    result = tunewright.verify(
        slow, quick, args=([1, 2, 3],), root=tmp_path, question=Question(same_output=True),
        sampling=Sampling(pairs=5),
    )  # fmt: skip
    assert result.accepted
    assert dict(result.history.opened.arms) == {"A": "slow", "B": "quick"}
    assert result.best == Config({"program": "B"})
    told = {c.metric: c for c in result.verdict.comparisons}
    assert told["call_s"].candidate < 0.003 <= told["call_s"].baseline
    assert set(told) == {"call_s", "call_p95", "call_p99", "peak_bytes"}


def test_a_function_that_raises_fails_with_its_own_words(tmp_path):
    result = tunewright.verify(
        quick, broken, args=([1, 2],), root=tmp_path, sampling=Sampling(pairs=5)
    )
    assert result.verdict.decision.name == "REJECT"
    assert "ValueError: cannot add 2 numbers" in result.verdict.reason


def test_two_command_lines_are_compared_from_python(tmp_path):
    seen = []
    result = tunewright.verify(
        TEN, FIVE, root=tmp_path, programs=Programs(metrics=["n=regex:n=([0-9]+)"]),
        question=Question(minimize=["n"]), watch=lambda event, history: seen.append(event),
    )  # fmt: skip
    assert result.accepted
    assert len(seen) > 10
    assert result.directory.parent == tmp_path


def test_a_program_and_a_function_cannot_be_compared(tmp_path):
    with pytest.raises(InputError, match="expected two command lines or two functions"):
        tunewright.verify(TEN, quick, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_fixture_of_other_test_suites_keeps_its_study_to_itself(tunewright_verify, tmp_path):
    result = tunewright_verify(
        TEN,
        FIVE,
        question=Question(minimize=["n"]),
        programs=Programs(metrics=["n=regex:n=([0-9]+)"]),
    )
    assert result.accepted
    assert result.directory.is_relative_to(tmp_path)
