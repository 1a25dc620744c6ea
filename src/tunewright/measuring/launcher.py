"""Starts one program, waits for its whole process tree, and tells what the kernel counted.

Runs in a small process of its own (`python -S -E -I -c BOOT`), so that what it adopts is the
program's alone. It reads its own code, compiled, then an `Order`, and writes a `Report`, all as
`marshal` has them, after the length. It imports what starts quickly and nothing of this package:
what is left is the start of an interpreter.

The kernel keeps a high-water mark of memory for each process, and a process begins with the size of
what it was forked from. So the program is forked from a shell, a tenth of a Python, and what the
mark stood at before the program began is told as the floor.
"""

# ruff: noqa: FBT003, PTH112, PTH116, PTH208, S606, SIM105
# Why: pathlib and contextlib take longer to import than this file takes to run, the calls of
# `os` are positional, and to become a program is its purpose.
from __future__ import annotations

import marshal
import os
import select
import sys
import time

TYPE_CHECKING = False  # importing it from `typing` takes longer than all else here
if TYPE_CHECKING:
    from collections.abc import Iterator
    from resource import struct_rusage
    from typing import TypedDict

    Ended = tuple[int, int, struct_rusage]

    class Order(TypedDict):
        """What to start. limit_s: None for none. shell: "" to fork the program from here.

        tree: whether the memory of the whole tree is looked at.
        """

        argv: list[str]
        cwd: str | None
        env: dict[str, str]
        stdin: str
        stdout: str
        stderr: str
        limit_s: float | None
        output_bytes: int
        shell: str
        tree: bool

    class Report(TypedDict):
        """How it went. error: of the system, where it could not be started, else 0."""

        error: int
        returncode: int
        wall_s: float
        cpu_s: float
        peak_bytes: int
        floor_bytes: int
        timed_out: bool
        flooded: bool
        page_faults: int
        context_switches: int
        read_bytes: int
        written_bytes: int
        tree_bytes: int


SUBREAPER = 36  # prctl(2)
LENGTH = 8  # bytes that tell the length of what follows
BOOT = f"""
import marshal, os
size, body = int.from_bytes(os.read(0, {LENGTH}), "little"), b""
while len(body) < size:
    body += os.read(0, size - len(body)) or os._exit(1)
exec(marshal.loads(body))
"""
_LOOK_S = 0.25  # how often orphans are reaped and the output's size is looked at
_BLIND_S = 0.002  # the same where the kernel cannot tell that a process has ended
_TREE_S = 0.05  # how often the memory of the tree is looked at
_BLOCK = 512  # bytes in which the kernel counts what goes to and from disks
_PATIENCE_S = 5.0  # how long to go after processes that do not die
_HANDED, _GO = 3, 4  # the child writes its number to one and waits at the other
# The inner shell kills the outer one, which makes it a child of this process; then it becomes the
# program. The colon keeps the outer one from becoming the inner one.
_SCRIPT = (
    "(kill -9 $$; read TUNEWRIGHT_P TUNEWRIGHT_R </proc/self/stat; echo $TUNEWRIGHT_P >&3;"
    ' read TUNEWRIGHT_R <&4 && exec "$@" 3>&- 4<&-); :'
)
_DEFAULTS = (2, 13, 25)  # SIGINT; SIGPIPE and SIGXFSZ, which Python ignores


def main() -> None:
    """Serve one order."""
    size = int.from_bytes(_exactly(LENGTH), "little")
    order: Order = marshal.loads(_exactly(size))  # noqa: S302 - from the process that started this
    _adopt_orphans()
    report = _run(order)
    body = marshal.dumps(report)  # type: ignore[arg-type]  # a TypedDict is a dict
    os.write(1, len(body).to_bytes(LENGTH, "little") + body)


def _exactly(size: int) -> bytes:
    """So many bytes of standard input."""
    body = b""
    while len(body) < size:
        chunk = os.read(0, size - len(body))
        if not chunk:
            os._exit(1)  # who asked is gone
        body += chunk
    return body


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        # Of ctypes only what is written in C: the rest takes longer to import than all else here.
        import _ctypes  # noqa: PLC0415 - there is none on some other systems

        own = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # None is this program itself
        prctl = _ctypes.dlsym(own, "prctl")
        _ctypes.call_function(prctl, (SUBREAPER, 1, 0, 0, 0))


