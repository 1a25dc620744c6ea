"""Features: learned from training rows alone, honest about their answers, equal for a row and a table."""

import datetime as dt
import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright.core.events import decode, encode
from tunewright.errors import InputError
from tunewright.workloads.tabular import TableSpec
from tunewright.workloads.tabular import table as made
from tunewright.workloads.tabular.columns import read_column
from tunewright.workloads.tabular.data import Schema, Source
from tunewright.workloads.tabular.encoding import (
    FOLDS,
    encode_columns,
    encode_rows,
    encodings_of,
    folds_of,
    learn_features,
    plain_rows,
)
from tunewright.workloads.tabular.features.dates import DAY_S
from tunewright.workloads.tabular.features.means import MANY, RARE
from tunewright.workloads.tabular.features.text import STYLE, TextReader, terms_of
from tunewright.workloads.tabular.features.text_learning import learn_text
from tunewright.workloads.tabular.predictor import Encoder
from tunewright.workloads.tabular.reading import read

N, SHOPS = 900, 120
GOOD, BAD = ("great", "lovely", "excellent", "happy"), ("awful", "broken", "refund", "angry")
FILLER = (
    "the",
    "shop",
    "we",
    "bought",
    "it",
    "on",
    "monday",
    "and",
    "then",
    "came",
    "home",
    "都好",
)


def columns():
    """Shops and reviews that tell the answer, dates whose difference does, and gaps in all."""
    chance = random.Random(5)
    quality = [chance.random() for _ in range(SHOPS)]
    rows = []
    for i in range(N):
        shop = min(chance.randrange(SHOPS), chance.randrange(SHOPS))
        good = chance.random() < quality[shop]
        words = [chance.choice(FILLER) for _ in range(6)]
        words += chance.sample(GOOD if good else BAD, 2)
        chance.shuffle(words)
        began = dt.datetime(2024, 1, 1) + dt.timedelta(minutes=chance.randrange(500_000))  # noqa: DTZ001
        took = dt.timedelta(hours=chance.randrange(1, 200))
        rows.append(
            {
                "shop": None if i % 31 == 0 else f"s{shop}",
                "review": None if i % 37 == 0 else " ".join(words).capitalize() + f" {i}!",
                "began": None if i % 41 == 0 else began,
                "ended": began + took,
                "size": chance.gauss(0, 1),
                "stars": 1 + int(good) + chance.randrange(2),
                "good": ("no", "yes")[good],
                "spent": 10.0 + 5 * good + chance.random(),
            }
        )
    return {name: [row[name] for row in rows] for name in rows[0]}


