"""The task is what was said, or what the goal names, or a guess with its reason."""

import numpy as np
import pytest

from tunewright.errors import InputError
from tunewright.workloads.tabular import TableSpec, table
from tunewright.workloads.tabular.data import Source
from tunewright.workloads.tabular.reading import read

CHANCE = np.random.default_rng(0)


def facts_of(path, answers, name="y", **said):
    lines = [
        f"x,{name}",
        *(
            f"{x:.6f},{answer}"
            for x, answer in zip(CHANCE.normal(size=len(answers)), answers, strict=True)
        ),
    ]
    path.write_text("\n".join(lines) + "\n")
    return read(Source(str(path), name, **said)).facts


RATINGS, CODES = [1 + i % 5 for i in range(400)], [i % 30 for i in range(900)]


@pytest.mark.parametrize(
    ("answers", "said", "task", "classes"),
    [
        (RATINGS, {}, "multiclass", 5),
        (RATINGS, {"metrics": ("rmse",)}, "regression", 0),
        (RATINGS, {"metrics": ("latency_p50", "mae")}, "regression", 0),
        (RATINGS, {"task": "regression"}, "regression", 0),
        (RATINGS, {"task": "multiclass", "metrics": ("rmse",)}, "multiclass", 5),
        (CODES, {}, "regression", 0),
        (CODES, {"metrics": ("accuracy",)}, "multiclass", 30),
        (CODES, {"metrics": ("latency_p50",)}, "regression", 0),
        (CODES, {"types": (("y", "category"),)}, "multiclass", 30),
        ([i % 2 for i in range(100)], {"metrics": ("r2",)}, "regression", 0),
        ([f"k{i % 300}" for i in range(1500)], {}, "multiclass", 300),
        (["+", "-"] * 50, {}, "binary", 2),
        (["none", "some", "?"] * 50, {}, "binary", 2),
        (["True", "FALSE"] * 50, {}, "binary", 2),
        (["$1.50", "$2", "$3000", "$4.2"] * 50, {}, "regression", 0),
        (["01", "02", "03"] * 50, {}, "multiclass", 3),
    ],
)  # fmt: skip
def test_the_task(tmp_path, answers, said, task, classes):
    facts = facts_of(tmp_path / "t.csv", answers, **said)
    assert (facts.task, len(facts.classes)) == (task, classes)
    assert bool(facts.guess) == any(facts.guess in note for note in facts.notes if facts.guess)


def test_a_guess_gives_its_reason_and_what_to_say_instead(tmp_path):
    guess = facts_of(tmp_path / "t.csv", RATINGS).guess
    assert (
        guess
        == "classes, since 'y' holds only 5 different numbers; --task regression takes them as numbers"
    )
    assert (
        facts_of(tmp_path / "t.csv", RATINGS, metrics=("rmse",)).guess
        == "a regression, since the goal names rmse"
    )
    assert facts_of(tmp_path / "t.csv", RATINGS, task="regression").guess == ""


def test_few_odd_answers_are_rows_without_a_target(tmp_path):
    answers = [f"{i * 1.5}" for i in range(100)]
    answers[3], answers[50] = "n/a", "soon"
    facts = facts_of(tmp_path / "t.csv", answers)
    assert (facts.task, facts.rows_without_target) == ("regression", 2)
    assert facts.exceptions[0].texts == ("soon",)
    assert facts.exceptions[0].rows == (51,)


