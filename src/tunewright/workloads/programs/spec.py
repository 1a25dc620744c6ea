"""What a user says about a program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType
from typing import final

from tunewright.core.texts import names_of
from tunewright.core.units import parse_quantity
from tunewright.errors import InputError, check_type

_LISTS = (
    "argv", "knob", "knobs", "require", "metric", "step", "config", "env", "test_metric",
)  # fmt: skip
_PATHS = ("cwd", "same_output", "stdin", "env_file")
_LINES = ("shell", "setup", "prepare", "cleanup", "test_command", "progress", "effort")


@final
@dataclass(frozen=True)
class CommandSpec:
    """What a user says about a program; `{name}` in a text stands for a knob, a step, dir or seed.

    knob: "level=6:1..9", "lr=1e-3:1e-5..1e-1:log", "batch=32:16,32,64", "fast=off:flag",
    "data=a.txt:files:*.txt" or "threads"; behind " when " a condition on knobs above it.
    knobs: names of ready-made ones. require: conditions between knobs that hold for all that is
    proposed: "threads * workers <= 4".
    metric: "size=file:{dir}/out", "acc=json:{dir}/m.json:acc", "acc=regex:accuracy=([0-9.]+)",
    "loss=csv:{dir}/log.csv:loss", "faults=used:page_faults" …, each with ":higher" or ":lower"
    behind it where that is not plain.
    step: "build=make OUT={dir}/prog", run before; `{build}` is its directory further down.
    config: "conf=settings.json", a file in which knobs are filled in; `{conf}` is its path.
    env: "NAME=text"; env_file: a file of such lines, which env goes before. cwd: where it runs, and
    what every path is as seen from. stdin: a file that it reads. shell: the shell that reads every
    command line; None for none. ok_exit: the codes of a good run. cores: for threads, None for all.
    setup: run once before all, its directory is `{setup}`. prepare, cleanup: run before and after
    each run, outside of what is measured.
    same_output: what must be the same whatever the config: "" for all that is printed, a pattern
    of what is printed, or a file; None to check nothing. tolerance: of the numbers in it, as a
    share of their size.
    test_command: a command that is run after each run of a verification, and never in a search;
    test_metric: what it gives in place of the metrics of those names. progress: lines that tell how
    far it is: "regex:epoch ([0-9]+).*acc=([0-9.]+)". effort: "epochs=3..81", how far a run goes:
    `{epochs}` stands for it, and `{checkpoint}` for a directory from which a config goes on.
    """

    argv: tuple[str, ...]
    knob: tuple[str, ...] = ()
    metric: tuple[str, ...] = ()
    step: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    cwd: str | os.PathLike[str] | None = None
    cores: int | None = None
    same_output: str | os.PathLike[str] | None = None
    tolerance: float = 0.0
    knobs: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    env_file: str | os.PathLike[str] | None = None
    stdin: str | os.PathLike[str] | None = None
    shell: str | None = None
    ok_exit: tuple[int, ...] = (0,)
    setup: str | None = None
    prepare: str | None = None
    cleanup: str | None = None
    test_command: str | None = None
    test_metric: tuple[str, ...] = ()
    progress: str | None = None
    effort: str | None = None

    def __post_init__(self) -> None:
        """Take one text for a list of one; a whole command line is no list of words."""
        argv: object = self.argv
        if isinstance(argv, str):
            raise InputError(
                f"expected a program and its arguments one by one; got {argv!r}; "
                f"write {tuple(argv.split())!r}"
            )
        for name in _LISTS:
            object.__setattr__(self, name, names_of(name, getattr(self, name)))
        families = [part.strip() for one in self.knobs for part in one.split(",")]
        object.__setattr__(self, "knobs", tuple(name for name in families if name))
        object.__setattr__(self, "ok_exit", _codes(self.ok_exit))
        for name in _PATHS:
            if isinstance(path := getattr(self, name), os.PathLike):
                object.__setattr__(self, name, os.fspath(path))
            check_type(name, getattr(self, name), (str, NoneType), "'.'")
        for name in _LINES:
            check_type(name, getattr(self, name), (str, NoneType), "'make all'")
        check_type("cores", self.cores, (int, NoneType), "2")
        check_type("tolerance", self.tolerance, (int, float), "1e-6")


def _codes(codes: object) -> tuple[int, ...]:
    listed = [codes] if isinstance(codes, int) else codes
    if not isinstance(listed, Sequence) or not listed or isinstance(listed, str):
        raise InputError(f"ok_exit: expected such as (0, 3); got {codes!r}")
    for code in listed:
        if type(code) is not int or not 0 <= code <= 255:
            raise InputError(f"ok_exit: expected codes from 0 to 255; got {code!r}")
    return tuple(listed)


def read_codes(text: str) -> tuple[int, ...]:
    """The codes of "0,3". Raises InputError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts):
        raise InputError(f"--ok-exit: expected codes such as 0,3; got {text!r}")
    return tuple(map(int, parts))


def read_tolerance(text: str | None) -> float:
    """The tolerance as typed: 1e-6 or 0.1%; 0 where nothing is said. Raises InputError."""
    try:
        return parse_quantity(text, "") if text else 0.0
    except InputError as error:
        raise InputError(f"--tolerance: {error}") from error
