"""`tunewright init`."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from tunewright.errors import InputError

NAME = "tune.toml"
STARTER = Path(__file__).with_name("starter.toml")
_NUMBER = re.compile(r"[0-9]+|[0-9]*\.[0-9]+(?:[eE][-+]?[0-9]+)?|[0-9.]+[eE][-+]?[0-9]+")
_OPTION = re.compile(r"--?([A-Za-z][\w-]*)(?:=(.+))?")
_SPAN = 10  # times the default, either way

# Packs text: a higher level is slower and smaller, and there are other ways to be as small.
CODE = """
import sys, zlib
level, strategy, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
text = b"".join(b"%d,%d,%d;" % (i, i * i % 97, i * 31 % 9) for i in range(60000))
packer = zlib.compressobj(level, zlib.DEFLATED, 15, 8, strategy)
open(out + "/packed", "wb").write(packer.compress(text) + packer.flush())
"""
EXAMPLE = {
    "GOAL": "minimize wall_s subject to size <= baseline * 1.1",
    "BUDGET": "20s",
    "KNOB": '["level=9:1..9", "strategy=0:0..3"]',
    "METRIC": '["size=file:{dir}/packed"]',
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("program", nargs=-1)
@click.option("--output", default=NAME, show_default=True, metavar="FILE", help="Where to.")
def command(program: Sequence[str], output: str) -> int:
    """Write a commented tune.toml that runs as it is.

    Of a program its numeric options become knobs; without one, an example is tuned.

    \b
    tunewright init
    tunewright init -- python train.py --lr 0.1
    """  # noqa: D301 - click wants the character itself
    path = Path(output)
    parent = path.absolute().parent
    if path.exists():
        raise InputError(f"expected a new file; got {path}, which is there; name another --output")
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"expected a place to write; got {path}; name another --output")
    path.write_text(starter(program, path.name), encoding="utf-8")
    click.echo(f"wrote {path}; now: tunewright tune {path} --dry-run")
    return 0


def starter(program: Sequence[str], file: str = NAME) -> str:
    """The text of a starter for a program, or for the example where there is none."""
    if program:
        argv, knobs = _parametrized(program)
        knob = "[\n" + "".join(f"    {_quoted(text)},\n" for text in knobs) + "]"
        said = {"GOAL": "minimize wall_s", "BUDGET": "60s", "KNOB": knob, "METRIC": "[]"}
        words = "[" + ", ".join(map(_quoted, argv)) + "]"
    else:
        python = "python3" if shutil.which("python3") else sys.executable
        said = EXAMPLE
        words = f"['{python}', '-c', '''{CODE}''', '{{level}}', '{{strategy}}', '{{dir}}']"
    return _filled(STARTER.read_text(encoding="utf-8"), {**said, "ARGV": words, "FILE": file})


def _filled(text: str, said: Mapping[str, str]) -> str:
    return re.sub(r"\{([A-Z]+)\}", lambda match: said[match[1]], text)


def _parametrized(program: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words with a placeholder for each number behind an option, and their knobs."""
    words, knobs = list(program), dict[str, str]()
    for at, word in enumerate(program):
        option = _OPTION.fullmatch(word)
        if option is None:
            continue
        glued, following = option[2], next(iter(program[at + 1 :]), "")
        value = glued or following
        name = option[1]
        if not _NUMBER.fullmatch(value) or not float(value) or name in (*knobs, "dir", "seed"):
            continue
        knobs[name] = f"{name}={value}:{_domain(value)}"
        if glued:
            words[at] = f"{word[: -len(glued)]}{{{name}}}"
        else:
            words[at + 1] = f"{{{name}}}"
    return words, list(knobs.values())


def _domain(value: str) -> str:
    """Ten times either way, by ratio: what is known of it is its size alone."""
    if value.isdigit():
        return f"{max(int(value) // _SPAN, 1)}..{int(value) * _SPAN}:log"
    low, high = (f"{float(value) * factor:.6g}" for factor in (1 / _SPAN, _SPAN))
    low, high = (text if re.search(r"[.e]", text) else f"{text}.0" for text in (low, high))
    return f"{low}..{high}:log"


def _quoted(word: str) -> str:
    """A word as TOML has it: as JSON does, but for what may not stand in either."""
    return json.dumps(word, ensure_ascii=False).replace("\x7f", "\\u007f")
