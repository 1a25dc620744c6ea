"""A worker process: runs the trials that its driver sends, and leaves nothing behind when it goes.

Imports stay light: a fresh worker's start-up is paid for each pair of a verification.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import select
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, final

import psutil

from tunewright.core.metrics import Sample
from tunewright.core.trial import Measurement, Outcome, Trial
from tunewright.errors import StoreError
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain, run_tail
from tunewright.running.reaping import COOKIE, adopt_orphans, kill_descendants, kill_strays

OWN = psutil.Process()
BEGUN = "begun"  # what a worker says when it has all that it needs and the trial begins


@final
@dataclass(frozen=True)
class Task:
    """One trial, or the stages of it that run anew, for one worker.

    program: the pickled workload, or the pickled stages; None: as in the task before.
    above: the keys of the artifacts above those stages, in their order; None for the whole chain.
    """

    trial: Trial
    program: bytes | None
    directory: Path
    origin_s: float
    above: Mapping[str, str] | None = None


@final
@dataclass(frozen=True)
class News:
    """What a trial reports of its progress."""

    step: float
    samples: Mapping[str, Sample]


@final
@dataclass(frozen=True)
class Done:
    """What became of a task; no measurement where the artifact above the tail is gone."""

    measurement: Measurement | None
    rss_bytes: int = 0


def main(fd: int, driver: int, cache_directory: str, cache_bytes: int) -> None:
    """Serve the driver at the other end of `fd` until it goes away.

    Sends None when ready for the next message, BEGUN when a trial begins, its News, and a Done; or
    a StoreError, which is the study's to raise.
    """
    os.set_inheritable(fd, False)  # noqa: FBT003 - as Python has it
    adopt_orphans()
    threading.Thread(target=_watch, args=(fd, driver), daemon=True).start()
    connection = Connection(fd)
    # A driver that is gone is the usual end, and the watch may be quicker to see it.
    with contextlib.suppress(EOFError, OSError):
        connection.send(None)
        _serve(connection, ArtifactCache(Path(cache_directory), cache_bytes))
    _leave()


def _serve(connection: Connection[Any, Any], cache: ArtifactCache) -> None:
    program: Any = None
    while True:
        message = connection.recv()
        if isinstance(message, Task):
            try:
                if message.program is not None:
                    program = pickle.loads(message.program)  # noqa: S301 - from our own driver
                done: Done | StoreError = _run(message, program, connection, cache)
            except StoreError as error:
                done = error
            except Exception as error:  # noqa: BLE001 - the workload's boundary: pickles run its code
                detail = f"cannot travel between processes: {type(error).__name__}: {error}"
                done = Done(Measurement(Outcome.CRASHED, detail=detail))
            kill_descendants()
            connection.send(done)
        else:
            for module in message:
                with contextlib.suppress(Exception):  # what is broken is the trial's to tell
                    importlib.import_module(module)
            connection.send(None)


def _run(task: Task, program: Any, connection: Connection[Any, Any], cache: ArtifactCache) -> Done:
    def clock() -> float:
        return time.monotonic() - task.origin_s

    def report(step: float, samples: Mapping[str, Sample]) -> None:
        connection.send(News(step, samples))

    connection.send(BEGUN)
    at = (cache, task.directory, clock, report)
    if task.above is None:
        measurement: Measurement | None = run_chain(task.trial, program, *at)
    else:
        measurement = run_tail(task.trial, program, task.above, *at)
    return Done(measurement, OWN.memory_info().rss)


def _watch(fd: int, driver: int) -> None:
    """Wait until the driver is gone: its end of the connection, or the process itself.

    Both are watched since a process that the driver forked may hold that end open.
    """
    poll = select.poll()
    poll.register(fd, 0)  # asks for nothing, so that only the hang-up is told
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            poll.register(os.pidfd_open(driver), select.POLLIN)
    if os.getppid() == driver:
        poll.poll()
    _leave()


def _leave() -> None:
    """End this process, everything below it, and what workers that died with the driver left."""
    kill_descendants()
    if directory := os.environ.get(COOKIE):
        kill_strays(Path(directory), workers=False)
    os._exit(0)
