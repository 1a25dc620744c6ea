"""The texts of a command: who reads which, and what of them cannot be meant."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tunewright.errors import InputError, nearest
from tunewright.workloads.programs.efforts import CHECKPOINT, StatedEffort
from tunewright.workloads.programs.pasting import PLACES
from tunewright.workloads.programs.placeholders import (
    check_plain,
    escaped,
    has_placeholder,
    placeholders_in,
)
from tunewright.workloads.programs.program import LAST, Around
from tunewright.workloads.programs.spec import CommandSpec
from tunewright.workloads.programs.templates import Template
from tunewright.workloads.programs.words import (
    checked_words,
    read_env_file,
    split_line,
    split_named,
    split_variable,
)

SETUP = "setup"  # the step that is run once
_SMALL_BYTES = 2**24  # a larger file is known by its size and time


@final
@dataclass(frozen=True)
class Texts:
    """Every text of a spec that may hold placeholders, by who reads it.

    words: of the steps and the program. around: of what is run beside it. env: variables. paths: of
    what is read when it has run, and of its standard input. templates: files that are filled in.
    """

    words: Mapping[str, tuple[str, ...]]
    around: Around
    env: tuple[tuple[str, str], ...]
    paths: tuple[str, ...]
    templates: tuple[Template, ...]

    def of(self, stage: str) -> list[str]:
        """The texts that a stage reads, variables left out."""
        if stage != LAST:
            return list(self.words[stage])
        around = (self.around.prepare, self.around.cleanup, self.around.test)
        return [*self.words[stage], *(word for words in around for word in words), *self.paths]

    @property
    def variables(self) -> list[str]:
        """The texts of the environment."""
        return [text for _, text in self.env]

    def reads(self, texts: Iterable[str]) -> set[str]:
        """The names that texts read, also by the files with placeholders that they name."""
        names = placeholders_in(texts)
        return names.union(*(each.reads for each in self.templates if each.name in names))

    @property
    def every(self) -> list[str]:
        """All texts."""
        return [*(text for stage in self.words for text in self.of(stage)), *self.variables]


def check_program(words: Sequence[str], where: str) -> None:
    """Raise InputError for words whose first one cannot be run."""
    first = words[0] if words else ""
    path = str(Path(where, first)) if os.sep in first else first
    if first and not has_placeholder(first) and shutil.which(path) is None:
        raise InputError(
            f"expected a program that can be run; got {first!r}, which is not on the PATH "
            "and is no executable file"
        )


def stage_words(spec: CommandSpec, where: str) -> dict[str, tuple[str, ...]]:
    """The words of the steps and of the program, by stage."""
    words: dict[str, tuple[str, ...]] = {}
    if setup := line_of(spec, SETUP, where):
        words[SETUP] = setup
    for step in spec.step:
        name, line = split_named(step, "a step NAME=program arguments")
        if name in words or name == LAST:
            raise InputError(f"step {name!r}: the name is taken; give it another")
        words[name] = _split(spec, line, f"step {name!r}", where)
    argv = (spec.shell, "-c", " ".join(spec.argv)) if spec.shell and spec.argv else spec.argv
    return {**words, LAST: tuple(checked_words(argv, "the program behind --"))}


def line_of(spec: CommandSpec, name: str, where: str) -> tuple[str, ...]:
    """The words of one of the command lines beside the program, () where there is none."""
    line = getattr(spec, name)
    return () if line is None else _split(spec, line, f"--{name.replace('_', '-')}", where)


def _split(spec: CommandSpec, line: str, what: str, where: str) -> tuple[str, ...]:
    return (spec.shell, "-c", line) if spec.shell else tuple(split_line(line, what, where))


def variables_of(spec: CommandSpec, where: str) -> tuple[tuple[str, str], ...]:
    """The variables of the file, then those that are said, which go before them."""
    said = [split_variable(text) for text in spec.env]
    names = [name for name, _ in said]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"expected each --env once; got {name} again; drop one of them")
    kept = read_env_file(Path(where, spec.env_file)) if spec.env_file else []
    kept = [(name, escaped(text)) for name, text in kept if name not in names]
    return (*kept, *said)


def check_names(
    names: Sequence[str], steps: Sequence[str], files: Sequence[str], effort: StatedEffort | None
) -> None:
    """Refuse a name that two things have, or that is ours."""
    efforts = [effort.name] if effort else []
    every = [*names, *steps, *files, *efforts]
    for name in every:
        if name in PLACES:
            raise InputError(f"the name {name!r} is reserved; choose another")
    for name in (*names, *files, *efforts):
        if every.count(name) > 1:
            what = "knob" if name in names else "config" if name in files else "effort"
            raise InputError(f"{what} {name!r}: the name is taken; give it another")


def check_places(texts: Texts, names: Sequence[str], effort: StatedEffort | None) -> None:
    """Refuse a placeholder that stands for nothing, or is no plain one."""
    files = [template.name for template in texts.templates]
    only_last = {*files, CHECKPOINT, *([effort.name] if effort else [])}
    known = {*names, *PLACES, *only_last}
    check_plain(texts.every, {*known, *texts.words})
    for stage in texts.words:
        read = texts.of(stage) + (texts.variables if stage == LAST else [])
        for placeholder in sorted(placeholders_in(read)):
            if placeholder not in known:
                raise InputError(
                    f"{{{placeholder}}} is no knob and no step above {stage!r}: "
                    f"{nearest(placeholder, known)}; "
                    f"for the text itself write {{{{{placeholder}}}}}"
                )
            if stage == SETUP and placeholder in names:
                raise InputError(
                    f"expected --setup without knobs, as it is run once; got {{{placeholder}}}; "
                    "write --step NAME=… for what depends on one"
                )
            if stage != LAST and placeholder in only_last:
                raise InputError(
                    f"expected {{{placeholder}}} in the program's own words; got it in step "
                    f"{stage!r}; let the step write what it needs"
                )
        known.add(stage)
    used = texts.reads(texts.every)
    if effort is not None and effort.name not in used:
        raise InputError(
            f"effort {effort.name!r} is used nowhere; write {{{effort.name}}} where the program "
            "takes how far it goes"
        )
    if effort is None and CHECKPOINT in used:
        raise InputError(
            f"expected --effort beside {{{CHECKPOINT}}}, as nothing goes on otherwise; got none; "
            "write --effort epochs=3..81"
        )
    for name in files:
        if name not in used:
            raise InputError(f"config {name!r} is used nowhere; write {{{name}}} in an argument")


def stage_of(name: str, texts: Texts) -> str:
    """The first stage that reads a knob."""
    for stage in texts.words:
        if name in texts.reads(texts.of(stage)):
            return stage
    if name != "threads" and name not in texts.reads(texts.variables):
        raise InputError(f"knob {name!r} is used nowhere; write {{{name}}} in an argument or --env")
    return LAST


def contents(texts: Texts, spec: CommandSpec, where: str) -> list[str]:
    """What the programs and the files named in the command lines hold; of large ones the age."""
    contents = [template.text for template in texts.templates]
    paths = [Path(where, spec.stdin)] if spec.stdin else []
    for first, *rest in texts.words.values():
        paths += [Path(shutil.which(first) or first), *(Path(where, word) for word in rest)]
    for path in paths:
        if _is_file(path):
            status = path.stat()
            large = status.st_size > _SMALL_BYTES
            content = b"" if large else path.read_bytes()
            stamp = f"{status.st_size} {status.st_mtime_ns}" if large else ""
            contents.append(hashlib.blake2b(content, digest_size=16).hexdigest() + stamp)
    return contents


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a whole script may be longer than a name
        return False
