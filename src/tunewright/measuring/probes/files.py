"""Reading the kernel's small files, quickly; what is gone or forbidden is None."""

from __future__ import annotations

import os


def content(path: str, most: int = 65536) -> bytes | None:
    """The first bytes of a file, or None."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(fd, most)
    except OSError:
        return None
    finally:
        os.close(fd)


def whole(path: str) -> bytes | None:
    """All of a file that the kernel hands out in parts, or None."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a Path costs as much as the reading
            return file.read()
    except OSError:
        return None


def target(path: str) -> str | None:
    """What a link names, or None."""
    try:
        return os.readlink(path)  # noqa: PTH115 - as above
    except OSError:
        return None


def after(text: bytes | None, key: bytes) -> int | None:
    """The whole number behind a word, as in "VmRSS:  12 kB"."""
    at = -1 if text is None else text.find(key)
    if text is None or at < 0:
        return None
    words = text[at + len(key) : at + len(key) + 64].split(None, 1)
    return int(words[0]) if words and words[0].isdigit() else None
