"""How far a program goes: the placeholder of an effort, its checkpoints, and what is refused."""

import json
import sys
import time
from pathlib import Path

import pytest

from tunewright.core.roles import space_of
from tunewright.core.trial import FRESH, Fidelity, Outcome, Piece, Trial
from tunewright.errors import InputError
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import SHARED, artifact_key, run_chain
from tunewright.workloads.command import command, describe
from tunewright.workloads.programs.efforts import read_effort
from tunewright.workloads.programs.spec import CommandSpec

PYTHON = sys.executable
TRAIN = """
import json, pathlib, sys
epochs, resume, fail = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
state = resume / "state.json"
done = json.loads(state.read_text())["epoch"] if state.exists() else 0
for epoch in range(done + 1, epochs + 1):
    print("epoch", epoch, "acc=%s" % (epoch / 100))
    if fail == str(epoch):
        state.write_text("half")
        sys.exit("broken")
state.write_text(json.dumps({"epoch": epochs}))
print("began at", done)
"""
EFFORT = {"effort": "epochs=3..81", "metric": ("acc=regex:acc=([0-9.]+)", "done=regex:at ([0-9]+)")}


def train(tmp_path, **options):
    argv = (PYTHON, "-c", TRAIN, "{epochs}", "{checkpoint}", "{fail}")
    return CommandSpec(argv, cwd=tmp_path, knob="fail=0:0..99", **{**EFFORT, **options})


def go(tmp_path, spec, asked=None, earlier=None, repeat=0, fail=0):
    workload = command(spec)
    config = space_of(workload).config({"fail": fail})
    effort = {} if asked is None else {"epochs": float(asked)}
    before = {} if earlier is None else {"epochs": float(earlier)}
    fidelity = Fidelity("run", "run", effort, Piece(repeat=repeat), before)
    trial = Trial(1, config, fidelity, limit_s=60.0)
    cache = ArtifactCache(tmp_path / "artifacts")
    return run_chain(trial, workload, cache, tmp_path / "trials" / "1", time.monotonic)


def began(done):
    assert done.outcome is Outcome.OK, done.detail
    return done.samples["done"].values[0], done.samples["acc"].values[0]


def test_a_config_goes_on_from_its_checkpoint_and_what_it_used_is_summed(tmp_path):
    spec = train(tmp_path)
    low = go(tmp_path, spec, 3)
    assert began(low) == (0, 0.03)
    higher = go(tmp_path, spec, 9, earlier=3)
    assert began(higher) == (3, 0.09)
    assert higher.samples["wall_s"].values[0] > low.samples["wall_s"].values[0]
    assert began(go(tmp_path, spec, earlier=9)) == (9, 0.81)
    assert not list((tmp_path / SHARED / "checkpoints").iterdir())  # it is over
    assert began(go(tmp_path, spec, 9, earlier=3)) == (0, 0.09)  # nothing is there: it starts anew


def test_another_config_and_a_verification_start_from_nothing(tmp_path):
    spec = train(tmp_path)
    go(tmp_path, spec, 9)
    assert began(go(tmp_path, spec, 27, earlier=9, fail=99)) == (0, 0.27)
    assert began(go(tmp_path, spec, repeat=FRESH + 1)) == (0, 0.81)
    assert began(go(tmp_path, spec, 27, earlier=9)) == (9, 0.27)  # which changed nothing


def test_a_run_that_failed_leaves_the_checkpoint_as_it_was(tmp_path):
    spec = train(tmp_path)
    go(tmp_path, spec, 3, fail=5)
    assert go(tmp_path, spec, 9, earlier=3, fail=5).outcome is Outcome.CRASHED
    (store,) = (tmp_path / SHARED / "checkpoints").iterdir()
    (state,) = store.iterdir()
    assert json.loads((state / "files" / "state.json").read_text()) == {"epoch": 3}


def test_a_half_written_state_is_never_read(tmp_path):
    """As `kill -9` leaves it: a draft that has no name yet, or a state without its files."""
    spec = train(tmp_path)
    go(tmp_path, spec, 3)
    (store,) = (tmp_path / SHARED / "checkpoints").iterdir()
    draft = store / "part-00000002" / "files"
    draft.mkdir(parents=True)
    (draft / "state.json").write_text("{half")
    assert began(go(tmp_path, spec, 9, earlier=3)) == (3, 0.09)
    (store / "00000002" / "tunewright.json").write_text("{half")
    assert began(go(tmp_path, spec, 27, earlier=9)) == (0, 0.27)


def test_a_step_above_is_the_same_whatever_the_effort(tmp_path):
    workload = command(train(tmp_path, step="data=touch {dir}/{fail}"))
    less, whole = Fidelity("run", "run", {"epochs": 3.0}), Fidelity("run", "run")
    head, config = workload.stages[:1], workload.baseline
    keys = {artifact_key(workload, head, config, fidelity) for fidelity in (less, whole)}
    assert len(keys) == 1


