"""Useless columns: what a model cannot learn from, and what a writer left behind."""

from __future__ import annotations

import re
import shlex
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.tabular.data import Column
from tunewright.workloads.tabular.features.text import LEAST_WORDS, mean_words

IDENTIFIER_SHARE = 0.5  # texts with more distinct values than this share of the rows name the rows
PRESENT_SHARE = 0.99  # of the rows have an identifier, or it is none
REPEATS = 20  # that chance would give: that there is none has then a chance of e⁻²⁰
MANY_TEXTS = 1_000  # different texts may be free ones though they are repeated
TRIED = 1_000  # texts whose words are counted
_NAMED = re.compile(
    r"(?i:(^|.*[\W_])(p?id|uuid|guid|index|idx|rownames?|row_?num(ber)?|serial|unnamed: \d+))"
    r"|.*[a-z](ID|Id)"
)


def why_useless(
    column: Column,
    keep: NDArray[np.bool_],
    leftover: str = "",
    *,
    text: bool = False,
    said: bool = False,
) -> str | None:
    """Why a model cannot learn from these rows of a column, or None.

    leftover: what a writer may have left in it, "" for nothing. text: its words will be read.
    said: the user said what it is, and so that it names no rows.
    """
    values = column.values[keep]
    present = _present(column, keep)
    if not len(present):
        return "all missing"
    if leftover.startswith("the row labels"):
        return f"bookkeeping: {leftover}"
    distinct = len(np.unique(present))
    why = None
    if column.categories is None:
        why = _why_numbered(column.name, column.values, leftover)
    elif not text and names_rows(column, keep):
        why = f"identifier-like: {distinct:,} distinct texts in {len(present):,} rows"
    if why and not said:
        kinds = "number" if column.categories is None else "category|text"
        return f"{why}; --types {shlex.quote(column.name)}={kinds} keeps it"
    constant = len(present) == len(values) and distinct == 1
    return "constant" if constant else None


def names_rows(column: Column, keep: NDArray[np.bool_]) -> bool:
    """Whether most of these rows of a column differ, so that it names them."""
    present = _present(column, keep)
    return len(np.unique(present)) > IDENTIFIER_SHARE * len(present)


def _present(column: Column, keep: NDArray[np.bool_]) -> NDArray[Any]:
    values = column.values[keep]
    return values[values >= 0 if column.categories is not None else ~np.isnan(values)]


def is_free_text(column: Column, keep: NDArray[np.bool_]) -> bool:
    """Whether these rows of a column of texts are mostly different, and of several words each."""
    present = column.values[keep & (column.values >= 0)]
    distinct = np.unique(present)
    if len(distinct) <= min(IDENTIFIER_SHARE * len(present), MANY_TEXTS):
        return False
    tried = distinct[np.unique(np.linspace(0, len(distinct) - 1, TRIED, dtype=np.int64))]
    texts = column.categories or ()
    return mean_words([texts[code] for code in tried]) >= LEAST_WORDS


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
