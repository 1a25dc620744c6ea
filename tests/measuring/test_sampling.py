"""Timing calls: each input counts as often as any other, in whatever rhythm their costs come."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.measuring.sampling import sample_calls


class Clock:
    """A clock that calls advance by what they cost, and each reading by a little."""

    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        self.now_ns += 1
        return self.now_ns

    def sample(self, cost_ns, inputs, **options):
        """The times of calls that take what `cost_ns` says."""

        def call(value):
            self.now_ns += cost_ns(value)

        return sample_calls(call, inputs, clock_ns=self, **options)


@given(
    rows=st.integers(1, 700),
    cycle=st.integers(1, 9),
    dear=st.integers(1, 20),
    most=st.integers(1, 900),
    base_ns=st.integers(5_000, 200_000),
)
def test_each_input_is_timed_equally_often(rows, cycle, dear, most, base_ns):
    def cost_ns(row):
        return base_ns * (dear if row % cycle == 0 else 1) + row

    times_s = Clock().sample(cost_ns, range(rows), most=most, budget_s=0.01)
    assert len(times_s) % rows == 0
    assert rows <= len(times_s) <= max(most, rows)
    asked = [round(time_s * 1e9) - 1 for time_s in times_s]
    assert asked == [cost_ns(row) for row in range(rows)] * (len(times_s) // rows)


@pytest.mark.parametrize("rows", [2, 3, 7, 300, 301])
@pytest.mark.parametrize("faster", [1.0, 2.5, 10.0])
def test_a_candidate_shows_by_how_much_it_is_faster(rows, faster):
    def times(divided):
        return Clock().sample(
            lambda row: int((5_000 if row % 2 else 1_000) * 20 / divided), range(rows)
        )

    for share in (statistics.median, statistics.fmean, max, min):
        assert share(times(1.0)) / share(times(faster)) == pytest.approx(faster, rel=0.01)


def test_kept_passes_span_the_whole_time():
    clock = Clock()
    times_s = clock.sample(lambda _: clock.now_ns // 1000 + 1, range(10), most=100, budget_s=0.001)
    assert len(times_s) == 100
    assert times_s[-1] > 5 * times_s[0]


def test_what_calls_get_is_made_outside_the_time():
    clock = Clock()

    def fresh(value):
        clock.now_ns += 10_000_000
        return [value]

    times_s = clock.sample(lambda value: 100 * value[0], [3], fresh=fresh, budget_s=0.1)
    assert {round(time_s * 1e9) for time_s in times_s} == {301}


def test_a_call_slower_than_the_budget_is_timed_once_for_each_input():
    times_s = Clock().sample(lambda _: 1_000_000_000, range(3), warm_up=0)
    assert len(times_s) == 3
