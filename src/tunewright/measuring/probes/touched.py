"""How quickly a process goes through its memory, without counters of the processor.

The page tables hold a mark for each page that was touched. They are cleared, and read a moment
later: what was touched in between is a lower bound of what went through the caches.
"""

from __future__ import annotations

import time

from tunewright.core.recording import Touch
from tunewright.measuring.probes.files import after, content, whole


def touched(pid: int, window_s: float, began_s: float) -> Touch | None:
    """What a process touched in a window of time; None where the kernel does not let us see."""
    try:
        with open(f"/proc/{pid}/clear_refs", "wb") as file:  # noqa: PTH123 - no Path is needed
            before_s, ran = time.monotonic(), _ran_s(pid)
            file.write(b"1")
    except OSError:
        return None
    time.sleep(window_s)
    text = whole(f"/proc/{pid}/smaps_rollup")
    after_s, ran_after = time.monotonic(), _ran_s(pid)
    seen, rss = after(text, b"Referenced:"), after(text, b"Rss:")
    if seen is None or rss is None:
        return None
    return Touch(
        before_s - began_s, after_s - before_s, seen * 1024, rss * 1024, max(ran_after - ran, 0.0)
    )


def _ran_s(pid: int) -> float:
    text = content(f"/proc/{pid}/stat", 1024)
    schedule = content(f"/proc/{pid}/schedstat")
    if text is None:
        return 0.0
    return int(schedule.split()[0]) / 1e9 if schedule else 0.0
