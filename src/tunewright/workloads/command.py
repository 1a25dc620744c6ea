"""Any program as a workload: knobs are placeholders in its arguments, metrics what it leaves."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

from tunewright import knobs as ready_made
from tunewright.core.conditions import Condition
from tunewright.core.config import Config, Value, digest_of
from tunewright.core.events import encode
from tunewright.core.goal import Goal
from tunewright.core.kinds import HandOver, Kind, Option, Stated
from tunewright.core.knobs import Choice, Knob, Space, requiring
from tunewright.core.metrics import Metric
from tunewright.core.roles import NO_PORTFOLIO, NO_ROWS, Effort, Portfolio, Untouched
from tunewright.errors import InputError, nearest
from tunewright.knobs.offers import Offer
from tunewright.knobs.threading import VARIABLES
from tunewright.machine import probe
from tunewright.workloads.programs.efforts import CHECKPOINT, StatedEffort, read_effort
from tunewright.workloads.programs.knobs import ON_OFF, StatedKnob, knob_name, read_knob
from tunewright.workloads.programs.metrics import StatedMetric, progress_metrics, read_metrics
from tunewright.workloads.programs.options import METRIC, RUNNING, SAME_OUTPUT, TOLERANCE
from tunewright.workloads.programs.outputs import Check, read_check
from tunewright.workloads.programs.pasting import PLACES, command_lines
from tunewright.workloads.programs.placeholders import (
    check_values,
    has_placeholder,
    placeholders_in,
)
from tunewright.workloads.programs.program import LAST, Around, Program
from tunewright.workloads.programs.progress import Progress, read_progress
from tunewright.workloads.programs.spec import CommandSpec, read_codes, read_tolerance
from tunewright.workloads.programs.templates import read_template
from tunewright.workloads.programs.texts import (
    Texts,
    check_names,
    check_places,
    check_program,
    contents,
    line_of,
    stage_of,
    stage_words,
    variables_of,
)
from tunewright.workloads.programs.words import input_waits, notes_on, split_line

CHANCE = {"seed", "split"}  # what is another one for each pair


@final
@dataclass(frozen=True)
class Facts:
    """What a command workload is, for reports: `placement` is the stage of each knob.

    said: further lines on how it is run, each with its label. notes: how texts were read that could
    have meant something else. check: of what it puts out.
    """

    argv: tuple[str, ...]
    steps: Mapping[str, str]
    placement: Mapping[str, str]
    cwd: str
    said: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    check: Check | None = None


@final
@dataclass(frozen=True)
class CommandWorkload:
    """A program, with the steps that prepare it."""

    name: str
    stages: tuple[Program, ...]
    metrics: tuple[Metric, ...]
    baseline: Config
    digest: str
    facts: Facts
    untouched: Untouched = NO_ROWS
    efforts: tuple[Effort, ...] = ()
    portfolio: Portfolio = NO_PORTFOLIO

    def command_lines(self, config: Config) -> dict[str, dict[str, object]]:
        """Each step's words, environment and line for a shell; see `pasting`."""
        return command_lines(self.stages, config)


