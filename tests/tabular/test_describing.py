"""What is said of a table before any time is spent."""

import random

import pytest

from tunewright.core.goal import parse_goal
from tunewright.reporting.sentences import in_language
from tunewright.workloads.tabular import TableSpec, table
from tunewright.workloads.tabular.kind import describe


@pytest.fixture
def told(tmp_path):
    """The facts of a label that are told of a file of these rows."""

    def telling(header, rows, label, goal="maximize roc_auc", baseline=None, **said):
        path = tmp_path / "t.csv"
        path.write_text("\n".join([header, *rows]))
        workload = table(TableSpec(str(path), "y", **said), baseline)
        facts = describe(workload, parse_goal(goal, workload.metrics), 0)
        return [text for name, text in facts if name == label]

    return telling


PLAIN = [f"{i * 37 % 101},{i * 7 % 2}" for i in range(200)]


@pytest.mark.parametrize("family", ["linear", "tree", "forest", "neighbours"])
def test_the_baseline_is_called_what_it_is(told, family):
    (text,) = told("x,y", PLAIN, "baseline", families=(family,))
    assert text.startswith(f"the defaults of the family {family}: ")
    assert f" family={family} " in text
    assert in_language(text, "zh").startswith(f"模型族 {family} 的默认配置：")
    (text,) = told("x,y", PLAIN, "baseline", families=("lightgbm", family))
    assert text.startswith("LightGBM's defaults through its own one-row predict: ")
    (text,) = told("x,y", PLAIN, "baseline", baseline={"family": family})
    assert text.startswith("as asked: ")


def test_a_rare_class_asks_for_more_rows_of_it(told):
    rows = [f"{i / 7},{int(i % 50 == 0)}" for i in range(400)]
    (text,) = told("x,y", rows, "provable")
    assert "untouched rows hold the rarest class, and at least 10 are needed" in text
    assert text.endswith("; give more of it")
    assert in_language(text, "zh").endswith("；请补充这一类的数据")
    assert "untouched" not in in_language(text, "zh")


@pytest.mark.parametrize("options", [{}, {"group": "b"}])
def test_equal_rows_that_count_once_are_said_to_do_so(told, options):
    chance = random.Random(0)
    rows = [
        ",".join([chance.choice("rstu"), chance.choice("mnopq"), str(int(chance.random() < 0.1))])
        for _ in range(2000)
    ]
    (text,) = told("a,b,y", rows, "provable", **options)
    assert text.startswith("roc_auc: nothing, since equal rows and groups count once; only ")
    assert "give more different rows of it, or name with --group" in text
    assert "independent" not in text
    assert not set(in_language(text, "zh")) & set("bfhi")
