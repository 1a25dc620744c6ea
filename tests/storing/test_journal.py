import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tunewright.core.events import FORMAT
from tunewright.errors import StoreError
from tunewright.storing import journal as module
from tunewright.storing.journal import FILE, Journal, Reader
from tunewright.testing.stores import some_events


@contextmanager
def mounted(directory, *options):
    """A tmpfs of our own, or a skip where mounting is not permitted."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(directory)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"mounting a tmpfs is not permitted here: {error}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def test_a_second_writer_is_told_who_is_first(tmp_path):
    with Journal(tmp_path / "adult-1"):
        expected = f"study adult-1 is being run by process {os.getpid()}; wait for it or stop it"
        with pytest.raises(StoreError) as caught:
            Journal(tmp_path / "adult-1")
    assert str(caught.value) == expected
    Journal(tmp_path / "adult-1").close()


def test_the_directory_is_private(tmp_path):
    with Journal(tmp_path / "study"):
        assert stat.S_IMODE((tmp_path / "study").stat().st_mode) == 0o700


def test_a_reader_follows_a_writer(tmp_path):
    events = some_events(4)
    with Journal(tmp_path) as journal:
        journal.append(events[:3])
        digest = journal.put(b"blob")
        with Reader(tmp_path) as reader:
            assert list(reader.read()) == events[:3]
            journal.append(events[3:])
            assert list(reader.read(after=3)) == events[3:]
            assert reader.get(digest) == b"blob"


def test_appending_while_reading_is_seen_and_blocks_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 2)
    events = some_events(3)
    with Journal(tmp_path) as journal:
        journal.append(events[:4])
        reading = journal.read()
        seen = [next(reading)]
        journal.append(events[4:])
        assert seen + list(reading) == events


def test_a_newer_format_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        module, "_SCHEMA", module._SCHEMA.replace(f"user_version = {FORMAT}", "user_version = 99")
    )
    for opened in (Journal, Journal, Reader):
        with pytest.raises(
            StoreError, match=f"expected a journal of format {FORMAT} or older; got format 99"
        ):
            opened(tmp_path)


@pytest.mark.parametrize("opened", [Journal, Reader])
def test_what_is_no_journal_is_refused_and_left_alone(tmp_path, opened):
    (tmp_path / FILE).write_bytes(b"this is no database " * 500)
    with pytest.raises(StoreError, match="no tunewright journal"):
        opened(tmp_path)
    assert (tmp_path / FILE).read_bytes() == b"this is no database " * 500

    (tmp_path / "other").mkdir()
    other = sqlite3.connect(tmp_path / "other" / FILE)
    other.execute("create table t (x)")
    other.close()
    with pytest.raises(StoreError, match="no tunewright journal"):
        opened(tmp_path / "other")


def test_a_damaged_journal_is_a_store_error(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append(some_events(500))
    size = (tmp_path / FILE).stat().st_size
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * (size - 4096 * 3))
    with pytest.raises(StoreError, match=r"journal\.sqlite: it is damaged"):
        list(Reader(tmp_path).read())


def test_a_byte_that_is_no_text_is_a_store_error(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append(some_events(1))
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content.replace(b"elapsed_s", b"elaps\xffd_s"))
    with pytest.raises(StoreError, match="it is damaged"):
        list(Reader(tmp_path).read())


def test_what_a_killed_writer_left_in_its_log_is_read_without_room_for_side_files(tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        run_writer(disk / "study", batches=2)
        with Reader(disk / "study") as reader:
            kept = list(reader.read())
        (disk / "study" / f"{FILE}-shm").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with Reader(disk / "study") as reader:
            assert list(reader.read()) == kept


def test_an_event_that_cannot_be_read_is_named(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append(some_events(1))
        journal._db.execute("insert into events (body) values (?)", ('["Teleported", {}]',))
        with pytest.raises(StoreError, match=r"event 4 of .*Teleported"):
            list(journal.read())


def test_a_reader_needs_a_study(tmp_path):
    with pytest.raises(StoreError, match="expected a study in"):
        Reader(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_full_disk_loses_the_failed_batch_alone(tmp_path):
    with mounted(tmp_path / "disk", "size=512k") as disk, Journal(disk / "study") as journal:
        kept = 0

        def fill():
            nonlocal kept
            while True:
                journal.append(some_events(20, first=kept // 3 + 1))
                kept += 60

        with pytest.raises(StoreError) as caught:
            fill()
        assert kept
        assert str(caught.value) == (
            f"cannot write {disk}/study/{FILE}: the disk is full; free some space and run it again to resume"
        )
        with pytest.raises(StoreError, match="the disk is full"):
            journal.put(bytes(1_000_000))
        assert list(journal.read()) == some_events(kept // 3)
        with Reader(disk / "study") as reader:
            assert len(list(reader.read())) == kept
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        journal.append(some_events(20, first=kept // 3 + 1))
        assert list(journal.read()) == some_events(kept // 3 + 20)


@pytest.mark.parametrize("closed", [True, False])
def test_a_read_only_directory_is_readable_and_says_why_it_is_not_writable(tmp_path, closed):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        if closed:
            with Journal(disk / "study") as journal:
                journal.append(some_events(3))
        else:
            run_writer(disk / "study", batches=1)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for directory in (disk / "study", disk / "new"):
            with pytest.raises(
                StoreError, match=r"cannot write .*/disk/.*; make it writable or choose"
            ):
                Journal(directory)
        with Reader(disk / "study") as reader:
            events = list(reader.read())
        assert len(events) >= 9  # the killed writer may have got further
        assert events == some_events(len(events) // 3)


WRITER = """
import sys
from pathlib import Path
from tunewright.storing.journal import Journal
from tunewright.testing.stores import some_events
journal = Journal(Path(sys.argv[1]))
for batch in range(10**6):
    journal.append(some_events(3, first=3 * batch + 1))
    print(batch, flush=True)
"""


def run_writer(directory, batches):
    """Start a writer, kill it with SIGKILL after so many acknowledged batches, say how many there were."""
    command = [sys.executable, "-c", WRITER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        acknowledged = [writer.stdout.readline() for _ in range(batches)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.readlines()
    return sum(line.endswith("\n") for line in acknowledged)


def test_what_a_killed_writer_acknowledged_is_there(tmp_path):
    acknowledged = run_writer(tmp_path, batches=30)
    with Reader(tmp_path) as reader:
        seen = list(reader.read())
    assert len(seen) >= 9 * acknowledged
    assert len(seen) % 9 == 0
    assert seen == some_events(len(seen) // 3)
    with Journal(tmp_path) as journal:  # the lock died with its process
        journal.append(some_events(1, first=len(seen) // 3 + 1))
        assert len(list(journal.read())) == len(seen) + 3
