"""Command lines: split as a shell splits them, or refused with what to type."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.errors import InputError
from tunewright.workloads.command import command
from tunewright.workloads.programs.spec import CommandSpec
from tunewright.workloads.programs.words import (
    checked_words,
    input_waits,
    notes_on,
    split_line,
    split_named,
    split_variable,
)

PLAIN = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs", "Cc"]))


@given(st.lists(PLAIN, min_size=1))
def test_quoted_words_come_back(words):
    if words[0] and "=" not in words[0] and not set(words) & {"|", "&", "&&", ";", "<", ">", ">>"}:
        assert split_line(shlex.join(words), "A") == words


@settings(max_examples=150)
@given(st.text("ab1{,.}'\"\\$*?~#|;&<>()`=\t-x ", min_size=1, max_size=12))
def test_a_line_is_split_as_a_shell_splits_it_or_refused(tmp_path_factory, line):
    place = tmp_path_factory.getbasetemp()
    try:
        words = split_line(f"echo {line}", "A", cwd=place)
    except InputError:
        return
    script = f'show() {{ printf "%s\\0" "$@"; }}; show {line}'
    told = subprocess.run(["bash", "-c", script], cwd=place, capture_output=True, check=True)
    assert told.stdout == b"".join(word.encode() + b"\0" for word in words[1:] or [""])


@pytest.mark.parametrize(
    "line",
    ["echo hi >o", "a|b", "a | b", "a&&b", "a;b", "echo $HOME", 'echo "$HOME"', 'echo "a `id`"',
     "ls *.txt", "ls *", "cat <in", "(a)", "a 2>&1", "a &", "echo ${X}", "echo $(id)", "echo $1",
     "cat ~/x", "echo `id`", "a>b", "x 2>err", "a\nb", "echo #no", "cat <<E"],
)  # fmt: skip
def test_what_only_a_shell_understands_is_refused_with_what_to_type(line):
    with pytest.raises(InputError, match=r"program A: expected words .*write sh -c ") as caught:
        split_line(line, "program A")
    assert shlex.quote(line) in str(caught.value)


@pytest.mark.parametrize(
    "line",
    ["cp {a,b} c", "cp x.{txt,bak}", "rm f{1..3}", "echo {a..c}", "echo {1..9..2}", "mv a{,.old}",
     'echo {"a b",c}', "echo {{a,b}}", "echo {n}{a,b}", "echo {a},b}"],
)  # fmt: skip
def test_braces_that_a_shell_would_expand_are_refused_with_what_to_type(line):
    with pytest.raises(InputError, match=r"expected words .*write bash -c ") as caught:
        split_line(line, "program A")
    assert shlex.quote(line) in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "p {n},{m} x{} {a..} {a..b.c} '{a,b}' {a\\,b} {dir}/a,b",
            [
                "p",
                "{n},{m}",
                "x{}",
                "{a..}",
                "{a..b.c}",
                "{a,b}",
                "{a,b}",
                "{dir}/a,b",
            ],
        ),
        ("grep 'a|b' f", ["grep", "a|b", "f"]),
        ("sh -c 'echo $HOME > o; ls *'", ["sh", "-c", "echo $HOME > o; ls *"]),
        (r"echo \$HOME \* \"", ["echo", "$HOME", "*", '"']),
        (r'echo "\$HOME" "a\b"', ["echo", "$HOME", r"a\b"]),
        ("awk '{print $1}' f", ["awk", "{print $1}", "f"]),
        ("curl http://x/?a=1", ["curl", "http://x/?a=1"]),
        ("p a[0] x# a~ $ '' foo$", ["p", "a[0]", "x#", "a~", "$", "", "foo$"]),
        ("p --x={n} {dir}/o", ["p", "--x={n}", "{dir}/o"]),
        (" p  a\tb ", ["p", "a", "b"]),
    ],
)
def test_what_a_shell_would_leave_alone_is_left_alone(line, words, tmp_path):
    assert split_line(line, "A", cwd=tmp_path) == words


def test_a_pattern_that_finds_files_is_refused(tmp_path):
    (tmp_path / "a0").touch()
    for line in ("p a[0-9]", "p a?", "p *"):
        with pytest.raises(InputError, match="only a shell"):
            split_line(line, "A", cwd=tmp_path)
    assert split_line("p 'a?'", "A", cwd=tmp_path) == ["p", "a?"]


@pytest.mark.parametrize("line", ["", "  ", "echo 'a", 'echo "a', "echo \\", "''"])
def test_what_is_no_line_is_refused(line):
    with pytest.raises(InputError, match="expected"):
        split_line(line, "A")


def test_words_that_came_one_by_one_may_hold_anything_but_operators_alone():
    words = ["awk", "a > b", "$1", "*"]
    assert checked_words(words, "A") == words
    assert checked_words(["expr", "3", ">", "2"], "A") == ["expr", "3", ">", "2"]
    for words in (["a", "|", "b"], ["a", ">", "b"], ["a", "&&", "b"], ["a", "2>&1"]):
        with pytest.raises(InputError, match="only a shell"):
            checked_words(words, "A")
    with pytest.raises(InputError, match="write --env X=1"):
        checked_words(["X=1", "prog"], "A")
    assert len(notes_on(["p", "$HOME", "*.txt", "a b*", "~/x", "x", "{n}"])) == 3
    assert notes_on(["sh", "-c", "ls *.txt"]) == []


@pytest.mark.parametrize(
    ("text", "pair"), [("FOO=", ("FOO", "")), ("a-b=c=d", ("a-b", "c=d")), ("X= y", ("X", " y"))]
)
def test_variables(text, pair):
    assert split_variable(text) == pair


@pytest.mark.parametrize("env", [("X=1", "X=2"), ("X=", "Y=1", "X="), ("X={n}", "X=1")])
def test_a_variable_that_is_set_twice_is_refused(env):
    with pytest.raises(InputError, match="expected each --env once; got X again; drop one of them"):
        command(CommandSpec(("echo", "{n}"), knob="n=1:1..2", env=env))


@pytest.mark.parametrize("text", ["", "X", "=x", " X=1"])
def test_what_is_no_variable_is_refused(text):
    with pytest.raises(InputError, match="NAME=text"):
        split_variable(text)


def test_named_texts():
    assert split_named("学习-a=b=c", "x") == ("学习-a", "b=c")
    for text in ("", "a", "a=", "1=2", "a b=c"):
        with pytest.raises(InputError, match="expected a thing; got"):
            split_named(text, "a thing")


def test_input_that_waits_is_seen(tmp_path):
    (tmp_path / "in").write_text("text")
    with (tmp_path / "in").open("rb") as file:
        assert input_waits(file.fileno())
        file.read()
        assert not input_waits(file.fileno())
    reader, writer = os.pipe()
    assert not input_waits(reader)
    os.write(writer, b"x")
    assert input_waits(reader)
    os.close(writer)
    os.close(reader)
    assert not input_waits(reader)
    with Path(os.devnull).open() as nothing:
        assert not input_waits(nothing.fileno())


@given(st.lists(st.sampled_from(["a b", "it's", "x"]), min_size=1, max_size=4))
def test_the_line_to_write_instead_leaves_what_a_shell_reads_to_the_shell(words):
    with pytest.raises(InputError) as refused:
        checked_words(["echo", *words, "|", "cat", "2>&1"], "A")
    line = re.search(r"write (.*), or quote it", str(refused.value))[1]
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True)
    assert done.stdout == " ".join(words) + "\n"
