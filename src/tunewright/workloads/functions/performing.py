"""Performing one call of a function: what it gave, and what it used."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, final

from tunewright.core.metrics import Metric
from tunewright.errors import TrialFailed
from tunewright.measuring import payloads
from tunewright.measuring.forked import peak_bytes
from tunewright.workloads.checkpoints import Checkpoint
from tunewright.workloads.functions.answers import Numbers, read_answer, telling
from tunewright.workloads.functions.calling import Calling
from tunewright.workloads.functions.runs import continued

SHOWN = 20  # lines of a traceback, from its head and from its tail


@final
@dataclass(frozen=True)
class Payload:
    """A function as it travels. objects: what labels of choices stand for, by knob."""

    function: Callable[..., object]
    calling: Calling
    data: Any = None
    objects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def values(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A config's values as the function wants them."""
        return {
            name: self.objects.get(name, {}).get(value, value) if isinstance(value, str) else value
            for name, value in config.items()
        }


@cache
def loaded(directory: str) -> Payload:
    """The payload in a directory, read once a process. Raises TrialFailed where it cannot be.

    What each run would import is imported here, and what a garbage collector would look through in
    each forked process is set aside: pages that nobody writes to are not copied.
    """
    try:
        payload: Payload = payloads.read(Path(directory))
        if "numpy" in sys.modules:
            importlib.import_module("numpy.random")
    except Exception as error:
        raise TrialFailed(
            f"cannot load the function in another process: {telling(error)}"
        ) from error
    gc.collect()
    gc.freeze()
    return payload


@final
@dataclass(frozen=True)
class Call:
    """What a call is made with, and where. `seed` is of all its chance."""

    config: Mapping[str, Any]
    seed: int
    checkpoint: Checkpoint


@final
@dataclass(frozen=True)
class Answer:
    """What became of a call.

    numbers: every number that it gave; those of a failed call are of no use. peak_bytes: None where
    the system does not tell. why: it failed, and how; trace: head and tail of its traceback.
    """

    numbers: Mapping[str, Numbers]
    wall_s: float
    cpu_s: float
    peak_bytes: float | None
    outcome: Literal["ok", "failed", "out of memory"] = "ok"
    why: str = ""
    trace: str = ""


def perform(
    payload: Payload,
    call: Call,
    wanted: Sequence[Metric],
    report: Callable[[float, Mapping[str, Numbers]], None],
) -> Answer:
    """Call the function once, in this process; whatever it raises becomes part of the answer.

    A call that continues a checkpoint has used what was used up to there, too.
    """
    before: Mapping[str, Any] = {}
    began_s, began_cpu_s = time.perf_counter(), _cpu_s()

    def spent(earlier: Mapping[str, Any]) -> dict[str, float]:
        wall_s = time.perf_counter() - began_s + float(earlier.get("wall_s", 0.0))
        return {"wall_s": wall_s, "cpu_s": _cpu_s() - began_cpu_s + float(earlier.get("cpu_s", 0))}

    def answer(numbers: Mapping[str, Numbers], **more: Any) -> Answer:
        used = spent(before)
        return Answer(numbers, used["wall_s"], used["cpu_s"], peak_bytes(), **more)

    _seed(call.seed)
    run, before = continued(call.seed, report, call.checkpoint, spent)
    try:
        values = payload.values(call.config)
        args, named = payload.calling.arguments(values, run, payload.data)
        began_s, began_cpu_s = time.perf_counter(), _cpu_s()
        returned = payload.function(*args, **named)
        done = answer({})
        return Answer(
            read_answer(returned, run.reported, wanted), done.wall_s, done.cpu_s, done.peak_bytes
        )
    except TrialFailed as error:
        return answer({}, outcome="failed", why=str(error))
    except MemoryError as error:
        why = str(error) or "the function ran out of memory"
        return answer({}, outcome="out of memory", why=why, trace=_trace(error))
    except SystemExit as error:
        why = f"expected a function that returns; got one that ended its process: {error.code!r}"
        return answer({}, outcome="failed", why=why, trace=_trace(error))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the user's own code
        return answer({}, outcome="failed", why=telling(error), trace=_trace(error))
    finally:
        run.close()


def _seed(seed: int) -> None:
    """Let all chance that a function does not ask for follow the seed.

    A forked process has its parent's chance, so otherwise every run would draw the same.
    """
    random.seed(seed)
    if chance := sys.modules.get("numpy.random"):
        chance.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        with contextlib.suppress(Exception):  # half imported, or another module of that name
            torch.manual_seed(seed)


def _cpu_s() -> float:
    """The time of all processors that this process and its ended children have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _trace(error: BaseException) -> str:
    """A traceback, of a long one its head and its tail."""
    try:
        lines = "".join(traceback.format_exception(error)).splitlines()
    except Exception:  # noqa: BLE001 - an exception's own text may raise
        return type(error).__name__
    left_out = len(lines) - 2 * SHOWN
    if left_out > 0:
        lines = [*lines[:SHOWN], f"… {left_out} lines are left out …", *lines[-SHOWN:]]
    return "\n".join(lines)
