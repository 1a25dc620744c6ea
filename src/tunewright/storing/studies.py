"""Studies: the directories below one root, each with a journal."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from tunewright.errors import InputError, StoreError, nearest
from tunewright.storing.journal import FILE

ROOT = Path(".tunewright")


@final
@dataclass(frozen=True)
class Studies:
    """All studies below `root`, which need not exist."""

    root: Path = ROOT

    def names(self) -> tuple[str, ...]:
        """Every study with a journal, the one written last at the end."""
        studies = [
            (_written_ns(path.parent), path.parent.name) for path in self.root.glob(f"*/{FILE}")
        ]
        return tuple(name for _, name in sorted(studies))

    def create(self, stem: str) -> Path:
        """A fresh private directory, `stem-1`, `stem-2` …: one beyond the highest number in use."""
        stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "study"
        taken = [
            re.fullmatch(re.escape(stem) + r"-(\d+)", path.name) for path in self.root.glob("*")
        ]
        number = max((int(match[1]) for match in taken if match), default=0) + 1
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            while True:
                directory = self.root / f"{stem}-{number}"
                try:
                    directory.mkdir(mode=0o700)
                except FileExistsError:  # another driver was quicker
                    number += 1
                else:
                    return directory
        except OSError as error:
            raise StoreError(
                f"cannot make a study in {self.root}: {error.strerror}; "
                "make it writable or choose another directory"
            ) from error

    def find(self, name: str) -> Path:
        """The directory of this study. Raises InputError naming the nearest one."""
        names = self.names()
        if name not in names:
            raise InputError(f"no study {name!r} in {self.root}: {nearest(name, names)}")
        return self.root / name

    def latest(self) -> Path:
        """The study that was written last. Raises InputError when there is none."""
        names = self.names()
        if not names:
            raise InputError(
                f"expected a study in {self.root}; got none; run 'tunewright tune' first"
            )
        return self.root / names[-1]


def _written_ns(directory: Path) -> int:
    """When the journal was last written; a driver that ends takes its write-ahead log away."""
    written = 0
    for path in (directory / FILE, directory / f"{FILE}-wal"):
        with suppress(FileNotFoundError):
            status = path.stat()
            if status.st_size:  # a reader leaves an empty log behind
                written = max(written, status.st_mtime_ns)
    return written
