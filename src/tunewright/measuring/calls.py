"""Timing a pickled function in a process of its own: `python -m tunewright.measuring.calls`."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tunewright.measuring.sampling import sample_calls

BUDGET_S = 0.5  # of calls in one process; one that takes longer is timed once
WARM_UP = 5  # more calls before those that are timed


@final
@dataclass(frozen=True)
class Calls:
    """Functions by their arms, and what all of them are called with."""

    functions: Mapping[str, Callable[..., object]]
    args: tuple[Any, ...]


def main(payload: str, arm: str, output: str) -> None:
    """Call the function of this arm again and again; its times go to a JSON file.

    What it answers first goes to standard output as a checksum of its pickle, so that both arms'
    answers can be compared; what cannot be pickled is compared by its text.
    """
    search: list[str]
    search, body = pickle.loads(Path(payload).read_bytes())  # noqa: S301 - of the own study
    sys.path[:] = search
    calls: Calls = pickle.loads(body)  # noqa: S301 - the same
    function = calls.functions[arm]
    began_s = time.perf_counter()
    answer = function(*calls.args)
    slow = time.perf_counter() - began_s > BUDGET_S  # then that call was warm-up enough
    print(f"answer {zlib.crc32(_content(answer)):08x}", flush=True)  # noqa: T201 - see above
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # as often as may be
        times_s = sample_calls(
            lambda _: function(*calls.args), [None], budget_s=BUDGET_S, most=1000,
            warm_up=0 if slow else WARM_UP,
        )  # fmt: skip
    Path(output).write_text(json.dumps({"calls": times_s}), encoding="utf-8")


def _content(answer: object) -> bytes:
    """Equal for equal answers: no object is pickled as "the same as before"."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.fast = True
    try:
        pickler.dump(answer)
    except Exception:  # noqa: BLE001 - what is recursive, and any `__reduce__` of the user's
        return repr(answer).encode()
    return buffer.getvalue()


if __name__ == "__main__":
    main(*sys.argv[1:])
