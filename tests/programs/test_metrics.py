"""Metrics of programs: found in the whole of what this run left, and nowhere else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.errors import InputError, TrialFailed
from tunewright.measuring.processes import ProgramRun, Stream, run_program
from tunewright.workloads.programs.metrics import Reader, read_metrics, stamps


def printed(place, stdout="", stderr=""):
    """A run that printed this."""
    for name, text in (("stdout", stdout), ("stderr", stderr)):
        (place / name).write_bytes(text.encode())
    streams = [Stream.read(place / name) for name in ("stdout", "stderr")]
    return ProgramRun(0, 0.1, 0.1, None, *streams)


@pytest.fixture
def found(tmp_path):
    """The number that an expression finds in what was printed."""

    def find(expression, stdout="", stderr=""):
        run = printed(tmp_path, stdout, stderr)
        (value,) = Reader("m", "regex", expression).read(run, {}, {})
        return value

    return find


def fails(read, *args):
    with pytest.raises(TrialFailed) as caught:
        read(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("where", [0, 1, 1000, 299_999])
def test_a_number_is_found_wherever_it_was_printed(found, where):
    lines = [f"step {i}" for i in range(300_000)]
    lines[where] = "rate=2.5"
    assert found("rate=([0-9.]+)", "\n".join(lines)) == 2.5
    assert found("rate=([0-9.]+)", "", "\n".join(lines)) == 2.5


def test_the_last_match_counts_and_standard_output_goes_first(found):
    assert found("m=([0-9]+)", "m=1\nm=2\n", "m=3\n") == 2
    assert found("m=([0-9]+)", "x\n", "m=3\nm=4\n") == 4


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("line", ["acc: 0.5", "\x1b[32macc: 0.5\x1b[0m"])
def test_an_expression_may_name_the_ends_of_a_line(found, end, line):
    assert found(r"^acc: ([0-9.]+)$", end.join(["start", line, "end", ""])) == 0.5


@pytest.mark.parametrize(
    ("expression", "text", "number"),
    [("m=(.*)", "m=1,234", 1234), (r"m=(\S+)", "m=1.5e-3 s", 0.0015), ("m=(.*)", "m=12.5%", 0.125),
     ("m=([0-9.]+)", "m=12.5% of all", 12.5), ("m=([0-9.]+)", "m=3ms", 3), (r"m=([0-9]+)\.", "m=3.7", 3),
     ("m,([0-9]+),", "m,123,456", 123), ("m=(-?[0-9.]+)", "m=-3.5.", -3.5), (r"m=([-\d.]+)", "m=−1 m=-2", -2)],
)  # fmt: skip
def test_numbers_are_read_whole(found, expression, text, number):
    assert found(expression, text) == pytest.approx(number)


@pytest.mark.parametrize(
    ("expression", "text", "part", "whole"),
    [("m=([0-9]+)", "m=1,234", "1", "1,234"), ("m=([0-9.]+)", "m=1.5e-3", "1.5", "1.5e-3"),
     ("m=([0-9]+)", "m=0.75", "0", "0.75"), ("m=-?([0-9.]+)", "m=-3", "3", "-3"),
     ("m=([0-9]+)", "m=1_234", "1", "1_234"), ("m=([0-9.]+)", "m=1,5", "1", "1,5"),
     ("m=([0-9]+)", "m=1 234,5", "1", "1 234,5"),
     ("([0-9])$", "m=17", "7", "17"), ("m=([0-9]).*", "m=17", "1", "17")],
)  # fmt: skip
def test_a_part_of_a_number_is_an_error_with_the_remedy(found, expression, text, part, whole):
    message = fails(found, expression, text)
    assert f"got {part!r} of {whole!r}; let the group be" in message


@pytest.mark.parametrize("text", ["m=inf", "m=nan", "m=x", "m=", "m=1e999", "m=1,23", "m=3 (best)"])
def test_what_is_no_number_is_an_error(found, text):
    assert "metric m: expected a finite number; got" in fails(found, "m=(.*)", text)


def test_what_is_not_there_is_an_error_that_shows_the_end(found):
    assert fails(found, "m=(.*)").endswith("it is not there; the output ends: it printed nothing")
    assert fails(found, "m=(.*)", "a\nb\n").endswith("the output ends: b")


KEYS = st.text("ab.0", min_size=1, max_size=5).filter(lambda key: key.strip("."))


@given(keys=st.lists(KEYS, min_size=1, max_size=4), number=st.floats(-1e6, 1e6))
def test_keys_with_dots_can_be_named(tmp_path_factory, keys, number):
    place = tmp_path_factory.mktemp("json")
    body = number
    for key in reversed(keys):
        body = {key: body, "other": 1}
    (place / "m.json").write_text(json.dumps(body))
    reader = Reader("m", "json", "{dir}/m.json", ".".join(keys))
    assert reader.read(printed(place), {"dir": str(place)}, {}) == (pytest.approx(number),)


@pytest.mark.parametrize(
    ("body", "field", "values"),
    [({"a": {"b.c": 1}}, "a.b.c", (1,)), ({"a.b": [{"c": 2}]}, "a.b.0.c", (2,)), ({"a": [1, 2]}, "a", (1, 2)),
     ({"a": [1, 2]}, "a.-1", (2,)), ({"a": "1,234"}, "a", (1234,)), ({"a": 1e-7}, "a", (1e-7,)), ({"0": 3}, "0", (3,))],
)  # fmt: skip
def test_fields(tmp_path, body, field, values):
    (tmp_path / "m.json").write_text(json.dumps(body))
    reader = Reader("m", "json", str(tmp_path / "m.json"), field)
    assert reader.read(printed(tmp_path), {}, {}) == pytest.approx(values)


@pytest.mark.parametrize(
    ("body", "message"),
    [("{", "no JSON"), ("[]", "there is no 'a'"), ('{"b": 1}', "there is no 'a'"), ('{"a": null}', "got None"),
     ('{"a": NaN}', "finite"), ('{"a": true}', "got True"), ('{"a": []}', "finite"), ('{"a": "x"}', "finite"),
     ('{"a": {"c": 1}}', "finite"), ("", "no JSON"), ('{"a": 1e999}', "finite")],
)  # fmt: skip
def test_what_is_not_in_a_file_is_an_error(tmp_path, body, message):
    (tmp_path / "m.json").write_text(body)
    reader = Reader("m", "json", str(tmp_path / "m.json"), "a")
    assert message in fails(reader.read, printed(tmp_path), {}, {})


@pytest.mark.parametrize("kind", ["file", "json"])
@pytest.mark.parametrize("writes", ["nothing", "the same", "in place", "another"])
def test_a_file_that_this_run_did_not_write_is_no_evidence(tmp_path, kind, writes):
    path = tmp_path / "m.json"
    path.write_text('{"a": 5}')
    reader = Reader("m", kind, "{where}/m.json", "a")
    places = {"where": str(tmp_path)}
    before = stamps([reader], places)
    line = {
        "nothing": "cat m.json", "the same": "echo '{\"a\": 5}' > m.json",
        "in place": "cp m.json n; cat n 1<> m.json > m.json", "another": "rm m.json; echo '{\"a\": 5}' > m.json",
    }[writes]  # fmt: skip
    run = run_program(["sh", "-c", line], tmp_path, cwd=tmp_path)
    if writes == "nothing":
        assert "this run did not write the file" in fails(reader.read, run, places, before)
    else:
        assert reader.read(run, places, before)


def test_a_file_that_a_step_made_is_evidence_of_the_step(tmp_path):
    (tmp_path / "m").write_text("12345")
    reader = Reader("m", "file", "{build}/m")
    places = {"build": str(tmp_path)}
    before = stamps([reader], places, steps=["build"])
    assert reader.read(printed(tmp_path), places, before) == (5.0,)


def test_a_file_that_is_gone_is_an_error(tmp_path):
    reader = Reader("m", "file", "{dir}/m")
    places = {"dir": str(tmp_path)}
    before = stamps([reader], places)
    assert "the file is not there" in fails(reader.read, printed(tmp_path), places, before)


SOURCES = ["file:{dir}/x", "json:{dir}/m:a.b", "regex:x=(.*)"]


@given(
    name=st.from_regex("[a-z学]{1,6}(_acc|_fps|_p99|-rate)?", fullmatch=True),
    source=st.sampled_from(SOURCES),
    said=st.sampled_from([None, "higher", "lower"]),
    asked=st.sampled_from([None, "higher", "lower"]),
)
def test_what_was_stated_sets_the_direction_and_a_guess_is_told(name, source, said, asked):
    text = f"{name}={source}{f':{said}' if said else ''}"
    stated = {name: asked} if asked else {}
    if said and asked and said != asked:
        with pytest.raises(InputError, match="expected one direction"):
            read_metrics([text], "run", stated)
        return
    (found,) = read_metrics([text], "run", stated)
    assert found.guessed == (not said and not asked)
    assert bool(found.note) == found.guessed
    if not found.guessed:
        assert found.metric.better == (said or asked)
    assert f"{found.reader.kind}:{found.reader.path}" == source.rpartition(":a.b")[0] or source


@pytest.mark.parametrize(
    ("text", "better", "scale"),
    [("val_acc=regex:(x)", "higher", "difference"), ("fps=regex:(x)", "higher", "ratio"),
     ("loss=regex:(x)", "lower", "ratio"), ("acc=file:x", "lower", "ratio"), ("rate=regex:(x)", "lower", "ratio")],
)  # fmt: skip
def test_guesses(text, better, scale):
    (found,) = read_metrics([text], "run")
    assert (found.metric.better, found.metric.scale, found.guessed) == (better, scale, True)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["acc=jsn:x:y"], "expected NAME=file"),
        (["acc=json:x"], "expected NAME=file"),
        (["acc=regex:("], "regular expression"),
        (["acc=regex:x"], "expected one group"),
        (["wall_s=file:x"], "name is taken"),
        (["a=file:x", "a=file:y"], "name is taken"),
        (["a"], "expected NAME=file"),
        (["a b=file:x"], "'a b' is no name"),
    ],
)
def test_what_is_no_metric_is_refused(texts, message):
    with pytest.raises(InputError, match=message):
        read_metrics(texts, "run", taken=["wall_s"])
