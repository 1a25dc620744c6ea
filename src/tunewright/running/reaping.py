"""Leaving no process behind. Linux does all of it; elsewhere what cannot be done is left out."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

COOKIE = "TUNEWRIGHT_STUDY"  # in the environment of everything that a study starts
WORKER = "tunewright.running.worker"  # in the command line of a worker
_SET_SUBREAPER, _GET_SUBREAPER = 36, 37  # prctl(2)
_PATIENCE_S = 5.0  # how long to go after processes that do not die


def adopt_orphans(wanted: bool = True) -> bool:  # noqa: FBT001, FBT002 - on or off
    """Become (or stop being) the parent of all orphans below this process; says what was before."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    before = ctypes.c_int()
    libc.prctl(_GET_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    libc.prctl(_SET_SUBREAPER, int(wanted), 0, 0, 0)
    return bool(before.value)


def kill_descendants() -> None:
    """Kill and reap every process below this one; costs one system call when there is none."""
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        _kill(psutil.Process().children(recursive=True))
        time.sleep(0.001)


def kill_tree(pid: int) -> None:
    """Kill a process and everything below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        below = root.children(recursive=True)
        _kill([root, *below])


def kill_below(pid: int) -> bool:
    """Kill everything below a process, and not the process; whether there was anything."""
    with contextlib.suppress(psutil.Error):
        below = psutil.Process(pid).children(recursive=True)
        _kill(below)
        return bool(below)
    return False


def kill_adopted(directory: Path, sessions: Iterable[int], keep: Iterable[int]) -> None:
    """Kill the orphans of dead workers, which are children of this process now, but not `keep`.

    They are known by the study's cookie, or by the session that their worker led.
    """
    kept, led = set(keep), set(sessions)
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        orphans = [
            child
            for child in psutil.Process().children()
            if child.pid not in kept
            if _session(child.pid) in led or _carries(child.pid, directory)
        ]
        if not orphans:
            return
        for orphan in orphans:
            kill_tree(orphan.pid)
        for orphan in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan.pid, 0)


def kill_strays(directory: Path, *, workers: bool = True) -> int:
    """Kill what an earlier driver of this study left running; says how many processes that was.

    workers: whether workers are meant, too. They see for themselves that their driver is gone.
    """
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    killed: set[int] = set()
    deadline_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline_s:
        strays = {
            pid
            for pid in psutil.pids()
            if pid not in spared and _carries(pid, directory) and (workers or not _works(pid))
        }
        if not strays:
            break
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= strays
        time.sleep(0.001)
    return len(killed)


def tree_bytes(pid: int) -> int:
    """The resident memory of a process and everything below it; 0 when it is gone."""
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def cookie(directory: Path) -> str:
    """The value of the cookie of the study in this directory."""
    return str(directory.resolve())


def _carries(pid: int, directory: Path) -> bool:
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{COOKIE}={cookie(directory)}".encode() in entries


def _works(pid: int) -> bool:
    """Whether a process that carries the cookie is a worker itself."""
    try:
        return WORKER.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
