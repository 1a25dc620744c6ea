"""Whether a converted model still answers as the original, on real inputs and on odd ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunewright.workloads.inference.data import Arrays, Signature

TOLERANCE = 1e-4  # of the range of the answers: what single precision may change in long sums
REAL = 256  # rows that are compared, beside all that are judged
ODD = 16  # rows of each kind


def odd_inputs(inputs: Arrays, signature: Signature) -> Arrays:
    """Rows that are all nothing, turned round, and a hundred times as large; whole numbers stay.

    Those of a whole number stay within what real rows have, since they may be places in a table.
    """
    return tuple(
        _odd(np.asarray(array[:ODD]), one.dtype)
        for array, one in zip(inputs, signature.inputs, strict=True)
    )


def _odd(rows: NDArray[np.generic], dtype: str) -> NDArray[np.generic]:
    if np.dtype(dtype).kind != "f":
        low, high = rows.min(), rows.max()
        return np.concatenate([np.full_like(rows, low), np.full_like(rows, high), rows[::-1]])
    numbers = np.nan_to_num(rows.astype(np.float64))
    blocks = [np.zeros_like(numbers), -numbers, 100 * numbers]
    return np.concatenate(blocks).astype(dtype)


def why_unequal(got: Arrays, expected: Arrays, what: str) -> str:
    """Why some answers are not the others within the tolerance; "" where all are."""
    if len(got) != len(expected):
        return f"expected {len(expected)} outputs; got {len(got)}"
    for ours, theirs in zip(got, expected, strict=True):
        if ours.shape != theirs.shape:
            return f"expected answers of the shape {theirs.shape}; got {ours.shape} on {what}"
        a, b = ours.astype(np.float64), theirs.astype(np.float64)
        known = np.isfinite(b)
        if not np.array_equal(known, np.isfinite(a)):
            return f"expected finite answers where the original's are; got others on {what}"
        if not known.any():
            continue
        allowed = TOLERANCE * max(float(np.ptp(b[known])), float(np.abs(b[known]).max()))
        apart = np.where(known, np.abs(np.where(known, a - b, 0.0)), 0.0)
        rows = apart.reshape(len(apart), -1).max(axis=1)
        if different := int((rows > allowed).sum()):
            return (
                f"expected the original's answers within {allowed:.3g}; {different} of "
                f"{len(rows)} {what} differ, by up to {rows.max():.3g}"
            )
    return ""