def _run(order: Order) -> Report:
    report: Report = {
        "error": 0, "returncode": 0, "wall_s": 0.0, "cpu_s": 0.0, "peak_bytes": 0,
        "floor_bytes": 0, "timed_out": False, "flooded": False, "page_faults": 0,
        "context_switches": 0, "read_bytes": 0, "written_bytes": 0, "tree_bytes": 0,
    }  # fmt: skip
    first, handed, go, report["floor_bytes"] = _start(order)
    if first < 0:
        report["error"] = -first
        return report
    before_s, _ = _so_far(first)
    start_s = time.monotonic()
    os.write(go, b"\n")
    os.close(go)
    running, ended = True, []
    for now_s in _wakes(first, start_s, order["limit_s"], often=order["tree"]):
        if order["tree"]:
            report["tree_bytes"] = max(report["tree_bytes"], _held())
        ended += _reaped()
        report["wall_s"] = now_s - start_s
        running = first not in [pid for pid, *_ in ended]
        report["timed_out"] = (
            running and order["limit_s"] is not None and (report["wall_s"] >= order["limit_s"])
        )
        sizes = [os.stat(order["stdout"]).st_size, os.stat(order["stderr"]).st_size]
        report["flooded"] = running and sum(sizes) > order["output_bytes"]
        if not running or report["timed_out"] or report["flooded"]:
            break
    ended += _killed()
    unit = 1 if sys.platform == "darwin" else 1024
    for pid, status, usage in ended:
        report["cpu_s"] += usage.ru_utime + usage.ru_stime
        report["peak_bytes"] = max(report["peak_bytes"], usage.ru_maxrss * unit)
        report["page_faults"] += usage.ru_minflt + usage.ru_majflt
        report["context_switches"] += usage.ru_nvcsw + usage.ru_nivcsw
        report["read_bytes"] += usage.ru_inblock * _BLOCK
        report["written_bytes"] += usage.ru_oublock * _BLOCK
        if pid == first:
            report["returncode"] = os.waitstatus_to_exitcode(status)
    report["cpu_s"] = max(report["cpu_s"] - before_s, 0.0)
    report["error"] = _word(handed)
    return report


def _start(order: Order) -> tuple[int, int, int, int]:
    """The program's process, held just before it begins, or an error's number below 0.

    Then the pipe that tells of an error when it does begin, the one that lets it, and the bytes
    above which its peak is its own.
    """
    error = 0
    for shell in dict.fromkeys((order["shell"], "")):
        handed, hand = os.pipe()
        wait, go = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(handed)
            os.close(go)
            _become(order, shell, hand, wait)
        os.close(hand)
        os.close(wait)
        first = int(os.read(handed, 64).strip() or b"-8")
        if first != child:
            os.waitpid(child, 0)  # now the program's process is a child of this one
        if first > 0:
            # A fork of a Python goes on to touch what it has not touched yet.
            larger = os.getpid() if first == child else first
            return first, handed, go, _so_far(larger)[1]
        os.close(handed)
        os.close(go)
        error = first
    return error, 0, 0, 0


def _word(handed: int) -> int:
    """The number of the error that kept a program from beginning, or 0."""
    poll = select.poll()
    poll.register(handed, select.POLLIN)
    word = os.read(handed, 64) if poll.poll(0) else b""
    return -int(word or b"0")