def test_progress_gives_a_metric_that_the_goal_names(tmp_path):
    spec = train(tmp_path, metric=(), progress=r"regex:epoch (\d+) acc=([0-9.]+)")
    workload = command(spec, stated={"acc": "higher"})
    assert workload.metrics[-1].name == "acc"
    assert "acc" not in [metric.name for metric in command(spec).metrics]
    trial = Trial(1, workload.baseline, Fidelity("run", "run"), limit_s=60.0)
    cache = ArtifactCache(tmp_path / "artifacts")
    done = run_chain(trial, workload, cache, tmp_path / "trials" / "1", time.monotonic)
    assert done.samples["acc"].values == (0.81,)


def test_progress_alone_lets_the_search_stop_runs(tmp_path):
    argv, progress = ("echo", "{n}"), r"regex:epoch (\d+) acc=([0-9.]+)"
    spec = CommandSpec(argv, knob="n=1:1..2", progress=progress, cwd=tmp_path)
    (effort,) = command(spec, stated={"acc": "higher"}).efforts
    assert (effort.name, effort.halved, effort.continues) == ("steps", True, False)
    assert not command(spec, stated={"wall_s": "lower"}).efforts


def test_the_plan_says_how_far_runs_go(tmp_path):
    def told(spec):
        return dict(describe(command(spec), None, 0))["effort"]

    spec = train(tmp_path)
    assert told(spec).startswith("epochs 3, 9, 27, 81: of each the best third goes on, from its")
    anew = CommandSpec(("echo", "{epochs}", "{n}"), knob="n=1:1..2", effort="epochs=3..10")
    assert told(anew).startswith("epochs 3, 10: of each the best third goes on, anew")
    line = str(command(spec).command_lines(command(spec).baseline)["run"]["line"])
    assert line.startswith("checkpoint_dir=$(mktemp -d); ")
    assert '81 "$checkpoint_dir"' in line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"effort": "epochs"}, "expected an effort NAME=LOW..HIGH"),
        ({"effort": "epochs=81..3"}, "0 < LOW < HIGH; got 81..3"),
        ({"effort": "epochs=3..3"}, "0 < LOW < HIGH"),
        ({"effort": "epochs=0..9"}, "0 < LOW < HIGH"),
        ({"effort": "epochs=-3..9"}, "expected NAME=LOW..HIGH"),
        ({"effort": "epochs=3,9"}, "expected NAME=LOW..HIGH"),
        (
            {"effort": "steps=3..9", "argv": ("echo", "{n}")},
            "'steps' is used nowhere; write {steps}",
        ),
        ({"effort": "n=3..9"}, "'n': the name is taken"),
        ({"effort": "dir=3..9"}, "'dir' is reserved"),
        ({}, "{epochs} is no knob"),
        ({"argv": ("echo", "{n}", "{checkpoint}")}, "expected --effort beside {checkpoint}"),
        ({"effort": "epochs=3..9", "step": "a=echo {epochs}"}, "in the program's own words"),
        ({"effort": "epochs=3..9", "step": "a=echo {checkpoint}"}, "in the program's own words"),
    ],
)
def test_an_effort_that_cannot_be_is_refused(tmp_path, options, said):
    options = {"argv": ("echo", "{n}", "{epochs}"), "knob": "n=1:1..2", **options}
    with pytest.raises(InputError) as caught:
        command(CommandSpec(cwd=tmp_path, **options))
    assert said in str(caught.value)


def test_an_effort_stands_in_variables_and_in_files_of_settings(tmp_path):
    (tmp_path / "settings.txt").write_text("{epochs} {n}")
    spec = CommandSpec(
        ("cp {conf} out; printf %s $E > env",), shell="sh", cwd=tmp_path, knob="n=1:1..2",
        config="conf=settings.txt", env="E={epochs}", effort="epochs=0.5..2.0",
    )  # fmt: skip
    workload = command(spec)
    fidelity = Fidelity("run", "run", {"epochs": 0.5})
    trial = Trial(1, workload.baseline, fidelity, limit_s=60.0)
    cache = ArtifactCache(tmp_path / "artifacts")
    done = run_chain(trial, workload, cache, tmp_path / "trials" / "1", time.monotonic)
    assert done.outcome is Outcome.OK, done.detail
    assert Path(tmp_path, "out").read_text() == "0.5 1"
    assert Path(tmp_path, "env").read_text() == "0.5"


def test_whole_efforts_are_whole_numbers():
    effort = read_effort("epochs=3..81")
    assert effort.rungs == (3, 9, 27, 81)
    assert [effort.at({"epochs": rung}) for rung in effort.rungs] == [3, 9, 27, 81]
    assert isinstance(effort.at({}), int)
    assert read_effort("share=0.1..1.0").at({"share": 0.1}) == 0.1
    assert read_effort("epochs=5..100").rungs == (5, 15, 45, 100)
