"""Useless columns: what a model cannot learn from, and what a writer left behind."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Column

IDENTIFIER_SHARE = 0.5  # texts with more distinct values than this share of the rows name the rows
PRESENT_SHARE = 0.99  # of the rows have an identifier, or it is none
REPEATS = 20  # that chance would give: that there is none has then a chance of e⁻²⁰
WORDS = 3  # on average, from which texts are sentences
_NAMED = re.compile(
    r"(?i:(^|.*[\W_])(p?id|uuid|guid|index|idx|rownames?|row_?num(ber)?|serial|unnamed: \d+))"
    r"|.*[a-z](ID|Id)"
)


def why_useless(column: Column, keep: NDArray[np.bool_], leftover: str = "") -> str | None:
    """Why a model cannot learn from these rows of a column, or None.

    leftover: what a writer may have left in it, "" for nothing.
    """
    values = column.values[keep]
    present = values[values >= 0] if column.categories is not None else values[~np.isnan(values)]
    if not len(present):
        return "all missing"
    if leftover.startswith("the row labels"):
        return f"bookkeeping: {leftover}"
    distinct = len(np.unique(present))
    if column.categories is not None:
        if distinct > IDENTIFIER_SHARE * len(present):
            return _why_names(column.categories, distinct, len(present))
    elif why := _why_numbered(column.name, column.values, leftover):
        return why
    constant = len(present) == len(values) and distinct == 1
    return "constant" if constant else None


def _why_names(texts: tuple[str, ...], distinct: int, rows: int) -> str:
    if np.mean([text.count(" ") + 1 for text in texts[:1000]]) >= WORDS:
        return f"free text is not supported yet: {distinct:,} distinct texts in {rows:,} rows"
    return f"identifier-like: {distinct:,} distinct texts in {rows:,} rows"


def _why_numbered(name: str, values: NDArray[Any], leftover: str) -> str | None:
    """Whole numbers, each once: they number the rows where chance would have repeated some."""
    present = values[np.isfinite(values)]
    count = len(present)
    if count < PRESENT_SHARE * len(values) or (present != np.round(present)).any():
        return None
    if len(np.unique(present)) < count:
        return None
    spread = float(np.ptp(present)) + 1
    if count == spread:
        return "identifier-like: it numbers the rows"
    if count * (count - 1) / 2 > REPEATS * spread:
        return "identifier-like: it numbers the rows, with gaps"
    if leftover or _NAMED.fullmatch(name):
        return "identifier-like: whole numbers, each once"
    return None
