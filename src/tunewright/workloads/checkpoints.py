"""Checkpoints: files of one config that outlive its process, whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from tunewright.core.texts import read_json

CHECKPOINTS = "checkpoints"  # the directory of them, among what the runs of a study share
STATE = "tunewright.json"  # beside the files of a checkpoint, in the directory above them
FILES = "files"
_KEPT = 2  # states of one checkpoint: the last, and the one before while it is being read

Stamp = tuple[tuple[str, int, int], ...]


@final
@dataclass
class Checkpoint:
    """A directory of one trial that outlives its process, whole or not at all.

    What runs writes into `files`, a copy of its own; `keep` makes a state of it that others see
    at once and entirely. store: where the states are.
    """

    store: Path
    files: Path
    _stamp: Stamp = ()

    def restore(self, step: int | None = None) -> Mapping[str, Any]:
        """Fill `files` from the last state, or from the one of this step.

        What was kept beside it, {} where there is none.
        """
        names = "[0-9]*" if step is None else f"{step:08d}"
        for state in sorted(self.store.glob(names), reverse=True):
            try:
                body = read_json((state / STATE).read_bytes())
                shutil.copytree(state / FILES, self.files, symlinks=True, dirs_exist_ok=True)
            except (OSError, ValueError):  # harmed: the one before will do
                shutil.rmtree(self.files, ignore_errors=True)
                continue
            self._stamp = _stamp(self.files)
            return dict(body)
        return {}

    def keep(self, step: int, body: Mapping[str, Any], *, move: bool = False) -> None:
        """Make a state of what is in `files`, if anything in it has changed.

        move: nobody writes there any more, so nothing has to be copied.
        """
        stamp = _stamp(self.files)
        if not stamp or stamp == self._stamp:
            return
        draft, state = self.store / f"part-{step:08d}", self.store / f"{step:08d}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        if move:
            self.files.rename(draft / FILES)
        else:
            shutil.copytree(self.files, draft / FILES, symlinks=True)
        (draft / STATE).write_text(json.dumps(body), encoding="utf-8")
        shutil.rmtree(state, ignore_errors=True)
        draft.rename(state)
        self._stamp = stamp
        for older in sorted(self.store.glob("[0-9]*"))[:-_KEPT]:
            shutil.rmtree(older, ignore_errors=True)

    def drop(self) -> None:
        """Forget all states: the run is over."""
        if self.store.exists():
            shutil.rmtree(self.store, ignore_errors=True)


def _stamp(directory: Path) -> Stamp:
    """What files there are, and when they were written."""
    found = []
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        found.append((str(path), status.st_size, status.st_mtime_ns))
    return tuple(found)
