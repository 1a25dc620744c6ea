"""A trial's work in a process that is forked for it: what becomes of it is the trial's outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tunewright.core.roles import Context
from tunewright.errors import TrialFailed, TrialTimeout
from tunewright.measuring.forked import Died, Tell, run_forked

SHOWN = 2000  # characters of what a process printed before it died
A = TypeVar("A")


def apart(what: str, work: Callable[[Tell], A], hear: Tell, context: Context) -> A:
    """The answer of `work`, see run_forked; what: how it is called, such as "training".

    Raises TrialFailed where the process gives none, TrialTimeout beyond the trial's limit.
    """
    output = context.directory / "output"
    try:
        answer: A = run_forked(work, hear, output, context.limit_s)
    except TimeoutError:
        raise TrialTimeout(
            f"the {what} ran longer than {context.limit_s:.3g} s, which is what a trial may"
        ) from None
    except Died as error:
        printed = output.read_text(errors="replace")[-SHOWN:] if output.exists() else ""
        last = (printed.strip().splitlines() or [""])[-1]
        said = f"; the last that it printed: {last}" if last else ""
        raise TrialFailed(f"the {what}'s process {error.how}{said}") from error
    return answer