def command(
    spec: CommandSpec, baseline: Mapping[str, Value] | None = None, stated: Stated | None = None
) -> CommandWorkload:
    """The workload of a program. Raises InputError for anything that cannot be read or run."""
    where = str(Path(spec.cwd or ".").resolve())
    progress = read_progress(spec.progress) if spec.progress else None
    effort = read_effort(spec.effort) if spec.effort else None
    metrics, tests = _metrics(spec, stated, progress)
    readers = tuple(replace(metric.reader, cwd=where) for metric in metrics)
    checked = None if spec.same_output is None else str(spec.same_output)
    check = read_check(checked, spec.tolerance)
    around = Around(
        line_of(spec, "prepare", where),
        line_of(spec, "cleanup", where),
        line_of(spec, "test_command", where),
        tuple(replace(metric.reader, cwd=where) for metric in tests),
    )
    paths = [reader.path for reader in (*readers, *around.readers) if reader.reads_file]
    paths += [check.path] if check and check.path else []
    stdin = [str(spec.stdin)] if spec.stdin else []
    templates = tuple(read_template(text, where) for text in spec.config)
    texts = Texts(stage_words(spec, where), around, variables_of(spec, where), (*paths, *stdin),
                   templates)  # fmt: skip
    names = [knob_name(text) for text in spec.knob]
    check_names(names, [*texts.words][:-1], [template.name for template in templates], effort)
    check_places(texts, names, effort)
    for words in (*texts.words.values(), around.prepare, around.cleanup, around.test):
        check_program(words, where)
    if (
        spec.stdin
        and not has_placeholder(str(spec.stdin))
        and not Path(where, spec.stdin).is_file()
    ):
        raise InputError(f"expected a file as standard input; got {spec.stdin!r} in {where}")
    read, offers = _knobs(spec, texts, where)
    if "threads" in names and "threads" not in texts.reads(texts.every):
        texts = replace(texts, env=(*((name, "{threads}") for name in VARIABLES), *texts.env))
    ordered = [k.knob for stage in texts.words for k in read if k.knob.stage == stage]
    knobs = requiring([*ordered, *(offer.knob for offer in offers)], map(Condition, spec.require))
    space = Space(knobs)
    base = space.asked(_coerced(space, baseline or {}))
    stages = _stages(texts, space.knobs, where, effort)
    continues = CHECKPOINT in texts.reads(texts.every)
    last = replace(
        stages[-1], readers=readers, check=check, baseline=base, offers=offers, around=around,
        stdin=str(spec.stdin or ""), ok_exit=spec.ok_exit, templates=templates,
        progress=progress, effort=effort, continues=continues,
    )  # fmt: skip
    stages = (*stages[:-1], last)
    for stage in stages:
        check_values(stage.argv, {k.name: _values(k) for k in stage.knobs})
    # What differs between two arms, or has chance of its own, is made anew for each pair of runs.
    since = next((s.name for s in stages if s.knobs or CHANCE & placeholders_in(s.argv)), LAST)
    fresh = "split" in texts.reads(texts.every)
    own = [_evidenced(metric.metric, tests, fresh=fresh) for metric in metrics]
    common = _common(paths, texts.words)
    if common:  # two runs at a time would write over each other's
        own = [replace(metric, quiet=True) for metric in own]
    steps = {name: shlex.join(argv) for name, argv in texts.words.items()}
    notes = [*(note for knob in read for note in knob.notes), *_notes(texts.words, metrics)]
    notes += [
        f"{path} is the same file for all runs, so one runs at a time; best let it be in {{dir}}"
        for path in common
    ]
    return CommandWorkload(
        name=" ".join(Path(word).name for word in spec.argv[:2] if not has_placeholder(word)),
        stages=stages,
        metrics=tuple(replace(metric, since=since) for metric in (*_OWN, *own)),
        baseline=base,
        digest=digest_of([encode(replace(spec, cwd=None)), contents(texts, spec, where)]),
        facts=Facts(
            tuple(spec.argv), steps, {knob.name: knob.stage for knob in space.knobs}, where,
            tuple(_said(spec, offers, effort, continues=continues)), tuple(notes), check,
        ),
        efforts=_efforts(effort, progress, metrics, continues=continues),
    )  # fmt: skip


_OWN = (
    Metric("wall_s", "lower", LAST, "s", quiet=True),
    Metric("cpu_s", "lower", LAST, "s", quiet=True),
    Metric("peak_bytes", "lower", LAST, "B", evidence="same data"),
)


STEPS = "steps"  # the effort of a program that tells how far it is


def _efforts(
    effort: StatedEffort | None,
    progress: Progress | None,
    metrics: Sequence[StatedMetric],
    *,
    continues: bool,
) -> tuple[Effort, ...]:
    """How a trial can be made cheaper: it goes less far, or is stopped by what it tells."""
    if effort is not None:
        return (effort.effort(LAST, continues=continues),)
    if progress and {metric.metric.name for metric in metrics} & {*progress.names}:
        return (Effort(STEPS, 1.0, math.inf, halved=True, stage=LAST),)
    return ()


def _metrics(
    spec: CommandSpec, stated: Stated | None, progress: Progress | None
) -> tuple[tuple[StatedMetric, ...], tuple[StatedMetric, ...]]:
    """The metrics that a spec states, and where a verification finds some of them instead."""
    own = [metric.name for metric in _OWN]
    metrics = read_metrics(spec.metric, LAST, stated, own)
    if progress is not None and stated:
        known = {*own, *(metric.metric.name for metric in metrics)}
        metrics += progress_metrics(progress, [n for n in stated if n not in known], LAST, stated)
    better = {m.metric.name: m.metric.better for m in metrics}
    tests = read_metrics(spec.test_metric, LAST, better)
    if bool(spec.test_command) != bool(tests):
        got = "--test-metric alone" if tests else "--test-command alone"
        raise InputError(f"expected --test-command and --test-metric; got {got}; add the other one")
    for name in (test.metric.name for test in tests):
        if name not in better:
            raise InputError(
                f"--test-metric {name!r}: expected a metric that the search reads, too: "
                f"{nearest(name, better)}; add --metric {name}=…"
            )
    return metrics, tests


