"""Running a program and measuring what its whole process tree used."""

from __future__ import annotations

import hashlib
import marshal
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import final

from tunewright.measuring import launcher

OUTPUT_BYTES = 2**32  # a program that prints more is stopped, before it fills the disk
SHELL = "/bin/sh"
END_BYTES = 2**16  # of a stream's head and of its tail
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ABOVE_FLOOR = 1.05  # a forked process touches a little more before it becomes the program


@final
@dataclass(frozen=True)
class Stream:
    """One output stream of a program: all of it, in a file. Equal content has an equal digest."""

    path: Path
    size: int
    digest: str

    @classmethod
    def read(cls, path: Path) -> Stream:
        """The stream that a file holds; an empty one where there is no file."""
        if not path.exists():
            path.touch()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
            return cls(path, file.tell(), digest.hexdigest())

    def text(self) -> str:
        """All of it; bytes that are no UTF-8 become �."""
        return self.path.read_bytes().decode(errors="replace")

    def lines(self) -> str:
        """All of it without colours, each line ended by a line feed alone."""
        return _COLOUR.sub("", self.text()).replace("\r\n", "\n").replace("\r", "\n")

    def head(self, most: int = END_BYTES) -> str:
        """Its first bytes, as text."""
        with self.path.open("rb") as file:
            return file.read(most).decode(errors="replace")

    def tail(self, most: int = END_BYTES) -> str:
        """Its last bytes, as text."""
        with self.path.open("rb") as file:
            file.seek(max(self.size - most, 0))
            return file.read(most).decode(errors="replace")


@final
@dataclass(frozen=True)
class Counts:
    """What the kernel counted of a whole process tree.

    page_faults, context_switches: of any kind. read_bytes, written_bytes: from and to a disk; what
    the page cache answered is not among them. tree_bytes: the most memory that all processes held
    at one time, as far as looking every 50 ms tells; pages that several share count for each. It is
    0 unless it was asked for.
    """

    page_faults: int = 0
    context_switches: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    tree_bytes: int = 0


@final
@dataclass(frozen=True)
class ProgramRun:
    """How a program ended, and what the kernel counted of its whole process tree.

    wall_s: from the moment it began until its first process ended; starting what measures it is
    outside. cpu_s: user and system time of every process. peak_bytes: the most that any one process
    of the tree held in memory, which is what `/usr/bin/time -v` calls the maximum resident set;
    None where the kernel's mark does not stand above that of what started it. Orphans and daemons
    count, and are killed at the end.
    returncode: negative for a signal. timed_out, flooded: it was killed since it ran or printed on.
    """

    returncode: int
    wall_s: float
    cpu_s: float
    peak_bytes: int | None
    stdout: Stream
    stderr: Stream
    timed_out: bool = False
    flooded: bool = False
    counts: Counts = Counts()

    @property
    def digest(self) -> str:
        """Equal for equal output on both streams."""
        return hashlib.blake2b(
            f"{self.stdout.digest} {self.stderr.digest}".encode(), digest_size=16
        ).hexdigest()


def run_program(  # noqa: PLR0913 - what a shell would be told of a program
    argv: Sequence[str],
    spool: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    limit_s: float | None = None,
    output_bytes: int = OUTPUT_BYTES,
    tree: bool = False,
) -> ProgramRun:
    """Run a program to its end, without a shell, and kill what it leaves.

    spool: a directory for the files `stdout` and `stderr`, which hold all that it printed. stdin: a
    file; by default it reads nothing. tree: whether the memory of the tree is sampled. After
    `limit_s` seconds of its own the whole tree is killed.
    Raises OSError when it cannot be started.
    """
    environment = dict(os.environ if env is None else env)
    _check_program(argv[0], cwd, environment)
    stdout, stderr = ((spool / name).absolute() for name in ("stdout", "stderr"))
    order: launcher.Order = {
        "argv": list(argv),
        "cwd": None if cwd is None else str(cwd),
        "env": environment,
        "stdin": os.devnull if stdin is None else str(stdin.absolute()),
        "stdout": str(stdout),
        "stderr": str(stderr),
        "limit_s": limit_s,
        "output_bytes": output_bytes,
        "shell": SHELL if _kept_by_shells(environment) else "",
        "tree": tree,
    }
    report = _launched(order)
    if report["error"]:
        raise OSError(report["error"], os.strerror(report["error"]), argv[0])
    peak_bytes = report["peak_bytes"]
    return ProgramRun(
        report["returncode"],
        report["wall_s"],
        report["cpu_s"],
        peak_bytes if peak_bytes > _ABOVE_FLOOR * report["floor_bytes"] > 0 else None,
        Stream.read(stdout),
        Stream.read(stderr),
        report["timed_out"],
        report["flooded"],
        Counts(
            report["page_faults"], report["context_switches"], report["read_bytes"],
            report["written_bytes"], report["tree_bytes"],
        ),
    )  # fmt: skip


def _launched(order: launcher.Order) -> launcher.Report:
    """What the launcher tells; whatever happens here, it leaves no process behind."""
    body = marshal.dumps(order)  # type: ignore[arg-type]  # a TypedDict is a dict
    process = subprocess.Popen(
        [sys.executable, "-S", "-E", "-I", "-c", launcher.BOOT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        for part in (_code(), body):
            process.stdin.write(len(part).to_bytes(launcher.LENGTH, "little") + part)
        process.stdin.flush()
        answer = process.stdout.read()
        complaint = process.stderr.read().decode(errors="replace")
    finally:
        process.stdin.close()  # which tells the launcher to end everything, should it still run
        process.wait()
        process.stdout.close()
        process.stderr.close()
    if not answer:
        raise ChildProcessError(f"the program's launcher died: {complaint.strip()[-300:]}")
    report: launcher.Report = marshal.loads(answer[launcher.LENGTH :])  # noqa: S302 - our own
    return report


@cache
def _code() -> bytes:
    """The launcher's code, compiled once for all its processes."""
    return marshal.dumps(compile(Path(launcher.__file__).read_bytes(), launcher.__name__, "exec"))


def _check_program(program: str, cwd: Path | None, env: Mapping[str, str]) -> None:
    """Raise the OSError that a program would give that is not there or may not be run."""
    path = os.path.join(cwd or "", program) if os.sep in program else program  # noqa: PTH118
    if shutil.which(path, path=env.get("PATH", os.defpath)) is None:
        known = os.sep in program and Path(path).exists()
        error = PermissionError(13, "Permission denied") if known else None
        raise error or FileNotFoundError(2, "No such file or directory", program)


def _kept_by_shells(env: Mapping[str, str]) -> bool:
    """Whether a shell hands on all of these: some drop names that they could not write."""
    return all(name.isidentifier() and name.isascii() for name in env)
