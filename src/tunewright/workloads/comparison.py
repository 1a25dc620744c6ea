"""Two programs, or two functions, as one workload with one knob: which of them runs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from tunewright.core.config import Config, digest_of
from tunewright.core.knobs import Choice, Knob
from tunewright.core.metrics import Metric
from tunewright.core.roles import NO_ROWS, Artifact, Context, Evidence
from tunewright.errors import InputError
from tunewright.workloads.command import LAST, CommandWorkload, Program, command

ARM = "program"  # the knob
OLD, NEW, YARDSTICK = "A", "B", "yardstick"
SETUP = "setup"
SHELL = frozenset({"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1"})
CALL_MARGIN = 0.02


@final
@dataclass(frozen=True)
class Either:
    """The stage that runs one of several programs, as its knob says."""

    knobs: tuple[Knob, ...]
    programs: Mapping[str, Program]
    name: Literal["run"] = "run"
    timing: Literal[True] = True

    def run(self, upstream: Artifact | None, config: Config, context: Context) -> Artifact:
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
    evidence: Evidence = NO_ROWS


def programs(
    lines: Mapping[str, str],
    *,
    metrics: Sequence[str] = (),
    env: Sequence[str] = (),
    setup: str | None = None,
    cwd: str | None = None,
) -> ComparisonWorkload:
    """The comparison of the last of these command lines with the first, the baseline.

    No shell reads them: words are split as a shell would, nothing more. metrics, env: as for a
    command. setup: a command line to be run once before all; its directory is `{setup}`.
    Raises InputError for a line that cannot be read or run.
    """
    steps = [f"{SETUP}={setup}"] if setup else []
    each = {
        arm: command(_words(line, arm), cwd=cwd)
        if arm == YARDSTICK
        else command(_words(line, arm), metrics=metrics, env=env, steps=steps, cwd=cwd)
        for arm, line in lines.items()
    }
    return _joined(each, lines)


def functions(
    payload: str, labels: Mapping[str, str], cwd: str | None = None
) -> ComparisonWorkload:
    """The comparison of the functions in a pickled `Calls`, each called in processes of its own.

    call_s is the median time of a call within a process, call_p95 and call_p99 are its tails.
    """
    if not Path(payload).is_file():
        raise InputError(f"expected the pickled functions in {payload}; they are gone; verify anew")
    each = {}
    for arm in labels:
        argv = [
            sys.executable,
            "-m",
            "tunewright.measuring.calls",
            payload,
            arm,
            "{dir}/calls.json",
        ]
        each[arm] = command(argv, metrics=["calls=json:{dir}/calls.json:calls:lower"], cwd=cwd)
    shares = {"call_s": 0.5, "call_p95": 0.95, "call_p99": 0.99}
    timed = [
        Metric(name, "lower", LAST, "s", margin=CALL_MARGIN, sample="calls", share=share)
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
    return Program(
        program.name, (), program.argv, program.env, program.cwd, program.timing, program.readers
    )


def _words(line: str, arm: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise InputError(
            f"program {arm}: expected a command line; {error}; got {line!r}"
        ) from error
    if shell := [word for word in words if word in SHELL]:
        raise InputError(
            f"program {arm}: expected words for one program; got {shell[0]!r}, which only a shell "
            f"understands; write \"sh -c '…'\""
        )
    if not words:
        raise InputError(f"program {arm}: expected a command line; got nothing")
    return words
