"""Running a piece of work in a forked process: what it changes there is gone with it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NoReturn, final

Tell = Callable[[Any], None]
_STATUS = Path("/proc/self/status")
_FAILED = 70  # the status of a process whose work raised, which is a defect of ours


@final
class Died(Exception):
    """A forked process ended without an answer; `how` says in which way."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


def run_forked(
    work: Callable[[Tell], Any], hear: Callable[[Any], None], output: Path, limit_s: float
) -> Any:
    """What `work` gives in a process of its own, forked from this one.

    work: is called there with a function that sends a message to `hear` here; messages and answer
    must be picklable. output: the file that takes what it prints. Raises Died where it ends in any
    other way, TimeoutError after `limit_s`; then nothing of it is left but what it had started.
    """
    deadline_s = time.monotonic() + limit_s
    ours, theirs = Pipe(duplex=False)
    for stream in (sys.stdout, sys.stderr):  # or the child would print what is buffered again
        with contextlib.suppress(Exception):
            stream.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # our own threads wait and hold nothing
        pid = os.fork()
    if not pid:
        _child(work, theirs, output)
    theirs.close()
    status: int | None = None
    try:
        with contextlib.closing(_Ending(pid)) as ending, ours:
            while True:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError
                ready = wait([ours, *ending.handles], left_s)
                if ours in ready:
                    try:
                        answered, message = ours.recv()
                    except (EOFError, OSError):
                        break
                    if answered:
                        return message
                    hear(message)
                elif ready:  # it is gone, and its own children may hold the pipe open
                    break
        _, status = os.waitpid(pid, 0)
    finally:
        if status is None:
            os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
    raise Died(_how(status))


def peak_bytes() -> float | None:
    """The high-water mark of this process's resident memory; None where the kernel tells none."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        _, _, rest = _STATUS.read_text().partition("VmHWM:")
        return int(rest.split()[0]) * 1024.0
    return None


@final
class _Ending:
    """What to wait for until a process is gone: nothing where the system has no handle for that."""

    def __init__(self, pid: int) -> None:
        self.handles: list[int] = []
        with contextlib.suppress(AttributeError, OSError):
            self.handles.append(os.pidfd_open(pid))

    def close(self) -> None:
        for handle in self.handles:
            os.close(handle)


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"was killed ({signal.strsignal(number)})"
    return f"ended with status {os.waitstatus_to_exitcode(status)} before it returned"


def _child(work: Callable[[Tell], Any], pipe: Connection[Any, Any], output: Path) -> NoReturn:
    """Do the work, tell what comes of it, and leave by the shortest way."""
    status = _FAILED
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        # What Python's own streams were may lead elsewhere: in a notebook, in a test.
        sys.stdout = os.fdopen(1, "w", buffering=1, errors="replace", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, errors="replace", closefd=False)
        pipe.send((True, work(lambda message: pipe.send((False, message)))))
        status = 0
    except BaseException:  # noqa: BLE001 - nothing may return into the parent's code
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(status)
