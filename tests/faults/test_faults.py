"""What a user sees when the machine fails: the installed command, killed, interrupted, without room."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tunewright.core.events import Started
from tunewright.core.history import History
from tunewright.errors import StoreError
from tunewright.storing.journal import FILE, Reader
from tunewright.storing.studies import Studies

TUNEWRIGHT = [sys.executable, "-m", "tunewright"]
TUNE = ["tune", "--knob", "a=9:1..9", "--minimize", "wall_s", "--budget", "12 trials"]
PROGRAM = ["--", "sleep", "0.0{a}"]
PATIENCE_S = 60


def run(where, *words):
    return subprocess.run(
        [*TUNEWRIGHT, *words], cwd=where, capture_output=True, text=True, timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip


@contextmanager
def started(where, trials):
    """A study that has begun so many trials."""
    with subprocess.Popen(
        [*TUNEWRIGHT, *TUNE, *PROGRAM], cwd=where,
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


def is_one_sentence(text):
    return text.startswith("error: ") and text.count("\n") == 1 and "Traceback" not in text


def test_a_killed_study_is_resumed_to_its_verdict(tmp_path):
    with started(tmp_path, trials=4) as driver:
        driver.send_signal(signal.SIGKILL)
    before = events(tmp_path)
    resumed = run(tmp_path, "study", "resume")
    after = events(tmp_path)
    history = History()
    for event in after:
        history = history.applied(event)
    assert after[: len(before)] == before
    assert resumed.returncode == (0 if history.finished.decision.name == "ACCEPT" else 1)
    attempts = [(e.trial.number, e.trial.attempt) for e in after if isinstance(e, Started)]
    assert len(attempts) == len(set(attempts))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_study_says_what_it_has_and_how_to_go_on(tmp_path, number):
    with started(tmp_path, trials=4) as driver:
        driver.send_signal(number)
        _, told = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 130
    assert "best so far, not verified: wall_s" in told
    assert "tunewright study resume sleep-1" in told
    assert run(tmp_path, "study", "resume").returncode in (0, 1)


def test_a_second_driver_is_refused(tmp_path):
    with started(tmp_path, trials=2) as driver:
        second = run(tmp_path, "study", "resume")
        driver.send_signal(signal.SIGKILL)
    assert second.returncode == 2
    assert is_one_sentence(second.stderr)
    assert "is being run by process" in second.stderr


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


def test_a_full_disk_is_one_sentence_and_the_study_goes_on_with_more_room(tmp_path):
    with small_disk(tmp_path / "disk", "90k") as disk:
        full = run(disk, *TUNE, *PROGRAM)
        assert full.returncode == 2
        assert is_one_sentence(full.stderr)
        assert "full" in full.stderr
        assert run(disk, "study", "show").returncode == 0
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert run(disk, "study", "resume").returncode in (0, 1)


def test_a_read_only_directory_is_one_sentence(tmp_path):
    with small_disk(tmp_path / "disk", "20m") as disk:
        assert run(disk, *TUNE, *PROGRAM).returncode in (0, 1)
        assert (disk / ".tunewright" / "sleep-1" / FILE).exists()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for words in ([*TUNE, *PROGRAM], ["study", "resume"], ["report"]):
            refused = run(disk, *words)
            assert refused.returncode == 2, words
            assert is_one_sentence(refused.stderr), words
        for words in (["study", "show"], ["study", "list"]):
            assert run(disk, *words).returncode == 0, words


def test_a_damaged_journal_is_one_sentence(tmp_path):
    assert run(tmp_path, *TUNE, *PROGRAM).returncode in (0, 1)
    journal = tmp_path / ".tunewright" / "sleep-1" / FILE
    for damage in (b"", b"garbage" * 1000):
        Path(journal).write_bytes(damage)
        for words in (["study", "show"], ["study", "resume"]):
            refused = run(tmp_path, *words)
            assert refused.returncode == 2, words
            assert is_one_sentence(refused.stderr), words
