"""Running a program: what is measured of its tree, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tunewright.measuring.processes import OUTPUT_BYTES, run_program

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def python(code, **options):
    return run_program([sys.executable, "-c", code], **options)


def test_status_and_output_come_back():
    run = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(4)")
    assert run.returncode == 4
    assert sorted(run.output.split()) == ["err", "out"]
    assert run.cpu_s > 0
    assert run.wall_s > 0


def test_a_signal_is_a_negative_status():
    assert python("import os; os.kill(os.getpid(), 9)").returncode == -signal.SIGKILL


def test_only_the_end_of_a_long_output_is_kept():
    run = python(f"import sys; sys.stdout.write('x' * {3 * OUTPUT_BYTES} + 'end')")
    assert len(run.output) == OUTPUT_BYTES
    assert run.output.endswith("xend")


@linux
def test_the_memory_of_children_counts():
    child = "import time; x = bytearray(b'x') * 2**26; time.sleep(0.3)"
    run = python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    assert run.peak_bytes > 2**26


def test_the_time_of_children_counts():
    child = "import time\nwhile time.process_time() < 0.2: pass"
    run = python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    assert run.cpu_s >= 0.2


def test_beyond_its_limit_the_whole_tree_is_killed():
    run = python("import time; time.sleep(600)", limit_s=0.1)
    assert run.timed_out
    assert run.returncode == -signal.SIGKILL


def test_what_is_left_in_the_background_is_killed():
    code = "import os, time; p = os.fork()\nif p: print(p)\nelse: time.sleep(600)"
    run = python(code)
    pid = int(run.output)
    deadline_s = time.monotonic() + 10
    while _alive(pid):
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_that_is_not_there_raises():
    with pytest.raises(FileNotFoundError):
        run_program(["no-such-program"])


def test_environment_and_directory_are_the_callers(tmp_path):
    run = python("import os; print(os.getcwd(), os.environ['A'])", cwd=tmp_path,
                 env={**os.environ, "A": "b"})  # fmt: skip
    assert run.output.split() == [os.path.realpath(tmp_path), "b"]
