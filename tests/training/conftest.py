"""A small problem that a small network learns in a moment."""

import numpy as np
import pytest

pytest.importorskip("torch")


@pytest.fixture(scope="session")
def blobs():
    """400 rows of three classes that lie apart."""
    chance = np.random.default_rng(0)
    y = np.arange(400) % 3
    x = chance.normal(size=(400, 4)) + 3 * np.eye(4)[y]
    return x.astype(np.float32), y