def _evidenced(metric: Metric, tests: Sequence[StatedMetric], *, fresh: bool) -> Metric:
    """The metric, proven on fresh data where a verification reads other data than the search."""
    other = fresh or metric.name in [test.metric.name for test in tests]
    return replace(metric, evidence="fresh data") if other else metric


def _common(paths: Iterable[str], steps: Iterable[str]) -> list[str]:
    """Those files that all runs share: in no directory of a run's own."""
    own = {"dir", *steps}
    return [path for path in dict.fromkeys(paths) if not placeholders_in([path]) & own]


def _knobs(
    spec: CommandSpec, texts: Texts, where: str
) -> tuple[list[StatedKnob], tuple[Offer, ...]]:
    """The knobs that a spec states, and the ready-made ones that it asks for."""
    cores = spec.cores or max(int(probe().cores_usable), 1)
    read = []
    for text in spec.knob:
        name = knob_name(text)
        read.append(read_knob(text, stage_of(name, texts), cores, where))
    offers = [
        offer
        for name in dict.fromkeys(spec.knobs)
        for offer in ready_made.offered(name, LAST, cores)
    ]
    taken = {stated.knob.name for stated in read} | {*PLACES, *texts.words}
    for offer in offers:
        if offer.knob.name in taken:
            raise InputError(
                f"knob {offer.knob.name!r}: the name is taken by a ready-made one; give yours "
                "another"
            )
    return read, tuple(offers)


def _coerced(space: Space, values: Mapping[str, Value]) -> dict[str, Value]:
    """Values as they may be typed: on and off for a flag, and a number for a text of digits."""
    read = dict(values)
    for name, value in values.items():
        domain = space.by_name[name].domain if name in space.by_name else None
        if not isinstance(domain, Choice) or value in domain.values:
            continue
        if isinstance(domain.values[0], bool) and str(value).lower() in ON_OFF:
            read[name] = ON_OFF[str(value).lower()]
        elif str(value) in domain.values:
            read[name] = str(value)
    return read


def _said(
    spec: CommandSpec, offers: Sequence[Offer], effort: StatedEffort | None, *, continues: bool
) -> list[tuple[str, str]]:
    """How a program is run, beside its words."""
    lines = [
        (name.replace("_", " "), line)
        for name in ("prepare", "cleanup", "test_command")
        if (line := getattr(spec, name))
    ]
    lines += [("stdin", str(spec.stdin))] if spec.stdin else []
    lines += [("good exits", ", ".join(map(str, spec.ok_exit)))] if spec.ok_exit != (0,) else []
    lines += [("require", text) for text in spec.require]
    lines += [(offer.knob.name, offer.about) for offer in offers]
    lines += [("progress", spec.progress)] if spec.progress else []
    if effort is not None:
        on = "goes on, from its checkpoint" if continues else "goes on, anew, without {checkpoint}"
        both = f"the baseline and both arms of the verdict take {effort.full:g}, from nothing"
        lines.append(("effort", f"{effort.told}: of each the best third {on}; {both}"))
    return lines


def _values(knob: Knob) -> Sequence[Value]:
    return knob.domain.values if isinstance(knob.domain, Choice) else (knob.default,)


def _notes(words: Mapping[str, Sequence[str]], metrics: Sequence[StatedMetric]) -> list[str]:
    """What could have been meant otherwise: words for a shell, guessed directions, unread input."""
    notes = [note for argv in words.values() for note in notes_on(argv)]
    notes += [metric.note for metric in metrics if metric.note]
    if input_waits():
        notes.append("the standard input is not handed to the program; say --stdin")
    return notes


def _stages(
    texts: Texts, knobs: Sequence[Knob], where: str, effort: StatedEffort | None
) -> tuple[Program, ...]:
    """The steps and the program, each with its own knobs and the variables that it can read."""
    known, above, stages = {*PLACES}, list[Knob](), list[Program]()
    for name, argv in texts.words.items():
        own = tuple(knob for knob in knobs if knob.stage == name)
        above += own
        known |= {knob.name for knob in own}
        known |= {effort.name} if effort and name == LAST else set()
        env = tuple((key, text) for key, text in texts.env if placeholders_in([text]) <= known)
        read = texts.reads((*texts.of(name), *(text for _, text in env)))
        steps = tuple(stage.name for stage in stages if stage.name in read)
        stages.append(Program(name, own, argv, env, where, steps=steps, known=tuple(above)))
        known.add(name)
    return tuple(stages)


def build(spec: CommandSpec, baseline: Mapping[str, Value], stated: Stated) -> CommandWorkload:
    """The workload; what the goal says about a metric's direction is so."""
    return command(spec, baseline, stated)


