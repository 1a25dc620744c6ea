"""Several programs, each held against the first: which of them are better, at one error for all.

Each comparison is a study of its own, which stops by its share of the error. When all have ended,
what was decided passes its share on to what was not (Holm 1979): the undecided are judged again by
their same pairs at a larger error. That may be done, as a study's end was chosen either by a
sequence that holds at any moment, or by a clock or a count that does not know what the pairs say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import final
from uuid import uuid4

from tunewright import planning, session
from tunewright.comparing import Programs, Question, Sampling, compared, name_of
from tunewright.core.budget import parse_budget
from tunewright.core.history import History
from tunewright.core.roles import Workload
from tunewright.core.texts import names_of
from tunewright.core.verdict import Decision, Verdict
from tunewright.errors import InputError, TunewrightError, check_type
from tunewright.loop.verification import conclude
from tunewright.planning import Series
from tunewright.session import Result, Watch
from tunewright.storing.journal import Reader
from tunewright.storing.studies import ROOT, Studies
from tunewright.workloads.comparison import ARM

MOST = len(ascii_uppercase)
BETTER, USUAL, PLAIN = Question(), Sampling(), Programs()  # where nothing else is said
Watching = Callable[[planning.Request, Workload], Watch]


@final
@dataclass(frozen=True)
class Compared:
    """One program held against the first; the verdict is at its last share of the error."""

    arm: str
    result: Result
    verdict: Verdict


def labelled(lines: Sequence[str]) -> dict[str, str]:
    """The command lines by what they are called: A, B, C … Raises InputError for too many."""
    if not 2 <= len(lines) <= MOST:
        raise InputError(f"expected 2 to {MOST} programs, each in quotes; got {len(lines)}")
    return dict(zip(ascii_uppercase, lines, strict=False))


def verify_all(  # noqa: PLR0913 - what a user may say about a comparison
    lines: Sequence[str],
    *,
    question: Question = BETTER,
    sampling: Sampling = USUAL,
    programs: Programs = PLAIN,
    root: str | os.PathLike[str] = ROOT,
    watching: Watching = lambda _request, _workload: session.unwatched,
) -> list[Compared]:
    """Every other command line held against the first; all verdicts together err in at most 5 %.

    Each comparison is a study of its own, and `verdict` is what its pairs say at its last share of
    the error. Time that one does not need goes to the next ones; sampling: of all together.
    watching: makes the watch of each study. Raises InputError for what cannot be run, Interrupted
    on Ctrl-C: `resume_all` goes on with all of them.
    """
    check_type("question", question, Question, "tunewright.Question(minimize=['wall_s'])")
    check_type("sampling", sampling, Sampling, "tunewright.Sampling(budget='60s')")
    check_type("programs", programs, Programs, "tunewright.Programs(env=['A=1'])")
    arms = labelled(names_of("programs", lines))
    series = Series(uuid4().hex, arms, sampling.budget)
    first, *others = arms
    requests = {}
    for arm in others:
        request, _ = compared({first: arms[first], arm: arms[arm]}, programs, question, sampling)
        proof = replace(request.proof, among=len(others), series=series)
        requests[arm] = replace(request, proof=proof)
    return _go_through(series, requests, {}, Path(root), watching)


def resume_all(
    directory: str | os.PathLike[str],
    watching: Watching = lambda _request, _workload: session.unwatched,
) -> list[Compared]:
    """Go on with all comparisons to which the study in this directory belongs.

    Those that had not begun are begun. Raises InputError for a study that shares its error with no
    other.
    """
    place = Path(directory)
    request, series = _asked(place)
    if series is None:
        raise InputError(
            f"expected one of several comparisons; got {place.name}, which is alone; "
            f"go on with: tunewright study resume {place.name}"
        )
    first, *others = series.lines
    requests = {arm: _like(request, series, first, arm) for arm in others}
    return _go_through(series, requests, siblings(place), place.parent, watching)


def together(directory: Path) -> tuple[int, Verdict | None]:
    """With how many comparisons a study shares its error, and its verdict at its last share.

    (1, None) for a study on its own, and no verdict while another of them is unfinished.
    """
    request, series = _asked(directory)
    if series is None:
        return 1, None
    results = {arm: _result(place) for arm, place in siblings(directory).items()}
    others = len(series.lines) - 1
    if len(results) < others or any(result.verdict is None for result in results.values()):
        return others, None
    return others, shared(results)[_arm(request)]


def siblings(directory: Path) -> dict[str, Path]:
    """The studies beside this one that share its error, itself among them, by program."""
    _, series = _asked(directory)
    found, studies = dict[str, Path](), Studies(directory.parent)
    for name in studies.names() if series else ():
        with suppress(TunewrightError):  # one that cannot be read is none of them
            request, own = _asked(studies.root / name)
            if own is not None and series is not None and own.id == series.id:
                found[_arm(request)] = studies.root / name
    return found


def _go_through(
    series: Series,
    requests: Mapping[str, planning.Request],
    begun: Mapping[str, Path],
    root: Path,
    watching: Watching,
) -> list[Compared]:
    """Begin or resume each of these comparisons in turn, and judge them together."""
    left_s, results = parse_budget(series.budget).seconds or 0.0, dict[str, Result]()
    for at, (arm, asked) in enumerate(requests.items()):
        if arm in begun:
            request, _ = _asked(begun[arm])
            watch = watching(request, planning.build_workload(request))
            results[arm] = session.resume(begun[arm], watch=watch)
        else:
            share_s = left_s / (len(requests) - at)
            request = replace(asked, budget=f"{share_s:.3f}s")
            workload = planning.build_workload(request)
            watch = watching(request, workload)
            results[arm] = session.begin(request, workload=workload, root=root, watch=watch)
        left_s = max(left_s - results[arm].history.elapsed_s, 1.0)
    return [Compared(arm, results[arm], v) for arm, v in shared(results).items()]


def _like(request: planning.Request, series: Series, first: str, arm: str) -> planning.Request:
    """The request of another comparison of the same series."""
    lines = {name: series.lines[name] for name in (first, arm)}
    return replace(
        request, name=name_of(lines), workload=replace(request.workload, lines=lines),
        proof=replace(request.proof, candidate={ARM: arm}),
    )  # fmt: skip


def _arm(request: planning.Request) -> str:
    """The program that a study holds against the first."""
    return str((request.proof.candidate or {})[ARM])


def _asked(directory: Path) -> tuple[planning.Request, Series | None]:
    request = session.request_of(_history(directory), directory)
    return request, request.proof.series


def _history(directory: Path) -> History:
    with Reader(directory) as reader:
        return session.replay(reader)


def _result(directory: Path) -> Result:
    history = _history(directory)
    return Result(directory, session.goal_of(history), history)


def shared(results: Mapping[str, Result]) -> dict[str, Verdict]:
    """The verdicts of finished comparisons that share one error by Holm's rule."""
    verdicts: dict[str, Verdict] = {}
    open_ = list(results)
    while open_:
        tried = {arm: _judged(results[arm], len(open_)) for arm in open_}
        decided = [arm for arm in open_ if tried[arm].decision is not Decision.INCONCLUSIVE]
        verdicts |= {arm: tried[arm] for arm in (decided or open_)}
        open_ = [arm for arm in open_ if arm not in verdicts]
    return {arm: verdicts[arm] for arm in results}


def _judged(result: Result, among: int) -> Verdict:
    """What a finished study's pairs say at this share of the error."""
    history = result.history
    request = session.request_of(history, result.directory)
    request = replace(request, proof=replace(request.proof, among=among))
    plan = planning.make_plan(planning.build_workload(request), request)
    return conclude(history, plan, 1, history.elapsed_s)
