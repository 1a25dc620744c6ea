"""Points that spread evenly over a cube."""

from __future__ import annotations

from scipy.stats import qmc


def points(count: int, dimensions: int, seed: int) -> list[list[float]]:
    """The first points of a scrambled Sobol sequence; equal seeds, equal points.

    Source: Sobol 1967, scrambling of Owen 1998, as SciPy has them.
    """
    sobol = qmc.Sobol(max(dimensions, 1), scramble=True, rng=seed)
    return [point[:dimensions] for point in sobol.random(count).tolist()]
