"""How a program is run: what its words become, what is done around it, and what is read of it."""

import json
import struct
import sys
import time

import pytest

from tunewright.core.config import Config
from tunewright.core.roles import space_of
from tunewright.core.trial import FRESH, Fidelity, Outcome, Piece, Trial
from tunewright.errors import InputError
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.workloads.command import command
from tunewright.workloads.programs.spec import CommandSpec

PYTHON = sys.executable
TOLD = "import json, os, sys; json.dump({'argv': sys.argv[1:], 'env': dict(os.environ), 'in': sys.stdin.read()}, open(os.environ['TOLD'], 'w'))"


def go(tmp_path, spec, repeat=0, seen=None, limit_s=60.0, **values):
    workload = command(spec)
    config = space_of(workload).config({**workload.baseline, **values})
    fidelity = Fidelity("run", "run", piece=Piece(repeat=repeat))
    trial = Trial(1, config, fidelity, limit_s=limit_s)
    reports = [] if seen is None else seen
    return run_chain(
        trial, workload, ArtifactCache(tmp_path / "artifacts"), tmp_path / "trial",
        time.monotonic, lambda *told: reports.append(told),
    )  # fmt: skip


def told(tmp_path, *words, values=None, **options):
    """What a program that was run so sees."""
    place = tmp_path / "told.json"
    options = {"env": (), **options}
    options["env"] = (f"TOLD={place}", *options["env"])
    spec = CommandSpec((PYTHON, "-c", TOLD, *words), cwd=tmp_path, **options)
    done = go(tmp_path, spec, **(values or {}))
    assert done.outcome is Outcome.OK, done.detail
    return json.loads(place.read_text())


def sh(tmp_path, script, **options):
    return CommandSpec((script,), shell="sh", cwd=tmp_path, **options)


@pytest.mark.parametrize(
    ("values", "argv"),
    [
        ({}, ["end"]),
        ({"fast": True}, ["--fast", "end"]),
        ({"v": True, "fast": True}, ["--fast", "-v", "end"]),
    ],
)
def test_a_flag_is_there_or_it_is_not(tmp_path, values, argv):
    knob = ["fast=off:flag", "v=off:flag"]
    assert told(tmp_path, "{fast}", "{v}", "end", knob=knob, values=values)["argv"] == argv


def test_a_flag_within_a_word_is_a_word_and_in_a_script_an_option(tmp_path):
    seen = told(tmp_path, "x={fast}", knob=["fast=on:flag"], env=["F={fast}"])
    assert (seen["argv"], seen["env"]["F"]) == (["x=true"], "true")
    spec = sh(tmp_path, "printf '<%s>' {fast} {n} > out", knob=["fast=off:flag", "n=1:1..2"])
    assert go(tmp_path / "off", spec).outcome is Outcome.OK
    assert (tmp_path / "out").read_text() == "<1>"
    assert go(tmp_path / "on", spec, fast=True).outcome is Outcome.OK
    assert (tmp_path / "out").read_text() == "<--fast><1>"


def test_values_carry_their_unit_and_what_is_inactive_its_default(tmp_path):
    knob = ["layers=1:1..4", "width=64:16..512:16 when layers > 1", "heap=512m:256m..1024m:256"]
    words = ["{layers}", "{width}", "-Xmx{heap}"]
    assert told(tmp_path, *words, knob=knob)["argv"] == ["1", "64", "-Xmx512m"]
    values = {"layers": 2, "width": 128, "heap": 768}
    assert told(tmp_path, *words, knob=knob, values=values)["argv"] == ["2", "128", "-Xmx768m"]


def test_what_breaks_a_requirement_is_no_baseline():
    knob = ("a=2:1..4", "b=2:1..4")
    spec = CommandSpec(("echo", "{a}", "{b}"), knob=knob, require="a * b <= 4")
    space = space_of(command(spec))
    assert space.why_broken(Config({"a": 3, "b": 2})) == "expected a * b <= 4; got a=3, b=2"
    with pytest.raises(InputError, match="got a=3, b=2; give other values"):
        command(spec, {"a": 3})
    with pytest.raises(InputError, match="reads 'c': known: a, b"):
        command(CommandSpec(("echo", "{a}", "{b}"), knob=knob, require="c < 2"))


def test_a_config_file_is_filled_in(tmp_path):
    text = '{"lr": {lr}, "opt": "{opt}", "fast": {fast}, "{other}": {}}'
    (tmp_path / "s.json").write_text(text)
    knob = ["lr=0.1:0.01..1:log", 'opt=a"b:a"b,c', "fast=off:flag"]
    spec = sh(tmp_path, "cp {conf} out.json", knob=knob, config="conf=s.json")
    assert go(tmp_path, spec).outcome is Outcome.OK
    body = json.loads((tmp_path / "out.json").read_text())
    assert body == {"lr": 0.1, "opt": 'a"b', "fast": False, "{other}": {}}
    line = command(spec).command_lines(command(spec).baseline)["run"]["line"]
    assert "conf_file=$(mktemp --suffix=.json); printf %s" in line


