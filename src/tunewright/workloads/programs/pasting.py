"""Command lines with a config filled in, ready to be pasted into a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from tunewright.core.config import Config, Value
from tunewright.errors import InputError
from tunewright.knobs.offers import settled
from tunewright.workloads.programs.efforts import CHECKPOINT
from tunewright.workloads.programs.placeholders import fill, fill_words
from tunewright.workloads.programs.program import Program
from tunewright.workloads.programs.spelling import spelled

PLACES = (
    "dir",
    "seed",
    "split",
    CHECKPOINT,
)  # what a placeholder may stand for beside knobs, steps and files
_MARK = re.compile(r"TUNEWRIGHT_([0-9]+)_PLACE")  # stands for a directory, a file or a word
_PLAIN = {"seed": "0", "split": "test"}  # what is neither a directory nor a file


def command_lines(stages: Sequence[Program], config: Config) -> dict[str, dict[str, object]]:
    """Each stage's words and environment with the knobs filled in; {dir} and the like stay.

    line: the same for a shell, ready to paste: each directory is made as it is needed. Raises
    InputError for a config without one of the knobs, as a harmed journal may hold.
    """
    owned = [k.name for stage in stages for k in stage.knobs if k.when is None]
    if missing := [name for name in owned if name not in config]:
        raise InputError(
            f"expected a value for {' and '.join(missing)} in the config that won; got none; "
            "the study's journal is harmed, so tune again"
        )
    files = [template.name for template in stages[-1].templates]
    names = (*PLACES, *(stage.name for stage in stages), *files)
    marks = {name: f"TUNEWRIGHT_{at}_PLACE" for at, name in enumerate(names)}
    lines: dict[str, dict[str, object]] = {}
    for stage in stages:
        kept: dict[str, Value] = {**marks, **spelled(stage.known, config)}
        kept |= {stage.effort.name: stage.effort.at({})} if stage.effort else {}
        variables, before = settled(stage.offers, config, {})
        argv = [*before, *fill_words(stage.argv, kept)]
        env = {**{name: fill(text, kept) for name, text in stage.env}, **variables}
        lines[stage.name] = {
            "argv": [_as_typed(word, names) for word in argv],
            "env": {name: _as_typed(text, names) for name, text in env.items()},
            "line": _pasted(stages, stage, (argv, env), names, kept),
        }
    return lines


def _as_typed(text: str, names: Sequence[str]) -> str:
    return _MARK.sub(lambda match: f"{{{names[int(match[1])]}}}", text)


def _pasted(
    stages: Sequence[Program],
    stage: Program,
    launched: tuple[Sequence[str], Mapping[str, str]],
    names: Sequence[str],
    places: Mapping[str, Value],
) -> str:
    """A stage's command line for a shell, in which marks are the variables of what they name."""
    own = _variable(stage.name, stages)
    variables = {"dir": own, **{s.name: _variable(s.name, stages) for s in stages}}
    variables[CHECKPOINT] = "checkpoint_dir"
    variables |= {t.name: f"{t.name.replace('-', '_')}_file" for t in stage.templates}

    def quoted(word: str) -> str:
        parts = _MARK.split(word)
        for at in range(1, len(parts), 2):
            name = names[int(parts[at])]
            parts[at] = _PLAIN.get(name) or f'"${variables[name]}"'
        parts[::2] = [shlex.quote(part) if part else "" for part in parts[::2]]
        return "".join(parts) or "''"

    argv, env = launched
    line = " ".join([*(f"{name}={quoted(text)}" for name, text in env.items()), *map(quoted, argv)])
    if stage.stdin:
        line += f" < {quoted(fill(stage.stdin, places))}"
    later = stages[list(stages).index(stage) + 1 :]
    written = list(_written(stage, variables, line, places, names))
    read = any(f'"${own}"' in text for text in (line, *written))
    read |= any(stage.name in each.steps for each in later)
    made = [own] if read else []
    made += [name for name in ("checkpoint_dir",) if f'"${name}"' in line]
    return "; ".join([*(f"{name}=$(mktemp -d)" for name in made), *written, line])


def _written(
    stage: Program,
    variables: Mapping[str, str],
    line: str,
    places: Mapping[str, Value],
    names: Sequence[str],
) -> Iterator[str]:
    """What writes the files with placeholders that a line reads; theirs stay where they stand."""
    for template in stage.templates:
        variable = variables[template.name]
        if f'"${variable}"' not in line:
            continue
        content = shlex.quote(_as_typed(template.filled(places), names))
        yield f"{variable}=$(mktemp --suffix={template.suffix or '.txt'})"
        yield f'printf %s {content} > "${variable}"'


def _variable(name: str, stages: Sequence[Program]) -> str:
    """The shell's variable for the directory of a step."""
    at = next(at for at, stage in enumerate(stages) if stage.name == name)
    word = name.replace("-", "_")
    return f"{word if word.isascii() else f'step{at}'}_dir"
