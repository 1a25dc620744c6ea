"""Comparing: is B really better than A? Two programs or functions as a study without a search."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import NoneType
from typing import Any, final

from tunewright import session
from tunewright.core.budget import parse_budget
from tunewright.core.events import decode, encode
from tunewright.core.goal import equivalent, not_worse
from tunewright.core.kinds import Stated
from tunewright.core.metrics import Metric
from tunewright.core.roles import Workload
from tunewright.core.texts import names_of, read_json
from tunewright.core.verdict import MIN_PAIRS
from tunewright.errors import InputError, StoreError, check_type
from tunewright.machine import Machine, lasting, probe
from tunewright.measuring.calls import pack
from tunewright.measuring.yardstick import VERSION
from tunewright.planning import Limits, Proving, Request, kind_of
from tunewright.session import Result, Watch
from tunewright.storing.studies import ROOT
from tunewright.verifying.pairs import looks
from tunewright.workloads.comparison import (
    ARM,
    NEW,
    OLD,
    YARDSTICK,
    FunctionsSpec,
    ProgramsSpec,
    yardstick_line,
)

PAIRS = 100
MOST_PAIRS = 1000  # judging more of them takes longer than running them
SAVED_PAIRS = 30
WORKERS = 2  # one program at a time, and a worker that watches over it
SAVED_MARGIN = "wall_s: 5%"  # what a gate against a saved baseline asks for unless told otherwise
SAVED_FORMAT = 2


@final
@dataclass(frozen=True)
class Question:
    """What is asked of B, held against A. Everything else that is measured is told as well.

    minimize, maximize: of these B must better one at least. noninferior, equivalent: "METRIC:
    MARGIN". Where none of the four is given, it must better the time. same_output: both must put
    out (functions: answer) the same: all that is printed, or with a text what that pattern matches,
    or that file. tolerance: by how much a number in it may differ, as a share of its size.
    ignore_failures: runs that fail are left out; otherwise one of them makes everything
    inconclusive.
    """

    minimize: Sequence[str] = ()
    maximize: Sequence[str] = ()
    noninferior: Sequence[str] = ()
    equivalent: Sequence[str] = ()
    same_output: bool | str = False
    tolerance: float = 0.0
    ignore_failures: bool = False

    def __post_init__(self) -> None:
        """Take one text for a list of one."""
        for name in ("minimize", "maximize", "noninferior", "equivalent"):
            object.__setattr__(self, name, names_of(name, getattr(self, name)))
        check_type("same_output", self.same_output, (str, bool), "True")
        check_type("tolerance", self.tolerance, (int, float), "1e-6")

    @property
    def stated(self) -> Stated:
        """Which way is better, where that was said."""
        lower: Stated = dict.fromkeys(self.minimize, "lower")
        return {**lower, **dict.fromkeys(self.maximize, "higher")}

    @property
    def check(self) -> str | None:
        """What must be put out alike, as a spec has it."""
        return (
            self.same_output
            if isinstance(self.same_output, str)
            else None
            if not self.same_output
            else ""
        )

    def goal(self, metrics: Sequence[Metric]) -> str:
        """The sentence that a goal is parsed from."""
        bounds = [not_worse(text, metrics) for text in self.noninferior]
        bounds += [equivalent(text, metrics) for text in self.equivalent]
        wanted = [f"minimize {name}" for name in self.minimize]
        wanted += [f"maximize {name}" for name in self.maximize]
        time_ = next(metric for metric in metrics if metric.unit == "s")
        if not wanted and not bounds:
            wanted = [f"minimize {time_.name}"]
        subject = f"subject to {' and '.join(bound.text for bound in bounds)}" if bounds else ""
        return f"{' and '.join(wanted)} {subject}".strip()


@final
@dataclass(frozen=True)
class Sampling:
    """How much a comparison may cost: wall time, pairs at most, and the seed of its order."""

    budget: str = "60s"
    pairs: int = PAIRS
    seed: int = 0

    def __post_init__(self) -> None:
        check_type("budget", self.budget, str, "'60s'")
        check_type("pairs", self.pairs, int, "100")
        check_type("seed", self.seed, int, "0")
        if parse_budget(self.budget).seconds is None:
            raise InputError(
                f"expected a time such as 60s; got {self.budget!r}; say --pairs instead"
            )
        if not MIN_PAIRS <= self.pairs <= MOST_PAIRS:  # else judging takes longer than running
            raise InputError(f"expected {MIN_PAIRS} to {MOST_PAIRS} pairs; got {self.pairs}")


@final
@dataclass(frozen=True)
class Programs:
    """How command lines are run and what is read from them; see `CommandSpec`.

    timeout_s: wall time of a run, at most; None for half the budget.
    """

    metrics: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    setup: str | None = None
    env_file: str | None = None
    stdin: str | None = None
    shell: str | None = None
    ok_exit: tuple[int, ...] = (0,)
    prepare: str | None = None
    cleanup: str | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        """Take one text for a list of one."""
        for name in ("metrics", "env"):
            object.__setattr__(self, name, names_of(name, getattr(self, name)))
        for name in ("setup", "env_file", "stdin", "shell", "prepare", "cleanup"):
            check_type(name, getattr(self, name), (str, NoneType), "'make all'")
        check_type("timeout_s", self.timeout_s, (int, float, NoneType), "10.0")

    def spec(self, lines: Mapping[str, str], question: Question) -> ProgramsSpec:
        """The spec of a comparison of these lines."""
        return ProgramsSpec(
            dict(lines), tuple(self.metrics), tuple(self.env), self.setup, str(Path.cwd()),
            question.check, question.tolerance, self.env_file, self.stdin, self.shell,
            self.ok_exit, self.prepare, self.cleanup,
        )  # fmt: skip

    def or_as(self, saved: Programs) -> Programs:
        """What is said here, and as it was for a saved baseline where nothing is."""
        nothing = Programs()
        said = {
            field.name: own
            for field in fields(Programs)
            if (own := getattr(self, field.name)) != getattr(nothing, field.name)
        }
        return replace(saved, **said)


@final
@dataclass(frozen=True)
class Saved:
    """A baseline as it was measured once: its runs beside a yardstick, by metric, and where.

    machine: what lasts of the environment, by name. line, programs: how to run it again.
    """

    line: str
    programs: Programs
    machine: Mapping[str, str]
    runs: Mapping[str, tuple[tuple[float | None, float], ...]]
    yardstick: int = VERSION
    format: int = SAVED_FORMAT

    def __post_init__(self) -> None:
        runs = (value for pairs in self.runs.values() for pair in pairs for value in pair)
        if not all(value is None or math.isfinite(value) for value in runs):
            raise ValueError("expected finite runs")


def verify(  # noqa: PLR0913 - what a user may say about a comparison
    old: str | Callable[..., object],
    new: str | Callable[..., object],
    *,
    args: Sequence[Any] = (),
    question: Question = Question(),
    sampling: Sampling = Sampling(),
    programs: Programs = Programs(),
    root: str | os.PathLike[str] = ROOT,
    watch: Watch = session.unwatched,
) -> Result:
    """Whether `new` is better than `old`: two command lines, or two functions called with `args`.

    Each runs in fresh processes, in pairs of random order, until the question is answered or the
    effort is spent. The study below `root` can be shown, reported and resumed like any other.
    Raises InputError for what cannot be run, Interrupted (with the result so far) on Ctrl-C.
    """
    check_type("question", question, Question, "tunewright.Question(minimize=['wall_s'])")
    check_type("sampling", sampling, Sampling, "tunewright.Sampling(budget='60s')")
    check_type("programs", programs, Programs, "tunewright.Programs(env=['A=1'])")
    check_type("args", args, (list, tuple), "a list of what the functions are called with")
    check_type("root", root, (str, os.PathLike), "'.tunewright'")
    root = Path(root)
    if callable(old) and callable(new):
        functions = {OLD: old, NEW: new}
        return _verify_functions(functions, args, question, sampling, (root, watch))
    if isinstance(old, str) and isinstance(new, str):
        request, workload = compared({OLD: old, NEW: new}, programs, question, sampling)
        return session.begin(request, workload=workload, root=root, watch=watch)
    got = " and ".join(type(one).__name__ for one in (old, new))
    raise InputError(f"expected two command lines or two functions; got {got}; give two of a kind")


def compared(
    lines: Mapping[str, str],
    programs: Programs,
    question: Question | None,
    sampling: Sampling,
    saved: Saved | None = None,
) -> tuple[Request, Workload]:
    """The request to compare the last of these command lines with the first, and its workload.

    question: None to ask nothing and only measure. saved: what the first line is a yardstick for.
    """
    runs = saved.runs if saved else {}
    spec = programs.spec(lines, question or Question())
    request, workload = _asked("programs", name_of(lines), spec, question, sampling, runs)
    return replace(request, limits=replace(request.limits, trial_s=programs.timeout_s)), workload


def name_of(lines: Mapping[str, str]) -> str:
    """What a comparison of these command lines is called: by the last of them."""
    *_, last = lines.values()
    return f"verify-{Path((last.split() or [''])[0]).name}"


def measured(line: str, programs: Programs, sampling: Sampling) -> tuple[Request, Workload]:
    """The request to run a command line beside the yardstick, to be saved, and its workload."""
    few = replace(sampling, pairs=min(sampling.pairs, SAVED_PAIRS))
    return compared({YARDSTICK: yardstick_line(), NEW: line}, programs, None, few)


def gated(
    saved: Saved, line: str, programs: Programs, question: Question, sampling: Sampling
) -> tuple[Request, Workload]:
    """The request to hold a command line against a saved baseline, and its workload.

    What `programs` leaves open is as it was for the baseline. Unless something else is asked, the
    time must not have grown by more than five per cent. Raises InputError where the machine is
    another one.
    """
    if differs := why_incomparable(saved, probe()):
        raise InputError(
            f"expected the machine that {saved.line!r} was measured on; {differs}; "
            f'measure both here: tunewright verify "{saved.line}" "{line}"'
        )
    asked = (question.minimize, question.maximize, question.noninferior, question.equivalent)
    if not any(asked):
        question = replace(question, noninferior=(SAVED_MARGIN,))
    few = replace(sampling, pairs=min(sampling.pairs, SAVED_PAIRS))
    lines = {YARDSTICK: yardstick_line(), NEW: line}
    return compared(lines, programs.or_as(saved.programs), question, few, saved)


def _asked(  # noqa: PLR0913, PLR0917 - a request's own parts
    kind: str,
    name: str,
    spec: Any,
    question: Question | None,
    sampling: Sampling,
    runs: Mapping[str, tuple[tuple[float | None, float], ...]],
) -> tuple[Request, Workload]:
    """A whole request to prove the new arm, and its workload, which the goal is read against."""
    workload = kind_of(kind).build(spec, {}, question.stated if question else {})
    goal = question.goal(workload.metrics) if question else ""
    new = [*kind_of(kind).arms(spec)][-1]
    proof = Proving({ARM: new}, sampling.pairs, bool(question and question.ignore_failures), runs)
    request = Request(
        name, kind, spec, goal, budget=sampling.budget, seed=sampling.seed,
        limits=Limits(workers=WORKERS), proof=proof,
    )  # fmt: skip
    return request, workload


def saved_from(result: Result, workload: Workload, line: str, programs: Programs) -> Saved:
    """What is kept of a finished measurement beside the yardstick.

    Raises InputError where runs failed or too few were made.
    """
    look = looks(result.history).get(1)
    complete = look.complete() if look else []
    if look is None or len(complete) < MIN_PAIRS or look.failures("candidate"):
        failed = len(look.failures("candidate")) if look else 0
        raise InputError(
            f"expected at least {MIN_PAIRS} good runs to save; got {len(complete)}, and {failed} "
            "failed; repair the program or give a larger --budget"
        )
    runs = {
        metric.name: tuple(
            (a, b)
            for before, after in complete
            for a, b in [(metric.of(before.samples), metric.of(after.samples))]
            if b is not None
        )
        for metric in workload.metrics
    }
    return Saved(line, programs, lasting(probe()), runs)


def save(saved: Saved, path: Path) -> None:
    """Write a saved baseline as JSON."""
    try:
        path.write_text(
            json.dumps(encode(saved), indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; choose another place") from error


def read_saved(path: Path) -> Saved:
    """The saved baseline in a file. Raises InputError where it is none."""
    try:
        saved: Saved = decode(Saved, read_json(path.read_bytes()))
    except OSError as error:
        raise InputError(f"expected a saved baseline; got {path}: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise InputError(
            f"expected a saved baseline; got {path}, which is none; "
            "make one with 'tunewright verify --save'"
        ) from error
    return saved


def why_incomparable(saved: Saved, machine: Machine) -> str | None:
    """What differs between the day of the saved baseline and now, or None."""
    if saved.format != SAVED_FORMAT or saved.yardstick != VERSION:
        return "it was written by another version of tunewright"
    current = lasting(machine)
    names = sorted({*current, *saved.machine})
    changed = [
        f"{name} was {saved.machine.get(name, 'unknown')} and is {current.get(name, 'unknown')}"
        for name in names
        if saved.machine.get(name) != current.get(name)
    ]
    return "; ".join(changed) or None


def _verify_functions(
    functions: Mapping[str, Callable[..., object]],
    args: Sequence[Any],
    question: Question,
    sampling: Sampling,
    at: tuple[Path, Watch],
) -> Result:
    """Both functions, pickled by value in the study's own directory."""
    root, watch = at
    if isinstance(question.same_output, str) or question.tolerance:
        raise InputError(
            "expected same_output=True or False for functions; got a pattern or a tolerance; "
            "let the functions round what they answer"
        )
    labels = {arm: getattr(f, "__qualname__", repr(f)) for arm, f in functions.items()}
    body = pack(functions, args)
    name, kind = f"verify-{labels[NEW].rpartition('.')[2]}", "functions"
    with session.prepare(name, kind, Limits(workers=WORKERS), root) as workspace:
        payload = workspace.directory.absolute() / "calls.pickle"
        payload.write_bytes(body)
        spec = FunctionsSpec(str(payload), labels, str(Path.cwd()), question.same_output)
        request, workload = _asked(kind, name, spec, question, sampling, {})
        return session.begin(request, workload=workload, workspace=workspace, watch=watch)
