"""Journals that version 1 wrote: one study of two programs, one of a small table."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tunewright import session
from tunewright.cli import report, study
from tunewright.core.events import from_json, to_json
from tunewright.core.verdict import Decision
from tunewright.errors import InputError
from tunewright.loop import apply
from tunewright.planning import from_json as request_from
from tunewright.reporting.summary import summary
from tunewright.storing.journal import FILE, Journal, Reader
from tunewright.storing.studies import ROOT
from tunewright.verifying.pairs import looks

FIXTURES = Path(__file__).with_name("fixtures")
OLDER = ("format1-table", "format1-programs")


def no_constant(name):
    raise AssertionError(f"{name} is no JSON")


@pytest.fixture(params=OLDER)
def older(request, tmp_path, monkeypatch):
    """The directory of a study that version 1 left, below the working directory."""
    directory = tmp_path / ROOT / request.param
    directory.mkdir(parents=True)
    shutil.copy(FIXTURES / f"{request.param}.sqlite", directory / FILE)
    monkeypatch.chdir(tmp_path)
    return directory


def bodies(directory):
    """The events as they stand in the file."""
    with Journal(directory) as journal:
        return [body for (body,) in journal._db.execute("select body from events order by id")]


def test_every_event_is_read_and_can_be_written_as_today(older):
    for text in bodies(older):
        event = from_json(text)
        again = to_json(event)
        json.loads(again, parse_constant=no_constant)
        assert repr(from_json(again)) == repr(event)


def test_a_replay_has_its_trials_its_look_and_its_verdict(older):
    with Reader(older) as reader:
        history = session.replay(reader)
    verdict, trials = history.finished, [trial for trial, _ in history.ended()]
    assert verdict.decision is Decision.ACCEPT
    assert len(looks(history)[1].complete()) == verdict.pairs == 5
    pairs = [t for t in trials if t.purpose.kind == "pair"]
    assert all(t.need.alone and t.fidelity.since == t.fidelity.through for t in pairs)
    if "table" in older.name:
        assert len(trials) == 36
        refits = [t for t in trials if t.purpose.kind == "refit"]
        assert {t.fidelity.piece.split for t in refits} == {"test"}
        assert {t.fidelity.piece.fold for t in refits} == {0, 1, 2, 3, 4}
        assert not any(t.need.alone or t.fidelity.since or t.fidelity.effort for t in refits)
        assert {t.need.lane for t in pairs} == {"runtime=library", "runtime=onnxruntime"}
    else:
        assert dict(history.opened.arms) == {"A": "true", "B": "true"}


def test_its_search_is_ranked_as_it_was(older):
    with Reader(older) as reader:
        history = session.replay(reader)
    shown = summary(history, session.goal_of(history))
    verdict = history.finished
    if "table" in older.name:
        assert shown.best[0].values["latency_p50"] == pytest.approx(9.4e-6, rel=0.01)
        assert shown.steps
    else:
        assert [c.metric for c in verdict.comparisons] == ["wall_s", "cpu_s", "peak_bytes"]
        assert len(shown.pairs) == 5


def test_it_can_be_listed_shown_and_reported(older):
    listed = CliRunner().invoke(study.command, ["list"])
    assert listed.exit_code == 0, listed.output
    assert "unreadable" not in listed.output
    shown = CliRunner().invoke(study.command, ["show", older.name])
    assert shown.exit_code == 0, shown.output
    assert "ACCEPT" in shown.output
    assert "42× lower" in shown.output or "−8.8 % [−14.6, −2.59]" in shown.output
    made = CliRunner().invoke(report.command, [older.name])
    assert made.exit_code == 0, made.output
    assert "ACCEPT" in (older / "report.html").read_text(encoding="utf-8")


def test_its_looks_count_for_later_studies_of_the_same_rows(older):
    with Reader(older) as reader:
        rows = session.replay(reader).opened.rows
    assert session.looks_at(rows, older.parent) == int("table" in older.name)


def test_whoever_wants_to_go_on_with_it_is_told_why_not(older):
    with Reader(older) as reader:
        opened = session.replay(reader).opened
    with pytest.raises(InputError, match="expected a request of this version"):
        request_from(opened.request)


def test_its_prefixes_are_histories_too(older):
    with Reader(older) as reader:
        events = list(reader.read())
    history = session.History()
    for event in events[:-1]:
        history = apply(history, event)
    assert history.finished is None
    assert not history.running
