"""Placeholders: `{name}` in a word stands for a value, and stays one word wherever it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath

from tunewright.core.config import Value
from tunewright.errors import InputError

NAME = r"[^\W\d](?:[\w-]*\w)?"  # letters of any script; 学习率 and batch-size are names
_NAME = re.compile(NAME)
_PLACE = re.compile(rf"\{{(\{{{NAME}\}})\}}|\{{({NAME})\}}")  # {{x}} stands for {x} itself
_FORMATTED = re.compile(rf"(?<![${{]){{({NAME})(?:![rsa])?(?::[^\s{{}}]*)?}}")
_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"})
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)  # means the same in every quotation
_CLOSE = {"'": "'", '"': '"', "`": "`", "(": ")", "$(": ")", "${": "}", "$'": "'"}
_OPENS = (("$(", "${", "$'", "<<", "'", '"', "`", "("), ("$(", "${", "`"))  # bare, and within "
_OWN_RULES = ("`", "${", "$'", "<<")
_IN_DOUBLE = re.compile(r'([\\"$`])')


def is_name(text: str) -> bool:
    """Whether a text can name a knob, a step or a metric."""
    return _NAME.fullmatch(text) is not None


def placeholders_in(texts: Iterable[str]) -> set[str]:
    """The names that stand in braces in these texts."""
    return {match[2] for text in texts for match in _PLACE.finditer(text) if match[2]}


def has_placeholder(text: str) -> bool:
    """Whether anything in a text will be replaced."""
    return bool(placeholders_in([text]))


def check_plain(texts: Iterable[str], known: Collection[str]) -> None:
    """Raise InputError for a placeholder of a known name with a format, as Python has them."""
    for match in (match for text in texts for match in _FORMATTED.finditer(text)):
        if match[1] in known and not _PLACE.fullmatch(match[0]):
            raise InputError(
                f"expected {{{match[1]}}}, as a placeholder has no format; got {match[0]}; let the "
                "program format the value, and write a space behind the name where the text itself "
                "is meant"
            )


def fill(text: str, places: Mapping[str, Value]) -> str:
    """`text` with its placeholders replaced by their values, a flag as true or false."""
    return _PLACE.sub(lambda match: match[1] or _text(places[match[2]]), text)


def fill_known(text: str, places: Mapping[str, Value]) -> str:
    """`text` with those of its placeholders replaced that are known; the others stay."""
    return _PLACE.sub(
        lambda match: match[1] or (_text(places[match[2]]) if match[2] in places else match[0]),
        text,
    )


def escaped(text: str) -> str:
    """A text in which nothing will be replaced."""
    return _PLACE.sub(lambda match: f"{{{match[0]}}}", text)


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flag(name: str, value: bool) -> list[str]:  # noqa: FBT001 - the flag itself
    """The words that a flag is: --name where it is present, and none where it is not."""
    return [f"-{name}" if len(name) == 1 else f"--{name}"] if value else []


def _filled(word: str, places: Mapping[str, Value]) -> list[str]:
    alone = _PLACE.fullmatch(word)
    value = places[alone[2]] if alone and alone[2] else None
    if alone and isinstance(value, bool):
        return _flag(alone[2], value)
    return [fill(word, places)]


def fill_words(words: Sequence[str], places: Mapping[str, Value]) -> list[str]:
    """Words of a command line with their placeholders replaced; each stays one word.

    A flag that is a word of its own is --name there, or is not there.
    In the script of `sh -c` a value is quoted as its place needs it, so it is one word there as
    well. Raises InputError where that place is too deep in the script to be sure.
    """
    scripts = set(_scripts(words))
    filled = (
        [_fill_script(word, places)] if at in scripts else _filled(word, places)
        for at, word in enumerate(words)
    )
    return [word for some in filled for word in some]


def check_values(words: Sequence[str], values: Mapping[str, Iterable[Value]]) -> None:
    """Raise InputError now if a value could not be filled into these words later."""
    for at in _scripts(words):
        for name in placeholders_in([words[at]]) & values.keys():
            rest = dict.fromkeys(placeholders_in([words[at]]), "x")
            for value in values[name]:
                _fill_script(words[at], {**rest, name: value})


def _scripts(words: Sequence[str]) -> Iterator[int]:
    """Where the words stand that a shell reads as a script: behind `sh -c`."""
    for at, word in enumerate(words):
        if PurePath(word).name not in _SHELLS:
            continue
        command, script = False, at + 1
        while script < len(words) and words[script][:1] in ("-", "+") and len(words[script]) > 1:
            option = words[script]
            command |= option[0] == "-" and option[1] != "-" and "c" in option
            script += 2 if option[-1] in "oO" and option[1] != "-" else 1
        if command and script < len(words):
            yield script


def _fill_script(script: str, places: Mapping[str, Value]) -> str:
    filled, end = [], 0
    for match, quoted in _quotations(script):
        filled.append(script[end : match.start()])
        end = match.end()
        if match[1]:
            filled.append(match[1])
            continue
        value = _text(places[match[2]])
        if isinstance(flag := places[match[2]], bool) and quoted == "":
            filled += _flag(match[2], flag)
        elif _PLAIN.fullmatch(value):
            filled.append(value)
        elif quoted == "":
            filled.append(shlex.quote(value))
        elif quoted == '"':
            filled.append(_IN_DOUBLE.sub(r"\\\1", value))
        elif quoted == "'":
            filled.append(value.replace("'", "'\"'\"'"))
        else:
            raise InputError(
                f"expected a value without spaces and marks of the shell for {match[0]} within "
                f"{quoted} of a script; got {value!r}; hand it over as an argument: "
                f"sh -c '… \"$1\" …' sh {match[0]}"
            )
    return "".join([*filled, script[end:]])


def _quotations(script: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each placeholder of a script with the quotation in which it stands.

    "" for none, a quotation mark, or the beginning of something that has rules of its own.
    """
    stack, at = [""], 0
    while at < len(script):
        inside, char = stack[-1], script[at]
        if match := _PLACE.match(script, at):
            own_rules = next((mark for mark in stack if mark in _OWN_RULES), None)
            yield match, own_rules or ("" if inside in ("(", "$(") else inside)
            at = match.end()
            continue
        opened = next((mark for mark in _OPENS[inside == '"'] if script.startswith(mark, at)), "")
        if char == _CLOSE.get(inside):
            stack.pop()
        elif inside == "'":
            pass
        elif char == "\\":
            at += 1
        elif char == "#" and inside != '"' and not script[:at].rpartition("\n")[2][-1:].strip():
            at = script.find("\n", at) if "\n" in script[at:] else len(script)
        elif opened:
            stack.append(opened)
            at += len(opened) - 1
        at += 1
