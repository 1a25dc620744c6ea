"""Text on a screen: no word is cut and no line is too long, whatever the width."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tunewright.reporting.layout import labelled, shortened, table, wrapped

WORDS = st.lists(
    st.text("abc×µ学习率ひカ，0123456789.,[]-/", min_size=1, max_size=9), min_size=1, max_size=12
)
TEXTS = WORDS.map(" ".join)


@given(TEXTS, st.integers(20, 120))
def test_a_wrapped_text_keeps_its_words_and_the_width(text, width):
    lines = wrapped(text, width)
    assert all(cell_len(line) <= width for line in lines)
    longest = max(map(cell_len, re.findall(r"(?:\S|\[[^][]*\])*", text)), default=0)
    if longest <= width:
        assert " ".join(" ".join(lines).split()) == " ".join(text.split())


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5), st.integers(60, 120))
def test_a_table_keeps_its_words_and_the_width(rows, width):
    lines = table(rows, width)
    assert all(cell_len(line) <= width for line in lines)
    told = " ".join(lines).split()
    for row in rows:
        for cell in row:
            if not re.search(r"\[", cell):
                assert not set(cell.split()) - set(told)


@given(st.lists(st.tuples(*[TEXTS] * 7), min_size=1, max_size=3), st.integers(20, 120))
def test_also_where_there_is_no_room_for_columns_no_word_is_cut(rows, width):
    lines = table([[cell.replace("[", "") for cell in row] for row in rows], width)
    assert all(cell_len(line) <= width for line in lines)
    told = " ".join(lines).split()
    assert not {w for row in rows for c in row for w in c.replace("[", "").split()} - set(told)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_an_interval_and_a_quantity_stay_whole(width):
    cells = ("wall_s", "21.4 ms", "1.09× higher [1.03, 1.22]", "its tests disagree " * 4, "REJECT")
    text = "\n".join(table([cells, cells], width))
    assert text.count("[1.03, 1.22]") == 2
    assert text.count("21.4 ms") == 2
    assert "[1.03, 1.22]" in "\n".join(labelled("why", "so far " * 9 + cells[2], width, 8))


@given(
    st.lists(st.text("abc", min_size=1, max_size=9), min_size=2, max_size=30), st.integers(20, 60)
)
def test_a_path_that_no_line_holds_is_broken_behind_a_slash(parts, width):
    path = "/".join(parts)
    lines = labelled("data", path, width, 8)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(line[8:] for line in lines) == path
    assert all(line.endswith("/") for line in lines[:-1])


@given(TEXTS, st.integers(2, 80))
def test_what_is_shortened_keeps_whole_words(text, width):
    told = shortened(text, width)
    assert cell_len(told) <= width
    if told != text and " " in told[:-2]:
        kept = told.removesuffix(" …").split(" ")
        assert kept == text.split(" ")[: len(kept)]


@given(st.text("学习率ひカ", min_size=1, max_size=90), st.integers(20, 60))
def test_a_chinese_text_that_no_line_holds_is_broken_between_characters(text, width):
    lines = labelled("参数", text, width, 8)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(line.lstrip() for line in lines).removeprefix("参数").lstrip() == text
    assert all(cell_len(line) >= width - 1 for line in lines[:-1])


@given(st.lists(st.tuples(*[st.text("aé学习ひ", min_size=1, max_size=9)] * 2), min_size=1))
def test_columns_stand_below_each_other_whatever_is_written_in_them(rows):
    lines = table([(first, "|" + second) for first, second in rows], 80)
    assert len({cell_len(line.partition("|")[0]) for line in lines}) == 1