def test_what_is_read_comes_from_a_file_and_variables_from_another(tmp_path):
    (tmp_path / "in.txt").write_text("hello")
    (tmp_path / ".env").write_text("# said\nexport A=1\nB='two words' # why\nC={n}\n\nD=over\n")
    seen = told(tmp_path, "{n}", knob=["n=1:1..2"], stdin="in.txt", env_file=".env", env=["D=said"])
    assert seen["in"] == "hello"
    assert [seen["env"][name] for name in "ABCD"] == ["1", "two words", "{n}", "said"]


def test_around_each_run_things_are_prepared_and_cleaned_up(tmp_path):
    spec = sh(
        tmp_path, "echo run {n} >> log; test {n} = 1", knob="n=1:1..3", setup="echo setup >> log",
        prepare="echo prepare {n} >> log", cleanup="echo cleanup >> log",
    )  # fmt: skip
    assert go(tmp_path, spec).outcome is Outcome.OK
    good = ["prepare 1", "run 1", "cleanup"]
    assert (tmp_path / "log").read_text().splitlines() == ["setup", *good] or good
    failed = go(tmp_path / "again", spec, n=2)
    assert failed.outcome is Outcome.CRASHED
    assert (tmp_path / "log").read_text().splitlines()[-3:] == ["prepare 2", "run 2", "cleanup"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prepare": "exit 3"}, "prepare: sh exited with status 3"),
        ({"cleanup": "exit 3"}, "cleanup: sh exited with status 3"),
        ({"prepare": "sleep 60"}, "prepare: sh ran longer than a trial may"),
    ],
)
def test_what_fails_beside_the_run_is_named(tmp_path, options, said):
    done = go(tmp_path, sh(tmp_path, "true {n}", knob="n=1:1..2", **options), limit_s=0.5)
    assert said in done.detail


@pytest.mark.parametrize(("codes", "good"), [((0,), False), ((0, 3), True), (3, True)])
def test_the_codes_of_a_good_run_are_said(tmp_path, codes, good):
    spec = sh(
        tmp_path, "exit 3 # {n}", knob="n=1:1..2", ok_exit=codes, metric="code=used:exit_code"
    )
    done = go(tmp_path, spec)
    assert (done.outcome is Outcome.OK) is good
    assert not good or done.samples["code"].values == (3.0,)


def test_a_verification_judges_by_a_command_that_no_search_runs(tmp_path):
    spec = sh(
        tmp_path, "echo {split} {seed} > seen; echo acc=0.9", knob="n=1:1..2", env=["N={n}"],
        metric="acc=regex:acc=([0-9.]+)", test_command="echo acc=0.5; echo x >> tested",
        test_metric="acc=regex:acc=([0-9.]+)",
    )  # fmt: skip
    assert go(tmp_path / "a", spec).samples["acc"].values == (0.9,)
    assert (tmp_path / "seen").read_text().startswith("search ")
    assert not (tmp_path / "tested").exists()
    assert go(tmp_path / "b", spec, repeat=FRESH + 1).samples["acc"].values == (0.5,)
    assert (tmp_path / "seen").read_text().startswith("test ")
    metrics = {metric.name: metric.evidence for metric in command(spec).metrics}
    assert metrics["acc"] == "fresh data"


def event(tag, step, value):
    def varint(number):
        return (
            bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)
        )

    def sized(field, body):
        return bytes([field << 3 | 2]) + varint(len(body)) + body

    scalar = sized(1, tag.encode()) + b"\x15" + struct.pack("<f", value)
    record = b"\x10" + varint(step) + sized(5, sized(1, scalar))
    return struct.pack("<Q", len(record)) + b"0000" + record + b"0000"


