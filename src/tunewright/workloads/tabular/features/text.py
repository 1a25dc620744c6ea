"""Text: a free text as a few numbers, with nothing but numpy where it is answered.

Of a text count which words and pairs of words it has, weighted by how rare they are (TF-IDF). What
they say is summed up in a few columns: topics (Deerwester et al. 1990), what a linear model of all
words would answer, and how it is written.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import final

import numpy as np

from tunewright.workloads.tabular.data import Floats, Ints, Text

LONGEST = 20_000  # letters of a text that are read
STYLE = ("length", "digits", "capitals")
LEAST_WORDS = 3.0  # on average, from which texts are sentences
_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # are written without spaces
_WORDS = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")
_CHUNKS = re.compile(rf"[{_CJK}]|(?:^|(?<=\s))\S*[^\W\d_{_CJK}]\S*")
_DIGITS, _CAPITALS = re.compile(r"\d"), re.compile(r"[A-Z]")


def terms_of(text: str) -> Iterator[str]:
    """The words of a text and the pairs of words that follow each other."""
    words = _WORDS.findall(text[:LONGEST].lower())
    yield from words
    for first, second in pairwise(words):
        yield f"{first} {second}"


def style_of(text: str) -> list[float]:
    """How a text is written, by the names in `STYLE`."""
    length = max(len(text), 1)
    shares = (len(mark.findall(text[:LONGEST])) / length for mark in (_DIGITS, _CAPITALS))
    return [math.log1p(len(text)), *shares]


def mean_words(texts: Sequence[str]) -> float:
    """How many words with letters a text has on average; characters count where none is spaced."""
    return sum(len(_CHUNKS.findall(text[:LONGEST])) for text in texts) / max(len(texts), 1)


@final
class TextReader:
    """Reads texts as lists of numbers; the same for a text wherever it comes from."""

    def __init__(self, text: Text) -> None:
        self._places = {term: place for place, term in enumerate(text.terms)}
        stored = np.frombuffer(b64decode(text.weights), "<f4").astype(np.float64)
        self._weights = stored.reshape(len(text.terms), len(text.offsets) + 1)
        self._offsets = np.array(text.offsets)
        self.width = len(text.offsets) + len(STYLE)

    def __call__(self, text: str) -> list[float]:
        """The numbers of a text."""
        places = {self._places[term] for term in terms_of(text) if term in self._places}
        numbers = self._offsets
        if places:
            total = self._weights[sorted(places)].sum(axis=0)
            numbers = numbers + total[:-1] / math.sqrt(total[-1])
        return [*numbers.tolist(), *style_of(text)]

    def column(self, texts: Sequence[str], codes: Ints) -> Floats:
        """The numbers of these texts, a row for each number; NaN where a code is -1."""
        numbers = np.full((self.width, len(texts) + 1), np.nan)
        for place in np.unique(codes[codes >= 0]):
            numbers[:, place] = self(texts[place])
        return np.asarray(numbers[:, codes])
