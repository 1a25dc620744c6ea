"""Layout: text on lines that a screen holds. Words are wrapped, never cut; figures stay whole.

Widths are those of a screen, on which a Chinese character takes two columns.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from rich.cells import cell_len

WIDTH = 100  # where nobody says how wide the screen is
GAP = 2  # between columns
_HALF = "\ue000"  # stands before a character of two columns, so that its length is its width
# Of a path, a list or a Chinese text, which may stand on several lines.
_PARTS = re.compile(rf"{_HALF}.[/,]*|[^/,{_HALF}]+[/,]*|[/,]+")
_WHOLE = re.compile(r"\[[^][]*\]|\d [a-zµ%]{1,3}(?![\w])")  # an interval; a number and its unit
_GLUE = "\N{NO-BREAK SPACE}"


class _Lines(textwrap.TextWrapper):
    """Where a line does not hold a whole word, it ends behind a slash or a comma within it."""

    def _split(self, text: str) -> list[str]:
        room = self.width - max(len(self.initial_indent), len(self.subsequent_indent))
        parts = [[one] if len(one) <= room else _PARTS.findall(one) for one in super()._split(text)]
        return [part for word in parts for part in word]


def wrapped(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """The text on lines of this width; `first` begins the first of them, `rest` the others."""
    lines = _Lines(
        width, initial_indent=_halved(first), break_on_hyphens=False,
        subsequent_indent=" " * cell_len(first) if rest is None else rest,
    ).wrap(_halved(_glued(text)))  # fmt: skip
    return [line.replace(_GLUE, " ").replace(_HALF, "") for line in lines]


def _glued(text: str) -> str:
    return _WHOLE.sub(lambda match: match[0].replace(" ", _GLUE), text)


def _halved(text: str) -> str:
    return "".join(f"{_HALF}{char}" if cell_len(char) > 1 else char for char in text)


def padded(text: str, width: int) -> str:
    """The text with spaces behind it, as wide as this at least."""
    return text + " " * (width - cell_len(text))


def shortened(text: str, width: int) -> str:
    """As many whole words as one line of this width holds, and a mark where some are left out."""
    if cell_len(text) <= width:
        return text
    begin = text[: max(width - 1, 0)]
    while cell_len(begin) > width - 1:
        begin = begin[:-1]
    kept, space, _ = begin.rpartition(" ")
    return f"{kept} …" if space else f"{begin}…"


def labelled(label: str, text: str, width: int, column: int) -> list[str]:
    """The text beside its label, which has a column of its own."""
    return wrapped(text, width, f"{padded(label, column - 1)} ", " " * column)


def table(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows of cells as lines whose columns stand below each other; a long cell takes several.

    Where that would cut words, each row is a text of its own.
    """
    widths, lines = _widths(rows, width), list[str]()
    if widths is None:
        texts = [(" " * GAP).join(filter(None, row)) for row in rows]
        return [line for text in texts for line in wrapped(text, width, rest=" " * GAP)]
    for row in rows:
        cells = [wrapped(cell, wide) or [""] for cell, wide in zip(row, widths, strict=True)]
        for at in range(max(map(len, cells))):
            parts = [cell[at] if at < len(cell) else "" for cell in cells]
            line = (padded(part, wide) for part, wide in zip(parts, widths, strict=True))
            lines.append((" " * GAP).join(line).rstrip())
    return lines


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """As wide as the cells are; where that is too much, the widest give way as far as words go.

    None where there is no room even so.
    """
    columns = [*zip(*rows, strict=True)]
    widths = [max(map(cell_len, column)) for column in columns]
    words = [max(map(_longest_word, column)) for column in columns]
    available = width - GAP * (len(widths) - 1)
    if sum(words) > available:
        return None
    while sum(widths) > available:
        spare = [wide - narrow for wide, narrow in zip(widths, words, strict=True)]
        widths[spare.index(max(spare))] -= 1
    return [max(wide, 1) for wide in widths]


def _longest_word(cell: str) -> int:
    return max(map(cell_len, _glued(cell).split(" ")))