SUITE = (
    '<testsuites><testsuite tests="3" time="1.5"/><testsuite tests="2" time="0.25"/></testsuites>'
)
CSV = "epoch;acc;loss\n1;0.5;9\n2;0.75;4\n3;0.7;5\n"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("csv:{dir}/log.csv:acc", 0.7),
        ("csv:{dir}/log.csv:acc[epoch=2]", 0.75),
        ("junit:{dir}/junit.xml:tests", 5.0),
        ("junit:{dir}/junit.xml:time", 1.75),
        ("tensorboard:{dir}/events:loss/train", 0.25),
        ("file:{dir}/many", 7.0),
        ("regex:v=([0-9.]+)", 3.0),
        ("regex-first:v=([0-9.]+)", 1.0),
        ("regex-mean:v=([0-9.]+)", 2.0),
        ("regex-max:v=([0-9.]+)", 3.0),
        ("regex-min:v=([0-9.]+)", 1.0),
    ],
)
def test_numbers_are_found_where_programs_leave_them(tmp_path, source, value):
    (tmp_path / "log.csv").write_text(CSV)
    (tmp_path / "junit.xml").write_text(SUITE)
    events = tmp_path / "events"
    events.mkdir()
    tail = event("loss/train", 300, 0.25) + event("acc", 300, 0.9) + b"\x05cut"
    (events / "x.tfevents.1").write_bytes(event("loss/train", 1, 0.5) + tail)
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "a").write_text("1234")
    (tmp_path / "many" / "b").write_text("567")
    script = "cp -r log.csv junit.xml events many {dir}; echo v=1; echo v=2; echo v=3; : {n}"
    done = go(tmp_path, sh(tmp_path, script, knob="n=1:1..2", metric=f"m={source}"))
    assert done.outcome is Outcome.OK, done.detail
    assert done.samples["m"].values == pytest.approx((value,))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("csv:{dir}/log.csv:ac", "did you mean 'acc'?"),
        ("csv:{dir}/log.csv:acc[epoch=9]", "expected a row with epoch=9"),
        ("junit:{dir}/log.csv:tests", "it is no XML"),
        ("junit:{dir}/log.csv:test", "expected one of time, tests"),
        ("tensorboard:{dir}/log.csv:loss", "expected metric m as the tag 'loss'"),
        ("json:{dir}/log.csv:loss", "it is no JSON"),
        ("csv:log.csv:acc", "this run did not write the file"),
        ("regex-mean:w=([0-9.]+)", "it is not there"),
    ],
)
def test_what_is_not_there_is_told(tmp_path, source, said):
    (tmp_path / "log.csv").write_text(CSV)
    spec = sh(tmp_path, "cp log.csv {dir}; : {n}", knob="n=1:1..2", metric=f"m={source}")
    assert said in go(tmp_path, spec).detail


def test_what_a_run_used_is_counted(tmp_path):
    used = ["page_faults", "context_switches", "read_bytes", "written_bytes", "tree_bytes"]
    code = "import time; x = bytearray(5 << 24); time.sleep(0.3)"
    metric = [f"{name}=used:{name}" for name in used]
    knob = "n=1:1..2"
    spec = CommandSpec((PYTHON, "-c", code, "{n}"), knob=knob, metric=metric)
    done = go(tmp_path, spec)
    values = {name: done.samples[name].values[0] for name in used}
    assert values["page_faults"] > 1000
    assert values["context_switches"] >= 1
    assert values["tree_bytes"] > 5 << 24
    assert done.samples["tree_bytes"].unit == "B"
    with pytest.raises(InputError, match="did you mean 'page_faults'"):
        command(CommandSpec(("echo", "{n}"), knob=knob, metric="x=used:page_fault"))


@pytest.mark.parametrize(
    ("path", "alone"),
    [("{dir}/out", False), ("{make}/out", False), ("out", True), ("out{n}", True)],
)
def test_runs_that_share_a_file_do_not_run_side_by_side(path, alone):
    spec = CommandSpec(("echo", "{n}"), knob="n=1:1..2", step="make=true", metric=f"m=file:{path}")
    workload = command(spec)
    assert workload.metrics[-1].quiet is alone
    assert any("one runs at a time" in note for note in workload.facts.notes) is alone


def test_progress_is_read_as_it_is_printed(tmp_path):
    seen = []
    script = "for i in 1 2 3; do echo epoch $i: acc=0.$i, loss 0.5; done; echo epoch x acc=1; : {n}"
    progress = r"regex:epoch (\d+).*acc=([0-9.]+).*loss (\S+)"
    go(tmp_path, sh(tmp_path, script, knob="n=1:1..2", progress=progress), seen=seen)
    values = [(step, {k: s.values[0] for k, s in samples.items()}) for step, samples in seen]
    assert values == [(float(i), {"acc": i / 10, "loss": 0.5}) for i in (1, 2, 3)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch (.*)", "expected regex:EXPRESSION"),
        ("regex:(", "expected a regular expression"),
        ("regex:epoch", "expected a group"),
        (r"regex:(\d+)/(\d+)", "expected a word before group 2"),
    ],
)
def test_progress_that_cannot_be_read_is_refused(text, said):
    with pytest.raises(InputError) as error:
        command(CommandSpec(("echo", "{n}"), knob="n=1:1..2", progress=text))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"setup": "echo {n}"}, "expected --setup without knobs"),
        ({"config": "c=nothere.json"}, "expected a text file; got nothere.json"),
        ({"config": "n=x"}, "expected a text file"),
        ({"stdin": "nothere"}, "expected a file as standard input"),
        ({"env_file": "nothere"}, "expected a file of variables"),
        ({"ok_exit": (300,)}, "codes from 0 to 255"),
        ({"knobs": "thread"}, "did you mean 'threads'?"),
        ({"knobs": "threads", "knob": ("n=1:1..2", "threads")}, "the name is taken"),
        ({"prepare": "nosuchprogram"}, "expected a program that can be run"),
        ({"test_command": "true"}, "got --test-command alone"),
        ({"test_command": "true", "test_metric": "a=regex:(.*)"}, "add --metric a=…"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_before_anything_is(tmp_path, options, said):
    options = {"knob": "n=1:1..2", **options}
    with pytest.raises(InputError) as error:
        command(CommandSpec(("echo", "{n}"), cwd=tmp_path, **options))
    assert said in str(error.value)
