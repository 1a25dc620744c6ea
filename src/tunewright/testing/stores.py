"""StoreContract: what every Store keeps. Subclass it and say how to open one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tunewright.core.config import Config
from tunewright.core.events import Ended, Event, Reported, Started
from tunewright.core.metrics import Sample
from tunewright.core.roles import Store
from tunewright.core.trial import Fidelity, Measurement, Outcome, Span, Trial
from tunewright.errors import StoreError


def some_events(count: int, first: int = 1) -> list[Event]:
    """A plain run of events: trials that start, progress and end, numbered from `first`."""
    events: list[Event] = []
    for number in range(first, first + count):
        config = Config({"depth": number, "rate": 0.1, "name": "größe 数", "flag": True})
        spans = (Span("fit", 0.5, 1.0),)
        done = Measurement(Outcome.OK, {"t": Sample((0.1, 0.2), "s")}, spans, "", "key")
        events += [
            Started(number, Trial(number, config, Fidelity("fit"))),
            Reported(number + 0.5, number, 1, 0.5),
            Ended(number + 0.75, number, 1, done),
        ]
    return events


class StoreContract:
    """Every store passes this suite unchanged."""

    def opener(self, directory: Path) -> Callable[[], Store]:
        """A function that opens the store, and opens the same store again when called again."""
        raise NotImplementedError

    def test_a_new_store_is_empty(self, tmp_path: Path) -> None:
        """Nothing was appended, nothing is read."""
        assert list(self.opener(tmp_path)().read()) == []

    def test_events_come_back_equal_and_in_order(self, tmp_path: Path) -> None:
        """Whatever the size of the batches."""
        store, events = self.opener(tmp_path)(), some_events(5)
        store.append(events[:1])
        store.append([])
        store.append(events[1:])
        assert list(store.read()) == events

    def test_after_leaves_out_the_first_events(self, tmp_path: Path) -> None:
        """A reader goes on from the count that it has."""
        store, events = self.opener(tmp_path)(), some_events(400)
        store.append(events)
        for after in (0, 1, 7, len(events) - 1, len(events), len(events) + 5):
            assert list(store.read(after)) == events[after:]

    def test_a_batch_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        """All or none."""
        store, events = self.opener(tmp_path)(), some_events(2)
        store.append(events[:3])
        broken: list[Event] = [*events[3:], object()]  # type: ignore[list-item]  # on purpose
        with pytest.raises(TypeError):
            store.append(broken)
        assert list(store.read()) == events[:3]
        store.append(events[3:])
        assert list(store.read()) == events

    def test_blobs_are_found_by_their_digest(self, tmp_path: Path) -> None:
        """Equal blobs have equal digests; an unknown digest is a StoreError."""
        store = self.opener(tmp_path)()
        blobs = [b"", b"one", bytes(range(256)) * 5000]
        digests = [store.put(blob) for blob in blobs]
        assert [store.put(blob) for blob in blobs] == digests
        assert [store.get(digest) for digest in digests] == blobs
        assert len(set(digests)) == len(blobs)
        with pytest.raises(StoreError):
            store.get("0" * 32)

    def test_reopening_keeps_everything(self, tmp_path: Path) -> None:
        """Events go on where they ended, blobs are still there."""
        opened, events = self.opener(tmp_path), some_events(4)
        store = opened()
        store.append(events[:5])
        digest = store.put(b"blob")
        store = opened()
        store.append(events[5:])
        assert list(opened().read()) == events
        assert opened().get(digest) == b"blob"
