"""Running a program and measuring what its whole process tree used."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

OUTPUT_BYTES = 2**20  # what is kept of stdout and stderr: the end
_FIRST_LOOK_S, _LAST_LOOK_S = 0.001, 0.05  # apart, doubling in between
_BLIND_S = 0.002  # how often to ask where the kernel cannot tell that a process has ended
_SCAN_SHARE = 0.02  # of one core is what looking for new processes may cost


@final
@dataclass(frozen=True)
class ProgramRun:
    """How a program ended, and what it used.

    wall_s: from the start until its first process ended. cpu_s: user and system time of that
    process and of all below it that were waited for. peak_bytes: the largest resident memory of the
    tree that was seen; a page that processes share counts once for each. None: cannot be known.
    returncode: negative for a signal. output: the end of stdout and stderr, as they came.
    """

    returncode: int
    wall_s: float
    cpu_s: float
    peak_bytes: int | None
    output: str
    timed_out: bool = False


def run_program(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    limit_s: float | None = None,
) -> ProgramRun:
    """Run a program to its end, without a shell, and kill what it leaves in its process group.

    After `limit_s` the whole tree is killed. Raises OSError when it cannot be started.
    """
    start_s = time.monotonic()
    # No preexec_fn: with it Python forks, which takes milliseconds in a large process.
    process = subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
        pipesize=OUTPUT_BYTES,  # a program that prints much rarely waits for us
    )
    assert process.stdout is not None
    tail, memory, timed_out = _Tail(process.stdout.fileno()), _Memory(process.pid), False
    poll = select.poll()
    poll.register(tail.fd, select.POLLIN)
    pidfd = None
    with contextlib.suppress(AttributeError, OSError):  # Linux only
        pidfd = os.pidfd_open(process.pid)
        poll.register(pidfd, select.POLLIN)
    try:
        while True:
            pause_s = memory.due_s - time.monotonic() if pidfd is not None else _BLIND_S
            if limit_s is not None:
                pause_s = min(pause_s, start_s + limit_s - time.monotonic())
            for fd, _ in poll.poll(max(0.0, pause_s) * 1000):
                if fd == tail.fd and not tail.read():
                    poll.unregister(fd)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if limit_s is not None and time.monotonic() - start_s >= limit_s:
                timed_out = True
                _kill_tree(process.pid)
                _, status, usage = os.wait4(process.pid, 0)
                break
            memory.look()
        wall_s = time.monotonic() - start_s
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if process.returncode is None:
            _kill_tree(process.pid)
            process.wait()
        with contextlib.suppress(OSError):  # mostly nothing is left
            os.killpg(process.pid, signal.SIGKILL)
        if pidfd is not None:
            os.close(pidfd)
        output = tail.close()
        process.stdout.close()
    cpu_s = usage.ru_utime + usage.ru_stime
    return ProgramRun(process.returncode, wall_s, cpu_s, memory.peak_bytes, output, timed_out)


@final
class _Tail:
    """The end of what comes through a pipe."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._kept = bytearray()

    def read(self) -> bool:
        """Take in what is there; False when no more will come."""
        try:
            chunk = os.read(self.fd, OUTPUT_BYTES)
        except BlockingIOError:
            return True
        self._kept += chunk
        if len(self._kept) > 2 * OUTPUT_BYTES:
            del self._kept[:-OUTPUT_BYTES]
        return bool(chunk)

    def close(self) -> str:
        """Everything kept, as text; a process that still holds the pipe is not waited for."""
        self.read()
        return self._kept[-OUTPUT_BYTES:].decode(errors="replace")


@final
class _Memory:
    """The largest resident memory of a process tree so far.

    The maximum that `wait4` tells is useless here: a child inherits that of its parent.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._pids = [root]
        self._pause_s = _FIRST_LOOK_S
        self.due_s = time.monotonic()  # when to look again
        self._scan_s = self.due_s + _LAST_LOOK_S  # when to look for new processes again
        self.peak_bytes: int | None = None

    def look(self) -> None:
        """Look at the tree if it is time to."""
        now_s = time.monotonic()
        if now_s < self.due_s:
            return
        if now_s >= self._scan_s:
            self._pids = _tree(self._root)
            cost_s = time.monotonic() - now_s
            self._scan_s = now_s + max(_LAST_LOOK_S, cost_s / _SCAN_SHARE)
        sizes = [_resident(pid) for pid in self._pids]
        seen = max(sum(now for now, _ in sizes), *(peak for _, peak in sizes))
        if seen:
            self.peak_bytes = max(self.peak_bytes or 0, seen)
        self.due_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LAST_LOOK_S)


def _resident(pid: int) -> tuple[int, int]:
    """The resident bytes of a process, now and at most since it began its program."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return 0, 0
    kib = dict.fromkeys((b"VmRSS", b"VmHWM"), 0)
    for line in status.splitlines():
        name, _, rest = line.partition(b":")
        if name in kib:
            kib[name] = int(rest.split()[0])
    return kib[b"VmRSS"] * 1024, kib[b"VmHWM"] * 1024


def _tree(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    with contextlib.suppress(OSError):  # no /proc: the root alone
        for name in os.listdir("/proc"):  # noqa: PTH208 - strings are all that is needed
            if name.isdigit():
                with contextlib.suppress(OSError):
                    stat = Path(f"/proc/{name}/stat").read_bytes()
                    parent = int(stat[stat.rindex(b")") + 1 :].split()[1])
                    children.setdefault(parent, []).append(int(name))
    tree = [root]
    for pid in tree:  # grows while it is walked
        tree += children.get(pid, ())
    return tree


def _kill_tree(root: int) -> None:
    for pid in _tree(root):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
