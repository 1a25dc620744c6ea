"""Profiling: what limits a program, from one run of it or from watching it for a while."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from tunewright.core.diagnosis import Diagnosis
from tunewright.core.recording import Recording
from tunewright.core.units import parse_quantity
from tunewright.diagnosing.diagnose import diagnose
from tunewright.errors import InputError
from tunewright.machine import probe
from tunewright.machine.ceilings import disk_ceilings, memory_ceilings
from tunewright.measuring.probes.files import content
from tunewright.measuring.probes.tree import fields
from tunewright.measuring.recorder import Recorder

COOKIE = "TUNEWRIGHT_PROFILED"  # in the environment of all that a command starts
FOR = "30s"  # how long a running process is watched by default
SUBREAPER = 36  # prctl(2)
_PATIENCE_S = 2.0  # for what is asked to end
_SHORTEST_S = 0.5


@final
@dataclass(frozen=True)
class Profile:
    """A diagnosis, the recording that it was made from, and what was watched in words."""

    diagnosis: Diagnosis
    recording: Recording
    target: str


def profile(
    command: str | Sequence[str] | None = None,
    *,
    pid: int | None = None,
    duration: str | float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
) -> Profile:
    """Say what limits a program: a command that is run to its end, or a process that runs already.

    duration: how long to watch, at most ("30s", or seconds); a command that runs on is ended then.
    The command's output goes where this process's goes. Raises InputError where there is nothing
    to watch: no such command or process, one of another user, or one that is gone at once.
    """
    if (command is None) == (pid is None):
        raise InputError(
            "expected a command or a pid; got " + ("neither" if pid is None else "both")
        )
    limit_s = None if duration is None else _seconds(duration)
    if pid is not None:
        return attached(pid, limit_s or _seconds(FOR))
    assert command is not None
    if isinstance(command, str):
        command = shlex.split(command)
    return launched(list(command), limit_s, env, cwd)


def launched(
    argv: Sequence[str],
    limit_s: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
) -> Profile:
    """Run a command and watch it to its end; whatever it leaves is killed."""
    _check_here()
    if not argv:
        raise InputError(
            "expected a command behind --; got none; such as: profile -- python app.py"
        )
    ceilings = memory_ceilings()
    cookie = secrets.token_hex(8)
    with _orphans():
        try:
            process = subprocess.Popen(
                argv, env={**(os.environ if env is None else env), COOKIE: cookie}, cwd=cwd
            )
        except OSError as error:
            raise InputError(
                f"cannot run {argv[0]!r}: {error.strerror}; name a program that is there"
            ) from None
        cores, mark = probe().cores_usable, f"{COOKIE}={cookie}".encode()
        recorder = Recorder(process.pid, cookie=mark, cores=cores, ceilings=ceilings)

        def over(pause_s: float) -> bool:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(pause_s)
            return process.returncode is not None

        try:
            recording = recorder.until(over, limit_s)
            code = process.poll()  # None where the limit is over before the program
        finally:
            _end(process, recorder)
    recording = replace(recording, returncode=code)
    return _told(recording, " ".join(argv), Path(cwd or "."))


def attached(pid: int, limit_s: float) -> Profile:
    """Watch a process that runs already, and what it starts; it is left as it was."""
    _check_here()
    _check_pid(pid)
    name = (content(f"/proc/{pid}/cmdline") or b"").replace(b"\0", b" ").decode(errors="replace")
    began = _began(pid)
    ceilings = memory_ceilings()
    recorder = Recorder(pid, cookie=None, cores=probe().cores_usable, ceilings=ceilings)

    def over(pause_s: float) -> bool:
        time.sleep(pause_s)
        return _began(pid) != began

    recording = recorder.until(over, limit_s)
    if recording.wall_s < min(_SHORTEST_S, limit_s / 2):
        raise InputError(
            f"process {pid} ended after {recording.wall_s:.2f} s; start it with: profile -- COMMAND"
        )
    return _told(recording, name.strip() or f"process {pid}", Path(f"/proc/{pid}/cwd"))


def _told(recording: Recording, target: str, place: Path) -> Profile:
    """The diagnosis; what a disk can do is measured only where the program waited for one."""
    diagnosis = diagnose(recording)
    if any(each.kind in ("io_read", "io_sync", "io_write") for each in diagnosis.bottlenecks):
        read, sync_s = disk_ceilings(place if os.access(place, os.W_OK) else Path.cwd())
        ceilings = replace(recording.ceilings, disk_read_bytes_s=read, sync_s=sync_s)
        recording = replace(recording, ceilings=ceilings)
        diagnosis = diagnose(recording)
    return Profile(diagnosis, recording, target)


def _seconds(duration: str | float) -> float:
    seconds = parse_quantity(duration, "s") if isinstance(duration, str) else float(duration)
    if not 0 < seconds < math.inf:
        raise InputError(f"expected a duration above 0, such as 30s; got {duration!r}")
    return seconds


def _check_here() -> None:
    if sys.platform != "linux":
        raise InputError(f"expected Linux, whose /proc a profile reads; got {sys.platform}")


def _check_pid(pid: int) -> None:
    stat = content(f"/proc/{pid}/stat", 1024)
    if stat is None:
        raise InputError(f"--pid: expected a process that runs; got {pid}, which does not")
    if fields(stat)[0] in (b"Z", b"X"):
        raise InputError(f"--pid: expected a process that runs; got {pid}, which has ended")
    if content(f"/proc/{pid}/io") is None:
        owner = Path(f"/proc/{pid}").stat().st_uid
        raise InputError(
            f"--pid: process {pid} belongs to user {owner}; expected one of user {os.getuid()}; "
            "run tunewright as its user, or as root"
        )


def _began(pid: int) -> bytes | None:
    """When a process began, so that another one of its number is told apart."""
    stat = content(f"/proc/{pid}/stat", 1024)
    values = fields(stat) if stat else [b"X"]
    return None if values[0] in (b"Z", b"X") else values[19]


@contextlib.contextmanager
def _orphans() -> Iterator[None]:
    """Let lost children of the program come to this process, so that they are seen, and ended."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    before = ctypes.c_int()
    ours = prctl(37, ctypes.byref(before), 0, 0, 0) == 0 and prctl(SUBREAPER, 1, 0, 0, 0) == 0
    try:
        yield
    finally:
        if ours:
            prctl(SUBREAPER, before.value, 0, 0, 0)


def _end(process: subprocess.Popen[bytes], recorder: Recorder) -> None:
    """End what is left: asked first, then killed. Nothing that was not seen below the root is."""
    left = [pid for pid in recorder.pids() if Path(f"/proc/{pid}").exists()]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        deadline_s = time.monotonic() + _PATIENCE_S
        while left and time.monotonic() < deadline_s:
            for pid in left:
                with contextlib.suppress(ChildProcessError):
                    if pid == process.pid:
                        process.poll()
                    else:
                        os.waitpid(pid, os.WNOHANG)
            left = [pid for pid in left if _began(pid) is not None]
            time.sleep(0.01 if left else 0.0)
    process.poll()
