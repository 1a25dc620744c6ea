"""What large tables leave free goes back to the machine."""

import pyarrow as pa

from tunewright.workloads.tabular import releasing


def test_only_after_large_tables_is_memory_given_back(monkeypatch):
    given = []
    monkeypatch.setattr(releasing.pa, "default_memory_pool", lambda: given.append(1) or POOL)
    releasing.release(releasing.LARGE - 1)
    assert given == []
    releasing.release(releasing.LARGE)
    assert given == [1]


POOL = pa.default_memory_pool()
