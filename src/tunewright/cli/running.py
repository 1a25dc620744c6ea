"""Running a study in a terminal: what happens while it runs, and what it ends with."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

import click

from tunewright import planning, session
from tunewright.cli.lines import Display, Lines, Silence, check_output, columns
from tunewright.core.config import Config
from tunewright.core.events import Ended, Event, Finished, Refitted, Reported, Started
from tunewright.core.goal import Goal
from tunewright.core.history import DRIVER_RESTART, History
from tunewright.core.metrics import Metric
from tunewright.core.preference import ranked
from tunewright.core.registry import resolve
from tunewright.core.trial import Measurement
from tunewright.core.units import format_quantity
from tunewright.core.verdict import Decision
from tunewright.deploying.bundle import INDEX
from tunewright.deploying.deploy import asked_for, deploy, learned_from, used
from tunewright.errors import InputError
from tunewright.planning import Request
from tunewright.reporting.configs import in_full, in_short, naming_of
from tunewright.reporting.formats import to_json
from tunewright.reporting.phrases import headline
from tunewright.reporting.reasons import short_of
from tunewright.reporting.summary import Summary, summary
from tunewright.reporting.text import command_lines, render_text
from tunewright.reporting.words import Language, say
from tunewright.running.cache import ArtifactCache
from tunewright.storing.journal import FILE

PHASES = {
    "refit": "refitting both on all but the test rows",
    "pair": "pairs of fresh processes",
}
PANEL = "tunewright.cli.panel:Panel"  # its library is for terminals alone
PANELS = 60  # columns that one needs
Advice = Callable[[session.Result], Iterable[str]]
BUNDLE, REPORT = "bundle", "report.html"
START_S = 10.0  # a command needs no longer to start, however busy the machine is
RENDER = "tunewright.reporting.html:render_html"  # the page's libraries take a while to import


def started_s() -> float:
    """When this process started, on the monotonic clock: what the user has waited for.

    One that is older than a start takes did something else before it was asked.
    """
    try:
        ticks = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):  # not Linux
        age_s = 0.0
    return time.monotonic() - (age_s if age_s < START_S else 0.0)


@final
@dataclass(frozen=True)
class Telling:
    """How much is said. quiet: the verdict, and what was written. json: where the result goes.

    With "-" it goes to the standard output, and nothing else does.
    """

    quiet: bool = False
    json: str = ""

    @property
    def silent(self) -> bool:
        """Whether nothing is said while a study runs."""
        return self.quiet or self.json == "-"

    def check(self) -> None:
        """Refuse now what could not be written at the end."""
        if self.json == "-":
            check_output()
        parent = Path(self.json).absolute().parent
        if self.json not in ("", "-") and not (parent.is_dir() and os.access(parent, os.W_OK)):
            raise InputError(
                f"--json: expected a place to write; got {self.json}; name another one"
            )


ALL = Telling()


def telling(command: Callable[..., int]) -> Callable[..., int]:
    """The command with the options of a Telling."""
    quiet = click.option("--quiet", is_flag=True, help="Say the verdict, and what was written.")
    said = 'Write the result there; "-" is the standard output, where nothing else is said then.'
    return quiet(click.option("--json", "json_", metavar="FILE", default="", help=said)(command))


@contextmanager
def _display(goal: Goal, budget: str, name: str, tell: Telling) -> Iterator[Display]:
    """A panel in a terminal that can hold one, else lines; nothing where that was asked."""
    if tell.silent:
        yield Silence()
    elif sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and columns() >= PANELS:
        make: Callable[[str, Goal, str], Any] = resolve(PANEL)
        with make(name, goal, budget) as panel:
            yield panel
    else:
        with Lines() as lines:
            yield lines


def run(
    request: Request,
    goal: Goal,
    start: Callable[[session.Watch], session.Result],
    tell: Telling = ALL,
    advice: Advice = lambda _: (),
) -> int:
    """Run a study, print what it finds, and give the exit code. advice: what to say last."""
    try:
        with _display(goal, request.budget, request.name, tell) as display:
            result = start(_Progress(goal, display))
    except session.Interrupted as interrupted:
        click.echo(_best_so_far(interrupted.result), err=True)
        click.echo(str(interrupted), err=True)
        return 130
    return conclude(result, tell, advice)


def conclude(result: session.Result, tell: Telling = ALL, advice: Advice = lambda _: ()) -> int:
    """Print a finished study's summary, write its bundle and report, and give the exit code."""
    if not tell.silent:
        click.echo("\n" + render_text(summary(result.history, result.goal), columns()))
    bundle, verdict = deploy(result), result.verdict
    found = explained(shown(result.directory, result.history), result)
    report = write_report(found, result.directory / REPORT)
    if tell.json:
        _write_json(found, tell.json)
    if tell.json != "-":
        if tell.quiet:
            click.echo(headline(found))
        for line in (*command_lines(found), *advice(result)):
            click.echo(line)
        if bundle is not None:
            if rows := learned_from(result):
                click.echo(f"model   {rows}")
            if inputs := asked_for(bundle):
                click.echo(f"inputs  {inputs}")
            use = used(bundle)
            click.echo(f"bundle  {bundle}" + (f"  ({use})" if use else ""))
        click.echo(f"report  {report}")
    return 0 if verdict is not None and verdict.decision is Decision.ACCEPT else 1


