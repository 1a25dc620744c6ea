"""The artifact cache: what stages produced, found again by key, within a size on disk."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import pickle
import struct
import tempfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact
from tunewright.errors import TrialFailed

BUDGET_BYTES = 4 * 2**30
BYTES_PER_S = 1e8  # to pickle, write, read and unpickle
_RECENT = 4  # artifacts kept in memory: consecutive trials of a process mostly share a prefix
_CHECK = struct.Struct("<I")  # a file is the checksum of the pickle, then the pickle


@final
@dataclass(frozen=True)
class Kept:
    """An artifact, and the samples of the whole chain down to it."""

    artifact: Artifact
    samples: Mapping[str, Sample] = field(default_factory=dict)


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
        path = self._path(key)
        with contextlib.suppress(OSError):
            os.utime(path)  # the eviction goes by the time of the last use
        if key in self._recent:
            return self._remember(key, self._recent[key])
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
        return self._remember(key, kept)

    def put(self, key: str, kept: Kept, stage: str, took_s: float = math.inf) -> None:
        """Keep an artifact if there is room, and if it took longer than to write and read it.

        Raises TrialFailed when this key once had another digest: some knob is not `exact`.
        """
        self._check(key, kept.artifact.digest, stage)
        self._remember(key, kept)
        with contextlib.suppress(OSError, MemoryError, TrialFailed):
            body = dumps(kept)
            worth = len(body) / BYTES_PER_S < took_s
            if worth and len(body) + _CHECK.size <= self.budget_bytes:
                self._write(self._path(key), _CHECK.pack(zlib.crc32(body)), body)
                self._evict(len(body) + _CHECK.size)

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
        files = []
        with os.scandir(self.directory) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False):
                        status = entry.stat()
                        files.append((status.st_mtime_ns, status.st_size, entry.path))
        excess = sum(size for _, size, _ in files) - self.budget_bytes
        for _, size, path in sorted(files):
            if excess <= 0:
                break
            Path(path).unlink(missing_ok=True)
            excess -= size


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
