"""Which columns of each kind there are is said before any time is spent."""

import csv
from random import Random

import pytest

from tunewright.core.goal import parse_goal
from tunewright.reporting.sentences import in_language
from tunewright.workloads.tabular.kind import LISTED, describe
from tunewright.workloads.tabular.workload import TableSpec, table

WORDS = "the quick brown fox jumps over a lazy dog"


def lines(path, rows, **said):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([list(rows[0]), *(row.values() for row in rows)])
    workload = table(TableSpec(path, "y", **said))
    goal = parse_goal("maximize roc_auc", workload.metrics)
    return [text for label, text in describe(workload, goal, 0) if label == "columns"]


def mixed(at):
    return {
        "age": at * 7 % 61, "city": ("Rome", "Oslo", "Bonn")[at * at % 3], "ok": str(at % 7 < 3),
        "joined": f"2024-{at % 12 + 1:02d}-{at * 5 % 28 + 1:02d}", "y": "ab"[at * 11 % 13 > 5],
        "note": " ".join(Random(at).choices(WORDS.split(), k=6)),
    }  # fmt: skip


def test_the_columns_are_told_by_their_kinds(tmp_path):
    told = lines(tmp_path / "t.csv", [mixed(at) for at in range(200)])
    assert told == [
        "boolean (1): ok", "category (1): city", "date (1): joined", "number (1): age",
        "text (1): note",
    ]  # fmt: skip
    assert [in_language(line, "zh") for line in told] == [
        "布尔值（1）：ok", "类别（1）：city", "日期（1）：joined", "数值（1）：age", "文本（1）：note",
    ]  # fmt: skip


def test_what_was_said_of_a_column_is_told_and_what_is_left_out_is_not(tmp_path):
    rows = [mixed(at) for at in range(200)]
    told = lines(tmp_path / "t.csv", rows, types="age=category", drop=("ok", "joined", "note"))
    assert told == ["category (2): age, city"]


@pytest.mark.parametrize("count", [LISTED, LISTED + 1, 40])
def test_of_many_columns_the_first_are_named(tmp_path, count):
    rows = [{"y": "ab"[at % 3 == 0]} for at in range(120)]
    for at, row in enumerate(rows):
        row.update({f"x{k}": (at * (k + 3) + at // 7) % 97 for k in range(count)})
    (told,) = lines(tmp_path / "t.csv", rows)
    assert told.startswith(f"number ({count}): x0, x1, ")
    assert told.endswith(" …") == (count > LISTED)
    assert told.count(", ") == min(count, LISTED) - 1
