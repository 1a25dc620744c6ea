"""How busy the graphics processors are, by nvidia-smi in a process of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import final

QUERY = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "500"]


@final
class Gpu:
    """Reads what nvidia-smi writes, without waiting for it."""

    def __init__(self) -> None:
        program = shutil.which("nvidia-smi")
        self.missing = None if program else "nvidia-smi is not installed"
        self._process: subprocess.Popen[bytes] | None = None
        self._last: float | None = None
        if program:
            quiet = subprocess.DEVNULL
            self._process = subprocess.Popen(
                [program, *QUERY], stdin=quiet, stdout=subprocess.PIPE, stderr=quiet
            )
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)

    def busy(self) -> float | None:
        """How much of the time the busiest one computed, as it was last told."""
        if self._process is None or self._process.stdout is None:
            return None
        text = b""
        with contextlib.suppress(OSError):
            text = os.read(self._process.stdout.fileno(), 4096)
        shares = [float(word) / 100 for word in text.split() if word.isdigit()]
        self._last = max(shares, default=self._last)
        return self._last

    def end(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
