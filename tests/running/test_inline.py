"""The inline executor joins the contract."""

from __future__ import annotations

import time

from tunewright.running.inline import InlineExecutor
from tunewright.testing.executors import ExecutorContract


class TestInlineExecutor(ExecutorContract):
    def make(self, tmp_path):
        origin_s = time.monotonic()
        return InlineExecutor(tmp_path, lambda: time.monotonic() - origin_s)