DATA = pa.table(columns())
TARGETS = {"binary": "good", "multiclass": "stars", "regression": "spent"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "t.parquet"
    pa.parquet.write_table(DATA, path)
    return {
        task: read(
            Source(str(path), target, drop=tuple(set(TARGETS.values()) - {target}), task=task)
        )
        for task, target in TARGETS.items()
    }


@pytest.fixture(scope="module")
def learned(tables):
    return {
        (task, how): learn_features(table, table.train, how)
        for task, table in tables.items()
        for how in ("category", "ordered", "means")
    }


def test_each_kind_of_column_is_found(tables):
    assert dict(tables["binary"].facts.kinds) == {
        "shop": "category",
        "review": "text",
        "began": "date",
        "ended": "date",
        "size": "number",
    }
    assert encodings_of(tables["binary"]) == ("category", "ordered", "means")


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("how", ["category", "ordered", "means"])
def test_a_row_and_a_table_give_the_same_numbers_after_the_journey_to_a_bundle(
    tables, learned, task, how
):
    table, (schema, _) = tables[task], learned[task, how]
    stored = decode(Schema, json.loads(json.dumps(encode(schema))))
    every = np.arange(len(table.y))
    whole, encoder = encode_rows(table, schema, every), Encoder(stored)
    rows = plain_rows(table, every)
    assert any(None in row.values() for row in rows)
    one_by_one = np.array([list(encoder(row)) for row in rows])
    np.testing.assert_array_equal(one_by_one, whole)
    assert whole.shape[1] == len(schema.features)


odd_texts = st.text(max_size=60) | st.sampled_from(
    ["", " ", "n/a", "great 都好", "GREAT great great"]
)


@given(
    shop=st.sampled_from(["s0", "s7", "never seen", None]) | odd_texts,
    review=odd_texts | st.none(),
    began=st.datetimes(dt.datetime(1800, 1, 1), dt.datetime(2200, 1, 1)) | st.none(),  # noqa: DTZ001
)
def test_any_row_is_read_alike_alone_and_in_a_file(learned, shop, review, began):
    schema, _ = learned["binary", "means"]
    row = {"shop": shop, "review": review, "began": began, "ended": None, "size": 1}
    types = {"began": pa.timestamp("us"), "ended": pa.timestamp("us"), "size": pa.float64()}
    file = [
        read_column(
            one, pa.chunked_array([pa.array([row[one.name]], types.get(one.name, pa.string()))])
        )[0]
        for one in schema.columns
    ]
    alone = np.array([list(Encoder(schema)(row))])
    np.testing.assert_array_equal(alone, encode_columns(file, schema))


@pytest.mark.parametrize("task", TARGETS)
def test_no_training_row_is_told_its_own_answer(tables, task):
    """Another answer of a row moves what others are told of its shop and its words, not it itself."""
    table = tables[task]
    row = int(table.train[3])
    y = table.y.copy()
    y[row] = y[row] + 50 if task == "regression" else (y[row] + 1) % len(table.facts.classes)
    changed = type(table)(**{**vars(table), "y": y})
    (_, before), (_, after) = (learn_features(t, t.train, "means") for t in (table, changed))
    np.testing.assert_array_equal(before[3], after[3])
    assert (before != after).any()


def test_features_of_noise_promise_nothing(tables):
    """With random answers, means and texts must not tell training rows what they were."""
    table = tables["binary"]
    noise = np.random.default_rng(0).integers(0, 2, len(table.y))
    schema, x = learn_features(type(table)(**{**vars(table), "y": noise}), table.train, "means")
    leaky = encode_rows(table, schema, table.train)
    told = [
        i for i, f in enumerate(schema.features) if f.name in ("shop mean 0", "review answer 0")
    ]
    assert len(told) == 2
    for i in told:
        known = np.isfinite(x[:, i])
        correlation = np.corrcoef(x[known, i], noise[table.train][known])[0, 1]
        assert abs(correlation) < 0.12
        assert np.corrcoef(leaky[known, i], noise[table.train][known])[0, 1] > 0.25


def test_what_is_learned_holds_for_new_rows(tables, learned):
    table, (schema, _) = tables["binary"], learned["binary", "means"]
    test = np.concatenate([table.folds[0], *table.test])
    x = encode_rows(table, schema, test)
    names = [f.name for f in schema.features]
    for name in ("shop mean 0", "review answer 0"):
        values = x[:, names.index(name)]
        high = values > np.nanmedian(values)
        assert table.y[test][high].mean() > table.y[test][~high].mean() + 0.3


def test_unseen_and_missing_categories_have_numbers_of_their_own(learned):
    schema, _ = learned["binary", "means"]
    first = schema.features[0]
    encoder = Encoder(schema)

    def mean(shop):
        row = {"shop": shop, "review": "x", "began": None, "ended": None, "size": 0}
        return encoder(row)[0]

    assert first.name == "shop mean 0"
    assert mean("never seen") == first.table[-1]
    assert mean(None) == mean("n/a") == first.table[-2] != first.table[-1]
    assert mean("s3") == first.table[first.codes["s3"]]
    counts = np.exp(schema.features[1].table) - 1
    rare = [i for i, count in enumerate(counts[:-1]) if 0 < count < RARE / 2]
    assert len(rare) > 3
    assert all(0.1 < first.table[i] < 0.9 for i in rare)  # though their rows are all alike
    assert schema.features[1].table[-1] == 0


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60))
def test_rows_of_a_group_are_in_one_fold(groups):
    fold = folds_of(np.array(groups))
    assert all(
        len({f for f, g in zip(fold, groups, strict=True) if g == one}) == 1 for one in groups
    )
    assert len(set(fold)) == min(len(set(groups)), FOLDS)


def test_few_categories_are_left_to_the_model(tmp_path):
    few = {"c": [f"c{i * 7 % (MANY - 1)}" for i in range(600)], "y": [i % 2 for i in range(600)]}
    pa.parquet.write_table(
        pa.table(few | {"x": [i * 31 % 97 for i in range(600)]}), tmp_path / "t.parquet"
    )
    table = read(Source(str(tmp_path / "t.parquet"), "y"))
    assert encodings_of(table) == ("category", "ordered")
    schema, _ = learn_features(table, table.train, "means")
    assert [f.name for f in schema.features] == ["c", "x"]
    knobs = {
        k.name: k for s in made(TableSpec(str(tmp_path / "t.parquet"), "y")).stages for k in s.knobs
    }
    assert knobs["encoding"].domain.values == ("category", "ordered")


