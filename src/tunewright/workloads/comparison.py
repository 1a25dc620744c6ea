"""Two programs, or two functions, as one workload with one knob: which of them runs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

from tunewright.core.config import Config, digest_of
from tunewright.core.goal import Goal
from tunewright.core.kinds import Kind, Stated
from tunewright.core.knobs import Choice, Knob
from tunewright.core.metrics import Metric
from tunewright.core.roles import (
    NO_PORTFOLIO,
    NO_ROWS,
    Artifact,
    Context,
    Effort,
    Portfolio,
    Untouched,
)
from tunewright.core.trial import Need
from tunewright.errors import InputError
from tunewright.workloads.command import CommandWorkload, command
from tunewright.workloads.programs.program import LAST, Program
from tunewright.workloads.programs.spec import CommandSpec
from tunewright.workloads.programs.words import split_line

ARM = "program"  # the knob
OLD, NEW, YARDSTICK = "A", "B", "yardstick"
CALL_MARGIN = 0.02
_ENDED = "ended its process before it returned, as os._exit does; let it return what it answers"


@final
@dataclass(frozen=True)
class Either:
    """The stage that runs one of several programs, as its knob says."""

    knobs: tuple[Knob, ...]
    programs: Mapping[str, Program]
    name: Literal["run"] = "run"

    def needs(self, _config: Config) -> Need:
        """The programs are processes of their own."""
        return Need(process="own")

    def run(self, upstream: tuple[Artifact, ...], config: Config, context: Context) -> Artifact:
        """What that program's own stage gives."""
        return self.programs[str(config[ARM])].run(upstream, config, context)


@final
@dataclass(frozen=True)
class ComparisonWorkload:
    """Programs to be compared. lines: each as it was typed, by the knob's value."""

    name: str
    stages: tuple[Program | Either, ...]
    metrics: tuple[Metric, ...]
    baseline: Config
    digest: str
    lines: Mapping[str, str]
    untouched: Untouched = NO_ROWS
    efforts: tuple[Effort, ...] = ()
    portfolio: Portfolio = NO_PORTFOLIO


@final
@dataclass(frozen=True)
class ProgramsSpec:
    """Command lines, the baseline first, and how they are run and read.

    No shell reads them: words are split as a shell would, nothing more. metrics, env: as for a
    command. setup: a command line to be run once before all; its directory is `{setup}`. All others
    are as for a command, too.
    """

    lines: Mapping[str, str]
    metrics: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    setup: str | None = None
    cwd: str | None = None
    same_output: str | None = None
    tolerance: float = 0.0
    env_file: str | None = None
    stdin: str | None = None
    shell: str | None = None
    ok_exit: tuple[int, ...] = (0,)
    prepare: str | None = None
    cleanup: str | None = None


@final
@dataclass(frozen=True)
class FunctionsSpec:
    """Functions in a pickled `Calls`, the baseline first; labels: what each is called.

    same_output: both must answer the same.
    """

    payload: str
    labels: Mapping[str, str]
    cwd: str | None = None
    same_output: bool = False


def programs(
    spec: ProgramsSpec, _baseline: object = None, stated: Stated | None = None
) -> ComparisonWorkload:
    """The comparison of the last of the command lines with the first.

    Raises InputError for a line that cannot be read or run.
    """
    each = {}
    for arm, line in spec.lines.items():
        where = spec.cwd or "."
        words = (line,) if spec.shell else tuple(split_line(line, f"program {arm}", where))
        plain = CommandSpec(words, cwd=spec.cwd)
        if arm == YARDSTICK:
            plain = replace(plain, argv=tuple(split_line(line, f"program {arm}", where)))
        read = replace(
            plain, metric=spec.metrics, env=spec.env, same_output=spec.same_output,
            tolerance=spec.tolerance, env_file=spec.env_file, stdin=spec.stdin, shell=spec.shell,
            ok_exit=spec.ok_exit, setup=spec.setup, prepare=spec.prepare, cleanup=spec.cleanup,
        )  # fmt: skip
        each[arm] = command(plain if arm == YARDSTICK else read, stated=stated)
    return _joined(each, spec.lines)


def functions(
    spec: FunctionsSpec, _baseline: object = None, _stated: object = None
) -> ComparisonWorkload:
    """The comparison of two functions, each called in processes of its own.

    call_s is the median time of a call within a process, call_p95 and call_p99 are its tails.
    """
    payload, labels = spec.payload, spec.labels
    if not Path(payload).is_file():
        raise InputError(f"expected the pickled functions in {payload}; they are gone; verify anew")
    each = {}
    for arm in labels:
        argv = (
            sys.executable, "-m", "tunewright.measuring.calls", payload, arm, "{dir}/calls.json",
        )  # fmt: skip
        metric = ("calls=json:{dir}/calls.json:calls:lower",)
        made = command(CommandSpec(argv, metric=metric, cwd=spec.cwd))
        *above, last = made.stages
        readers = tuple(replace(one, absent=f"{labels[arm]} {_ENDED}") for one in last.readers)
        each[arm] = replace(made, stages=(*above, replace(last, readers=readers)))
    shares = {"call_s": 0.5, "call_p95": 0.95, "call_p99": 0.99}
    timed = [
        Metric(
            name, "lower", LAST, "s", margin=CALL_MARGIN, sample="calls", share=share, quiet=True
        )
        for name, share in shares.items()
    ]
    peak = [m for m in each[OLD].metrics if m.name == "peak_bytes"]
    return _joined(each, labels, (*timed, *peak))


def yardstick_line() -> str:
    """The command line of the fixed work that a saved baseline is held against."""
    return shlex.join([sys.executable, "-m", "tunewright.measuring.yardstick"])


def _joined(
    each: Mapping[str, CommandWorkload],
    lines: Mapping[str, str],
    metrics: tuple[Metric, ...] | None = None,
) -> ComparisonWorkload:
    last = list(each.values())[-1]
    knob = Knob(ARM, Choice(tuple(each)), next(iter(each)), "algorithm", LAST)
    stages = tuple(_bare(stage) for stage in last.stages[:-1])
    return ComparisonWorkload(
        name=" / ".join(lines.values()),
        stages=(*stages, Either((knob,), {arm: _bare(w.stages[-1]) for arm, w in each.items()})),
        metrics=last.metrics if metrics is None else metrics,
        baseline=Config({ARM: knob.default}),
        digest=digest_of([workload.digest for workload in each.values()]),
        lines=dict(lines),
    )


def _bare(program: Program) -> Program:
    """The program without knobs of its own: there is nothing to search."""
    return replace(program, knobs=(), baseline=None)


def describe(workload: ComparisonWorkload, _goal: Goal, _looks: int) -> list[tuple[str, str]]:
    """What is compared."""
    last = workload.stages[-1]
    check = [*last.programs.values()][-1].check if isinstance(last, Either) else None
    return [*workload.lines.items(), *([("output", check.told)] if check else [])]


PROGRAMS = Kind(
    name="programs",
    spec=ProgramsSpec,
    build=programs,
    describe=describe,
    arms=lambda spec: spec.lines,
    same_output=lambda spec: spec.same_output is not None,
)
FUNCTIONS = Kind(
    name="functions",
    spec=FunctionsSpec,
    build=functions,
    describe=describe,
    arms=lambda spec: spec.labels,
    same_output=lambda spec: spec.same_output,
)
