"""Any program as a workload: what its texts mean, what is measured, and how it can fail."""

from __future__ import annotations

import pickle
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
from tunewright.core.trial import Fidelity, Outcome, Trial
from tunewright.errors import InputError
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.running.processes import ProcessExecutor
from tunewright.testing.executors import drain
from tunewright.testing.stages import StageCase, StageContract
from tunewright.workloads.command import command

PYTHON = sys.executable
WRITE = "import sys; open(sys.argv[1] + '/out', 'w').write(sys.argv[2])"


def go(tmp_path, workload, through="run", seed=0, **values):
    config = Config({**workload.baseline, **values})
    trial = Trial(1, config, Fidelity(through, seed=seed))
    cache = ArtifactCache(tmp_path / "artifacts")
    return run_chain(trial, workload, cache, tmp_path / "trial", time.monotonic)


def python(code, *words, **options):
    return command([PYTHON, "-c", code, *words], **options)


def value(measurement, name):
    assert measurement.outcome is Outcome.OK, measurement.detail
    return measurement.samples[name].values[0]


def fails(tmp_path, workload):
    measurement = go(tmp_path, workload)
    assert measurement.outcome is Outcome.CRASHED
    return measurement.detail


class TestProgramStage(StageContract):
    def case(self):
        workload = python(WRITE, "{dir}", "{n}", knobs=["n=1:1..3"])
        return StageCase(workload.stages[-1], workload.baseline)


