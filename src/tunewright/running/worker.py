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
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, final

import psutil

from tunewright.core.trial import Measurement, Outcome, Trial
from tunewright.errors import StoreError
from tunewright.running.cache import ArtifactCache, dumps
from tunewright.running.chain import run_chain, run_tail
from tunewright.running.reaping import COOKIE, adopt_orphans, kill_descendants, kill_strays

OWN = psutil.Process()
PROGRESS_S = 1.0  # a stage that ends sooner after the last news is no news: each one costs a commit


@final
@dataclass(frozen=True)
class Task:
    """One trial, or its tail, for one worker.

    program: the pickled workload, or the pickled tail of its stages; None: as in the task before.
    upstream: the key of the artifact above the tail; `carried` is that artifact where it could not
    be cached. carry: when to send the chain's last artifact back, for a tail to be run elsewhere.
    """

    trial: Trial
    part: Literal["chain", "tail"]
    program: bytes | None
    directory: Path
    origin_s: float
    upstream: str = ""
    carried: bytes | None = None
    carry: Literal["never", "uncached", "always"] = "never"


@final
@dataclass(frozen=True)
class Done:
    """What became of a task. `missing`: the artifact above the tail is not there after all."""

    measurement: Measurement
    rss_bytes: int = 0
    carried: bytes | None = None
    missing: bool = False


def main(fd: int, driver: int, cache_directory: str, cache_bytes: int) -> None:
    """Serve the driver at the other end of `fd` until it goes away.

    Sends None when ready for the next message, the name of a stage that took its time, and a Done;
    or a StoreError, which is the study's to raise.
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

    told_s = clock()

    def finished(stage: str) -> None:
        nonlocal told_s
        if clock() - told_s >= PROGRESS_S:
            told_s = clock()
            connection.send(stage)

    trial, carried, kept = task.trial, None, None
    if task.part == "chain":
        measurement = run_chain(trial, program, cache, task.directory, clock, finished)
        uncached = task.carry == "uncached" and measurement.key not in cache
        if measurement.outcome is Outcome.OK and (uncached or task.carry == "always"):
            carried = dumps(cache.get(measurement.key))
    else:
        if task.carried is not None:
            kept = pickle.loads(task.carried)  # noqa: S301 - from a worker of the same study
        elif task.upstream and (kept := cache.get(task.upstream)) is None:
            return Done(Measurement(Outcome.LOST), missing=True)
        measurement = run_tail(trial, program, kept, task.directory, clock, finished)
    return Done(measurement, OWN.memory_info().rss, carried)


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
