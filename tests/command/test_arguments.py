"""What is called from Python with the wrong thing says so in one sentence, before anything runs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tunewright as tw
from tunewright.errors import InputError

WRONG = (
    st.none()
    | st.integers()
    | st.floats()
    | st.dictionaries(st.text(), st.integers(), max_size=1)
    | st.binary()
)
TABLE = {"goal": "maximize roc_auc", "budget": "2 trials"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("arguments") / "t.csv"
    lines = [f"{at % 7},{at % 5},{'ab'[at % 2]}" for at in range(200)]
    path.write_text("\n".join(["x,z,y", *lines]))
    return path


def refused(call):
    with pytest.raises(InputError) as error:
        call()
    assert len(str(error.value).splitlines()) == 1
    assert " --" not in str(error.value)  # options are of the command line
    return str(error.value)


@settings(deadline=None)
@given(st.sampled_from(["goal", "budget", "limits", "name", "kind", "root"]), WRONG)
def test_whatever_tune_is_told_wrongly_is_refused(table, name, wrong):
    refused(lambda: tw.tune(tw.Table(table, "y"), **{**TABLE, name: wrong}))


@settings(deadline=None)
@given(
    st.sampled_from(["target", "group", "time", "drop", "families", "types", "task", "path"]),
    st.integers(),
)
def test_whatever_a_table_is_told_wrongly_is_refused(table, name, wrong):
    refused(lambda: tw.tune(tw.Table(**{"path": table, "target": "y", name: wrong}), **TABLE))


@pytest.mark.parametrize(
    ("name", "wrong"), [("seed", "a"), ("seed", 0.5), ("cores", "2"), ("cores", [1])]
)
def test_numbers_of_a_table_are_numbers(table, name, wrong):
    refused(lambda: tw.tune(tw.Table(table, "y", **{name: wrong}), **TABLE))
    refused(lambda: tw.tune(tw.Table(table, "y"), **TABLE, seed="a"))


@settings(deadline=None)
@given(st.sampled_from(["question", "sampling", "programs", "args", "root"]), WRONG)
def test_whatever_verify_is_told_wrongly_is_refused(name, wrong):
    refused(lambda: tw.verify("true", "true", **{name: wrong}))


@given(
    st.sampled_from(["budget", "pairs", "seed"]),
    st.none() | st.floats() | st.binary() | st.booleans(),
)
def test_whatever_a_sampling_is_told_wrongly_is_refused(name, wrong):
    refused(lambda: tw.Sampling(**{name: wrong}))


@pytest.mark.parametrize("argv", ["ls -l", ("ls", 3), 7])
def test_a_program_comes_word_by_word(argv):
    refused(lambda: tw.Command(argv))


@pytest.mark.parametrize(
    "kind", ["nomod:X", "tunewright.planning:NOTHING", "tunewright.planning:Limits", "tabel"]
)
def test_a_kind_that_is_none_is_refused(table, kind):
    refused(lambda: tw.tune(tw.Table(table, "y"), **TABLE, kind=kind))


def test_one_text_is_a_list_of_one():
    assert tw.Command(("ls", "{x}"), knob="x=1:1..3").knob == ("x=1:1..3",)
    assert tw.Question(minimize="cpu_s").minimize == ("cpu_s",)
    assert tw.Programs(env="A=1").env == ("A=1",)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"time": "x", "test": "more.csv"}, "expected time or test; got both"),
        ({"drop": ["w"]}, "expected drop to name a column; got 'w'"),
        ({"monotone": "x=increasing", "types": "x=category"}, 'say types="x=number"'),
    ],
)
def test_what_is_an_option_elsewhere_is_an_argument_here(table, said, told):
    assert told in refused(lambda: tw.tune(tw.Table(table, "y", **said), **TABLE))
