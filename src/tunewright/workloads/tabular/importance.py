"""Importance: how much worse a model gets where the values of one column are dealt out anew."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tunewright.core.kinds import Importance
from tunewright.core.roles import Artifact
from tunewright.stats.quantiles import student
from tunewright.workloads.tabular.data import Blended, Floats, Ints, Judged, Row, Schema
from tunewright.workloads.tabular.families import family_of
from tunewright.workloads.tabular.predictor import Encoder, load_runtime
from tunewright.workloads.tabular.quality import contributions, mean_of

REPEATS = 5  # deals a column, at most: their mean is what is told
SECONDS = 1.0  # of the processor, about, for all columns; with fewer rows where that is too little
LEAST_ROWS = 30
MOST_COLUMNS = 300  # more of them take too long, and nobody reads them
ADDS_UP = {"binary": "log_loss", "multiclass": "log_loss", "regression": "mae"}  # a mean over rows


def importance(artifact: Artifact) -> tuple[str, Sequence[Importance]]:
    """The metric, and for each column how much it rises; the most important column first.

    It is told for some of the rows that the model was judged on, with 95 % intervals over these
    rows (over groups, where rows belong together). Columns that say the same share what they are
    worth. Of a slow model it is told on fewer rows. () where there is too much or too little to be
    told.
    """
    blended: Blended = artifact.value
    judged: Judged = artifact.judged
    schema, rows = blended.schema, judged.rows
    if len(rows) < 2 or len(schema.columns) > MOST_COLUMNS or _plain(blended):
        return "", ()
    parts = [
        (
            one.schema,
            np.array([Encoder(one.schema)(row) for row in rows]),
            load_runtime(one, threads=1).batch,
            weight,
        )
        for one, weight in blended.members
    ]
    whole = sum(weight for _, _, _, weight in parts)

    def loss(column: str = "", order: Ints | None = None) -> Floats:
        answers: list[Any] = []
        for own, every, batch, weight in parts:
            encoded = every[: len(rows)]
            asked = encoded if order is None else _dealt(own, encoded, rows, column, order)
            answers.append(weight / whole * np.asarray(batch(asked)))
        return contributions(metric, y[: len(rows)], np.asarray(np.sum(answers, axis=0)))

    metric, y = ADDS_UP[schema.task], judged.y
    loss()  # what is loaded late is loaded now
    started_s = time.process_time()
    loss()
    each_s = max(time.process_time() - started_s, 1e-6) * len(schema.columns)
    repeats = min(max(int(SECONDS / each_s), 1), REPEATS)
    rows = rows[: max(int(len(rows) * SECONDS / each_s), LEAST_ROWS)]
    groups = None if judged.groups is None else judged.groups[: len(rows)]
    weights = None if judged.weights is None else judged.weights[: len(rows)]
    before, found = loss(), list[Importance]()
    chance = np.random.default_rng(0)
    for column in schema.columns:
        deals = [loss(column.name, chance.permutation(len(rows))) - before for _ in range(repeats)]
        found.append(_told(column.name, np.mean(deals, axis=0), groups, weights))
    return metric, sorted(found, key=lambda one: -one.rise)


def _dealt(
    schema: Schema, encoded: Floats, rows: Sequence[Row], column: str, order: Ints
) -> Floats:
    """The rows with one column's values in another order."""
    own = [feature for feature in schema.features if column in (feature.column, feature.other)]
    if any(feature.other for feature in own):  # of two columns: neither's own part can be dealt
        encoder = Encoder(schema)
        dealt = [{**row, column: rows[i][column]} for row, i in zip(rows, order, strict=True)]
        return np.array([encoder(row) for row in dealt])
    places = [i for i, feature in enumerate(schema.features) if feature.column == column]
    asked = encoded.copy()
    asked[:, places] = encoded[order][:, places]
    return asked


def _told(name: str, rises: Floats, groups: Ints | None, weights: Floats | None) -> Importance:
    mean = mean_of(rises, groups, weights)
    units = len(rises) if groups is None else len(np.unique(groups))
    half = student(0.975, max(units, 2) - 1) * float(mean.error or 0.0)
    (rise,) = mean.values
    return Importance(name, rise, rise - half, rise + half, len(rises))


def _plain(blended: Blended) -> bool:
    return any(family_of(one.family).plain for one, _ in blended.members)
