"""Peak memory as `run_program` tells it, beside what GNU time tells, for twenty programs.

python benchmarks/peak.py [RUNS]: the median of so many runs each (default 15, since the
mark of a small program differs by a tenth from run to run); needs /usr/bin/time.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tunewright.measuring.processes import run_program

PYTHON = sys.executable
TAKE = "b = b'x' * ({} << 20)"
PROGRAMS = {
    "awk": ["awk", "BEGIN { for (i = 0; i < 100000; i++) a[i] = i }"],
    "bash": ["bash", "-c", "true"],
    "cat": ["cat", "/etc/passwd"],
    "find": ["find", "/etc"],
    "grep": ["grep", "-r", "root", "/etc/passwd"],
    "gzip": ["sh", "-c", "head -c 5000000 /dev/zero | gzip -9 > /dev/null"],
    "ls": ["ls", "-lR", "/etc"],
    "node": ["node", "-e", "const a = new Array(1e6).fill(1)"],
    "java": ["java", "-Xmx64m", "-version"],
    "perl": ["perl", "-e", "$x = 'x' x 20000000"],
    "pipeline": ["sh", "-c", "seq 200000 | sort -r | tail -n 1"],
    "python": [PYTHON, "-c", "pass"],
    "python, 8 MiB": [PYTHON, "-c", TAKE.format(8)],
    "python, 80 MiB, in a shell": ["sh", "-c", f'{PYTHON} -c "{TAKE.format(80)}"; true'],
    "python, forked": [
        PYTHON,
        "-c",
        f"import os\nif os.fork(): os.wait()\nelse: {TAKE.format(50)}",
    ],
    "python, freed": [PYTHON, "-c", TAKE.format(90) + "; del b"],
    "python, threads": [
        PYTHON,
        "-c",
        f"import threading as t\ndef f():\n {TAKE.format(30)}\ng = t.Thread(target=f); g.start()",
    ],
    "sed": ["sed", "-n", "1p", "/etc/passwd"],
    "sh": ["sh", "-c", "true"],
    "sort": ["sh", "-c", "seq 100000 | sort > /dev/null"],
    "tar": ["tar", "-cf", "/dev/null", "/etc/passwd"],
    "true": ["true"],
    "xz": ["sh", "-c", "head -c 5000000 /dev/zero | xz -6 > /dev/null"],
}


def told(argv: list[str], place: Path) -> int | None:
    """Kibibytes as `run_program` tells them."""
    peak_bytes = run_program(argv, place).peak_bytes
    return None if peak_bytes is None else peak_bytes // 1024


def timed(argv: list[str], place: Path) -> int:
    """Kibibytes as GNU time tells them."""
    output = place / "time"
    subprocess.run(
        ["/usr/bin/time", "-f", "%M", "-o", str(output), *argv], check=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return int(output.read_text().split()[-1])


def main(runs: int = 15) -> None:
    """One line a program: both medians, and how far they are apart."""
    print(f"{'program':28} {'tunewright':>10} {'GNU time':>10}  apart")
    worst, measured = 0.0, 0
    with tempfile.TemporaryDirectory() as name:
        for program, argv in PROGRAMS.items():
            if shutil.which(argv[0]) is None:
                continue
            ours = [told(argv, Path(name)) for _ in range(runs)]
            theirs = statistics.median(timed(argv, Path(name)) for _ in range(runs))
            known = [value for value in ours if value is not None]
            if not known:
                print(f"{program:28} {'not known':>10} {theirs:10.0f}")
                continue
            apart = statistics.median(known) / theirs - 1
            worst, measured = max(worst, abs(apart)), measured + 1
            print(f"{program:28} {statistics.median(known):10.0f} {theirs:10.0f}  {apart:+.1%}")
    print(f"{measured} programs, at most {worst:.1%} apart")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