def _write_json(found: Summary, place: str) -> None:
    text = to_json(found)
    if place == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(place).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"--json: expected a place to write; got {place}: {error.strerror}"
        ) from error


def shown(directory: Path, history: History) -> Summary:
    """The summary of a study with what its directory adds: what is handed over, and a date."""
    study = summary(history, session.goal_of(history))
    written_s = (directory / FILE).stat().st_mtime
    date = datetime.fromtimestamp(written_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z")
    winning = study.verdict is not None and study.handed_over
    index = _index(directory / BUNDLE) if winning else {}
    commands = {name: step["line"] for name, step in index.get("steps", {}).items()}
    return replace(study, date=date, commands=commands, inputs=index.get("inputs", ""))


def explained(study: Summary, result: session.Result) -> Summary:
    """The summary with what the model that is handed over makes of its columns.

    It is told of the model that was judged: of one that learned from every row no row is left.
    Nothing is told of a study that an older version began: its models are not read.
    """
    verdict = result.verdict
    if verdict is None or not verdict.key:
        return study
    try:
        request = session.request_of(result.history, result.directory)
    except InputError:  # an older version's, whose models this one does not read
        return study
    kept = ArtifactCache(result.directory / "artifacts").get(verdict.key)
    if kept is None:
        return study
    metric, importance = planning.kind_of(request.kind).importance(kept.artifact)
    return replace(
        study, importance=tuple(importance), importance_of=metric, learned_from=learned_from(result)
    )


def _index(bundle: Path) -> dict[str, Any]:
    """What a bundle says of itself; {} where there is none."""
    try:
        index: dict[str, Any] = json.loads((bundle / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return index


def write_report(study: Summary, path: Path, language: Language = "en") -> Path:
    """Write the page, and say where. Raises InputError where nothing can be written."""
    render: Callable[[Summary, Language], str] = resolve(RENDER)
    try:
        path.write_text(render(study, language), encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"expected a place to write the report; got {path}: {error.strerror}; say --output"
        ) from error
    return path


@final
@dataclass
class _Progress:
    """Prints a line for each new best and each phase, and for the first failures of a kind."""

    goal: Goal
    lines: Display
    best: str = ""
    said: dict[str, int] = field(default_factory=dict)  # by config: on how much evidence
    found: str = ""
    phase: str = field(default="search")
    look: int = 0
    far: str = ""

    def __call__(self, event: Event, history: History) -> None:
        at_s = event.elapsed_s
        match event:
            case Started(_, trial) if trial.purpose.look > max(self.look, 1):
                self.look = trial.purpose.look
                self.lines.say(at_s, "verification: not proven; the next candidate has a look")
            case Started(_, trial) if trial.purpose.kind != self.phase:
                self.phase = trial.purpose.kind
                self.lines.say(at_s, f"verification: {PHASES.get(self.phase, self.phase)}")
            case Ended(_, _, _, Measurement(detail=detail)) if detail == DRIVER_RESTART:
                pass
            case Ended(_, _, _, measurement) if measurement.detail:
                how = f"{measurement.outcome.value}: {measurement.detail}"
                self.lines.say(
                    at_s, f"{self._whose(event.number, history)} ended as {how}", like=how
                )
            case Ended() if self.phase == "search":
                self._search(event, history)
            case Finished():
                self.lines.say(at_s, "done")
            case Reported():
                self.far = _how_far(event)
            case Refitted(_, split, key, detail):
                rows = "every row" if split == "all" else "all but the test rows"
                self.lines.say(
                    at_s, f"fitted on {rows}" if key else f"not fitted on {rows}: {detail}"
                )
            case _:
                pass
        self.lines.passed(at_s, self._doing(history))
        self.lines.saw(history)

    def _doing(self, history: History) -> str:
        """What is said after a silence."""
        far = f"; {self.far}" if self.far and history.running else ""
        if self.phase == "search":
            return f"{len(history)} trials; {self.found or 'nothing better so far'}{far}"
        done = sum(trial.purpose.kind == self.phase for trial, _ in history.ended())
        what = "refits" if self.phase == "refit" else "runs of pairs"
        return f"verification: {done} {what} so far{far}"

    def _whose(self, number: int, history: History) -> str:
        """The config of a trial that has ended just now, or was lost."""
        latest = (trial for trial, _ in history.ended(max(len(history) - 1, 0)))
        found = (t for t in (*history.lost, *latest) if t.number == number)
        config = next((trial.subject for trial in found), Config({}))
        baseline = ranked(self.goal, history).baseline
        base = baseline.config if baseline else config
        told = naming_of(history.opened, base).told(config)
        return in_short(told) or "the baseline"

    def _search(self, event: Event, history: History) -> None:
        state = ranked(self.goal, history)
        best = state.leading()
        if best is None or best.config.id == self.best:
            return
        self.best = best.config.id
        base = state.baseline if best is not state.baseline else None
        values = []
        for metric in self.goal.metrics:
            value = best.value(metric)
            if value is not None:
                before = base.value(metric) if base else None
                values.append(f"{metric_text(metric, value)}{_as_multiple(metric, value, before)}")
        first = state.baseline.config if state.baseline else Config({})
        changed = naming_of(history.opened, first).told(best.config)
        objective = self.goal.objectives[0]
        known = best.pieces(objective)
        folds = f" on {known} folds" if objective.evidence == "rows" and known > 1 else ""
        text = f"{', '.join(values)}{folds}   {in_short(changed) or say('baseline', 'en')}"
        self.found = f"best so far {text}" if changed else ""
        if self.said.get(best.config.id, 0) >= known:
            return  # two that are about as good take turns: that is no news
        self.said[best.config.id] = known
        self.lines.say(event.elapsed_s, text)
        if changed:
            return
        if short := short_of(summary(history, self.goal)):
            self.lines.say(event.elapsed_s, short)


def _how_far(event: Reported) -> str:
    """How far a running trial has told to be."""
    values = [f"{name} {sample.values[0]:.4g}" for name, sample in event.samples.items()]
    return f"trial {event.number} at {', '.join([f'step {event.step:g}', *values])}"


def metric_text(metric: Metric, value: float) -> str:
    """A metric and its value."""
    return f"{metric.name} {format_quantity(value, metric.unit)}"


def _as_multiple(metric: Metric, value: float, base: float | None) -> str:
    """The value as a multiple of the baseline's, for times and sizes: others may be negative."""
    positive = metric.unit in ("s", "B") and base is not None and min(value, base) > 0
    return f" ({value / base:.3g}×)" if positive and base else ""


def _best_so_far(result: session.Result) -> str:
    goal = result.goal
    best = ranked(goal, result.history).leading()
    if best is None:
        return "interrupted before anything was measured"
    values = [(m, best.value(m)) for m in goal.metrics]
    shown = ", ".join(metric_text(m, v) for m, v in values if v is not None)
    told = naming_of(result.history.opened, Config({})).told(best.config)
    return f"best so far, not verified: {shown}   {in_full(told)}"
