"""The processes of a tree: who descends from whom. Read anew only when a process has begun."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import final

from tunewright.measuring.probes.files import content

STARTED = 19  # of the fields behind the name, in the kernel's order
SETTLED_S = 0.5  # a new tree is looked for this often, should the kernel not tell of new processes


def fields(text: bytes) -> list[bytes]:
    """The fields of a `stat` behind the name, which may hold anything: the state comes first."""
    return text[text.rindex(b")") + 2 :].split()


@final
@dataclass
class Tree:
    """The root, everything below it, and what lost its parent, by a cookie in its environment."""

    root: int
    cookie: bytes | None = None
    parents: dict[int, int] = field(default_factory=dict)
    _last: bytes = b""
    _read_s: float = -1.0

    def pids(self, now_s: float) -> list[int]:
        """The processes that are there now, parents first."""
        load = content("/proc/loadavg") or b""
        last = load.rsplit(b" ", 1)[-1]
        if last != self._last or not last or now_s - self._read_s > SETTLED_S:
            self._last, self._read_s = last, now_s
            self._read()
        return list(self.parents)

    def _read(self) -> None:
        below: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):  # noqa: PTH208 - a Path for each costs as much as reading
            if name.isdigit() and (text := content(f"/proc/{name}/stat", 512)):
                below.setdefault(int(fields(text)[1]), []).append(int(name))
        found, stack = {self.root: 0}, [self.root]
        if self.cookie is not None:  # lost children have become children of this process
            lost = [pid for pid in below.get(os.getpid(), ()) if self._ours(pid)]
            found |= dict.fromkeys(lost, self.root)
            stack += lost
        while stack:
            parent = stack.pop()
            for pid in below.get(parent, ()):
                if pid not in found:
                    found[pid] = parent
                    stack.append(pid)
        self.parents = found

    def _ours(self, pid: int) -> bool:
        assert self.cookie is not None
        return pid != self.root and self.cookie in (content(f"/proc/{pid}/environ") or b"")
