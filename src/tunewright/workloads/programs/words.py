"""Command lines as one text: split as a shell would, and refused where only a shell could go on."""

from __future__ import annotations

import glob
import os
import re
import select
import shlex
import stat
from collections.abc import Sequence
from pathlib import Path

from tunewright.errors import InputError
from tunewright.workloads.programs.placeholders import has_placeholder, is_name

_VARIABLE = r"\$[A-Za-z_0-9{(@*#?$!-]"
_IN_DOUBLE = re.compile(rf"\\([$`\"\\])|(`|{_VARIABLE})")
_MARKS = re.compile(rf"[|&;<>()`]|{_VARIABLE}")
_GROUP = re.compile(r"\{[^{},.]*\}")  # braces in which a shell sees nothing to do
_BRACES = re.compile(
    r"\{[^{}]*,[^{}]*\}|\{(?:[-+]?\d+\.\.[-+]?\d+|[A-Za-z]\.\.[A-Za-z])(?:\.\.[-+]?\d+)?\}"
)
_TOKEN = re.compile(
    r"""(?P<space>\s+) | '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | \\(?P<escaped>.)
    | (?P<bare>[^\s'"\\]+) | (?P<open>.)""",
    re.DOTALL | re.VERBOSE,
)
_ALONE = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "&>", "|&", "<<<"})
_COMPARING = frozenset({"expr", "test", "["})  # programs that take such words as their own
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


def split_line(line: str, what: str, cwd: str | Path = ".") -> list[str]:
    """The words of a command line as a shell would split it; `what` names it in errors.

    No shell will read it. So what only a shell understands raises InputError, unless it is quoted
    as it would have to be for a shell that should leave it alone.
    """
    if "\n" in line.strip():
        raise _only_a_shell("a second line", line, what)
    words: list[str] = []
    word: str | None = None
    bare, globbing = "", False  # the word with what is quoted left out
    for token in [*_TOKEN.finditer(line.strip()), None]:
        if token is None or token["space"]:
            if word is not None:
                if globbing and ("*" in word or _matches(word, cwd)):
                    raise _only_a_shell(word, line, what)
                if _expands(bare):
                    raise _only_a_shell(word, line, what, "bash")
                words.append(word)
            word, bare, globbing = None, "", False
            continue
        if token["open"]:
            missing = "a character behind the last \\" if token["open"] == "\\" else "a closing"
            raise InputError(f"{what}: expected {missing} {token['open']}; got {line!r}")
        part = token["single"] or token["escaped"] or ""
        if token["double"]:
            if special := next((m for m in _IN_DOUBLE.finditer(token["double"]) if m[2]), None):
                raise _only_a_shell(token["double"][special.start() :], line, what)
            part = _IN_DOUBLE.sub(r"\1", token["double"])
        elif token["bare"]:
            part = token["bare"]
            mark = _MARKS.search(part)
            if mark or (word is None and part[0] in "~#"):
                raise _only_a_shell(part[mark.start() if mark else 0 :], line, what)
            globbing |= any(char in part for char in "*?[")
        word, bare = (word or "") + part, bare + (token["bare"] or "x")
    return checked_words(words, what)


def _expands(word: str) -> bool:
    """Whether a shell would make several words of its braces: {a,b} or {1..3}, but not {n},{m}."""
    rest, count = _GROUP.subn("x", word)
    while count:
        rest, count = _GROUP.subn("x", rest)
    odd = "{" in word and "," in rest and "}" in rest
    return odd or _BRACES.search(rest) is not None


def _matches(word: str, cwd: str | Path) -> bool:
    """Whether a shell would find files for a pattern; one without any it leaves as it is."""
    return bool(glob.glob(word, root_dir=cwd))  # noqa: PTH207 - a pattern


def checked_words(words: Sequence[str], what: str) -> list[str]:
    """Words that came one by one, such as those behind `--`; operators raise InputError."""
    if not words or not words[0]:
        raise InputError(f"{what}: expected a program to run; got nothing")
    first = words[0]
    if _ASSIGNED.fullmatch(first) and not has_placeholder(first):
        raise InputError(f"{what}: expected a program; got {first!r}; write --env {first}")
    if Path(first).name not in _COMPARING:
        for word in words:
            if word in _ALONE:
                line = " ".join(one if one in _ALONE else shlex.quote(one) for one in words)
                raise _only_a_shell(word, line, what)
    return list(words)


def notes_on(words: Sequence[str]) -> list[str]:
    """What words that no shell reads will not mean, though they look as if they did."""
    return [
        f"{word!r} is handed over as it is, since no shell reads it; "
        f"where one should: sh -c {shlex.quote(word if word in words[:1] else '… ' + word + ' …')}"
        for word in words
        if len(word.split()) == 1
        and (re.fullmatch(r"\$\w+|\$\{\w+\}|~(/.*)?|[\w./-]*\*[\w./*-]*", word) is not None)
    ]


def input_waits(fd: int = 0) -> bool:
    """Whether somebody gave this process something to read, which no program will get."""
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode):
            return os.fstat(fd).st_size > os.lseek(fd, 0, os.SEEK_CUR)
        if not stat.S_ISFIFO(mode):
            return False
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return any(event & select.POLLIN for _, event in poll.poll(0))
    except OSError:
        return False


def split_variable(text: str) -> tuple[str, str]:
    """The name and the value of "NAME=VALUE"; the value may be empty. Raises InputError."""
    name, equals, value = text.partition("=")
    if not equals or not name or name != name.strip() or "\0" in text:
        raise InputError(f"expected an environment variable NAME=text; got {text!r}")
    return name, value


def read_env_file(path: str | Path) -> list[tuple[str, str]]:
    """The variables of a file with a line NAME=VALUE each; a later one goes before an earlier one.

    Values may stand in quotes, `export` before a name, and # begins a comment. Nothing in them is
    replaced. Raises InputError, naming the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise InputError(f"expected a file of variables; got {path}: {why}") from error
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stated = line.strip().removeprefix("export ").strip()
        if not stated or stated.startswith("#"):
            continue
        try:
            name, value = split_variable(stated)
            quoted = value[:1] in ("'", '"')
            value = shlex.split(value, comments=True)[0] if quoted else value.split(" #")[0].strip()
        except (InputError, ValueError, IndexError) as error:
            raise InputError(f"{path}, line {number}: expected NAME=text; got {line!r}") from error
        variables[name] = value
    return list(variables.items())


def split_named(text: str, expected: str) -> tuple[str, str]:
    """The name before the first = of a text, and what is behind it. Raises InputError."""
    name, equals, rest = text.partition("=")
    if not equals or not is_name(name) or not rest:
        hint = "" if is_name(name) or not name else f"; {name!r} is no name"
        raise InputError(f"expected {expected}; got {text!r}{hint}")
    return name, rest


def _only_a_shell(piece: str, line: str, what: str, shell: str = "sh") -> InputError:
    script = shlex.join([shell, "-c", line])
    return InputError(
        f"{what}: expected words for one program; got {piece[:40]!r}, which only a shell "
        f"understands; write {script}, or quote it to hand it over as it is"
    )
