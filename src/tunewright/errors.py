"""Every error that tunewright raises on purpose.

TunewrightError
├── InputError          the user can fix it: expected X; got Y; do Z      (exit code 2)
│   └── TooFew          … by giving more rows: none of these can be held back (exit code 2)
├── StoreError          a journal cannot be written, read or locked       (exit code 2)
├── TrialFailed         a stage gave up for a reason it can name          (an outcome)
│   ├── TrialTimeout    … which is that it took longer than a trial may   (an outcome)
│   └── OutputDiffers   … which is that it puts out something else        (an outcome)
└── InvalidTransition   an event that the history cannot have             (a defect of ours)
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


class TunewrightError(Exception):
    """Anything that tunewright raises on purpose."""


class InputError(TunewrightError):
    """What the user gave cannot be used; the message says what to give instead."""


class TooFew(InputError):
    """There are too few rows, or too few that differ, to hold any of them back."""


class StoreError(TunewrightError):
    """The journal cannot be written, read or locked."""


class TrialFailed(TunewrightError):
    """A stage gave up for a reason that it can name; becomes the outcome CRASHED with this text."""


class TrialTimeout(TrialFailed):
    """A stage took longer than a trial may; becomes the outcome TIMEOUT with this text."""


class OutputDiffers(TrialFailed):
    """A config puts out something else than it must; becomes the outcome DIFFERS with this text."""


class InvalidTransition(TunewrightError):
    """An event that this history cannot have: the message carries the story."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to `word`, or all of them when none is near."""
    names = sorted(known)
    match = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"did you mean {match[0]!r}?" if match else f"known: {', '.join(names) or 'none'}"


def check_type(name: str, value: Any, kind: type | tuple[type, ...], example: str) -> None:
    """Raise InputError where an argument from Python is of another type; True is no number."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise InputError(f"{name}: expected such as {example}; got {value!r:.60}")


@contextmanager
def as_arguments() -> Iterator[None]:
    """Within it, what an InputError calls an option of the command line is called an argument."""
    try:
        yield
    except InputError as error:
        text = re.sub(r"\bsay --([a-z-]+) ([^\s;,]+)", r'say \1="\2"', str(error))
        text = re.sub(r"(?<![\w-])--([a-z][a-z-]*)", lambda m: m[1].replace("-", "_"), text)
        error.args = (text,)
        raise