def test_knob_texts():
    texts = ["level=6:1..9", "lr=1e-3:1e-5..1e-1:log", "batch=32:16,32,64", "mode=a:a,b",
             "x=0.5:0..1", "fit_threads=2:1..4"]  # fmt: skip
    words = [f"{{{text.partition('=')[0]}}}" for text in texts]
    workload = python("", *words, knobs=texts, cores=4)
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
        ({"knobs": ["level"]}, "level"),
        ({"knobs": ["level=6"]}, "expected NAME=DEFAULT"),
        ({"knobs": ["level=6:9..1"]}, "low..high"),
        ({"knobs": ["level=12:1..9"]}, "default does not fit"),
        ({"knobs": ["level=a:b..c"]}, "expected numbers"),
        ({"knobs": ["level=c:a,b"]}, "default does not fit"),
        ({"knobs": ["level=0:0..9:log"]}, "above 0"),
        ({"knobs": ["seed=1:1..9"]}, "reserved"),
        ({"knobs": ["dir=1:1..9"]}, "reserved"),
        ({"knobs": ["level=1:1..9", "level=1:1..8"]}, "name is taken"),
        ({"knobs": ["level=1:1..9", "unused=1:1..9"]}, "'unused' is used nowhere"),
        ({"knobs": ["levels=1:1..9"], "env": ["X={levels}"]}, r"did you mean 'levels'\?"),
        ({"knobs": ["level=1:1..9"], "steps": ["a b"]}, "expected a step"),
        ({"knobs": ["level=1:1..9"], "steps": ["run=true"]}, "name is taken"),
        ({"knobs": ["level=1:1..9"], "steps": ["a=true 'x"]}, "command line"),
        ({"knobs": ["level=1:1..9"], "steps": ["a=true {b}", "b=true"]}, "step above 'a'"),
        ({"knobs": ["level=1:1..9"], "env": ["X"]}, "environment variable"),
        ({"knobs": ["level=1:1..9"], "metrics": ["acc=jsn:x:y"]}, "expected NAME=file"),
        ({"knobs": ["level=1:1..9"], "metrics": ["acc=json:x"]}, "expected NAME=file"),
        ({"knobs": ["level=1:1..9"], "metrics": ["acc=regex:("]}, "regular expression"),
        ({"knobs": ["level=1:1..9"], "metrics": ["acc=regex:x"]}, "expected one group"),
        ({"knobs": ["level=1:1..9"], "metrics": ["wall_s=file:x"]}, "name is taken"),
        ({"knobs": ["level=1:1..9"], "baseline": {"level": 11}}, "whole number"),
        ({"knobs": ["level=1:1..9"], "baseline": {"levl": 1}}, "did you mean 'level'"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(options, message):
    with pytest.raises(InputError, match=message):
        python("", "{level}", **options)


def test_a_program_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no-such-program"):
        command(["no-such-program"])
    with pytest.raises(InputError, match="expected a program"):
        command([])


def test_a_run_is_measured(tmp_path):
    workload = python(WRITE, "{dir}", "{n}", knobs=["n=7:1..99"], metrics=["size=file:{dir}/out"])
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
    assert workload.stages[-1].timing
    assert measurement.key == ""


def test_metrics_come_from_json_and_output(tmp_path):
    code = (
        "import json, os; d = os.environ['TUNEWRIGHT_DIR'];"
        "json.dump({'val': [{'acc': 0.5}]}, open(d + '/m.json', 'w'));"
        "print('loss=3'); print('loss=2.5')"
    )
    metrics = ["val_acc=json:{dir}/m.json:val.0.acc", "loss=regex:loss=([0-9.]+)",
               "depth=regex:loss=([0-9]):higher"]  # fmt: skip
    workload = python(code, metrics=metrics)
    measurement = go(tmp_path, workload)
    assert [value(measurement, name) for name in ("val_acc", "loss", "depth")] == [0.5, 2.5, 2.0]
    natures = [(metric.better, metric.scale) for metric in workload.metrics[3:]]
    assert natures == [("higher", "difference"), ("lower", "ratio"), ("higher", "ratio")]


def test_a_list_in_json_is_as_many_values_and_a_name_may_ask_for_their_tail(tmp_path):
    code = "import json, os; json.dump({'lat': [i / 100 for i in range(101)]}, open(os.environ['TUNEWRIGHT_DIR'] + '/m', 'w'))"
    sources = [f"{name}=json:{{dir}}/m:lat:lower" for name in ("lat", "lat_p99", "lat_p05")]
    workload = python(code, metrics=sources)
    measurement = go(tmp_path, workload)
    assert len(measurement.samples["lat_p99"].values) == 101
    by_name = {metric.name: metric for metric in workload.metrics}
    told = [by_name[name].of(measurement.samples) for name in ("lat", "lat_p99", "lat_p05")]
    assert told == pytest.approx([0.5, 0.99, 0.05])
    assert by_name["wall_s"].share == 0.5


@pytest.mark.parametrize("body", ["[]", "[1, null]", "[1, true]", "[[1]]", "[1, 1e999]"])
def test_a_list_that_holds_anything_but_numbers_is_one_clear_sentence(tmp_path, body):
    code = f"import os; open(os.environ['TUNEWRIGHT_DIR'] + '/m', 'w').write('{{\"lat\": {body}}}')"
    detail = fails(tmp_path, python(code, metrics=["lat=json:{dir}/m:lat"]))
    assert "metric lat: expected a finite number; got" in detail
    assert "\n" not in detail


def shaken(tmp_path, repeat):
    """What a run says about its hashes and the size of its environment."""
    code = "import os; print(os.environ['PYTHONHASHSEED'], len(os.environ['TUNEWRIGHT_PADDING']))"
    workload = python(code)
    context = Context(
        Fidelity("run", repeat=repeat), tmp_path / str(time.monotonic_ns()), lambda: None
    )
    context.directory.mkdir()
    return workload.stages[-1].run(None, workload.baseline, context).samples[OUTPUT].values


def test_memory_and_hashes_move_from_pair_to_pair_and_are_the_same_for_both_arms(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    assert shaken(tmp_path, 0) == shaken(tmp_path, 0)
    assert len({shaken(tmp_path, repeat) for repeat in range(4)}) == 4


def test_the_users_own_hash_seed_goes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    workload = python(
        "import os; print('h=' + os.environ['PYTHONHASHSEED'])", metrics=["h=regex:h=([0-9]+)"]
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
        knobs=["n=1:1..9"], env=["LEVEL=l{n}"], cwd=str(tmp_path),
    )  # fmt: skip
    measurement = go(tmp_path, workload, seed=5)
    assert measurement.detail.endswith(f"5 {{print}} a1b l1 {tmp_path.resolve()}")


def test_threads_go_to_the_environment_when_no_text_uses_them(tmp_path):
    code = "import os; print('n=' + os.environ['OMP_NUM_THREADS'])"
    workload = python(code, knobs=["threads"], metrics=["n=regex:n=([0-9]+)"], cores=8)
    assert dict(workload.baseline) == {"threads": 8}
    assert value(go(tmp_path, workload, threads=3), "n") == 3.0
    assert space_of(workload).by_name["threads"].family == "resource"


def test_steps_keep_their_directory_and_are_shared(tmp_path):
    log = tmp_path / "log"
    build = f"open({str(log)!r}, 'a').write('x'); " + WRITE
    use = "import sys; print('got=' + open(sys.argv[1] + '/out').read() + sys.argv[2])"
    workload = python(
        use, "{build}", "{n}",
        knobs=["n=1:1..9", "o=2:1..3"], metrics=["got=regex:got=([0-9]+)"],
        steps=[f'build={PYTHON} -c "{build}" {{dir}} {{o}}'], cores=2,
    )  # fmt: skip
    assert workload.facts.placement == {"n": "run", "o": "build"}
    assert [stage.timing for stage in workload.stages] == [False, True]
    assert "workers" in space_of(workload).by_name
    assert value(go(tmp_path, workload), "got") == 21.0
    assert value(go(tmp_path, workload, n=5), "got") == 25.0
    assert log.read_text() == "x"
    assert value(go(tmp_path, workload, o=3), "got") == 31.0
    assert log.read_text() == "xx"


@pytest.mark.parametrize(
    ("code", "metric", "message"),
    [
        ("print('a'); print('b'); exit(3)", "acc=file:x", "exited with status 3: b"),
        ("import os; os.kill(os.getpid(), 11)", "acc=file:x", "was killed (Segmentation fault)"),
        ("", "acc=file:{dir}/m", "expected metric acc in {dir}/m; the file is not there"),
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
    detail = fails(tmp_path, python(prefix + code, metrics=[metric]))
    assert message in detail
    assert "\n" not in detail


def test_the_digest_follows_the_files_that_are_named(tmp_path):
    script = tmp_path / "s.py"
    script.write_text("1")
    first = command([PYTHON, str(script)]).digest
    assert command([PYTHON, str(script)]).digest == first
    script.write_text("2")
    assert command([PYTHON, str(script)]).digest != first
    assert command([PYTHON, str(script)]).name == f"{Path(PYTHON).name} s.py"


@pytest.mark.skipif(sys.platform != "linux", reason="adopts orphans")
def test_a_daemon_of_a_program_does_not_outlive_its_trial(tmp_path):
    code = (
        "import os, time\nr, w = os.pipe()\n"
        "if os.fork() == 0:\n os.setsid()\n"
        " if os.fork() == 0: os.write(w, str(os.getpid()).encode()); time.sleep(600)\n"
        " os._exit(0)\n"
        "print('daemon=' + os.read(r, 20).decode())"
    )
    workload = python(code, metrics=["daemon=regex:daemon=([0-9]+)"])
    trial = Trial(1, workload.baseline, Fidelity("run"), exclusive=True)
    with closing(ProcessExecutor(tmp_path, 1, time.monotonic)) as executor:
        executor.submit(trial, workload)
        (end,) = (event for event in drain(executor) if isinstance(event, Ended))
        assert not Path(f"/proc/{value(end.measurement, 'daemon'):.0f}").exists()


def test_a_workload_travels(tmp_path):
    workload = python("", "{n}", knobs=["n=1:1..3"])
    assert pickle.loads(pickle.dumps(workload)) == workload
