"""Comparing: is B really better than A? Two programs or functions as a study without a search."""

from __future__ import annotations

import importlib
import json
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

from tunewright import planning, session
from tunewright.core.budget import parse_budget
from tunewright.core.goal import equivalent, not_worse
from tunewright.core.metrics import Metric
from tunewright.core.roles import Workload
from tunewright.errors import InputError, StoreError
from tunewright.machine import Machine, lasting, probe
from tunewright.measuring.calls import Calls
from tunewright.measuring.yardstick import VERSION
from tunewright.planning import Request
from tunewright.running.cache import dumps
from tunewright.session import Result, Watch
from tunewright.storing.studies import ROOT
from tunewright.verifying.claims import MIN_PAIRS
from tunewright.verifying.pairs import looks
from tunewright.workloads.comparison import ARM, NEW, OLD, YARDSTICK, yardstick_line

PAIRS = 100
MOST_PAIRS = 1000  # judging more of them takes longer than running them
SAVED_PAIRS = 30
SAVED_MARGIN = "wall_s: 5%"  # what a gate against a saved baseline asks for unless told otherwise
SAVED_FORMAT = 1


@final
@dataclass(frozen=True)
class Question:
    """What is asked of B, held against A. Everything else that is measured is told as well.

    minimize, maximize: of these B must better one at least; without any, and where neither of the
    other two says something about it, the time. noninferior, equivalent: "METRIC: MARGIN".
    same_output: both must put out (functions: answer) the same. ignore_failures: runs that fail are
    left out; otherwise one of them makes everything inconclusive.
    """

    minimize: Sequence[str] = ()
    maximize: Sequence[str] = ()
    noninferior: Sequence[str] = ()
    equivalent: Sequence[str] = ()
    same_output: bool = False
    ignore_failures: bool = False

    def goal(self, metrics: Sequence[Metric]) -> str:
        """The sentence that a goal is parsed from."""
        bounds = [not_worse(text, metrics) for text in self.noninferior]
        bounds += [equivalent(text, metrics) for text in self.equivalent]
        wanted = [f"minimize {name}" for name in self.minimize]
        wanted += [f"maximize {name}" for name in self.maximize]
        time_ = next(metric for metric in metrics if metric.unit == "s")
        if not wanted and all(bound.metric is not time_ for bound in bounds):
            wanted = [f"minimize {time_.name}"]
        subject = f"subject to {' and '.join(bound.text for bound in bounds)}" if bounds else ""
        return f"{' and '.join(wanted)} {subject}".strip()


@final
@dataclass(frozen=True)
class Effort:
    """How much a comparison may cost: wall time, pairs at most, and the seed of its order."""

    budget: str = "60s"
    pairs: int = PAIRS
    seed: int = 0


@final
@dataclass(frozen=True)
class Programs:
    """How command lines are run and what is read from them; see workloads.command."""

    metrics: Sequence[str] = ()
    env: Sequence[str] = ()
    setup: str | None = None

    def options(self, lines: Mapping[str, str]) -> dict[str, Any]:
        """The workload's options for these lines."""
        return {
            "lines": dict(lines), "metrics": list(self.metrics), "env": list(self.env),
            "setup": self.setup, "cwd": str(Path.cwd()),
        }  # fmt: skip


@final
@dataclass(frozen=True)
class Saved:
    """A baseline as it was measured once: its runs beside a yardstick, by metric, and where.

    machine: what lasts of the environment, by name. line, programs: how to run it again.
    """

    line: str
    programs: Mapping[str, Any]
    machine: Mapping[str, str]
    runs: Mapping[str, Sequence[tuple[float | None, float]]]
    yardstick: int = VERSION
    format: int = SAVED_FORMAT