def _become(order: Order, shell: str, hand: int, wait: int) -> None:
    """Turn this forked process into the program, once it is told to."""
    try:
        import _signal  # type: ignore[import-not-found]  # noqa: PLC0415 - quicker than `signal`

        for number in _DEFAULTS:
            _signal.signal(number, _signal.SIG_DFL)
        os.setpgid(0, 0)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        files = [
            os.open(order["stdin"], os.O_RDONLY),
            os.open(order["stdout"], flags | os.O_APPEND, 0o600),
            os.open(order["stderr"], flags | os.O_APPEND, 0o600),
            hand,
            wait,
        ]
        # Out of the way first, so that none is overwritten before it is copied.
        files = [os.dup2(fd, 20 + to, inheritable=False) for to, fd in enumerate(files)]
        for to, fd in enumerate(files):
            os.dup2(fd, to)
        if order["cwd"] is not None:
            os.chdir(order["cwd"])
        argv, env = order["argv"], order["env"]
        if shell:
            os.execve(shell, ["sh", "-c", _SCRIPT, "sh", *argv], env)
        os.set_inheritable(_HANDED, False)
        os.set_inheritable(_GO, False)
        os.write(_HANDED, b"%d\n" % os.getpid())
        os.read(_GO, 1)
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        os.write(2, f"{order['argv'][0]}: {error.strerror}\n".encode())
        os.write(_HANDED, b"-%d\n" % (error.errno or 8))
    finally:
        os._exit(127)


def _wakes(
    first: int, start_s: float, limit_s: float | None, *, often: bool = False
) -> Iterator[float]:
    """The time, whenever something may have happened; stops when who asked is gone."""
    poll = select.poll()
    poll.register(0, 0)  # only the hang-up is told
    pause_s = _TREE_S if often else _LOOK_S
    try:
        poll.register(os.pidfd_open(first), select.POLLIN)
    except (AttributeError, OSError):
        pause_s = _BLIND_S
    while True:
        left_s = pause_s if limit_s is None else min(pause_s, start_s + limit_s - time.monotonic())
        events = poll.poll(max(left_s, 0.0) * 1000)
        now_s = time.monotonic()
        if any(fd == 0 for fd, _ in events):
            return
        yield now_s


def _reaped() -> list[Ended]:
    """The children that have ended."""
    ended: list[Ended] = []
    try:
        while (end := os.wait4(-1, os.WNOHANG))[0]:
            ended.append(end)
    except ChildProcessError:
        pass
    return ended


def _killed() -> list[Ended]:
    """Everything that is left, killed: children of the dead become children of this process."""
    deadline_s = time.monotonic() + _PATIENCE_S
    ended: list[Ended] = []
    try:
        while time.monotonic() < deadline_s:
            end = os.wait4(-1, os.WNOHANG)
            if end[0]:
                ended.append(end)
                continue
            for pid in _children():
                _kill(pid)
            time.sleep(0.0005)
    except ChildProcessError:
        pass
    return ended


def _children() -> Iterator[int]:
    own = os.getpid()
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            try:
                stat = _content(f"/proc/{name}/stat")
            except OSError:
                continue
            if int(stat[stat.rindex(b")") + 1 :].split()[1]) == own:
                yield int(name)


def _held() -> int:
    """The bytes that all descendants of this process hold in memory now."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            try:
                stat = _content(f"/proc/{name}/stat")
                parents[int(name)] = int(stat[stat.rindex(b")") + 1 :].split()[1])
            except (OSError, ValueError, IndexError):
                continue
    ours, held, page = {os.getpid()}, 0, os.sysconf("SC_PAGESIZE")
    more = True
    while more:
        more = False
        for pid, parent in parents.items():
            if parent in ours and pid not in ours:
                ours.add(pid)
                more = True
    for pid in ours - {os.getpid()}:
        try:
            held += int(_content(f"/proc/{pid}/statm").split()[1]) * page
        except (OSError, ValueError, IndexError):
            continue
    return held


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except OSError:
        pass


def _so_far(pid: int) -> tuple[float, int]:
    """The processor time and the peak memory of a process until now; 0 where nobody knows."""
    cpu_s, peak_bytes = 0.0, 0
    try:
        cpu_s = int(_content(f"/proc/{pid}/schedstat").split()[0]) / 1e9
        status = _content(f"/proc/{pid}/status")
        peak_bytes = int(status.split(b"VmHWM:", 1)[1].split(None, 1)[0]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    return cpu_s, peak_bytes


def _content(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 8192)
    finally:
        os.close(fd)


if __name__ == "__main__":
    main()
    os._exit(0)  # taking an interpreter apart takes a millisecond
