"""A request that a file states is the one that the command line would make."""

import json
import tomllib

import pytest

from tunewright import planning
from tunewright.cli.init import starter
from tunewright.cli.written import read_request
from tunewright.core.roles import space_of
from tunewright.errors import InputError

COMMAND = """
goal = "minimize wall_s"
[command]
argv = "echo {n}"
knob = "n=1:1..9"
"""


@pytest.fixture(scope="module")
def tune(command):
    return lambda where, *words: command(where, "tune", *words)


def read(tmp_path, text):
    path = tmp_path / "tune.toml"
    path.write_text(text)
    return read_request(path)


def understood(done):
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("note")]


def test_a_file_and_a_command_line_are_understood_alike(tune, tmp_path):
    read(tmp_path, COMMAND + "[limits]\nworkers = 1\n[baseline]\nn = 3\n")
    typed = ["--knob", "n=1:1..9", "--minimize", "wall_s", "--workers", "1", "--baseline", "n=3"]
    assert understood(tune(tmp_path, "tune.toml", "--dry-run")) == understood(
        tune(tmp_path, *typed, "--dry-run", "--", "echo", "{n}")
    )


def test_what_is_typed_goes_before_what_the_file_says(tune, tmp_path):
    read(tmp_path, COMMAND)
    words = ["--budget", "7 trials", "--minimize", "cpu_s", "--knob", "n=2:2..4", "--timeout", "3s"]
    done = tune(tmp_path, "tune.toml", *words, "--dry-run")
    told = "\n".join(understood(done))
    assert "minimize cpu_s" in told
    assert "n=2 (run: 2..4)" in told
    assert "7 search trials" in told
    assert "stopped after 3 s" in told


def test_paths_are_as_seen_from_the_file(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    assert read(place, COMMAND).workload.cwd == str(place)
    table = read(place, 'seed = 4\n[table]\npath = "t.csv"\ntarget = "y"\n')
    assert (table.kind, table.name, table.workload.path) == ("table", "t", str(place / "t.csv"))
    assert table.workload.seed == table.seed == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("goal = ", "expected TOML"),
        ("goal = 'minimize wall_s'", "expected one table [table] or [command]; got none"),
        (COMMAND + "knobb = 1", "unknown key command.knobb: did you mean 'knob'?"),
        ("budjet = '1s'\n" + COMMAND, "unknown key budjet: did you mean 'budget'?"),
        ("budget = 60\n" + COMMAND, "budget: expected a text; got 60"),
        ("seed = 'a'\n" + COMMAND, "seed: expected a whole number; got 'a'"),
        (COMMAND + "[limits]\nworkers = 'two'", "limits: expected"),
        (COMMAND + "[limits]\ncores = 2", "unknown key limits.cores"),
        ("[command]\nknob = []", "expected argv in [command]"),
        ("[command]\nargv = 'a | b'", "which only a shell understands"),
        ("[command]\nargv = 7", "expected names as argv"),
        ("proof = 1\n" + COMMAND, "unknown key proof"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_key(tmp_path, text, said):
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert said in str(error.value)
    assert str(tmp_path / "tune.toml") in str(error.value)


def test_the_starter_is_understood_as_it_is(command, tmp_path):
    done = command(tmp_path, "init")
    assert done.returncode == 0, done.stderr
    request = read_request(tmp_path / "tune.toml")
    workload = planning.build_workload(request)
    assert planning.understood_goal(request, workload).objectives[0].name == "wall_s"
    assert space_of(workload).count == 36
    assert json.loads(json.dumps(planning.to_json(request)))["kind"] == "command"
    again = command(tmp_path, "init")
    assert again.returncode == 2
    assert "which is there" in again.stderr


@pytest.mark.parametrize(
    ("program", "argv", "knobs"),
    [
        (
            ["python", "t.py", "--lr", "0.1", "--batch=32", "x y"],
            ["python", "t.py", "--lr", "{lr}", "--batch={batch}", "x y"],
            ["lr=0.1:0.01..1.0:log", "batch=32:3..320:log"],
        ),
        (["sort", "-k", "2", "--seed", "1", 'a"b\\'], None, ["k=2:1..20:log"]),
    ],
)
def test_numeric_options_of_a_program_become_knobs(program, argv, knobs):
    body = tomllib.loads(starter(program))["command"]
    assert body["knob"] == knobs
    assert argv is None or body["argv"] == argv
    planning.build_workload(
        planning.Request("x", "command", planning.kind_of("command").spec(
            argv=("echo", *(word for word in body["argv"] if "{" in word)),
            knob=tuple(body["knob"]),
        ), "minimize wall_s")
    )  # fmt: skip
