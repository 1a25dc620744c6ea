"""Figures that can be read: points in sight, and ticks that differ."""

import math

from hypothesis import assume, given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from tunewright.reporting.figures import TICKS, _scale, _window

POSITIVE = st.floats(1e-9, 1e12)
ENDS = st.floats(0, math.inf)


@given(st.lists(POSITIVE, min_size=1, max_size=9), ENDS, ENDS)
def test_the_points_of_pairs_fill_a_good_part_of_the_picture(changes, low, high):
    bottom, top = _window(changes, min(low, high), max(low, high))
    assert bottom < min(changes) <= max(changes) < top
    spread = max(max(changes) - min(changes), 1e-2 * max(changes))
    assert top - bottom <= 6 * spread


@given(POSITIVE, st.floats(0, 3), st.sampled_from(["B", "s", ""]))
def test_ticks_differ_tell_their_unit_and_are_few(least, decades, unit):
    values = [least, least * 10**decades]
    assume(unit == "" or values[1] < 1e12)
    axes = Figure().add_subplot()
    axes.plot(values, values)
    _scale(axes.xaxis, axes.set_xscale, values, unit)
    low, high = axes.get_xlim()
    ticks = [t for t in axes.xaxis.get_majorticklocs() if low <= t <= high]
    told = axes.xaxis.get_major_formatter().format_ticks(ticks)
    assert len(set(told)) == len(told)
    assert len(told) <= 2 * TICKS
    assert all(text.endswith(("B", "s")) for text in told if unit)