def parse(stated: CommandSpec | Sequence[str], said: Mapping[str, Any], _seed: int) -> CommandSpec:
    """The spec that a command line states."""
    read = dict(said)
    if "tolerance" in said:
        read["tolerance"] = read_tolerance(said["tolerance"])
    if "ok_exit" in said:
        read["ok_exit"] = read_codes(said["ok_exit"])
    if "cwd" in said:
        read["cwd"] = str(Path(said["cwd"]).absolute())
    if isinstance(stated, CommandSpec):
        return replace(stated, **read)
    return CommandSpec(tuple(stated), **{"cwd": str(Path.cwd()), **read})


def written(body: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The fields of a spec that a file in this directory states; its program may be one text."""
    where = str(directory / body.get("cwd", "."))
    argv = body.get("argv")
    words: dict[str, tuple[str, ...]] = {}
    if isinstance(argv, str):
        words["argv"] = (argv,) if body.get("shell") else tuple(split_line(argv, "argv", where))
    same = {"same_output": ""} if body.get("same_output") is True else {}
    return {**body, **words, **same, "cwd": where}


_SAME_DATA = "quality is judged on the same data as the search saw"


def describe(workload: CommandWorkload, _goal: Goal, _looks: int) -> list[tuple[str, str]]:
    """The program, its steps, and what is measured."""
    facts, base = workload.facts, workload.baseline
    own = workload.stages[-1].name
    lines = [(f"step {name}", _short(line)) for name, line in facts.steps.items() if name != own]
    words: dict[str, Any] = workload.command_lines(base)[own]
    set_ = [f"{name}={shlex.quote(text)}" for name, text in words["env"].items()]
    first = " ".join([*set_, shlex.join(words["argv"])])
    fresh = any(metric.evidence == "fresh data" for metric in workload.metrics)
    names = ", ".join(metric.name for metric in workload.metrics)
    return [
        ("program", _short(shlex.join(facts.argv))),
        *lines,
        *((name, _short(text)) for name, text in facts.said),
        ("directory", facts.cwd),
        ("output", told_check(facts.check)),
        ("metrics", names if fresh else f"{names}; {_SAME_DATA}"),
        ("baseline", " ".join(f"{knob}={value}" for knob, value in base.items())),
        ("first run", _short(first)),
        *(("note", note) for note in facts.notes),
    ]


def _short(line: str) -> str:
    """A command line on one line: of code that stands in it the beginning and the end."""
    lines = line.split("\n")
    return line if len(lines) == 1 else f"{lines[0]} … {lines[-1]}"


def told_check(check: Check | None) -> str:
    """Whether what is put out is checked, for whoever reads the plan."""
    unchecked = (
        "not checked: a config that puts out something else may win; --same-output checks it"
    )
    return check.told if check else unchecked


def hand_over(
    workload: Callable[[], CommandWorkload], config: Config, _artifact: object
) -> HandOver:
    """The command lines with the knobs filled in."""
    return HandOver({"steps": workload().command_lines(config)})


COMMAND = Kind(
    name="command",
    spec=CommandSpec,
    parse=parse,
    written=written,
    build=build,
    describe=describe,
    hand_over=hand_over,
    takes="program",
    options=(
        Option("knob", "What may change; also NAME=DEFAULT:A,B,C, NAME=off:flag, …:STEP, …:x2, "
               "and behind it 'when CONDITION'.", "NAME=DEFAULT:LOW..HIGH[:log]", many=True),
        Option("knobs", "Ready-made ones; see 'tunewright knobs'.", "NAME,…", many=True),
        Option("require", "What must hold between knobs: 'threads * workers <= 4'.", "CONDITION",
               many=True),
        METRIC,
        Option("step", "A step before it; {NAME} is its directory.", "NAME=COMMAND", many=True),
        Option("config", "A file in which knobs are filled in; {NAME} is its path.", "NAME=FILE",
               many=True),
        *RUNNING,
        Option("cwd", "Where it runs.", "DIR"),
        Option("test-command", "Run after it in the verification alone.", "COMMAND"),
        Option("test-metric", "Where the verification finds a metric instead.", "NAME=SOURCE",
               many=True),
        Option("progress", "Lines that tell how far it is: 'regex:epoch (\\d+).*acc=(\\S+)'.",
               "regex:PATTERN"),
        Option("effort", "How far a run goes: {NAME} stands for it, and {checkpoint} for a "
               "directory from which it goes on.", "NAME=LOW..HIGH"),
        SAME_OUTPUT,
        TOLERANCE,
    ),
    called=lambda spec: Path(spec.argv[0]).name,
    same_output=lambda spec: spec.same_output is not None,
)  # fmt: skip
