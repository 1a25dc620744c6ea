"""`tunewright verify`."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import click

from tunewright import comparing, planning, session
from tunewright.cli.lines import Lines, columns
from tunewright.cli.running import started_s
from tunewright.comparing import Programs, Question, Sampling
from tunewright.core.events import Ended, Event, Opened
from tunewright.core.history import History
from tunewright.core.metrics import Metric
from tunewright.core.roles import Workload
from tunewright.core.trial import Outcome
from tunewright.core.units import format_quantity, parse_quantity
from tunewright.core.verdict import ALPHA, MIN_PAIRS, Decision, alpha_of
from tunewright.errors import InputError
from tunewright.planning import Request
from tunewright.reporting.comparison import COLUMN as LABELS
from tunewright.reporting.formats import (
    to_json,
    to_json_of,
    to_junit,
    to_junit_of,
    to_markdown,
    to_markdown_of,
)
from tunewright.reporting.layout import labelled
from tunewright.reporting.phrases import headline
from tunewright.reporting.reasons import short_of
from tunewright.reporting.summary import Summary, summary
from tunewright.reporting.text import render_text
from tunewright.reporting.words import say
from tunewright.running.chain import FAILURES
from tunewright.session import Result
from tunewright.several import Compared, resume_all, verify_all
from tunewright.several import labelled as labelled_lines
from tunewright.stats.pairs import early
from tunewright.storing.studies import Studies
from tunewright.verifying.pairs import looks
from tunewright.workloads.comparison import NEW, OLD
from tunewright.workloads.programs.options import METRIC, RUNNING
from tunewright.workloads.programs.program import DIFFERENCE
from tunewright.workloads.programs.spec import read_codes, read_tolerance

BARE = "--same-output"
ASKED = "asked.json"  # beside a study: where its result is to be written
SEVERAL = {"json_": to_json_of, "markdown": to_markdown_of, "junit": to_junit_of}
WRITTEN = {"json_": to_json, "markdown": to_markdown, "junit": to_junit}
PLACES = ("save", "json_", "markdown", "junit")
ASKING = ("minimize", "maximize", "noninferior", "equivalent", "json_", "markdown", "junit")
CODES = {Decision.ACCEPT: 0, Decision.REJECT: 1, Decision.INCONCLUSIVE: 3}


def _with_running(command: Callable[..., int]) -> Callable[..., int]:
    """The command with the options of how a program is run and read."""
    for option in reversed((METRIC, *RUNNING)):
        made = click.option(
            f"--{option.name}", option.target, multiple=option.many, metavar=option.metavar,
            help=option.help, is_flag=False, flag_value=option.bare,
        )  # fmt: skip
        command = made(command)
    return command


@final
class VerifyCommand(click.Command):
    """Takes no program for the value of `--same-output`, which may stand alone before them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; with one program too few, the word behind --same-output is the one."""
        typed, rest = list(args), super().parse_args(ctx, args)
        alone = ctx.params["save"] or ctx.params["against"]
        if len(ctx.params["programs"]) == (0 if alone else 1) and BARE in typed:
            ctx.params.clear()
            typed[typed.index(BARE)] = f"{BARE}="
            return super().parse_args(ctx, typed)
        return rest


@click.command(cls=VerifyCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("programs", nargs=-1, metavar="OLD NEW …")
@click.option("--minimize", multiple=True, metavar="METRIC", help="Must get smaller: wall_s.")
@click.option("--maximize", multiple=True, metavar="METRIC", help="Must get larger.")
@click.option("--noninferior", multiple=True, metavar="'METRIC: MARGIN'",
              help="Must not get worse by more: 'acc: 0.002', 'peak_bytes: 5%'.")  # fmt: skip
@click.option("--equivalent", multiple=True, metavar="'METRIC: MARGIN'",
              help="Must not change by more.")  # fmt: skip
@_with_running
@click.option("--timeout", metavar="TIME", help="Wall time of one run, at most.")
@click.option("--budget", default="60s", show_default=True, help="Wall time, at most.")
@click.option("--pairs", default=comparing.PAIRS, show_default=True,
              type=click.IntRange(MIN_PAIRS, comparing.MOST_PAIRS),
              help="Pairs of processes, at most.")  # fmt: skip
@click.option(BARE, is_flag=False, flag_value="", metavar="[PATTERN|FILE]",
              help="Both must put out the same: all, a pattern's matches, a file.")  # fmt: skip
@click.option("--tolerance", metavar="SHARE", help="By how much numbers in it may differ: 1e-6.")
@click.option("--ignore-failures", is_flag=True, help="Compare the runs that end well.")
@click.option("--save", type=click.Path(path_type=Path), help="Measure OLD alone, for later.")
@click.option("--against", type=click.Path(path_type=Path), help="Compare with what was saved.")
@click.option("--json", "json_", type=click.Path(path_type=Path), help="Write the result there.")
@click.option("--markdown", type=click.Path(path_type=Path), help="The same as Markdown.")
@click.option("--junit", type=click.Path(path_type=Path), help="The same as JUnit's XML.")
@click.option("--seed", default=0, show_default=True, help="Of the order, and of {seed}.")
def command(programs: Sequence[str], **options: Any) -> int:
    """Say whether NEW is really better than OLD: by pairs of fresh processes in random order.

    Each of several is held against the first, and all of them share one error.

    Exit code 0: everything asked for is proven. 1: something is refuted. 3: not enough evidence.

    \b
    tunewright verify "python old.py" "python new.py"
    tunewright verify --save baseline.json "python app.py"
    tunewright verify --against baseline.json "python app.py"
    """  # noqa: D301 - click wants the character itself
    began_s = started_s()
    _check(programs, options)
    read = _programs(options)
    sampling = Sampling(options["budget"], options["pairs"], options["seed"])
    if options["save"]:
        return _save(programs[0], read, sampling, options["save"])
    question = Question(
        options["minimize"], options["maximize"], options["noninferior"], options["equivalent"],
        False if options["same_output"] is None else options["same_output"],
        read_tolerance(options["tolerance"]), options["ignore_failures"],
    )  # fmt: skip
    if len(programs) > 2:
        return _several(programs, read, question, sampling, options)
    if options["against"]:
        saved = comparing.read_saved(options["against"])
        request, workload = comparing.gated(saved, programs[0], read, question, sampling)
    else:
        arms = dict(zip((OLD, NEW), programs, strict=True))
        request, workload = comparing.compared(arms, read, question, sampling)
    places = {name: str(options[name].absolute()) for name in WRITTEN if options[name]}
    watch = PairLines(*_first(request, question, workload.metrics), Lines(), places)
    return conclude(
        lambda: session.begin(request, workload=workload, watch=watch, began_s=began_s), watch
    )


def _programs(options: Mapping[str, Any]) -> Programs:
    """How the programs are run and read."""
    codes, timeout = options["ok_exit"], options["timeout"]
    said = {o.target: options[o.target] for o in RUNNING if o.name not in ("env", "ok-exit")}
    return Programs(
        tuple(options["metric"]), tuple(options["env"]), **said,
        ok_exit=read_codes(codes) if codes else (0,),
        timeout_s=parse_quantity(timeout, "s") if timeout else None,
    )  # fmt: skip


def _several(
    programs: Sequence[str],
    read: Programs,
    question: Question,
    sampling: Sampling,
    options: Mapping[str, Any],
) -> int:
    """Hold each against the first, one after the other, and say what all of them together show."""

    def watching(request: Request, workload: Workload) -> PairLines:
        first, second = _arms(request)
        click.echo(f"{second} held against {first}: {request.workload.lines[second]}")
        return PairLines(*_first(request, question, workload.metrics), Lines())

    return _all_of(
        lambda: verify_all(
            programs, question=question, sampling=sampling, programs=read, watching=watching
        ),
        options,
    )


def _all_of(start: Callable[[], list[Compared]], options: Mapping[str, Any]) -> int:
    """Run comparisons that share one error, print and write what they found."""
    try:
        found = start()
    except session.Interrupted as interrupted:
        click.echo(str(interrupted), err=True)
        return 130
    each = [
        replace(summary(one.result.history, one.result.goal), verdict=one.verdict) for one in found
    ]
    for one, shown in zip(found, each, strict=True):
        click.echo("\n" + render_text(shown, columns()), nl=False)
        click.echo(f"report    tunewright report {one.result.directory.name}")
    click.echo("\n" + say("several", "en", n=len(found), alpha=alpha_of(1)))
    for one, shown in zip(found, each, strict=True):
        level = say("error level", "en", alpha=one.verdict.alpha)
        click.echo(f"{one.arm}  {headline(shown)}   {level}")
    for name in WRITTEN:
        if options.get(name):
            _put(name, options[name], SEVERAL[name](each))
    decisions = {one.verdict.decision for one in found}
    if Decision.REJECT in decisions:
        return CODES[Decision.REJECT]
    return CODES[Decision.ACCEPT if decisions == {Decision.ACCEPT} else Decision.INCONCLUSIVE]


def resume(directory: Path, request: Request, history: History, began_s: float) -> int:
    """Go on with a comparison that was interrupted."""
    opened = history.opened
    assert opened is not None
    goal = session.goal_of(history)
    metric = next(iter(goal.objectives), opened.metrics[0])
    if request.proof.series is not None:

        def watching(asked: Request, _: Workload) -> PairLines:
            first, second = _arms(asked)
            click.echo(f"{second} held against {first}: {asked.workload.lines[second]}")
            return PairLines(metric, (first, second), Lines())

        return _all_of(lambda: resume_all(directory, watching), {})
    watch = PairLines(metric, _arms(request), Lines(), _kept(directory))
    return conclude(lambda: session.resume(directory, watch=watch, began_s=began_s), watch)


def _kept(directory: Path) -> dict[str, str]:
    """Where the result was to be written when the comparison began."""
    try:
        body = json.loads((directory / ASKED).read_text(encoding="utf-8"))
        return {name: str(body[name]) for name in WRITTEN if name in body}
    except (OSError, ValueError, TypeError):
        return {}


def conclude(start: Callable[[], Result], watch: PairLines) -> int:
    """Run a comparison, print and write what it found, and give the exit code."""
    try:
        with watch.lines:
            result, code = start(), None
    except session.Interrupted as interrupted:
        result, code = interrupted.result, 130
        click.echo(str(interrupted), err=True)
    shown = summary(result.history, result.goal)
    if code is not None:
        shown = replace(shown, verdict=session.verdict_so_far(result))
        click.echo("interrupted: what follows is no verdict, but what the pairs say so far\n")
    text = render_text(shown, columns())
    if code is not None and shown.verdict is not None:
        text = text.replace(f"{shown.verdict.decision.name}: ", "SO FAR: ", 1)
    click.echo("\n" + text, nl=False)
    verdict = shown.verdict
    difference = result.directory / FAILURES / DIFFERENCE
    if difference.is_file():
        told = f"one run beside the other: {difference.read_text(encoding='utf-8')}"
        click.echo("\n".join(labelled("outputs", told, columns(), LABELS)))
    if code is None:
        _write(shown, watch.places)
        code = CODES[verdict.decision] if verdict else 3
        click.echo(f"report    tunewright report {result.directory.name}")
    return code


@final
@dataclass
class PairLines:
    """Prints a line for each pair as it comes, and one for each run that fails."""

    metric: Metric
    names: tuple[str, str]
    lines: Lines
    places: Mapping[str, str] = field(default_factory=dict)
    shown: int = 0
    kept: bool = False
    warned: bool = False

    def __call__(self, event: Event, history: History) -> None:
        """Print what this event brought."""
        if isinstance(event, Opened) or not history.last_number:
            return
        self._keep(history)
        self.lines.passed(event.elapsed_s, f"pair {self.shown + 1} is running")
        if not isinstance(event, Ended):
            return
        if event.measurement.outcome not in (Outcome.OK, Outcome.STOPPED, Outcome.LOST):
            self._failed(event, history)
        self._warn(event, history)
        look = looks(history).get(1)
        complete = look.complete() if look else []
        if len(complete) <= self.shown:
            return
        self.shown = len(complete)
        values = [[self.metric.of(m.samples) for m in pair] for pair in complete]
        pairs = [(a, b) for a, b in values if a is not None and b is not None and min(a, b) > 0]
        if (None in values[-1]) or not pairs or pairs[-1] != tuple(values[-1]):
            line = f"pair {self.shown:<3} {self.metric.name} not measured in both"
            self.lines.say(event.elapsed_s, line, like="not measured in both")
            return
        first, second = (
            f"{name} {format_quantity(value, self.metric.unit)}"
            for name, value in zip(self.names, pairs[-1], strict=True)
        )
        ratio = f"{_multiple(pairs[-1][1] / pairs[-1][0])}×"
        line = f"pair {self.shown:<3} {first}   {second}   {ratio}   {self._so_far(pairs)}"
        self.lines.say(event.elapsed_s, line.rstrip())

    def _warn(self, event: Ended, history: History) -> None:
        """Print that the budget will not do, once both have run on a warm machine."""
        look = looks(history).get(1)
        if self.warned or look is None or not look.complete():
            return
        self.warned = True
        if short := short_of(summary(history, session.goal_of(history))):
            self.lines.say(event.elapsed_s, short)

    def _failed(self, event: Ended, history: History) -> None:
        """Print how a run failed; of many that fail alike the first few say enough."""
        outcome, detail = event.measurement.outcome.value, event.measurement.detail
        ((trial, _),) = history.ended(len(history) - 1)
        arm = self.names[0] if trial.purpose.arm == "baseline" else self.names[1]
        warm_up = trial.purpose.block < 0
        run = f"the warm-up of {arm}, which does not count," if warm_up else f"a run of {arm}"
        line = f"{run} ended as {outcome}: {detail}"
        if event.measurement.outcome is Outcome.TIMEOUT:  # nobody has set its limit
            line = say("overdue", "en", arm=arm, limit=format_quantity(trial.limit_s, "s"))
        self.lines.say(event.elapsed_s, line, like=line)

    def _keep(self, history: History) -> None:
        """Note beside the study where its result is to be written: it may be resumed."""
        if self.places and not self.kept and history.opened is not None:
            path = Studies().root / history.opened.study / ASKED
            path.write_text(json.dumps(self.places), encoding="utf-8")
            self.kept = True

    def _so_far(self, pairs: Sequence[tuple[float, float]]) -> str:
        interval = early([math.log(b / a) for a, b in pairs], ALPHA)
        if not math.isfinite(interval.low):
            return ""
        ends = (math.exp(min(end, 700)) for end in (interval.estimate, interval.low, interval.high))
        middle, low, high = (_multiple(end) if end < 1e6 else "∞" for end in ends)
        return f"so far {middle}× [{low}, {high}]"


def _multiple(ratio: float) -> str:
    """A ratio in as many digits as tell it from 1."""
    return f"{ratio:.3f}" if 0.01 <= ratio < 10 else f"{ratio:.3g}"


def _first(
    request: Request, question: Question, metrics: Sequence[Metric]
) -> tuple[Metric, tuple[str, str]]:
    """The metric whose pairs are printed, and the names of both arms."""
    wanted = [*question.minimize, *question.maximize]
    metric = next((m for m in metrics if m.name in wanted[:1]), metrics[0])
    return metric, _arms(request)


def _arms(request: Request) -> tuple[str, str]:
    first, *_, second = planning.kind_of(request.kind).arms(request.workload)
    return first, second


def _check(programs: Sequence[str], options: Mapping[str, Any]) -> None:
    alone = options["save"] or options["against"]
    if options["save"] and options["against"]:
        raise InputError("expected --save or --against; got both; run one after the other")
    if alone and options["same_output"] is not None:
        raise InputError("expected two programs with --same-output, as no output is saved; omit it")
    asked = [name for name in ASKING if options["save"] and options[name]]
    if asked:
        raise InputError(
            f"expected --save without --{asked[0].rstrip('_')}, as it only measures; omit it"
        )
    for name in PLACES:
        _check_writable(name.rstrip("_"), options[name])
    if len(programs) > 2 and not alone:
        labelled_lines(programs)
    elif len(programs) != (1 if alone else 2):
        wanted = "one program" if alone else "two programs, each in quotes"
        raise InputError(
            f"expected {wanted}; got {len(programs)}; "
            'such as: tunewright verify "python old.py" "python new.py"'
        )


def _check_writable(option: str, path: Path | None) -> None:
    """Refuse now what could not be written at the end."""
    if path is None:
        return
    parent = path.absolute().parent
    if path.is_dir() or not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"--{option}: expected a place to write; got {path}; name another one")


def _save(line: str, read: Programs, sampling: Sampling, path: Path) -> int:
    """Measure a program beside the yardstick and keep what it gave."""
    request, workload = comparing.measured(line, read, sampling)
    try:
        with Lines() as lines:
            watch = PairLines(*_first(request, Question(), workload.metrics), lines)
            result = session.begin(request, workload=workload, watch=watch)
    except session.Interrupted:
        click.echo("interrupted; nothing was saved", err=True)
        return 130
    saved = comparing.saved_from(result, workload, line, read)
    comparing.save(saved, path)
    click.echo(f"saved   {len(saved.runs['wall_s'])} runs of {line!r} in {path}")
    return 0


def _write(shown: Summary, places: Mapping[str, str]) -> None:
    for name, path in places.items():
        _put(name, path, WRITTEN[name](shown))


def _put(name: str, path: str | Path, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        option = name.rstrip("_")
        raise InputError(
            f"--{option}: expected a place to write; got {path}: {error.strerror}"
        ) from error
