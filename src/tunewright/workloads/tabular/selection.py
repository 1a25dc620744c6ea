"""Selection: the columns that tell most, so that fewer need be sent and less be computed.

They are ranked by how far they move a few boosted trees of the rows that are learned from alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from tunewright.core.knobs import Integer, Knob
from tunewright.core.registry import resolve
from tunewright.workloads.tabular.data import Floats, Schema, Training

KNOB, METRIC = "n_columns", "columns"
FIRST = (0.5, 0.25, 0.1)  # of the columns are tried first
MOST_ROWS = 20_000  # that they are ranked by
_MOVED = "tunewright.workloads.tabular.lightgbm_library:moved"


def knobs_of(columns: int, metrics: Collection[str]) -> tuple[Knob, ...]:
    """The knob, where the goal names the number of columns: else nothing is gained by fewer."""
    if METRIC not in metrics or columns < 2:
        return ()
    return (Knob(KNOB, Integer(1, columns, log=True), columns, "simplification", "prepare"),)


def first_counts(columns: int) -> list[int]:
    """How many columns are tried first, the most first."""
    counts = (max(round(share * columns), 1) for share in FIRST)
    return [count for count in dict.fromkeys(counts) if count < columns]


def selected(count: int, training: Training, seed: int) -> tuple[Schema, Floats]:
    """The schema with so many of its columns, those that tell most, and the rows by it.

    Of two dates the difference goes with either.
    """
    schema = training.schema
    if count >= len(schema.columns):
        return schema, training.x
    step = max(-(-len(training.y) // MOST_ROWS), 1)
    some = replace(
        training,
        x=training.x[::step],
        y=training.y[::step],
        weights=None if training.weights is None else training.weights[::step],
    )
    moved: Floats = resolve(_MOVED)(some, seed)
    told = dict.fromkeys((column.name for column in schema.columns), 0.0)
    for feature, by in zip(schema.features, moved.tolist(), strict=True):
        told[feature.column] += by
        if feature.other:
            told[feature.other] += by
    kept = _best(told, count)
    return _narrowed(schema, kept), training.x[:, _places(schema, kept)]


def _best(told: Mapping[str, float], count: int) -> set[str]:
    """So many names, those with the most; of equal ones the first."""
    return set(sorted(told, key=lambda name: -told[name])[:count])


def _places(schema: Schema, kept: Collection[str]) -> Sequence[int]:
    return [
        i
        for i, feature in enumerate(schema.features)
        if feature.column in kept and (not feature.other or feature.other in kept)
    ]


def _narrowed(schema: Schema, kept: Collection[str]) -> Schema:
    return replace(
        schema,
        columns=tuple(column for column in schema.columns if column.name in kept),
        features=tuple(schema.features[i] for i in _places(schema, kept)),
        texts={name: text for name, text in schema.texts.items() if name in kept},
        left_out=tuple(column.name for column in schema.columns if column.name not in kept),
    )
