"""Lines on the terminal while a study runs: never cut, and never silent for long."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Lock, Thread
from typing import Protocol, Self, final

import click

from tunewright.core.history import History
from tunewright.errors import InputError
from tunewright.reporting.layout import WIDTH, wrapped

SILENCE_S = 4.0  # a line at least so often
ALIKE = 3  # of lines that are alike the first few say enough
LEAST, MOST = 40, 120  # columns that text is set in, however wide the screen


def columns() -> int:
    """How wide the screen is, as far as text goes; the usual width where there is none."""
    if not sys.stdout.isatty():
        return WIDTH
    return min(max(shutil.get_terminal_size((WIDTH, 24)).columns, LEAST), MOST)


def check_output() -> None:
    """Refuse now what would be written to a standard output that is closed."""
    if 1 in (click.get_current_context().find_root().obj or ()):
        raise InputError(
            "expected a standard output, where the result goes; got a closed one; write > FILE"
        )


class Display(Protocol):
    """Where it is said what happens while a study runs."""

    def say(self, elapsed_s: float, text: str, like: str = "") -> None:
        """Say a line; of several that are alike, the first ones."""

    def passed(self, elapsed_s: float, doing: str) -> None:
        """Something happened on the study's clock; `doing` is said if there is nothing else."""

    def saw(self, history: History) -> None:
        """This is all that has happened so far."""


@final
class Silence:
    """Says nothing."""

    def say(self, elapsed_s: float, text: str, like: str = "") -> None:
        """Say nothing."""

    def passed(self, elapsed_s: float, doing: str) -> None:
        """Say nothing."""

    def saw(self, history: History) -> None:
        """Say nothing."""


@final
@dataclass
class Lines:
    """Prints lines with the time on the study's clock; after a silence it says what goes on.

    As a context it watches over the silence; without, it prints what it is told alone.
    """

    doing: str = "starting"
    write: Callable[[str], object] = click.echo
    _clock_s: tuple[float, float] = (0.0, 0.0)  # the study's time, and the machine's at that moment
    _printed_s: float = field(default_factory=time.monotonic)
    _alike: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)
    _over: Flag = field(default_factory=Flag)

    def __enter__(self) -> Self:
        """Begin to watch."""
        Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is printed from here on."""
        with self._lock:
            self._over.set()

    def say(self, elapsed_s: float, text: str, like: str = "") -> None:
        """Print a line; of several that are alike, the first ones."""
        if like:
            self._alike[like] += 1
            if self._alike[like] > ALIKE:
                return
        with self._lock:
            self._print(elapsed_s, text)

    def passed(self, elapsed_s: float, doing: str) -> None:
        """Something happened on the study's clock; `doing` is said if there is nothing else."""
        self._clock_s, self.doing = (elapsed_s, time.monotonic()), doing

    def saw(self, history: History) -> None:
        """Lines are said one by one; there is no more to see."""

    def _print(self, elapsed_s: float, text: str) -> None:
        self._printed_s = time.monotonic()
        first = f"{elapsed_s:6.1f} s  "
        whole = not sys.stdout.isatty()  # for other programs a line stays a line
        shown = [first + text] if whole else wrapped(text, columns(), first)
        self.write("\n".join(shown))

    def _watch(self) -> None:
        while not self._over.wait(max(self._printed_s + SILENCE_S - time.monotonic(), 0.1)):
            with self._lock:
                now_s = time.monotonic()
                if self._over.is_set() or now_s < self._printed_s + SILENCE_S:
                    continue
                at_s, then_s = self._clock_s
                self._print(at_s + (now_s - then_s if then_s else 0.0), self.doing)
