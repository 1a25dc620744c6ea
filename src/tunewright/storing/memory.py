"""MemoryStore: a store that forgets with its process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import final

from tunewright.core.events import Event, from_json, to_json
from tunewright.errors import StoreError


@final
class MemoryStore:
    """Keeps events as the text that a journal would hold, so that both give the same back."""

    def __init__(self) -> None:
        self._events: list[str] = []
        self._blobs: dict[str, bytes] = {}

    def append(self, events: Sequence[Event]) -> None:
        """Keep these events, all or none."""
        self._events.extend([to_json(event) for event in events])

    def read(self, after: int = 0) -> Iterator[Event]:
        """All events in order, leaving out the first `after`."""
        return (from_json(text) for text in self._events[after:])

    def put(self, blob: bytes) -> str:
        """Keep a blob; its digest finds it again."""
        digest = hashlib.blake2b(blob, digest_size=16).hexdigest()
        self._blobs[digest] = blob
        return digest

    def get(self, digest: str) -> bytes:
        """The blob with this digest. Raises StoreError when there is none."""
        if digest not in self._blobs:
            raise StoreError(f"expected a blob {digest}; got none; put it first")
        return self._blobs[digest]
