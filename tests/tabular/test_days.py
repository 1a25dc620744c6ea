"""Days whose rows tell of each other: when they are told by means, and what a new row gets."""

import datetime as dt
import math
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunewright.workloads.tabular.data import Source
from tunewright.workloads.tabular.encoding import (
    encode_columns,
    encodings_of,
    learn_features,
    plain_rows,
    repeated_days,
)
from tunewright.workloads.tabular.predictor import Encoder
from tunewright.workloads.tabular.reading import read

DAYS, EACH, FIRST = 80, 20, dt.datetime(2024, 3, 1)  # noqa: DTZ001 - as files have them


def table(tmp_path, *, days=DAYS, answer=None, **said):
    """Rows of some days, each at its own hour; what is answered depends on the day and on chance."""
    chance = random.Random(2)
    level = [chance.gauss(0, 3) for _ in range(days)]
    rows = []
    for i in range(DAYS * EACH):
        day = i % days
        when = (
            None if i % 97 == 0 else FIRST + dt.timedelta(days=day, minutes=chance.randrange(1440))
        )
        y = answer(chance) if answer else level[day] + chance.gauss(0, 1)
        rows.append({"when": when, "size": chance.gauss(0, 1), "y": y})
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return read(Source(str(path), "y", task="regression", **said))


def test_days_of_many_rows_are_told_by_their_means(tmp_path):
    found = table(tmp_path)
    assert repeated_days(found) == ("when",)
    assert encodings_of(found) == ("category", "means")
    assert any("--time when" in note for note in found.facts.notes)
    schema, x = learn_features(found, found.train, "means")
    means = [i for i, f in enumerate(schema.features) if f.name == "when mean 0"]
    y = found.y[found.train]
    assert np.corrcoef(x[:, means[0]], y)[0, 1] > 0.8
    assert not [f for f in learn_features(found, found.train, "category")[0].features if f.table]


@pytest.mark.parametrize("said", [{"days": 1600}, {"days": 40}, {"time": "when"}])
def test_where_days_are_few_single_or_still_to_come_they_tell_nothing(tmp_path, said):
    found = table(tmp_path, **said)
    assert repeated_days(found) == ()
    assert encodings_of(found) == ("category",)


def test_a_row_and_a_table_give_the_same_numbers_on_days_known_missing_and_never_seen(tmp_path):
    found = table(tmp_path)
    schema, _ = learn_features(found, found.train[found.train % 3 > 0], "means")
    rows = list(plain_rows(found, found.test[0][:200]))
    together = encode_columns(
        [type(c)(c.name, c.values[found.test[0][:200]], c.categories) for c in found.columns],
        schema,
    )
    encoder = Encoder(schema)
    for row, expected in zip(rows, together.tolist(), strict=True):
        assert list(encoder(row)) == pytest.approx(expected, nan_ok=True)
    place = next(i for i, f in enumerate(schema.features) if f.name == "when mean 0")
    table_ = schema.features[place].table
    for when in (dt.datetime(1970, 1, 1), dt.datetime(2999, 1, 1)):  # noqa: DTZ001
        assert encoder({"when": when, "size": 0.0})[place] == table_[-1]
    assert encoder({"when": None, "size": 0.0})[place] == table_[-2]
    assert all(math.isfinite(value) for value in table_)


def test_a_row_is_not_told_its_own_answer(tmp_path):
    found = table(tmp_path, answer=lambda chance: chance.gauss(0, 1))
    schema, x = learn_features(found, found.train, "means")
    place = next(i for i, f in enumerate(schema.features) if f.name == "when mean 0")
    assert abs(np.corrcoef(x[:, place], found.y[found.train])[0, 1]) < 0.15
