"""Several programs share one error by Holm's rule."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunewright import session, several
from tunewright.comparing import Sampling, verify
from tunewright.core.config import Config
from tunewright.core.goal import parse_goal
from tunewright.core.verdict import Decision, Verdict, alpha_of
from tunewright.errors import InputError
from tunewright.verifying.claims import Case
from tunewright.verifying.pairs import Look

LEVELS = st.lists(st.floats(0.0001, 0.1), min_size=1, max_size=8)


@given(LEVELS)
def test_what_is_decided_is_what_holm_decides(p_values):
    """Each comparison is decided at whatever error its p value allows."""

    def judged(p, among):
        decided = p <= alpha_of(1) / among
        decision = Decision.ACCEPT if decided else Decision.INCONCLUSIVE
        return Verdict(decision, Config({}), "", alpha=alpha_of(1) / among)

    results = {str(at): p for at, p in enumerate(p_values)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(several, "_judged", judged)
        verdicts = several.shared(results)
    accepted = {arm for arm, v in verdicts.items() if v.decision is Decision.ACCEPT}
    wanted, ordered = set(), sorted(results, key=results.get)
    for at, arm in enumerate(ordered):
        if results[arm] > alpha_of(1) / (len(ordered) - at):
            break
        wanted.add(arm)
    assert accepted == wanted
    assert list(verdicts) == list(results)


def test_a_case_among_several_spends_a_share_of_the_error():
    case = Case(Look(), 1, parse_goal("", ()))
    assert case.alpha == alpha_of(1)
    assert replace(case, among=4).alpha == alpha_of(1) / 4


def test_programs_are_called_by_letters():
    assert several.labelled(["x", "y", "z"]) == {"A": "x", "B": "y", "C": "z"}
    for lines in (["x"], ["x"] * 27):
        with pytest.raises(InputError, match="expected 2 to 26 programs"):
            several.labelled(lines)


def test_three_programs_are_held_against_the_first(command, tmp_path):
    slow = "sh -c 'sleep 0.04; echo 1 >> runs'"
    words = [slow, "true", slow, "--budget", "6s", "--pairs", "8", "--json", "r.json"]
    done = command(tmp_path, "verify", *words, "--prepare", "touch prepared", "--ok-exit", "0,3")
    assert done.returncode in (1, 3), done.stderr
    assert "C held against A" in done.stdout
    assert "2 programs held against the first" in done.stdout
    assert (tmp_path / "prepared").exists()
    assert (tmp_path / "r.json").read_text().count('"sentence"') == 2


class Gone(Exception):
    """What ends the driver between two comparisons."""


@pytest.fixture
def interrupted(tmp_path):
    """Two comparisons that share one error, of which the second was never begun."""
    told = []

    def watching(request, _workload):
        told.append(request.proof.candidate)
        if len(told) > 1:
            raise Gone
        return session.unwatched

    lines, few = ["true", "sh -c true", "sh -c 'true; true'"], Sampling("6s", 6)
    with pytest.raises(Gone):
        several.verify_all(lines, sampling=few, root=tmp_path, watching=watching)
    return tmp_path / "verify-sh-1"


def test_comparisons_that_were_interrupted_are_all_resumed(interrupted):
    assert several.together(interrupted) == (2, None)
    found = several.resume_all(interrupted)
    assert [one.arm for one in found] == ["B", "C"]
    assert found[0].result.directory == interrupted
    assert all(one.result.verdict is not None for one in found)
    for one in found:
        assert several.together(one.result.directory) == (2, one.verdict)


def test_what_is_shown_of_one_is_its_verdict_among_all(interrupted, command):
    home = interrupted.parent.parent
    interrupted.parent.rename(home / ".tunewright")
    shown = command(home, "study", "show", "verify-sh-1")
    assert "one of 2 comparisons that share one error; not all are finished" in shown.stdout
    done = command(home, "study", "resume", "verify-sh-1")
    assert done.returncode in (0, 1, 3), done.stderr
    assert "2 programs held against the first" in done.stdout
    shown = command(home, "study", "show", "verify-sh-1")
    assert "judged with the others, at an error of" in shown.stdout


def test_a_comparison_on_its_own_has_no_others_to_resume(tmp_path):
    result = verify("true", "true", sampling=Sampling("4s", 6), root=tmp_path)
    assert several.together(result.directory) == (1, None)
    with pytest.raises(InputError, match="which is alone"):
        several.resume_all(result.directory)
