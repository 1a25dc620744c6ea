"""`tunewright demo` brings its own data."""

import csv

import numpy as np
from sklearn.datasets import load_digits

from tunewright.cli import demo


def test_the_digits_are_those_that_scikit_learn_ships(tmp_path):
    demo._write(tmp_path / "digits.csv")
    with (tmp_path / "digits.csv").open(newline="") as file:
        names, *rows = csv.reader(file)
    digits = load_digits()
    assert names == [*digits.feature_names, "digit"]
    table = np.array(rows, dtype=float)
    assert np.array_equal(table[:, :-1], digits.data)
    assert np.array_equal(table[:, -1], digits.target)
