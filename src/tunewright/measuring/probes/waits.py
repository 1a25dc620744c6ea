"""What a thread waits for: the system call it is in, and what the descriptor it waits at is."""

from __future__ import annotations

import os
import platform
import struct
from dataclasses import dataclass, field
from typing import final

from tunewright.core.recording import Wait
from tunewright.measuring.probes.files import content, target, whole

# Number of the call → what it is about, from the kernel's own tables.
_X86 = {
    0: "read", 1: "write", 7: "poll", 17: "read", 18: "write", 19: "read", 20: "write",
    23: "select", 24: "yield", 26: "sync", 34: "timer", 35: "timer", 40: "write", 42: "fd",
    43: "fd", 44: "fd", 45: "fd", 46: "fd", 47: "fd", 61: "child", 64: "lock", 65: "lock",
    73: "lock", 74: "sync", 75: "sync", 162: "sync", 202: "futex", 208: "read", 220: "lock",
    230: "timer", 232: "epoll", 247: "child", 257: "read", 270: "select", 271: "poll",
    277: "sync", 281: "epoll", 288: "fd", 295: "read", 296: "write", 299: "fd", 306: "sync",
    327: "read", 328: "write", 426: "read", 441: "epoll", 449: "lock", 455: "lock",
}  # fmt: skip
_ARM = {
    4: "read", 22: "epoll", 32: "lock", 56: "read", 63: "read", 64: "write", 65: "read",
    66: "write", 67: "read", 68: "write", 69: "read", 70: "write", 72: "select", 73: "poll",
    81: "sync", 82: "sync", 83: "sync", 84: "sync", 95: "child", 98: "futex", 101: "timer",
    115: "timer", 124: "yield", 192: "lock", 193: "lock", 202: "fd", 203: "fd", 206: "fd",
    207: "fd", 211: "fd", 212: "fd", 227: "sync", 242: "fd", 243: "fd", 260: "child", 267: "sync",
    426: "read", 441: "epoll", 449: "lock", 455: "lock",
}  # fmt: skip
CALLS = {"x86_64": _X86, "aarch64": _ARM}.get(platform.machine(), {})
_NO_TIMEOUT = 2**64 - 1
_MOST_POLLED = 64


