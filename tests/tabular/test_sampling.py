"""Sampling with a clock that the test moves."""

import itertools

from tunewright.measuring.sampling import BLOCK, WARM_UP, sample_calls


class Clock:
    """Stands still but for what the calls take."""

    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        return self.now_ns


def sampled(costs_ns, **options):
    clock, costs, calls = Clock(), itertools.cycle(costs_ns), []

    def call(value):
        calls.append(value)
        clock.now_ns += next(costs)

    return sample_calls(call, ["a", "b", "c"], clock_ns=clock, **options), calls


def test_steady_calls_stop_after_half_the_budget():
    taken, calls = sampled([10_000], budget_s=0.01)
    assert taken == [1e-5] * 498  # whole passes over the three inputs
    assert len(calls) == WARM_UP + 501
    assert calls[:4] == ["a", "b", "c", "a"]


def test_slow_calls_end_with_the_budget_in_the_middle_of_a_block():
    taken, calls = sampled([20_000_000], budget_s=0.1)
    assert taken == [0.02] * 6
    assert len(taken) < BLOCK
    assert len(calls) < len(taken) + WARM_UP


def test_calls_longer_than_the_budget_are_warmed_up_once_and_timed_in_one_pass():
    taken, calls = sampled([3_000_000_000], budget_s=0.1)
    assert taken == [3.0] * 3
    assert calls == ["a", "a", "b", "c"]


def test_noisy_calls_use_the_budget_and_are_thinned_evenly():
    noise = [1_000 * (1 + block % 3) for block in range(30) for _ in range(BLOCK)]
    taken, calls = sampled(noise, budget_s=0.005)
    assert len(calls) > 2_000
    assert 250 <= len(taken) <= 500
    assert set(taken) == {1e-6, 2e-6, 3e-6}


def test_an_expensive_first_call_spares_the_rest_of_the_warm_up():
    _, calls = sampled([100_000_000], budget_s=0.01)
    assert len(calls) == 1 + 3


def test_a_warm_up_that_was_dear_leaves_the_whole_budget_to_the_timing():
    taken, calls = sampled([100_000_000, *[10_000] * 10_000], budget_s=0.01)
    assert len(taken) == 498
    assert max(taken) == 1e-5
    assert len(calls) == 1 + 501
