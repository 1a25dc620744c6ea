"""Journal: a study's events and blobs in one SQLite file. What `append` returned from is kept."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, final
from urllib.parse import quote

import apsw

from tunewright.core.events import FORMAT, Event, from_json, to_json
from tunewright.errors import StoreError

FILE = "journal.sqlite"
APPLICATION = 0x74756E65  # "tune", in the file's header: this database is one of ours
PAGE = 1000  # events read at a time, so that a slow reader never holds the write-ahead log back
BUSY_MS = 5000

_SCHEMA = f"""
    create table events (id integer primary key, body text not null) strict;
    create table blobs (digest text primary key, body blob not null) strict, without rowid;
    pragma application_id = {APPLICATION};
    pragma user_version = {FORMAT};
"""
_ADVICE: dict[type[apsw.Error], str] = {
    apsw.FullError: "the disk is full; free some space and run it again to resume",
    apsw.IOError: "the disk fails or is full; free some space or copy the study elsewhere",
    apsw.ReadOnlyError: "it is read-only; make it writable or choose another directory",
    apsw.CantOpenError: "it cannot be opened; make it accessible or choose another directory",
    apsw.PermissionsError: "access is denied; make it accessible or choose another directory",
    apsw.BusyError: "another program keeps it locked; close that program and try again",
    apsw.NotADBError: "it is no tunewright journal; move it away or choose another directory",
    apsw.CorruptError: "it is damaged; restore it from a copy or start another study",
}


@final
class Journal:
    """The store of one study, open for writing; at most one process holds it.

    Raises StoreError where the directory cannot be written or another process writes the study.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._lock = _lock(directory)
        try:
            with _explained("write", self._path):
                self._db = apsw.Connection(str(self._path))
                _prepare(self._db, self._path)
        except BaseException:
            os.close(self._lock)
            raise

    def append(self, events: Sequence[Event]) -> None:
        """Keep these events, all or none, in one durable commit."""
        bodies = [(to_json(event),) for event in events]
        with _explained("write", self._path), _transaction(self._db):
            self._db.executemany("insert into events (body) values (?)", bodies)

    def read(self, after: int = 0) -> Iterator[Event]:
        """All events in order, leaving out the first `after`."""
        return _read(self._db, self._path, after)

    def put(self, blob: bytes) -> str:
        """Keep a blob, durable on return; its digest finds it again."""
        digest = hashlib.blake2b(blob, digest_size=16).hexdigest()
        with _explained("write", self._path), _transaction(self._db):
            self._db.execute("insert or ignore into blobs values (?, ?)", (digest, blob))
        return digest

    def get(self, digest: str) -> bytes:
        """The blob with this digest. Raises StoreError when there is none."""
        return _get(self._db, self._path, digest)

    def close(self) -> None:
        """Let other processes write the study. May be called twice."""
        self._db.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@final