@final
@dataclass
class Waits:
    """Tells waits of one process apart; what a descriptor is, is looked up once."""

    pid: int
    gil: tuple[tuple[int, int], ...] = ()  # where the interpreter keeps its own lock
    _kinds: dict[str, str] = field(default_factory=dict)

    def of(self, tid: int, state: str) -> Wait | None:
        """What a thread that did not run waits for; None where it runs again."""
        text = content(f"/proc/{self.pid}/task/{tid}/syscall")
        words = (text or b"").split()
        if words[:1] == [b"running"]:
            return None
        if not words:
            return Wait("read" if state == "D" else "other")
        if words[0] == b"-1":  # outside a system call: a page has to come from somewhere
            return Wait("fault" if state == "D" else "other")
        number, *args = (int(word, 0) for word in words)
        call = CALLS.get(number, "")
        match call:
            case "futex":
                return self._futex(args)
            case "child" | "timer" | "sync" | "lock":
                return Wait(call, f"{number}")
            case "read" | "write" | "fd":
                return self._at(args[0], call, state)
            case "epoll":
                return self._any(self._epolled(args[0]), timed=args[3] != _NO_TIMEOUT)
            case "poll":
                return self._any(self._polled(args[0], args[1]), timed=args[2] != _NO_TIMEOUT)
            case "select":
                return self._any(self._selected(args), timed=args[4] != 0)
            case _:
                return Wait("read" if state == "D" else "other", f"{number}")

    def _futex(self, args: list[int]) -> Wait:
        address, timed = args[0], args[3] != 0 and args[1] & 0x7F in (0, 9)
        gil = timed and any(low <= address < high for low, high in self.gil)
        return Wait("gil" if gil else "lock", f"{self.pid}:{address:x}", timed)

    def _at(self, fd: int, call: str, state: str) -> Wait:
        kind = self._kind(fd)
        if kind == "file":
            kind = call if call in ("read", "write") else "other"
        return Wait("read" if kind == "other" and state == "D" else kind, f"{self.pid}:fd{fd}")

    def _any(self, fds: list[int], *, timed: bool) -> Wait:
        """Several descriptors at once: the first kind that says most."""
        kinds = {self._kind(fd): fd for fd in reversed(fds)}
        for kind in ("network", "child", "pipe"):
            if kind in kinds:
                return Wait(kind, f"{self.pid}:fd{kinds[kind]}", timed)
        return Wait("timer" if timed else "other")

    def _kind(self, fd: int) -> str:
        name = target(f"/proc/{self.pid}/fd/{fd}") or ""
        if name not in self._kinds:
            self._kinds[name] = self._looked_up(name)
        return self._kinds[name]

    def _looked_up(self, name: str) -> str:
        if name.startswith("socket:["):
            inode = name[len("socket:[") : -1].encode()
            local = whole(f"/proc/{self.pid}/net/unix") or b""
            return (
                "pipe" if any(inode in line.split() for line in local.splitlines()) else "network"
            )
        if name.startswith("pipe:") or "fifo" in name:
            return "pipe"
        if name.startswith("anon_inode:"):
            return "child" if "pidfd" in name else "wake"  # eventfd, timerfd, signalfd
        if name.startswith("/dev/nvidia"):
            return "device"
        return "file" if name.startswith("/") and not name.startswith("/dev/") else "other"

    def _epolled(self, fd: int) -> list[int]:
        text = content(f"/proc/{self.pid}/fdinfo/{fd}") or b""
        lines = [line.split() for line in text.splitlines() if line.startswith(b"tfd:")]
        return [int(words[1]) for words in lines][:_MOST_POLLED]

    def _polled(self, address: int, count: int) -> list[int]:
        size = 8 * min(count, _MOST_POLLED)
        body = self._memory(address, size)
        return [fd for fd, _ in struct.iter_unpack("ii", body[: len(body) // 8 * 8]) if fd >= 0]

    def _selected(self, args: list[int]) -> list[int]:
        fds = []
        for address in args[1:4]:
            bits = int.from_bytes(self._memory(address, (args[0] + 7) // 8), "little")
            fds += [fd for fd in range(min(args[0], 1024)) if bits >> fd & 1]
        return fds[:_MOST_POLLED]

    def _memory(self, address: int, size: int) -> bytes:
        if not address or not size:
            return b""
        try:
            fd = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY)
        except OSError:
            return b""
        try:
            return os.pread(fd, size, address)
        except OSError:
            return b""
        finally:
            os.close(fd)


def interpreter(pid: int) -> tuple[bool, tuple[tuple[int, int], ...]]:
    """Whether a process runs Python, and where the interpreter keeps its own variables.

    The lock of the interpreter is one of those; a program's locks are on the heap.
    """
    executable = os.path.basename(target(f"/proc/{pid}/exe") or "")  # noqa: PTH119 - as in files
    ranges: list[tuple[int, int]] = []
    python, inside = False, False
    for line in (whole(f"/proc/{pid}/maps") or b"").splitlines():
        words = line.split(None, 5)
        name = words[5].rsplit(b"/", 1)[-1].decode(errors="replace") if len(words) > 5 else ""
        ours = name.startswith("libpython") or (name == executable and name.startswith("python"))
        python |= ours
        low, _, high = words[0].partition(b"-")
        adjacent = inside and not name and ranges and ranges[-1][1] == int(low, 16)
        if (ours or adjacent) and b"w" in words[1]:
            ranges.append((int(low, 16), int(high, 16)))
        inside = ours or bool(adjacent)
    return python, tuple(ranges)
