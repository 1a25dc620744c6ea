"""Several programs, each held against the first: which of them are better, at one error for all.

Each comparison is a study of its own, which stops by its share of the error. When all have ended,
what was decided passes its share on to what was not (Holm 1979): the undecided are judged again by
their same pairs at a larger error. That may be done, as a study's end was chosen either by a
sequence that holds at any moment, or by a clock or a count that does not know what the pairs say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import final

from tunewright import planning, session
from tunewright.comparing import Programs, Question, Sampling, compared
from tunewright.core.budget import parse_budget
from tunewright.core.roles import Workload
from tunewright.core.verdict import Decision, Verdict
from tunewright.errors import InputError
from tunewright.loop.verification import conclude
from tunewright.session import Result, Watch
from tunewright.storing.studies import ROOT

MOST = len(ascii_uppercase)
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
    programs: Programs,
    question: Question,
    sampling: Sampling,
    *,
    root: Path = ROOT,
    watching: Watching = lambda _request, _workload: session.unwatched,
) -> list[Compared]:
    """Every other command line held against the first; all verdicts together err in at most 5 %.

    Time that one does not need goes to the next ones. watching: makes the watch of each study.
    Raises InputError for what cannot be run, Interrupted on Ctrl-C.
    """
    arms = labelled(lines)
    first, *others = arms
    left_s, results = parse_budget(sampling.budget).seconds or 0.0, dict[str, Result]()
    for at, arm in enumerate(others):
        share_s = left_s / (len(others) - at)
        own = replace(sampling, budget=f"{share_s:.3f}s")
        pair = {first: arms[first], arm: arms[arm]}
        request, workload = compared(pair, programs, question, own)
        request = replace(request, proof=replace(request.proof, among=len(others)))
        results[arm] = session.begin(
            request, workload=workload, root=root, watch=watching(request, workload)
        )
        left_s -= results[arm].history.elapsed_s
    return [Compared(arm, results[arm], v) for arm, v in shared(results).items()]


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