# Dates


def test_the_time_between_two_dates_is_a_feature(tables, learned):
    schema, x = learned["binary", "category"]
    names = [f.name for f in schema.features]
    column = {c.name: c.values[tables["binary"].train] for c in tables["binary"].columns}
    np.testing.assert_array_equal(
        x[:, names.index("ended - began")], (column["ended"] - column["began"]) / DAY_S
    )
    assert not any(name.startswith("began -") for name in names)


def test_moments_of_different_zones_are_compared_in_one(learned):
    schema, _ = learned["binary", "category"]
    names = [f.name for f in schema.features]
    row = {"shop": "s1", "review": "x", "size": 0, "began": "2024-05-01T10:00:00+02:00"}
    encoded = Encoder(schema)({**row, "ended": "2024-05-01T10:00:00-04:00"})
    assert encoded[names.index("ended - began")] == 0.25
    aware = dt.datetime(2024, 5, 1, 10, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert list(Encoder(schema)({**row, "began": aware, "ended": None}))[3:] == pytest.approx(
        list(Encoder(schema)({**row, "ended": None}))[3:], nan_ok=True
    )


# Texts


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("It's GREAT, great!", ["it", "s", "great", "great", "it s", "s great", "great great"]),
        ("你好 吗", ["你", "好", "吗", "你 好", "好 吗"]),
        ("über_alles 2x", ["über", "alles", "2x", "über alles", "alles 2x"]),
        (" -- ", []),
    ],
)  # fmt: skip
def test_words_and_their_pairs(text, terms):
    assert list(terms_of(text)) == terms


@given(st.lists(st.text(max_size=30), min_size=2, max_size=30), st.integers(0, 3))
def test_any_texts_can_be_learned_from_and_read(texts, answers):
    y = np.arange(len(texts) * answers, dtype=float).reshape(len(texts), answers)
    text, own = learn_text(texts, y, np.arange(len(texts)) % 2, None)
    assert own.shape == y.shape
    reader = TextReader(text)
    for one in [*texts, "", "unseen words"]:
        numbers = reader(one)
        assert len(numbers) == reader.width == len(text.offsets) + len(STYLE)
        assert np.isfinite(numbers).all()


@pytest.mark.parametrize(
    ("texts", "free"),
    [
        ([f"order {i} came late and we were angry" for i in range(300)], True),
        ([f"第{i}次送货很慢" for i in range(300)], True),
        ([f"Dr. Ann Smith {i}" for i in range(300)], True),
        ([f"SKU-{i:05}" for i in range(300)], False),
        ([f"user{i}@example.org" for i in range(300)], False),
        ([f"{i} {i * 7} {i * 13} {i + 2}" for i in range(300)], False),
        (["the parcel came late and broken", "all was well with this one"] * 150, False),
    ],
)
def test_free_text_is_told_from_names_and_from_categories(tmp_path, texts, free):
    data = {"t": texts, "x": [i * 31 % 97 for i in range(300)], "y": [i % 2 for i in range(300)]}
    pa.parquet.write_table(pa.table(data), tmp_path / "t.parquet")
    facts = read(Source(str(tmp_path / "t.parquet"), "y")).facts
    assert (dict(facts.kinds).get("t") == "text") is free


def test_a_column_is_text_where_the_user_says_so(tmp_path):
    data = {
        "t": [("good one", "bad one", "so so")[i % 3] for i in range(300)],
        "x": [i * 31 % 97 for i in range(300)],
        "y": ["ab"[i * 5 % 7 < 3] for i in range(300)],
    }
    pa.parquet.write_table(pa.table(data), tmp_path / "t.parquet")
    for kind in ("text", "category"):
        table = read(Source(str(tmp_path / "t.parquet"), "y", types=(("t", kind),)))
        assert dict(table.facts.kinds)["t"] == kind


def test_what_is_no_text_is_refused_in_a_sentence(learned):
    schema, _ = learned["binary", "category"]
    row = {"shop": "s1", "review": ["a"], "began": None, "ended": None, "size": 0}
    with pytest.raises(InputError, match="expected a text in column 'review'; got"):
        Encoder(schema)(row)
