"""Values stay one word wherever they are filled in."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.errors import InputError
from tunewright.workloads.command import command
from tunewright.workloads.programs.placeholders import (
    check_plain,
    check_values,
    fill,
    fill_words,
    is_name,
    placeholders_in,
)
from tunewright.workloads.programs.spec import CommandSpec

SHOW = f"{sys.executable} -S -c 'import json, sys; print(json.dumps(sys.argv[1:]))'"
VALUES = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"], codec="utf-8"), max_size=8
) | st.sampled_from(["a b", "it's", '"', "$HOME", "`id`", "*", "\\", "a\nb", "", "-n", "a;b", "~"])
# a script with {v}, and what the program in it gets where the value is "x"
SCRIPTS = {
    "@ {v}": ["x"],
    "@ {v}/out": ["x/out"],
    '@ "{v}/out"': ["x/out"],
    "@ '{v}/out'": ["x/out"],
    "@ a{v}b '{v}'\"{v}\"": ["axb", "xx"],
    "true && (@ {v})": ["x"],
    '@ "$(printf %s. {v})"': ["x."],
    '@ "$(printf %s. "{v}")"': ["x."],
    "# it's {v}\n@ {v}": ["x"],
    "@ \\' {v}": ["'", "x"],
    '@ "a\\"{v}"': ['a"x'],
    "@ {{v}} {v}": ["{v}", "x"],
    'for i in {v}; do @ "$i"; done': ["x"],
}  # fmt: skip


@settings(max_examples=60)
@given(value=VALUES, script=st.sampled_from(sorted(SCRIPTS)), option=st.sampled_from(["-c", "-ec"]))
def test_a_value_is_one_word_in_a_script(value, script, option):
    words = ["env", "sh", option, script.replace("@", SHOW)]
    filled = fill_words(words, {"v": value})
    if script.startswith("#") and "\n" in value:
        return  # ends the comment
    told = subprocess.run(filled, check=True, capture_output=True).stdout
    expected = [word if word == "{v}" else word.replace("x", value) for word in SCRIPTS[script]]
    assert json.loads(told) == expected


FORMATS = ["{n:02d}", "{n:>8}", "{n!r}", "{n!s:>4}", "{n:}", "x{n:.3f}y", "{m} {n:d}"]


@pytest.mark.parametrize("text", FORMATS)
@pytest.mark.parametrize("where", ["argv", "script", "env", "path", "step"])
def test_a_placeholder_with_a_format_is_refused_with_the_plain_one(text, where):
    said = {
        "argv": {"argv": ("echo", "{n}{m}", text)},
        "script": {"argv": ("sh", "-c", f"echo {{n}}{{m}} '{text}'")},
        "env": {"argv": ("echo", "{n}{m}"), "env": f"X={text}"},
        "path": {"argv": ("echo", "{n}{m}"), "metric": f"size=file:{text}"},
        "step": {"argv": ("echo", "{n}{m}"), "step": f"make=echo '{text}'"},
    }[where]
    with pytest.raises(InputError, match=r"expected \{n\}, as a placeholder has no format; got"):
        command(CommandSpec(knob=("n=1:1..2", "m=1:1..2"), **said))


@pytest.mark.parametrize(
    "text", ["{n : 2}", "{ n:2}", "{k:02d}", "${n:-3}", "{n: 2}", '{"n":2}', "{{n}}", "{{n:02d}}"]
)
def test_what_only_looks_like_a_format_stays(text):
    check_plain([text], {"n"})


@given(value=VALUES)
def test_a_value_is_one_word_elsewhere(value):
    assert fill_words(["prog", "a{v}b", "{v}", "sh"], {"v": value}) == [
        "prog", f"a{value}b", value, "sh",
    ]  # fmt: skip


DEEP = ["echo `cat {v}`", "echo ${x:-{v}}", "cat <<E\n{v}\nE", 'echo "`cat "{v}"`"', "echo $'{v}'"]


@pytest.mark.parametrize("script", DEEP)
@pytest.mark.parametrize("value", ["a b", "a'b", "$x"])
def test_where_no_quotation_is_sure_a_value_that_needs_one_is_refused(script, value):
    words = ["bash", "-o", "pipefail", "-c", script, "name"]
    assert fill_words(words, {"v": "/tmp/x-1.5"})[4] == script.replace("{v}", "/tmp/x-1.5")
    with pytest.raises(InputError, match="as an argument: sh -c"):
        fill_words(words, {"v": value})
    with pytest.raises(InputError, match="as an argument: sh -c"):
        check_values(words, {"v": ["plain", value], "unused": ["a b"]})
    check_values(words, {"v": ["plain", 1, 2.5]})


@given(st.from_regex(r"[a-zA-Z_学é][a-zA-Z0-9学é_-]{0,5}[a-z0-9é率]", fullmatch=True))
def test_names_of_any_script_and_with_hyphens_can_be_used(name):
    assert is_name(name)
    assert placeholders_in([f"--x={{{name}}}"]) == {name}
    assert fill(f"--x={{{name}}}", {name: 3}) == "--x=3"


@pytest.mark.parametrize("name", ["", "1a", "a b", "-a", "a-", "a=b", "{a}", "a:b", "a.b"])
def test_other_texts_are_no_names(name):
    assert not is_name(name)


@given(st.text(max_size=20))
def test_what_is_no_placeholder_stays(text):
    if not placeholders_in([text]) and "{{" not in text:
        assert fill(text, {}) == text
