"""Call stacks of Python, by py-spy in a process of its own, where it is installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import final

PROGRAM = "py-spy"
RATE = "20"  # looks a second: enough for shares of ten seconds, and little enough to go unnoticed
_PATIENCE_S = 5.0


def found() -> str | None:
    """Where py-spy is: on the path, or beside this interpreter."""
    beside = Path(sys.executable).with_name(PROGRAM)
    return shutil.which(PROGRAM) or (str(beside) if os.access(beside, os.X_OK) else None)


@final
class Stacks:
    """Samples the stacks of a process and what it starts, from now until `end`."""

    def __init__(self, pid: int) -> None:
        program = found()
        self.missing = None if program else f"{PROGRAM} is not installed (pip install {PROGRAM})"
        self._process: subprocess.Popen[bytes] | None = None
        if program is None:
            return
        handle, name = tempfile.mkstemp(prefix="tunewright-", suffix=".stacks")
        os.close(handle)
        self._file = Path(name)
        argv = [program, "record", "--pid", str(pid), "--rate", RATE, "--format", "raw"]
        argv += ["--duration", "86400", "--nonblocking", "--subprocesses", "--output", name]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        self._process = subprocess.Popen(argv, stderr=subprocess.PIPE, **quiet)  # type: ignore[call-overload]  # they are names of its options

    def end(self) -> dict[str, int]:
        """The stacks, "outer;inner" → samples; {} where there are none."""
        process = self._process
        if process is None:
            return {}
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            _, complaint = process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            _, complaint = process.communicate()
        stacks: dict[str, int] = {}
        for line in self._file.read_text(encoding="utf-8", errors="replace").splitlines():
            stack, _, count = line.rpartition(" ")
            if stack and count.isdigit():
                stacks[stack] = stacks.get(stack, 0) + int(count)
        self._file.unlink(missing_ok=True)
        if not stacks:
            last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
            self.missing = f"{PROGRAM} gave none{': ' + last if last else ''}"
        return stacks