def verify(  # noqa: PLR0913 - what a user may say about a comparison
    old: str | Callable[..., object],
    new: str | Callable[..., object],
    *,
    args: Sequence[Any] = (),
    question: Question = Question(),
    effort: Effort = Effort(),
    programs: Programs = Programs(),
    root: Path = ROOT,
    watch: Watch = session.unwatched,
) -> Result:
    """Whether `new` is better than `old`: two command lines, or two functions called with `args`.

    Each runs in fresh processes, in pairs of random order, until the question is answered or the
    effort is spent. The study below `root` can be shown, reported and resumed like any other.
    Raises InputError for what cannot be run, Interrupted (with the result so far) on Ctrl-C.
    """
    if callable(old) and callable(new):
        return _verify_functions({OLD: old, NEW: new}, args, question, effort, (root, watch))
    if isinstance(old, str) and isinstance(new, str):
        request = compared_request(old, new, programs, effort)
        return ask(request, question, root=root, watch=watch)
    raise InputError("expected two command lines or two functions; got one of each")


def program_request(lines: Mapping[str, str], programs: Programs, effort: Effort) -> Request:
    """The request to compare the last of these lines with the first; it asks for nothing yet."""
    name = Path(lines[list(lines)[-1]].split()[0]).name if lines[list(lines)[-1]].split() else ""
    return Request(
        name=f"verify-{name}", kind="programs", options=programs.options(lines), goal="",
        budget=effort.budget, seed=effort.seed, pairs=_pairs(effort),
        candidate={ARM: list(lines)[-1]},
    )  # fmt: skip


def compared_request(old: str, new: str, programs: Programs, effort: Effort) -> Request:
    """The request to compare two command lines; it asks for nothing yet."""
    return program_request({OLD: old, NEW: new}, programs, effort)


def measured_request(line: str, programs: Programs, effort: Effort) -> Request:
    """The request to run a command line beside the yardstick."""
    lines = {YARDSTICK: yardstick_line(), NEW: line}
    return program_request(lines, programs, replace(effort, pairs=min(effort.pairs, SAVED_PAIRS)))


def gated_request(saved: Saved, line: str, programs: Programs, effort: Effort) -> Request:
    """The request to hold a command line against a saved baseline.

    What `programs` leaves open is as it was for the baseline. Raises InputError where the machine
    is another one.
    """
    if differs := why_incomparable(saved, probe()):
        raise InputError(
            f"expected the machine that {saved.line!r} was measured on; {differs}; "
            f'measure both here: tunewright verify "{saved.line}" "{line}"'
        )
    then = Programs(saved.programs["metrics"], saved.programs["env"], saved.programs["setup"])
    asked = Programs(
        programs.metrics or then.metrics, programs.env or then.env, programs.setup or then.setup
    )
    runs = {name: [list(pair) for pair in pairs] for name, pairs in saved.runs.items()}
    return replace(measured_request(line, asked, effort), saved=runs)


def ask(  # noqa: PLR0913 - as for `session.tune`
    request: Request,
    question: Question,
    *,
    root: Path = ROOT,
    watch: Watch = session.unwatched,
    workload: Workload | None = None,
    began_s: float | None = None,
) -> Result:
    """Run a request with this question."""
    workload = workload or planning.build_workload(request)
    asked = posed(request, question, workload.metrics)
    return session.tune(asked, workload=workload, root=root, watch=watch, began_s=began_s)


def posed(request: Request, question: Question, metrics: Sequence[Metric]) -> Request:
    """The request with its goal."""
    return replace(
        request, goal=question.goal(metrics), alike=question.same_output,
        forgiving=question.ignore_failures,
    )  # fmt: skip


def saved_from(result: Result, workload: Any, programs: Programs) -> Saved:
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
        metric.name: [
            (a, b)
            for before, after in complete
            for a, b in [(metric.of(before.samples), metric.of(after.samples))]
            if b is not None
        ]
        for metric in workload.metrics
    }
    line = workload.lines[NEW]
    return Saved(line, programs.options({OLD: line}), lasting(probe()), runs)


