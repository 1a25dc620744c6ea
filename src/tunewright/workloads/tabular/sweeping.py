"""Whether a model keeps what is promised of its columns, asked of the model itself.

Families promise it by how they grow their trees; this is the check that a library kept its word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tunewright.workloads.tabular.data import Column, CompiledModel
from tunewright.workloads.tabular.encoding import encode_columns
from tunewright.workloads.tabular.predictor import load_runtime

ROWS, VALUES = 40, 25  # as many answers as a moment gives of a large model
TOLERANCE = 1e-6  # of the answers' range: what single precision may change in long sums


def why_broken(model: CompiledModel, columns: Sequence[Column]) -> str:
    """Why the answers do not move as promised along a column of these rows; "" if they do."""
    promised = [schema for schema in model.schema.columns if schema.monotone]
    batch = load_runtime(model, threads=1).batch if promised else None
    rows = np.linspace(0, len(columns[0].values) - 1, ROWS).astype(np.int64)
    for schema in promised:
        own = next(column.values for column in columns if column.name == schema.name)
        own = own[np.isfinite(own)]
        if not len(own) or batch is None:
            continue
        grid = np.quantile(own, np.linspace(0, 1, VALUES))
        swept = [
            replace(
                column,
                values=np.tile(grid, ROWS)
                if column.name == schema.name
                else np.repeat(column.values[rows], VALUES),
            )
            for column in columns
        ]
        answers = batch(encode_columns(swept, model.schema)).reshape(ROWS, VALUES)
        worst = float(np.min(schema.monotone * np.diff(answers, axis=1)))
        if worst < -TOLERANCE * float(np.abs(answers).max()):
            moves = "falls" if schema.monotone > 0 else "rises"
            return (
                f"expected an answer that never {moves} as {schema.name!r} grows; got one that "
                f"does, by {-worst:.3g}"
            )
    return ""
