"""Whether a converted model still answers as the model that it was converted from."""

from __future__ import annotations

import numpy as np

from tunewright.workloads.tabular.data import CompiledModel, Floats, Schema
from tunewright.workloads.tabular.predictor import load_runtime

TOLERANCE = 1e-4  # of the answers' range: what single precision may change in long sums
_ROWS = 200  # of each odd value
_ODD = (np.nan, np.inf, -np.inf, 1e300)


def odd_rows(x: Floats, schema: Schema) -> Floats:
    """Some of these rows with a missing or extreme value, in one column after the other.

    A code is never extreme: what is unseen is missing.
    """
    count, features = min(max(len(x), x.shape[1]), _ROWS), np.arange(x.shape[1])
    numbers = np.setdiff1d(features, [i for i, f in enumerate(schema.features) if f.codes])
    blocks = []
    for value in _ODD:
        columns = features if np.isnan(value) else numbers
        rows = x[np.arange(count) % len(x)].copy()
        if len(columns):
            rows[np.arange(count), columns[np.arange(count) % len(columns)]] = value
            rows[0, columns] = value
        blocks.append(rows)
    return np.vstack(blocks)


def why_unequal(converted: CompiledModel, model: CompiledModel, x: Floats) -> str:
    """Why the first does not answer as the second, on these rows and on odd ones; "" if it does."""
    ours, theirs = load_runtime(converted, 1), load_runtime(model, 1)
    for rows, named in ((x, "judged rows"), (odd_rows(x, model.schema), "odd rows")):
        expected, got = theirs.batch(rows), ours.batch(rows)
        allowed = TOLERANCE * max(float(np.ptp(expected)), float(np.abs(expected).max()) * 1e-2)
        apart = np.abs(got - expected).reshape(len(rows), -1).max(axis=1)
        if different := int(np.sum(~(apart <= allowed))):
            return (
                f"expected {converted.runtime} to answer as {model.runtime} does; {different} of "
                f"{len(rows)} {named} differ, by up to {apart.max():.3g}"
            )
    return ""