def save(saved: Saved, place: Path) -> None:
    """Write a saved baseline as JSON."""
    try:
        place.write_text(json.dumps(asdict(saved), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {place}: {error.strerror}; choose another place") from error


def read_saved(place: Path) -> Saved:
    """The saved baseline in a file. Raises InputError where it is none."""
    try:
        body = json.loads(place.read_text(encoding="utf-8"))
        saved = Saved(**body)
        runs = {
            name: [(None if a is None else float(a), float(b)) for a, b in pairs]
            for name, pairs in saved.runs.items()
        }
        programs = {key: saved.programs[key] for key in ("metrics", "env", "setup")}
        machine = dict(saved.machine.items())
    except OSError as error:
        raise InputError(f"expected a saved baseline; got {place}: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise InputError(
            f"expected a saved baseline; got {place}, which is none; "
            "make one with 'tunewright verify --save'"
        ) from error
    return replace(saved, runs=runs, programs=programs, machine=machine)


def why_incomparable(saved: Saved, machine: Machine) -> str | None:
    """What differs between the day of the saved baseline and now, or None."""
    if saved.format != SAVED_FORMAT or saved.yardstick != VERSION:
        return "it was written by another version of tunewright"
    now = lasting(machine)
    names = sorted({*now, *saved.machine})
    changed = [
        f"{name} was {saved.machine.get(name, 'unknown')} and is {now.get(name, 'unknown')}"
        for name in names
        if saved.machine.get(name) != now.get(name)
    ]
    return "; ".join(changed) or None


def _verify_functions(
    functions: Mapping[str, Callable[..., object]],
    args: Sequence[Any],
    question: Question,
    effort: Effort,
    at: tuple[Path, Watch],
) -> Result:
    """Both functions, pickled by value in the study's own directory."""
    root, watch = at
    labels = {arm: getattr(f, "__qualname__", repr(f)) for arm, f in functions.items()}
    for function in functions.values():
        _by_value(function)
    try:
        calls = importlib.import_module("cloudpickle").dumps(Calls(functions, tuple(args)))
        body = dumps((list(sys.path), calls))
    except Exception as error:
        raise InputError(
            "expected functions and arguments that can be pickled, since they travel to other "
            f"processes; got {type(error).__name__}: {error}"
        ) from error
    request = Request(
        name=f"verify-{labels[NEW].rpartition('.')[2]}", kind="functions", options={}, goal="",
        budget=effort.budget, seed=effort.seed, pairs=_pairs(effort), candidate={ARM: NEW},
    )  # fmt: skip
    with session.prepare(request, root) as place:
        payload = place.directory.absolute() / "calls.pickle"
        payload.write_bytes(body)
        options = {"payload": str(payload), "labels": labels, "cwd": str(Path.cwd())}
        asked = replace(request, options=options)
        workload = planning.build_workload(asked)
        asked = posed(asked, question, workload.metrics)
        return session.tune(asked, workload=workload, place=place, watch=watch)


def _pairs(effort: Effort) -> int:
    """The pairs, where they can be judged within a moment and the budget is a time."""
    if parse_budget(effort.budget).seconds is None:
        raise InputError(f"expected a time such as 60s; got {effort.budget!r}; say --pairs instead")
    if not MIN_PAIRS <= effort.pairs <= MOST_PAIRS:
        raise InputError(f"expected {MIN_PAIRS} to {MOST_PAIRS} pairs; got {effort.pairs}")
    return effort.pairs


def _by_value(function: Callable[..., object]) -> None:
    """Let the code of the user's own modules travel: a fresh process may not find them."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    origin = getattr(module, "__file__", None)
    installed = [sysconfig.get_paths()[key] for key in ("purelib", "platlib", "stdlib")]
    if module is None or origin is None or origin.startswith(tuple(installed)):
        return
    importlib.import_module("cloudpickle").register_pickle_by_value(module)
