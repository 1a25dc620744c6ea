"""Any program as a workload: what its texts mean, what is measured, and how it can fail."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tunewright.core.config import Config
from tunewright.core.events import Ended
from tunewright.core.knobs import Choice, Integer, Real
from tunewright.core.metrics import OUTPUT
from tunewright.core.roles import Context, space_of
from tunewright.core.trial import Fidelity, Need, Outcome, Piece, Trial
from tunewright.errors import InputError
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.running.processes import ProcessExecutor
from tunewright.testing.executors import drain
from tunewright.testing.stages import StageCase, StageContract
from tunewright.workloads.command import COMMAND, command
from tunewright.workloads.programs.spec import CommandSpec

PYTHON = sys.executable
WRITE = "import sys; open(sys.argv[1] + '/out', 'w').write(sys.argv[2])"


def go(tmp_path, workload, through="run", seed=0, **values):
    config = Config({**workload.baseline, **values})
    trial = Trial(1, config, Fidelity(through, "run", piece=Piece(repeat=seed)))
    cache = ArtifactCache(tmp_path / "artifacts")
    return run_chain(trial, workload, cache, tmp_path / "trial", time.monotonic)


def python(code, *words, baseline=None, **options):
    lists = {
        name: tuple(said) if isinstance(said, list) else said for name, said in options.items()
    }
    return command(CommandSpec((PYTHON, "-c", code, *words), **lists), baseline)


def value(measurement, name):
    assert measurement.outcome is Outcome.OK, measurement.detail
    return measurement.samples[name].values[0]


def fails(tmp_path, workload):
    measurement = go(tmp_path, workload)
    assert measurement.outcome is Outcome.CRASHED
    return measurement.detail


class TestProgramStage(StageContract):
    def case(self):
        workload = python(WRITE, "{dir}", "{n}", knob=["n=1:1..3"])
        machine = ("others_cores", "stolen_cores", "cpu_pressure", "run_queue", "peak_bytes")
        return StageCase(workload.stages[-1], workload.baseline, measured=machine)


def test_knob_texts():
    texts = ["level=6:1..9", "lr=1e-3:1e-5..1e-1:log", "batch=32:16,32,64", "mode=a:a,b",
             "x=0.5:0..1", "fit_threads=2:1..4"]  # fmt: skip
    words = [f"{{{text.partition('=')[0]}}}" for text in texts]
    workload = python("", *words, knob=tuple(texts), cores=4)
    knobs = {knob.name: knob for knob in space_of(workload).knobs}
    assert knobs["level"].domain == Integer(1, 9)
    assert knobs["lr"].domain == Real(1e-5, 1e-1, log=True)
    assert knobs["batch"].domain == Choice((16, 32, 64))
    assert knobs["mode"].domain == Choice(("a", "b"))
    assert knobs["x"].domain == Real(0.0, 1.0)
    assert knobs["fit_threads"].family == "resource"
    assert {knob.family for name, knob in knobs.items() if name != "fit_threads"} == {
        "hyperparameter"
    }
    assert dict(workload.baseline) == {
        "level": 6, "lr": 1e-3, "batch": 32, "mode": "a", "x": 0.5, "fit_threads": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"knob": ["level"]}, "level"),
        ({"knob": ["level=6"]}, "expected NAME=DEFAULT"),
        ({"knob": ["level=6:9..1"]}, "low..high"),
        ({"knob": ["level=12:1..9"]}, "default does not fit"),
        ({"knob": ["level=a:b..c"]}, "expected numbers"),
        ({"knob": ["level=c:a,b"]}, "default does not fit"),
        ({"knob": ["level=0:0..9:log"]}, "above 0"),
        ({"knob": ["seed=1:1..9"]}, "reserved"),
        ({"knob": ["dir=1:1..9"]}, "reserved"),
        ({"knob": ["level=1:1..9", "level=1:1..8"]}, "name is taken"),
        ({"knob": ["level=1:1..9", "unused=1:1..9"]}, "'unused' is used nowhere"),
        ({"knob": ["levels=1:1..9"], "env": ["X={levels}"]}, r"did you mean 'levels'\?"),
        ({"knob": ["level=1:1..9"], "step": ["a b"]}, "expected a step"),
        ({"knob": ["level=1:1..9"], "step": ["run=true"]}, "name is taken"),
        ({"knob": ["level=1:1..9"], "step": ["a=true 'x"]}, "expected a closing '"),
        ({"knob": ["level=1:1..9"], "step": ["a=true {b}", "b=true"]}, "step above 'a'"),
        ({"knob": ["level=1:1..9"], "env": ["X"]}, "environment variable"),
        ({"knob": ["level=1:1..9"], "metric": ["acc=jsn:x:y"]}, "expected NAME=file"),
        ({"knob": ["level=1:1..9"], "metric": ["acc=json:x"]}, "expected NAME=file"),
        ({"knob": ["level=1:1..9"], "metric": ["acc=regex:("]}, "regular expression"),
        ({"knob": ["level=1:1..9"], "metric": ["acc=regex:x"]}, "expected one group"),
        ({"knob": ["level=1:1..9"], "metric": ["wall_s=file:x"]}, "name is taken"),
        ({"knob": ["level=1:1..9"], "baseline": {"level": 11}}, "whole number"),
        ({"knob": ["level=1:1..9"], "baseline": {"levl": 1}}, "did you mean 'level'"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(options, message):
    with pytest.raises(InputError, match=message):
        python("", "{level}", **options)


def test_a_program_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no-such-program"):
        command(CommandSpec(("no-such-program",)))
    with pytest.raises(InputError, match="expected a program"):
        command(CommandSpec(()))


def test_a_run_is_measured(tmp_path):
    workload = python(WRITE, "{dir}", "{n}", knob=["n=7:1..99"], metric=["size=file:{dir}/out"])
    measurement = go(tmp_path, workload, n=42)
    assert value(measurement, "size") == 2.0
    assert value(measurement, "cpu_s") > 0
    assert value(measurement, "wall_s") > 0
    if sys.platform == "linux":
        assert value(measurement, "peak_bytes") > 2**20
    units = {metric.name: (metric.unit, metric.better) for metric in workload.metrics}
    assert units == {
        "wall_s": ("s", "lower"), "cpu_s": ("s", "lower"), "peak_bytes": ("B", "lower"),
        "size": ("B", "lower"),
    }  # fmt: skip
    assert {metric.name for metric in workload.metrics if metric.quiet} == {"wall_s", "cpu_s"}
    assert {metric.since for metric in workload.metrics} == {"run"}
    assert measurement.key == ""


def test_metrics_come_from_json_and_output(tmp_path):
    code = (
        "import json, os; d = os.environ['TUNEWRIGHT_DIR'];"
        "json.dump({'val': [{'acc': 0.5}]}, open(d + '/m.json', 'w'));"
        "print('loss=3'); print('loss=2.5')"
    )
    metrics = ["val_acc=json:{dir}/m.json:val.0.acc", "loss=regex:loss=([0-9.]+)",
               "depth=regex:loss=([0-9])$:higher"]  # fmt: skip
    workload = python(code, metric=tuple(metrics))
    measurement = go(tmp_path, workload)
    assert [value(measurement, name) for name in ("val_acc", "loss", "depth")] == [0.5, 2.5, 3.0]
    natures = [(metric.better, metric.scale) for metric in workload.metrics[3:]]
    assert natures == [("higher", "difference"), ("lower", "ratio"), ("higher", "ratio")]


def test_a_list_in_json_is_as_many_values_and_a_name_may_ask_for_their_tail(tmp_path):
    code = "import json, os; json.dump({'lat': [i / 100 for i in range(101)]}, open(os.environ['TUNEWRIGHT_DIR'] + '/m', 'w'))"
    sources = [f"{name}=json:{{dir}}/m:lat:lower" for name in ("lat", "lat_p99", "lat_p05")]
    workload = python(code, metric=tuple(sources))
    measurement = go(tmp_path, workload)
    assert len(measurement.samples["lat_p99"].values) == 101
    by_name = {metric.name: metric for metric in workload.metrics}
    told = [by_name[name].of(measurement.samples) for name in ("lat", "lat_p99", "lat_p05")]
    assert told == pytest.approx([0.5, 0.99, 0.05])
    assert by_name["wall_s"].share == 0.5


@pytest.mark.parametrize("body", ["[]", "[1, null]", "[1, true]", "[[1]]", "[1, 1e999]"])
def test_a_list_that_holds_anything_but_numbers_is_one_clear_sentence(tmp_path, body):
    code = f"import os; open(os.environ['TUNEWRIGHT_DIR'] + '/m', 'w').write('{{\"lat\": {body}}}')"
    detail = fails(tmp_path, python(code, metric=["lat=json:{dir}/m:lat"]))
    assert "metric lat: expected a finite number; got" in detail
    assert "\n" not in detail


def shaken(tmp_path, repeat):
    """What a run says about its hashes and the size of its environment."""
    code = "import os; print(os.environ['PYTHONHASHSEED'], len(os.environ['TUNEWRIGHT_PADDING']))"
    workload = python(code)
    context = Context(
        Fidelity("run"), tmp_path / str(time.monotonic_ns()), repeat, 60.0, above=lambda name: None,
        baseline=lambda: None, earlier=lambda: None, report=lambda *_: None, failure=tmp_path / "failure.txt",
        lasting=tmp_path,
    )  # fmt: skip
    context.directory.mkdir()
    return workload.stages[-1].run((), workload.baseline, context).samples[OUTPUT].values


def test_memory_and_hashes_move_from_pair_to_pair_and_are_the_same_for_both_arms(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    assert shaken(tmp_path, 0) == shaken(tmp_path, 0)
    assert len({shaken(tmp_path, repeat) for repeat in range(4)}) == 4


def test_the_users_own_hash_seed_goes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    workload = python(
        "import os; print('h=' + os.environ['PYTHONHASHSEED'])", metric=["h=regex:h=([0-9]+)"]
    )
    assert value(go(tmp_path, workload), "h") == 7.0


def test_equal_outputs_are_known_by_one_number_and_others_by_another(tmp_path):
    def output(text, place):
        (tmp_path / place).mkdir()
        return value(go(tmp_path / place, python(f"print({text!r})")), OUTPUT)

    assert output("a", "1") == output("a", "2") != output("b", "3")


def test_placeholders_seed_environment_and_escapes(tmp_path):
    code = "import os, sys; print(*sys.argv[1:], os.environ['LEVEL'], os.getcwd())"
    workload = python(
        code + "; sys.exit(1)", "{seed}", "{{print}}", "a{n}b",
        knob=["n=1:1..9"], env=["LEVEL=l{n}"], cwd=str(tmp_path),
    )  # fmt: skip
    measurement = go(tmp_path, workload, seed=5)
    assert f"5 {{print}} a1b l1 {tmp_path.resolve()}; more in " in measurement.detail


def test_threads_go_to_the_environment_when_no_text_uses_them(tmp_path):
    code = "import os; print('n=' + os.environ['OMP_NUM_THREADS'])"
    workload = python(code, knob=["threads"], metric=["n=regex:n=([0-9]+)"], cores=8)
    assert dict(workload.baseline) == {"threads": 8}
    assert value(go(tmp_path, workload, threads=3), "n") == 3.0
    assert space_of(workload).by_name["threads"].family == "resource"


def test_steps_keep_their_directory_and_are_shared_where_that_is_asked(tmp_path):
    log = tmp_path / "log"
    build = f"open({str(log)!r}, 'a').write('x'); " + WRITE
    use = "import sys; print('got=' + open(sys.argv[1] + '/out').read() + sys.argv[2])"
    workload = python(
        use, "{build}", "{n}",
        knob=["n=1:1..9", "o=2:1..3"], metric=["got=regex:got=([0-9]+)"],
        step=[f'build={PYTHON} -c "{build}" {{dir}} {{o}}'], cores=2,
    )  # fmt: skip
    assert workload.facts.placement == {"n": "run", "o": "build"}
    assert value(go(tmp_path, workload), "got") == 21.0
    assert value(go(tmp_path, workload, n=5), "got") == 25.0
    assert log.read_text() == "x"
    assert value(go(tmp_path, workload, o=3), "got") == 31.0
    assert log.read_text() == "xx"
    # Its knob may change what the run is like, so pairs of runs make it anew.
    assert {metric.since for metric in workload.metrics} == {"build"}


def test_a_step_leaves_a_directory_and_each_run_reads_a_copy_of_its_own(tmp_path):
    use = (
        "import os, sys; place = sys.argv[1] + '/out';"
        "print('got=' + open(place).read(), os.path.islink(sys.argv[1] + '/link'));"
        "open(place, 'w').write('9')"
    )
    make = WRITE + "; import os; os.symlink('out', sys.argv[1] + '/link')"
    workload = python(
        use, "{build}", metric=["got=regex:got=([0-9]+) True"],
        step=[f'build={PYTHON} -c "{make}" {{dir}} 1'],
    )  # fmt: skip
    assert value(go(tmp_path, workload), "got") == 1.0
    assert value(go(tmp_path, workload), "got") == 1.0
    (kept,) = (tmp_path / "artifacts").glob("*.files")
    assert (kept / "out").read_text() == "1"
    assert (kept / "link").is_symlink()


@pytest.mark.parametrize(
    ("step", "words", "knobs", "since"),
    [
        ("build=true", ("{seed}",), [], "run"),
        ("build=true {seed}", ("{n}",), ["n=1:1..9"], "build"),  # it has chance of its own
        ("build=true {n}", ("{build}",), ["n=1:1..9"], "build"),
        ("build=true", ("{build}", "{n}"), ["n=1:1..9"], "run"),
    ],
)
def test_pairs_run_anew_from_where_two_arms_or_two_runs_may_differ(step, words, knobs, since):
    workload = python("", *words, step=[step], knob=knobs)
    assert {metric.since for metric in workload.metrics} == {since}


def test_what_was_understood_names_the_steps(tmp_path):
    workload = python("", "{build}", step=["build=true {dir}", "other=true a 'b c'"])
    told = COMMAND.describe(workload, None, 0)
    assert ("step build", "true '{dir}'") in told
    assert ("step other", "true a 'b c'") in told


@pytest.mark.parametrize(
    ("code", "metric", "message"),
    [
        ("print('a'); print('b'); exit(3)", "acc=file:x", "exited with status 3: b"),
        ("import os; os.kill(os.getpid(), 11)", "acc=file:x", "was killed (Segmentation fault)"),
        ("", "acc=file:{dir}/m", "expected acc in {dir}/m; the file is not there"),
        ("", "acc=regex:acc=(.*)", "not there; the output ends: it printed nothing"),
        ("print('acc=nan')", "acc=regex:acc=(.*)", "finite number; got 'nan'"),
        ("print('acc=x')", "acc=regex:acc=(.*)", "finite number; got 'x'"),
        ("J('{')", "acc=json:{dir}/m:acc", "no JSON"),
        ("J('[]')", "acc=json:{dir}/m:acc", "there is no 'acc'"),
        ("J('{\"acd\": 1}')", "acc=json:{dir}/m:acc", "did you mean 'acd'?"),
        ("J('{\"acc\": null}')", "acc=json:{dir}/m:acc", "finite number; got None"),
    ],
)
def test_each_failure_is_one_clear_sentence(tmp_path, code, metric, message):
    prefix = "import os\ndef J(t): open(os.environ['TUNEWRIGHT_DIR'] + '/m', 'w').write(t)\n"
    detail = fails(tmp_path, python(prefix + code, metric=[metric]))
    assert message in detail
    assert "\n" not in detail


def test_the_digest_follows_the_files_that_are_named(tmp_path):
    script = tmp_path / "s.py"
    script.write_text("1")
    spec = CommandSpec((PYTHON, str(script)))
    first = command(spec).digest
    assert command(spec).digest == first
    script.write_text("2")
    assert command(spec).digest != first
    assert command(spec).name == f"{Path(PYTHON).name} s.py"


@pytest.mark.skipif(sys.platform != "linux", reason="adopts orphans")
def test_a_daemon_of_a_program_does_not_outlive_its_trial(tmp_path):
    code = (
        "import os, time\nr, w = os.pipe()\n"
        "if os.fork() == 0:\n os.setsid()\n"
        " if os.fork() == 0: os.write(w, str(os.getpid()).encode()); time.sleep(600)\n"
        " os._exit(0)\n"
        "print('daemon=' + os.read(r, 20).decode())"
    )
    workload = python(code, metric=["daemon=regex:daemon=([0-9]+)"])
    trial = Trial(1, workload.baseline, Fidelity("run", "run"), need=Need(alone=True))
    with closing(ProcessExecutor(tmp_path, 1, time.monotonic)) as executor:
        executor.submit(trial, workload)
        (end,) = (event for event in drain(executor) if isinstance(event, Ended))
        assert not Path(f"/proc/{value(end.measurement, 'daemon'):.0f}").exists()


def test_a_workload_travels(tmp_path):
    workload = python("", "{n}", knob=["n=1:1..3"])
    assert pickle.loads(pickle.dumps(workload)) == workload


# What is handed over


@pytest.mark.parametrize(
    ("script", "made"),
    [
        ("head -c {n} {make}/in > {dir}/out; cp {dir}/out copy", "abc"),
        ("printf %s `head -c {n} {make}/in` > {dir}/out; cat {dir}/out > copy", "abc"),
        ("printf '%s' \"$(cat '{make}/in')\" | head -c {n} > copy; echo {seed} {{dir}} >> copy", "abc0 {dir}\n"),
        ("head -c $N $IN > copy", "abc"),
    ],
)  # fmt: skip
def test_a_command_line_that_is_handed_over_runs_where_it_is_pasted(tmp_path, script, made):
    workload = command(
        CommandSpec(
            ("sh", "-c", script), knob=("n=1:1..9",), step=("make=sh -c 'printf abcdef > {dir}/in'",),
            env=("N={n}", "IN={make}/in"), cwd=str(tmp_path),
        )
    )  # fmt: skip
    steps = workload.command_lines(Config({"n": 3}))
    assert "{make}" in json.dumps(steps["run"]["env"])
    pasted = "\n".join(step["line"] for step in steps.values())
    subprocess.run(["sh", "-euc", pasted], cwd=tmp_path, check=True)
    assert (tmp_path / "copy").read_text() == made


def test_a_metrics_file_is_looked_for_where_the_program_runs(tmp_path):
    (tmp_path / "there").mkdir()
    workload = python(
        "open('m.json', 'w').write('[7]')", metric=["m=json:m.json:0"], cwd=str(tmp_path / "there")
    )
    assert value(go(tmp_path, workload), "m") == 7.0


def test_a_run_over_its_limit_keeps_what_it_printed(tmp_path):
    workload = python("import time; print('waiting for the lock', flush=True); time.sleep(60)")
    trial = Trial(1, workload.baseline, Fidelity("run", "run"), limit_s=2.0)
    cache = ArtifactCache(tmp_path / "artifacts")
    where = tmp_path / "trials" / "1"
    measurement = run_chain(trial, workload, cache, where, time.monotonic)
    assert measurement.outcome is Outcome.TIMEOUT
    place = Path(measurement.detail.partition("; more in ")[2])
    assert "waiting for the lock" in place.read_text()
