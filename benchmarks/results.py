"""RESULTS.md: one section for each benchmark, replaced as a whole when it is run again."""

from __future__ import annotations

import re
from pathlib import Path

from tunewright.machine import describe, probe

RESULTS = Path(__file__).with_name("RESULTS.md")


def machine() -> str:
    """What a figure was measured on, in a few words."""
    told = dict(describe(probe()))
    memory = told["memory"].rpartition(" of ")[2]
    return f"{told['cpu']}, {told['cores']} cores, {memory} MiB"


def write_section(title: str, text: str) -> None:
    """Replace the section of this title, or append it."""
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    section = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    kept = section.sub("", old).rstrip()
    RESULTS.write_text(f"{kept}\n\n## {title}\n\n{text.strip()}\n", encoding="utf-8")
