"""Columns that know the answer are told; one that is the answer is left out."""

import math
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunewright.reporting.sentences import in_language
from tunewright.workloads.tabular.data import Source
from tunewright.workloads.tabular.reading import read

N = 4_000


def facts_of(place, task, **further):
    """What is found in a table whose honest column x tells a part of the answer."""
    chance = random.Random(2)
    x = [chance.gauss(0, 1) for _ in range(N)]
    noise = [chance.gauss(0, 1) for _ in range(N)]
    signal = [a + b for a, b in zip(x, noise, strict=True)]
    y = {
        "regression": signal,
        "binary": ["yes" if s > 0.8 else "no" for s in signal],
        "multiclass": ["low" if s < -1 else "high" if s > 1 else "middle" for s in signal],
    }[task]
    columns = {
        name: [of(s, a, i) for i, (s, a) in enumerate(zip(signal, y, strict=True))]
        for name, of in further.items()
    }
    pq.write_table(
        pa.table({"x": x, "noise": noise[::-1]} | columns | {"y": y}), place / "t.parquet"
    )
    return read(Source(str(place / "t.parquet"), "y", task=task)).facts


def suspects(facts):
    return [note.split("'")[1] for note in facts.notes if " alone tells " in note]


TASKS = ("regression", "binary", "multiclass")


@pytest.mark.parametrize("task", TASKS)
def test_honest_columns_are_no_suspects(tmp_path, task):
    facts = facts_of(
        tmp_path, task, digit=lambda s, a, i: round(s) + i % 3, text=lambda s, a, i: "ab"[s > 0]
    )
    assert suspects(facts) == []
    assert facts.dropped == ()


LEAKS = {
    "as it is": lambda s, a, i: s,
    "another scale": lambda s, a, i: 32 - 1.8e9 * s,
    "another shape": lambda s, a, i: math.exp(3 * s),
    "with gaps": lambda s, a, i: None if i % 900 == 0 else s * 2,
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("leak", LEAKS)
def test_a_column_that_tells_all_of_the_answer_is_named(tmp_path, task, leak):
    facts = facts_of(tmp_path, task, sure=LEAKS[leak])
    if (task, leak) == ("regression", "as it is"):
        assert facts.dropped == (("sure", "a copy of 'y'"),)
    else:
        assert suspects(facts) == ["sure"]
        assert facts.dropped == ()
        told = next(note for note in facts.notes if "alone" in note)
        assert told.endswith("say --drop sure")
        assert in_language(told, "zh") != told


@pytest.mark.parametrize("task", TASKS)
def test_the_answer_under_another_name_is_left_out(tmp_path, task):
    facts = facts_of(
        tmp_path, task, again=lambda s, a, i: a, later=lambda s, a, i: a if i % 3 else None
    )
    assert dict(facts.dropped) == dict.fromkeys(("again", "later"), "a copy of 'y'")


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_other_words_for_the_classes_are_named_and_kept(tmp_path, task):
    facts = facts_of(tmp_path, task, code=lambda s, a, i: {"yes": "Y", "no": "N"}.get(a, a[:1]))
    assert suspects(facts) == ["code"]
    assert facts.dropped == ()


@settings(max_examples=20)
@given(wrong=st.integers(0, 400), task=st.sampled_from(["binary", "multiclass"]))
def test_how_much_is_told_decides(tmp_path_factory, wrong, task):
    """A copy with some random mistakes is a suspect while they are few."""
    chance = random.Random(wrong)
    spoiled = set(chance.sample(range(N), wrong))
    facts = facts_of(
        tmp_path_factory.getbasetemp(),
        task,
        code=lambda s, a, i: (
            chance.choice(("YES", "NO", "LOW", "HIGH", "MIDDLE")) if i in spoiled else a.upper()
        ),
    )
    assert (suspects(facts) == ["code"]) or wrong > 0
    assert suspects(facts) == [] or wrong < 200


def test_only_training_rows_are_asked(tmp_path):
    """What is true of the untouched rows alone must not come out."""
    facts = facts_of(tmp_path, "binary", code=lambda s, a, i: a)
    assert facts.dropped
    path = str(tmp_path / "t.parquet")
    table = read(Source(path, "y", task="binary"))
    learned = set(table.train.tolist())
    data = pq.read_table(path)
    y = data["y"].to_pylist()
    half = ["yes" if i in learned and i % 2 else y[i] for i in range(N)]
    pq.write_table(data.set_column(data.column_names.index("code"), "code", [half]), path)
    assert suspects(read(Source(path, "y", task="binary")).facts) == []


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([2, 6, 20]), st.booleans())
def test_a_column_is_not_taken_to_know_what_copies_of_a_row_know(
    tmp_path_factory, seed, copies, grouped
):
    chance = random.Random(seed)
    rows = [
        (chance.random(), chance.random(), f"g{at}", chance.choice("ab"))
        for at in range(900 // copies)
    ]
    rows = [row for row in rows for _ in range(copies)]
    chance.shuffle(rows)
    u, v, group, y = (list(column) for column in zip(*rows, strict=True))
    if grouped:  # the rows of a group differ, and have one answer
        v = [chance.random() for _ in v]
    place = tmp_path_factory.mktemp("copies") / "t.parquet"
    pq.write_table(pa.table({"u": u, "v": v, "group": group, "y": y}), place)
    source = Source(
        str(place), "y", group="group" if grouped else None, drop=() if grouped else ("group",)
    )
    assert not suspects(read(source).facts)
