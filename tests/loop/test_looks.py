"""Looks at the same untouched rows by one study after another: together they spend one error."""

from dataclasses import replace

import pytest

from tunewright import planning, session
from tunewright.core.roles import Untouched
from tunewright.core.trial import Purpose
from tunewright.core.verdict import ALPHA, Decision
from tunewright.planning import Proving, Request
from tunewright.session import looks_at
from tunewright.storing.journal import Journal
from tunewright.storing.studies import Studies
from tunewright.testing.studies import TABLE, TableModel, request, simulate
from tunewright.workloads.tabular.workload import TableSpec

ROWS = replace(TABLE, untouched=Untouched(folds=1, rows="answers"))


def studied(looks_before=0, model=None, workload=ROWS):
    asked = request("minimize latency_p50", "18 trials")
    return simulate(workload, asked, model or TableModel(), looks_before=looks_before)


def keep(done, root, cut=None):
    """A study's events in a journal of its own."""
    directory = Studies(root).create("table")
    with Journal(directory) as journal:
        journal.append(done.events[:cut])
    return directory


@pytest.mark.parametrize("before", [0, 1, 2])
def test_each_look_that_came_before_halves_the_error(before):
    verdict = studied(before).history.finished
    assert (verdict.looks, verdict.alpha) == (before + 1, ALPHA / 2 ** (before + 1))


def test_a_later_study_asks_for_more_evidence():
    first, second = (studied(before).history.finished.comparisons for before in (0, 2))
    auc, later = (next(c for c in found if c.metric == "auc") for found in (first, second))
    assert later.low < auc.low < auc.high < later.high


def test_looks_of_other_studies_at_the_same_rows_are_counted(tmp_path):
    assert looks_at("answers", tmp_path) == 0
    first = keep(studied(), tmp_path)
    assert looks_at("answers", tmp_path) == 1
    assert looks_at("answers", tmp_path, first.name) == 0
    keep(studied(1), tmp_path)
    assert looks_at("answers", tmp_path) == 2
    assert looks_at("other answers", tmp_path) == 0
    assert looks_at("", tmp_path) == 0
    keep(studied(workload=TABLE), tmp_path)  # nobody knows its rows
    assert looks_at("answers", tmp_path) == 2


def test_a_study_that_took_two_looks_counts_twice(tmp_path):
    good = TableModel()

    def model(trial):
        measurement = good(trial)
        if trial.purpose == Purpose("refit", "candidate", 1, 0):
            return replace(measurement, outcome=measurement.outcome.CRASHED)
        return measurement

    done = studied(model=model)
    assert done.history.finished.looks == 2
    keep(done, tmp_path)
    assert looks_at("answers", tmp_path) == 2


def test_a_look_counts_from_its_first_refit_on(tmp_path):
    """Whoever stops a study after that has seen the rows."""
    done = studied()
    kinds = [t.purpose.kind for t in done.trials]
    searches = kinds.index("refit")
    starts = [i for i, e in enumerate(done.events) if type(e).__name__ == "Started"]
    keep(done, tmp_path / "before", starts[searches])
    keep(done, tmp_path / "after", starts[searches] + 1)
    assert looks_at("answers", tmp_path / "before") == 0
    assert looks_at("answers", tmp_path / "after") == 1


def test_a_damaged_study_counts_nothing_and_hides_no_other(tmp_path):
    broken = keep(studied(), tmp_path)
    keep(studied(), tmp_path)
    for file in broken.iterdir():
        if file.is_file():
            file.write_bytes(b"garbage" * 100)
    assert looks_at("answers", tmp_path) == 1


@pytest.mark.slow
def test_two_studies_of_the_same_table_share_their_error(tmp_path):
    lines = [
        f"{i * 37 % 101 / 7},{i % 13 / 3},{int(i * 37 % 101 + i % 7 > 50)}" for i in range(400)
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,y", *lines]) + "\n")
    few = {"family": "linear"}
    for place, dropped in enumerate(((), ("b",))):
        asked = Request(
            "t", "table", TableSpec(str(path), "y", drop=dropped),
            "subject to accuracy >= baseline - 0.2", few, proof=Proving({"linear_c": 0.5}),
        )  # fmt: skip
        result = session.begin(asked, root=tmp_path / "studies")
        assert result.history.opened.looks_before == place
        assert (result.verdict.looks, result.verdict.alpha) == (place + 1, ALPHA / 2 ** (place + 1))
        assert {t.purpose.kind for t, _ in result.history.ended()} == {"refit"}
        assert result.verdict.decision is Decision.ACCEPT
        judged = next(c for c in result.verdict.comparisons if c.metric == "accuracy")
        assert judged.n == planning.build_workload(asked).facts.test
