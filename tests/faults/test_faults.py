"""What a user sees when the machine fails: the installed command, interrupted, without room, damaged."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tunewright.core.events import Ended, Started
from tunewright.errors import StoreError
from tunewright.running.reaping import COOKIE, cookie
from tunewright.storing.journal import FILE, Reader
from tunewright.storing.studies import Studies

TUNEWRIGHT = [sys.executable, "-m", "tunewright"]
TUNE = ["tune", "--knob", "a=6:1..6", "--minimize", "wall_s", "--budget", "4 trials"]
PROGRAM = ["--", "sleep", "0.0{a}"]
STUDY = "sleep-1"
PATIENCE_S = 60


def run(where, *words):
    return subprocess.run(
        [*TUNEWRIGHT, *words], cwd=where, capture_output=True, text=True, timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip


@contextmanager
def started(where, trials, program=PROGRAM):
    """A study that has begun so many trials."""
    with subprocess.Popen(
        [*TUNEWRIGHT, *TUNE, *program], cwd=where,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as driver:  # fmt: skip
        deadline_s = time.monotonic() + PATIENCE_S
        while len([e for e in events(where) if isinstance(e, Started)]) < trials:
            assert driver.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        yield driver


def events(where):
    names = Studies(where / ".tunewright").names()
    if not names:
        return []
    with suppress(StoreError), Reader(where / ".tunewright" / names[-1]) as reader:
        return list(reader.read())
    return []  # its driver has not yet begun it


def left_by(directory):
    """The processes that a study started and that are still there."""
    entry, found = f"{COOKIE}={cookie(directory)}".encode(), []
    for pid in psutil.pids():
        with suppress(OSError):
            if entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def assert_refused(done, *said):
    """It failed with one sentence that says so, and nothing else."""
    assert done.returncode == 2, done
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for words in said:
        assert words in done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A directory with a finished study."""
    where = tmp_path_factory.mktemp("finished")
    assert run(where, *TUNE, *PROGRAM).returncode in (0, 1)
    return where


def copied(finished, where):
    shutil.copytree(finished / ".tunewright", where / ".tunewright")
    return where / ".tunewright" / STUDY / FILE


@contextmanager
def small_disk(where, size):
    """A disk of this size, made and mounted for one test."""
    where.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)],
        capture_output=True, check=False,
    )  # fmt: skip
    if os.name != "posix" or made.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