class Reader:
    """A study's journal for reading alone, also while a driver writes it or on read-only media."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        if not self._path.is_file():
            raise StoreError(f"expected a study in {directory}; got no {FILE}; name another one")
        with _explained("read", self._path):
            self._db = _open_readonly(self._path)
            _check(self._db, self._path)

    def read(self, after: int = 0) -> Iterator[Event]:
        """All events in order, leaving out the first `after`."""
        return _read(self._db, self._path, after)

    def count(self) -> int:
        """How many events there are."""
        with _explained("read", self._path):
            rows: list[Any] = self._db.execute("select count(*) from events").fetchall()
        return int(rows[0][0])

    def get(self, digest: str) -> bytes:
        """The blob with this digest. Raises StoreError when there is none."""
        return _get(self._db, self._path, digest)

    def close(self) -> None:
        """Give the file back. May be called twice."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _lock(directory: Path) -> int:
    """The open lock file; the lock dies with the process, so that no stale one can remain."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(
            f"cannot write {directory}: {error.strerror}; "
            "make it writable or choose another directory"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StoreError(
            f"study {directory.name} is being run by process {owner}; wait for it or stop it"
        ) from None
    with suppress(OSError):  # a full disk: the lock holds all the same, its owner stays unnamed
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _prepare(db: apsw.Connection, path: Path) -> None:
    db.set_busy_timeout(BUSY_MS)
    if not db.pragma("schema_version"):
        db.pragma("journal_mode", "wal")
        with _transaction(db):
            db.execute(_SCHEMA)
    _check(db, path)
    db.pragma("synchronous", "full")


def _check(db: apsw.Connection, path: Path) -> None:
    if not db.pragma("schema_version"):  # its driver died within the first milliseconds
        raise StoreError(
            f"expected a study in {path.parent}; got one that ended before it began; tune again"
        )
    if db.pragma("application_id") != APPLICATION:
        raise StoreError(f"cannot read {path}: {_ADVICE[apsw.NotADBError]}")
    version = db.pragma("user_version")
    if not 1 <= version <= FORMAT:
        raise StoreError(
            f"expected a journal of format {FORMAT} or older; got format {version} in {path}; "
            "use the tunewright that wrote it"
        )


def _open_readonly(path: Path) -> apsw.Connection:
    """A connection that changes nothing.

    A journal in WAL mode needs its side files even to be read. Where they are gone and cannot be
    made (read-only media, a full disk), nobody can be writing: the file itself is complete, or it
    becomes so in a copy, together with what its writer left in the log.
    """
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        db.set_busy_timeout(BUSY_MS)
        db.pragma("schema_version")
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.IOError, apsw.FullError) as error:
        db.close()
        log = path.with_name(FILE + "-wal")
        if log.exists() and log.stat().st_size:
            try:
                return _copied(path, log)
            except OSError:
                raise error from None
        uri = f"file:{quote(str(path.absolute()))}?immutable=1"
        return apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    return db


def _copied(path: Path, log: Path) -> apsw.Connection:
    """The journal in memory, its log included, by way of a copy on another disk."""
    with TemporaryDirectory() as where:
        for file in (path, log):
            shutil.copy(file, where)
        with closing(apsw.Connection(str(Path(where) / FILE))) as copy:
            copy.pragma("journal_mode", "delete")
            content = copy.serialize("main")
    db = apsw.Connection(":memory:")
    db.deserialize("main", content)
    return db


def _read(db: apsw.Connection, path: Path, after: int) -> Iterator[Event]:
    query = "select id, body from events where id > ? order by id limit ?"
    while True:
        with _explained("read", path):
            rows: list[Any] = db.execute(query, (after, PAGE)).fetchall()
        for number, body in rows:
            try:
                event = from_json(body)
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                damaged = f"{_ADVICE[apsw.CorruptError]} ({error!r:.200})"
                raise StoreError(f"cannot read event {number} of {path}: {damaged}") from error
            yield event
            after = number
        if len(rows) < PAGE:
            return


def _get(db: apsw.Connection, path: Path, digest: str) -> bytes:
    with _explained("read", path):
        row = db.execute("select body from blobs where digest = ?", (digest,)).fetchone()
    if row is None:
        raise StoreError(f"expected a blob {digest} in {path}; got none; the study is incomplete")
    return bytes(row[0])


@contextmanager
def _transaction(db: apsw.Connection) -> Iterator[None]:
    db.execute("begin immediate")
    try:
        yield
        db.execute("commit")
    except BaseException:
        if db.in_transaction:  # SQLite rolls back by itself when the disk is full
            db.execute("rollback")
        raise


@contextmanager
def _explained(doing: str, path: Path) -> Iterator[None]:
    """Any failure of SQLite as one sentence: what, where, and what to do."""
    try:
        yield
    except apsw.Error as error:
        advice = next(
            (text for kind, text in _ADVICE.items() if isinstance(error, kind)), str(error)
        )
        raise StoreError(f"cannot {doing} {path}: {advice}") from error
    except UnicodeDecodeError as error:  # SQLite gives back whatever bytes are there
        raise StoreError(f"cannot {doing} {path}: {_ADVICE[apsw.CorruptError]}") from error
