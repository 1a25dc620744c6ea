"""Progress: lines that a program prints while it runs, read as they come."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import final

from tunewright.core.metrics import Sample
from tunewright.errors import InputError, TrialFailed
from tunewright.workloads.programs.numbers import parse_number

PROGRESS_FORMAT = (
    "regex:EXPRESSION, whose first group is the step: 'regex:epoch (\\d+).*acc=(\\S+)'"
)
Report = Callable[[float, Mapping[str, Sample]], None]
_LOOK_S = 0.2
_MOST = 5  # reports of one look: each is kept for good
_CALLED = re.compile(r"([A-Za-z_]\w*)\s*(?:[=:]|\\s\*|\s)*\s*$")  # the word before a group
_LONGEST = 2**16  # bytes of a line: of a longer one the beginning is dropped


@final
@dataclass(frozen=True)
class Progress:
    """What a line of progress looks like. names: of the groups behind the first, the step."""

    expression: str
    names: tuple[str, ...]

    def read(self, line: str) -> tuple[float, dict[str, Sample]] | None:
        """The step and the values that a line tells, or None."""
        match = re.search(self.expression, line)
        if match is None:
            return None
        try:
            step, *values = (parse_number(text or "", "progress") for text in match.groups())
        except TrialFailed:  # a line that looks alike
            return None
        return step, {n: Sample((v,)) for n, v in zip(self.names, values, strict=True)}

    @contextmanager
    def watching(self, streams: tuple[Path, ...], report: Report) -> Iterator[None]:
        """While it lasts, what is told in these files as they grow is reported."""
        over = Event()
        tails = [_Tail(path) for path in streams]

        def look() -> None:
            lines = [line for tail in tails for line in tail.lines()]
            told = [one for line in lines if (one := self.read(line))]
            for one in told[-_MOST:]:
                report(*one)

        def watch() -> None:
            while not over.wait(_LOOK_S):
                look()

        thread = Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            with suppress(OSError):
                look()


@final
@dataclass
class _Tail:
    """A file that grows: its whole lines, each once. A carriage return ends one, too."""

    path: Path
    at: int = 0
    rest: bytes = b""

    def lines(self) -> list[str]:
        try:
            with self.path.open("rb") as file:
                file.seek(self.at)
                new = file.read(2**20)
        except OSError:  # it has not begun
            return []
        self.at += len(new)
        *whole, self.rest = re.split(rb"[\r\n]+", self.rest[-_LONGEST:] + new)
        return [line.decode(errors="replace") for line in whole]


def read_progress(text: str) -> Progress:
    """The progress that "regex:epoch ([0-9]+).*acc=([0-9.]+)" states: a step, and a value "acc".

    A group is called by its own name or by the word before it. Raises InputError.
    """
    kind, _, expression = text.partition(":")
    if kind != "regex" or not expression:
        raise InputError(f"--progress: expected {PROGRESS_FORMAT}; got {text!r}")
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise InputError(f"--progress: expected a regular expression; {error}") from error
    if not pattern.groups:
        raise InputError(f"--progress: expected a group (…) around the step; got {expression!r}")
    named = {at: name for name, at in pattern.groupindex.items()}
    names = [named.get(at) or _called(expression, at) for at in range(2, pattern.groups + 1)]
    if missing := [at for at, name in enumerate(names, 2) if not name]:
        raise InputError(
            f"--progress: expected a word before group {missing[0]}, as in acc=([0-9.]+), or a "
            f"name in it, as in (?P<acc>[0-9.]+); got {expression!r}"
        )
    return Progress(expression, tuple(name for name in names if name))


def _called(expression: str, group: int) -> str:
    """The word before a group of an expression, "" for none."""
    opens = [
        match.start()
        for match in re.finditer(r"(?<!\\)\((?!\?(?!P<))", re.sub(r"\\\\", "__", expression))
    ]
    word = _CALLED.search(expression[: opens[group - 1]])
    return word[1] if word else ""
