"""Rows that several runs answered: rows and runs are both drawn by chance."""

import numpy as np
import pytest

from tunewright.stats.rows import Rows, compare_rows


def answered(chance, *, rows, runs, of_runs, gain=0.0):
    """Two arms of `runs` trainings each, of which every one has a level of its own."""
    hard = chance.normal(0.0, 1.0, rows)

    def arm(shift):
        return [
            (hard + chance.normal(0.0, 1.0, rows) + shift + chance.normal(0.0, of_runs) > 0)
            for _ in range(runs)
        ]

    base, cand = arm(0.8), arm(0.8 + gain)
    return Rows(
        np.concatenate(base).astype(float), np.concatenate(cand).astype(float),
        groups=np.tile(np.arange(rows), runs), runs=np.repeat(np.arange(runs), rows),
    )  # fmt: skip


@pytest.mark.parametrize(("of_runs", "runs"), [(0.0, 5), (0.3, 5), (0.3, 3)])
@pytest.mark.parametrize("ratio", [False, True])
def test_equal_arms_are_rarely_claimed_to_differ(of_runs, runs, ratio):
    """The error of either end stays below what was asked for, however much the runs differ."""
    chance, claims, studies = np.random.default_rng(runs), 0, 300
    for _ in range(studies):
        rows = answered(chance, rows=150, runs=runs, of_runs=of_runs)
        interval = compare_rows(rows, 0.1, ratio=ratio)
        claims += interval.hull[0] > (1.0 if ratio else 0.0)

    assert claims / studies <= 0.05 + 0.02


def test_rows_alone_would_claim_what_differs_from_run_to_run():
    """Without the runs' share the same evidence is claimed far more often."""
    chance, claims = np.random.default_rng(0), 0
    for _ in range(100):
        rows = answered(chance, rows=150, runs=3, of_runs=0.5)
        plain = compare_rows(Rows(rows.baseline, rows.candidate, groups=rows.groups), 0.1)
        claims += plain.hull[0] > 0

    assert claims > 12


def test_a_real_gain_is_claimed():
    """Five runs and a thousand rows tell a gain of several points."""
    rows = answered(np.random.default_rng(3), rows=1000, runs=5, of_runs=0.02, gain=0.4)

    assert compare_rows(rows, 0.05).hull[0] > 0


def test_two_runs_say_nothing():
    """The spread of two is hardly known."""
    rows = answered(np.random.default_rng(4), rows=100, runs=2, of_runs=0.1)

    assert "2 of at least 3 runs" in compare_rows(rows, 0.05).note