def fill(disk, leave_bytes=0):
    """Take all the room that is left on a disk, but so much."""
    with (disk / "filler").open("wb") as filler, suppress(OSError):
        for _ in range((shutil.disk_usage(disk).free - leave_bytes) // 4096):
            filler.write(bytes(4096))
            filler.flush()


def test_an_interrupted_study_says_what_it_has_and_how_to_go_on(tmp_path):
    with started(tmp_path, trials=3) as driver:
        driver.send_signal(signal.SIGINT)
        _, told = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 130
    assert "best so far, not verified: wall_s" in told
    assert f"tunewright study resume {STUDY}" in told
    assert left_by(tmp_path / ".tunewright" / STUDY) == []
    assert run(tmp_path, "study", "resume").returncode in (0, 1)


def test_more_signals_do_not_disturb_the_end(tmp_path):
    with started(tmp_path, trials=3) as driver:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            driver.send_signal(number)
            time.sleep(0.01)
        _, told = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 130
    assert told.count("\n") == 2
    assert f"tunewright study resume {STUDY}" in told
    assert left_by(tmp_path / ".tunewright" / STUDY) == []


def test_a_resume_is_refused_while_the_study_runs_and_where_its_program_changed(tmp_path):
    program = tmp_path / "program.sh"
    program.write_text("sleep 0.0$1")
    words = ["--name", "sleep", "--", "sh", "program.sh", "{a}"]
    with started(tmp_path, trials=2, program=words) as driver:
        second = run(tmp_path, "study", "resume")
        driver.send_signal(signal.SIGKILL)
    assert_refused(second, "is being run by process")
    program.write_text("sleep 0.01")
    assert_refused(run(tmp_path, "study", "resume"), "they changed; tune again")
    program.unlink()
    assert_refused(run(tmp_path, "study", "resume"), "they changed; tune again")


def test_a_finished_study_says_its_verdict_again(finished):
    again = run(finished, "study", "resume")
    shown = run(finished, "study", "show")
    assert again.returncode in (0, 1)
    assert shown.stdout.strip() in again.stdout


def test_a_study_that_is_not_there_is_refused(tmp_path, finished):
    for words in (["study", "show"], ["study", "resume"], ["report"]):
        assert_refused(run(tmp_path, *words), "run 'tunewright tune' first")
    assert_refused(run(finished, "study", "resume", "sleep-7"), f"did you mean '{STUDY}'?")
    assert run(tmp_path, "study", "list").returncode == 0


def test_a_full_disk_is_one_sentence_and_the_study_goes_on_with_more_room(tmp_path):
    with small_disk(tmp_path / "disk", "90k") as disk:
        assert_refused(run(disk, *TUNE, *PROGRAM), "full")
        assert run(disk, "study", "show").returncode == 0
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert run(disk, "study", "resume").returncode in (0, 1)


def test_a_study_is_readable_without_a_byte_of_room_and_afterwards(tmp_path, finished):
    with small_disk(tmp_path / "disk", "1m") as disk:
        copied(finished, disk)
        fill(disk)
        for words in (["study", "show"], ["study", "list"]):
            assert run(disk, *words).returncode == 0, words
        assert_refused(run(disk, "report", "--output", "new.html"), "No space left")
        (disk / "filler").unlink()
        assert run(disk, "study", "show").returncode == 0


def test_a_program_that_fails_on_a_full_disk_is_not_the_config_s_fault(tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        fill(disk, leave_bytes=500_000)
        program = ["--", "sh", "-c", "head -c 900000 /dev/zero > {dir}/out || exit {a}"]
        assert_refused(run(disk, *TUNE, *program), "full", "resume")
        assert not any(isinstance(event, Ended) for event in events(disk))


def test_output_that_cannot_be_written_is_one_sentence(finished):
    with Path("/dev/full").open("w") as full:
        listed = subprocess.run(
            [*TUNEWRIGHT, "study", "list"], cwd=finished, stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    assert_refused(listed, "No space left")


def test_a_read_only_directory_is_one_sentence(tmp_path, finished):
    with small_disk(tmp_path / "disk", "20m") as disk:
        copied(finished, disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for words in ([*TUNE, *PROGRAM], ["study", "resume"], ["report"]):
            assert_refused(run(disk, *words), "Read-only file system")
        for words in (["study", "show"], ["study", "list"]):
            assert run(disk, *words).returncode == 0, words


@pytest.mark.parametrize(
    "damaged",
    [lambda whole: b"", lambda whole: b"garbage" * 1000, lambda whole: whole[: len(whole) // 2]],
    ids=["empty", "garbage", "half"],
)
def test_a_damaged_journal_is_one_sentence_and_hides_no_other(tmp_path, finished, damaged):
    journal = copied(finished, tmp_path)
    shutil.copytree(journal.parent, tmp_path / ".tunewright" / "whole-1")
    journal.write_bytes(damaged(journal.read_bytes()))
    for words in (["study", "show", STUDY], ["study", "resume", STUDY]):
        assert_refused(run(tmp_path, *words))
    listed = run(tmp_path, "study", "list")
    assert listed.returncode == 0
    assert "unreadable" in listed.stdout
    assert "whole-1" in listed.stdout


# Streams that are not there


@pytest.mark.parametrize(
    "words",
    ["predict bundle rows.csv", "tune --knob n=1:1..2 --minimize wall_s --json - -- echo {n}"],
)  # fmt: skip
def test_a_result_that_has_nowhere_to_go_is_refused_at_once(tmp_path, words):
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m tunewright {words} >&-"], cwd=tmp_path,
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "expected a standard output, where the result goes; got a closed one" in done.stderr
    assert not (tmp_path / ".tunewright").exists()


@pytest.mark.parametrize("stream", ["| head -n 1", "2>&1 | true", ">&-", "2>&- >&-", "<&-"])
def test_a_stream_that_nobody_reads_is_no_failure(tmp_path, stream):
    verify = "verify 'echo n=2' 'echo n=1' --metric 'n=regex:n=(.)' --minimize n --pairs 6"
    script = f"( {sys.executable} -m tunewright {verify}; echo $? >&9 ) 9>code {stream}"
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip
    assert (tmp_path / "code").read_text() == "0\n"
    assert "Traceback" not in done.stderr + done.stdout
    assert "Exception" not in done.stderr
