"""The artifact cache: what stages produced, found again by key, within a size on disk."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import pickle
import shutil
import struct
import tempfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact
from tunewright.errors import StoreError, TrialFailed

BUDGET_BYTES = 4 * 2**30
BYTES_PER_S = 1e8  # to pickle, write, read and unpickle
_RECENT = 4  # artifacts kept in memory: consecutive trials of a process mostly share a prefix
_CHECK = struct.Struct("<I")  # a file is the checksum of the pickle, then the pickle


@final
@dataclass(frozen=True)
class Kept:
    """An artifact, the samples of the whole chain down to it, and what that chain took to run."""

    artifact: Artifact
    samples: Mapping[str, Sample] = field(default_factory=dict)
    made_s: float = 0.0


@final
class ArtifactCache:
    """Artifacts by key. Several processes may read and write one directory at once.

    A file that is truncated or corrupt counts as absent; what cannot be written is not cached.
    Only files of the own user's study are ever read: they are pickles.
    """

    def __init__(self, directory: Path, budget_bytes: int = BUDGET_BYTES) -> None:
        self.directory = directory
        self.budget_bytes = budget_bytes
        self._digests = directory / "digests"
        self._digests.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        self._recent: OrderedDict[str, Kept] = OrderedDict()
        self._unseen_bytes = budget_bytes  # written since the directory was last looked through

    def __contains__(self, key: str) -> bool:
        """Whether a file has this key; only `get` knows whether it can be read."""
        return self._path(key).exists()

    def get(self, key: str) -> Kept | None:
        """What was put under this key, or None."""
        path, files = self._path(key), self._files(key)
        for used in (path, files):
            with contextlib.suppress(OSError):
                os.utime(used)  # the eviction goes by the time of the last use
        if key in self._recent:
            return self._whole(key, self._recent[key])
        try:
            content = path.read_bytes()
            (check,), body = _CHECK.unpack_from(content), memoryview(content)[_CHECK.size :]
            kept: Kept | None = None
            if check == zlib.crc32(body):
                kept = pickle.loads(body)  # noqa: S301 - of the own study
        except FileNotFoundError:
            return None
        except Exception:  # noqa: BLE001 - a stale or corrupt pickle may raise anything
            kept = None
        if kept is None:
            path.unlink(missing_ok=True)
            return None
        return self._whole(key, kept)

    def put(
        self, key: str, kept: Kept, stage: str, took_s: float = math.inf, *, must: bool = False
    ) -> Kept:
        """Keep an artifact if there is room, and if it took longer than to write and read it.

        What is given back is the artifact with its files where they are now: in the cache, or
        where they were if they are not kept. Raises TrialFailed when this key once had another
        digest: some knob is not `exact`. must: raises StoreError where the artifact cannot be kept,
        TrialFailed where it cannot be pickled.
        """
        self._check(key, kept.artifact.digest, stage)
        files = kept.artifact.files
        try:
            body = dumps(kept)
            size = len(body) + _CHECK.size + (_tree_bytes(files) if files else 0)
            gains = files is not None or len(body) / BYTES_PER_S < took_s
            if gains and size <= self.budget_bytes:
                kept = self._adopted(key, kept)
                self._write(self._path(key), _CHECK.pack(zlib.crc32(body)), body)
                self._evict(size)
        except TrialFailed:
            if must:
                raise
        except (OSError, MemoryError):  # what cannot be written is not cached
            pass
        if must and key not in self:
            raise StoreError(
                f"cannot keep what stage {stage} made in {self.directory}: the disk is full, or it "
                f"is larger than {self.budget_bytes / 2**30:g} GiB; "
                "free some space and run it again to resume"
            )
        if kept.artifact.files in {None, self._files(key)}:  # others are gone with their trial
            self._remember(key, kept)
        return kept

    def _adopted(self, key: str, kept: Kept) -> Kept:
        """The artifact with its files in the cache's own directory."""
        own, files = kept.artifact.files, self._files(key)
        if own is None or own == files:
            return kept
        try:
            own.rename(files)
        except OSError:  # another process was quicker, and made the same
            if not files.is_dir():
                raise
        os.utime(files)  # the last to be evicted
        return replace(kept, artifact=replace(kept.artifact, files=files))

    def _whole(self, key: str, kept: Kept) -> Kept | None:
        """The artifact with its files where they are now, None where they are gone."""
        if kept.artifact.files is not None:
            files = self._files(key)
            if not files.is_dir():
                self._recent.pop(key, None)
                self._path(key).unlink(missing_ok=True)
                return None
            kept = replace(kept, artifact=replace(kept.artifact, files=files))
        return self._remember(key, kept)

    def _files(self, key: str) -> Path:
        return self.directory / f"{key}.files"

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.artifact"

    def _remember(self, key: str, kept: Kept) -> Kept:
        self._recent[key] = kept
        self._recent.move_to_end(key)
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        return kept

    def _check(self, key: str, digest: str, stage: str) -> None:
        """Compare with the first digest of this key, which outlives its artifact."""
        if not digest:
            return
        path = self._digests / key
        try:
            first = path.read_text() if path.exists() else ""
            if not first:
                self._write(path, digest.encode())
        except OSError:  # a full disk: an unchecked answer is no reason to fail the trial
            return
        if first and first != digest:
            raise TrialFailed(f"a knob declared exact changed the answer of stage {stage}")

    def _write(self, path: Path, *parts: bytes) -> None:
        """Write a file that others see whole or not at all."""
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(parts)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _evict(self, written_bytes: int) -> None:
        """Drop what was not used for longest until the rest fits."""
        self._unseen_bytes += written_bytes
        if self._unseen_bytes < self.budget_bytes / 16:
            return  # looking through the directory costs time: let it grow a little beyond
        self._unseen_bytes = 0
        usage: dict[str, tuple[int, int]] = {}  # when each was used last, and its size
        for entry in self.directory.glob("*.*"):
            with contextlib.suppress(FileNotFoundError):
                used_ns, size = usage.get(entry.stem, (0, 0))
                status = entry.lstat()
                size += status.st_size if entry.is_file() else _tree_bytes(entry)
                usage[entry.stem] = (max(used_ns, status.st_mtime_ns), size)
        excess = sum(size for _, size in usage.values()) - self.budget_bytes
        for key, (_, size) in sorted(usage.items(), key=lambda item: item[1]):
            if excess <= 0:
                break
            for entry in (self._path(key), self.directory / f"{key}.part"):
                entry.unlink(missing_ok=True)
            shutil.rmtree(self._files(key), ignore_errors=True)
            excess -= size


def _tree_bytes(directory: Path) -> int:
    """What the files below a directory take; of those that vanish meanwhile nothing."""
    size = 0
    for path in directory.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            size += path.lstat().st_size
    return size


def dumps(value: Any) -> bytes:
    """A pickle of `value`, by value where its code cannot be imported elsewhere (notebooks).

    Raises TrialFailed when neither pickle nor cloudpickle can carry it.
    """
    try:
        return pickle.dumps(value, protocol=5)
    except Exception:  # noqa: BLE001 - any `__reduce__` of the user's may raise anything
        return _dumps_by_value(value)


def _dumps_by_value(value: Any) -> bytes:
    try:
        # Only code in __main__ needs it, and its import would double the start-up of a worker.
        body: bytes = importlib.import_module("cloudpickle").dumps(value, protocol=5)
    except Exception as error:
        raise TrialFailed(f"cannot be pickled: {type(error).__name__}: {error}") from error
    return body
