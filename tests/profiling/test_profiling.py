"""Profiles of real processes: what is watched, what is refused, and what is left."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tunewright.cli.profile import command
from tunewright.errors import InputError
from tunewright.profiling import profile

PYTHON = sys.executable
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a profile reads /proc")


def test_a_program_that_waits_for_a_socket_is_said_to(capfd):
    source = (
        "import socket\ns = socket.create_server(('127.0.0.1', 0)); s.settimeout(0.6)\n"
        "try: s.accept()\nexcept TimeoutError: print('over')"
    )
    told = profile([PYTHON, "-c", source])
    assert told.diagnosis.answer == "network"
    assert told.recording.returncode == 0
    assert "over" in capfd.readouterr().out


def test_what_a_program_leaves_is_ended(tmp_path):
    source = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); time.sleep(0.3)"
    )
    profile([PYTHON, "-c", source])
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


def test_a_time_limit_ends_a_command():
    began_s = time.monotonic()
    told = profile(["sleep", "60"], duration="400ms")
    assert told.recording.returncode is None
    assert time.monotonic() - began_s < 30


def test_a_process_that_runs_is_watched_and_left():
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            told = profile(pid=process.pid, duration=0.5)
            assert told.diagnosis.answer == "sleeping"
            assert process.poll() is None
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"command": ["no-such-program"]}, "cannot run 'no-such-program'"),
        ({"command": []}, "expected a command"),
        ({}, "expected a command or a pid"),
        ({"pid": 2**22 + 1}, "which does not"),
        ({"pid": os.getpid(), "duration": "soon"}, "expected a number"),
        ({"pid": os.getpid(), "duration": 0}, "above 0"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_a_sentence(asked, message):
    with pytest.raises(InputError, match=message):
        profile(**asked)


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("sleep .3", 0, ""),
        ("sleep .3; exit 3", 3, "ended with code 3"),
        ("sleep .3; kill -15 $$", 143, "ended by signal 15"),
    ],
)
def test_the_exit_code_is_the_programs_own(program, code, said):
    done = CliRunner().invoke(command, ["--", "sh", "-c", program], standalone_mode=False)
    assert done.return_value == code
    assert said in done.output