@pytest.mark.parametrize(
    ("answers", "said", "sentence"),
    [
        (["a", "b"] * 50, {"task": "regression"}, "expected numbers in 'y'"),
        (["a", "b"] * 50, {"metrics": ("rmse",)}, "expected numbers in 'y'"),
        (RATINGS, {"task": "binary"}, "expected two classes"),
        ([0, 1] * 50, {"task": "multiclass"}, "three classes or more"),
        ([f"2024-01-{1 + i % 28:02}" for i in range(100)], {}, "got kind date"),
        ([i * 0.5 for i in range(100)], {"task": "multiclass"}, "got 100 different values"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(tmp_path, answers, said, sentence):
    with pytest.raises(InputError, match=sentence):
        facts_of(tmp_path / "t.csv", answers, **said)


# Columns that no model should see


def dropped(path, **columns):
    count = len(next(iter(columns.values())))
    columns |= {"x": CHANCE.normal(size=count).round(6), "y": [i * 7 % 2 for i in range(count)]}
    path.write_text(
        "\n".join(
            [
                ",".join(columns),
                *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
            ]
        )
        + "\n"
    )
    return dict(read(Source(str(path), "y")).facts.dropped)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a", list(range(300))),
        ("a", list(range(1000, 700, -1))),
        ("a", CHANCE.permutation(300).tolist()),
        ("a", sorted(CHANCE.choice(900, 300, replace=False).tolist())),
        ("a", CHANCE.choice(900, 300, replace=False).tolist()),
        ("Unnamed: 0", (CHANCE.choice(10**6, 300, replace=False)).tolist()),
        ("", CHANCE.choice(10**6, 300, replace=False).tolist()),
        ("customerID", CHANCE.choice(10**8, 300, replace=False).tolist()),
        ("user_id", CHANCE.choice(10**8, 300, replace=False).tolist()),
        ("a", [f"u{i}" for i in range(300)]),
        ("a", [f"{i}.0" for i in range(300)]),
    ],
)
def test_what_numbers_or_names_the_rows_is_dropped_with_the_reason(tmp_path, name, values):
    found = dropped(tmp_path / "t.csv", **{name: values})
    (why,) = found.values()
    assert why.startswith("identifier-like")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a", CHANCE.integers(0, 900, 300).tolist()),
        ("a", CHANCE.choice(10**6, 300, replace=False).tolist()),
        ("humid", CHANCE.choice(10**6, 300, replace=False).tolist()),
        ("a", CHANCE.normal(size=300).tolist()),
        ("id", [i % 40 for i in range(300)]),
        ("year", [1990 + i % 30 for i in range(300)]),
    ],
)
def test_what_only_looks_like_it_stays(tmp_path, name, values):
    assert dropped(tmp_path / "t.csv", **{name: values}) == {}


# What the user says is checked


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"path": 5}, "a file or a data frame as data"),
        ({"drop": 5}, "expected names as drop"),
        ({"task": "regresion"}, "did you mean 'regression'"),
        ({"types": "x"}, "expected column=kind"),
        ({"types": "x=numbr"}, "did you mean 'number'"),
        ({"types": {"z": "number"}}, "--types to name a column"),
        ({"time": "z"}, "--time to name a column"),
        ({"time": "x", "test": "t.csv"}, "--time or --test"),
        ({"delimiter": "ab"}, "one character"),
        ({"decimal": ";"}, "decimal mark"),
        ({"encoding": "utf-9"}, "an encoding"),
        ({"missing": [[1]]}, "expected names as missing"),
        ({"group": 3}, "expected a text as group"),
        ({"drop": "y"}, "another column than the target"),
    ],
)  # fmt: skip
def test_what_was_said_is_checked(tmp_path, said, sentence):
    facts_of(tmp_path / "t.csv", RATINGS)
    with pytest.raises(InputError, match=sentence) as caught:
        table(TableSpec(**{"path": tmp_path / "t.csv", "target": "y"} | said))
    assert "\n" not in str(caught.value)


def test_one_name_may_be_said_as_it_is(tmp_path):
    columns = {
        "x1": list(range(5)) * 30,
        "x2": [i * 7 % 11 for i in range(150)],
        "y": [i % 2 for i in range(150)],
    }
    lines = [
        ",".join(columns),
        *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    facts = table(
        TableSpec(tmp_path / "t.csv", "y", drop="x1", missing=-999, types={"x2": "category"})
    ).facts
    assert facts.dropped == (("x1", "asked for"),)
    assert facts.kinds == (("x2", "category"),)
