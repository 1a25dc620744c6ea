"""Any program as a workload: knobs are placeholders in its arguments, metrics what it leaves."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
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
from tunewright.workloads.programs.knobs import ON_OFF, StatedKnob, knob_name, read_knob
from tunewright.workloads.programs.metrics import StatedMetric, read_metrics
from tunewright.workloads.programs.outputs import Check, read_check
from tunewright.workloads.programs.pasting import PLACES, command_lines
from tunewright.workloads.programs.placeholders import (
    check_plain,
    check_values,
    escaped,
    has_placeholder,
    placeholders_in,
)
from tunewright.workloads.programs.program import LAST, Around, Program
from tunewright.workloads.programs.progress import read_progress
from tunewright.workloads.programs.spec import CommandSpec, read_codes, read_tolerance
from tunewright.workloads.programs.templates import Template, read_template
from tunewright.workloads.programs.words import (
    checked_words,
    input_waits,
    notes_on,
    read_env_file,
    split_line,
    split_named,
    split_variable,
)

SETUP = "setup"  # the step that is run once
CHANCE = {"seed", "split"}  # what is another one for each pair
_SMALL_BYTES = 2**24  # a larger file is known by its size and time


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


@final
@dataclass(frozen=True)
class _Texts:
    """Every text of a spec that may hold placeholders, by who reads it.

    words: of the steps and the program. around: of what is run beside it. env: variables. paths: of
    what is read when it has run, and of its standard input. templates: files that are filled in.
    """

    words: Mapping[str, tuple[str, ...]]
    around: Around
    env: tuple[tuple[str, str], ...]
    paths: tuple[str, ...]
    templates: tuple[Template, ...]

    def of(self, stage: str) -> list[str]:
        """The texts that a stage reads, variables left out."""
        if stage != LAST:
            return list(self.words[stage])
        around = (self.around.prepare, self.around.cleanup, self.around.test)
        return [*self.words[stage], *(word for words in around for word in words), *self.paths]

    @property
    def variables(self) -> list[str]:
        """The texts of the environment."""
        return [text for _, text in self.env]

    def reads(self, texts: Iterable[str]) -> set[str]:
        """The names that texts read, also by the files with placeholders that they name."""
        names = placeholders_in(texts)
        return names.union(*(each.reads for each in self.templates if each.name in names))

    @property
    def every(self) -> list[str]:
        """All texts."""
        return [*(text for stage in self.words for text in self.of(stage)), *self.variables]


def command(
    spec: CommandSpec, baseline: Mapping[str, Value] | None = None, stated: Stated | None = None
) -> CommandWorkload:
    """The workload of a program. Raises InputError for anything that cannot be read or run."""
    where = str(Path(spec.cwd or ".").resolve())
    metrics, tests = _metrics(spec, stated)
    readers = tuple(replace(metric.reader, cwd=where) for metric in metrics)
    checked = None if spec.same_output is None else str(spec.same_output)
    check = read_check(checked, spec.tolerance)
    around = Around(
        _line(spec, "prepare", where),
        _line(spec, "cleanup", where),
        _line(spec, "test_command", where),
        tuple(replace(metric.reader, cwd=where) for metric in tests),
    )
    paths = [reader.path for reader in (*readers, *around.readers) if reader.reads_file]
    paths += [check.path] if check and check.path else []
    stdin = [str(spec.stdin)] if spec.stdin else []
    templates = tuple(read_template(text, where) for text in spec.config)
    texts = _Texts(_stage_words(spec, where), around, _variables(spec, where), (*paths, *stdin),
                   templates)  # fmt: skip
    names = [knob_name(text) for text in spec.knob]
    _check_names(names, [*texts.words][:-1], [template.name for template in templates])
    _check_places(texts, names)
    for words in (*texts.words.values(), around.prepare, around.cleanup, around.test):
        _check_program(words, where)
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
    stages = _stages(texts, space.knobs, where)
    last = replace(
        stages[-1], readers=readers, check=check, baseline=base, offers=offers, around=around,
        stdin=str(spec.stdin or ""), ok_exit=spec.ok_exit, templates=templates,
        progress=read_progress(spec.progress) if spec.progress else None,
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
        digest=digest_of([encode(replace(spec, cwd=None)), _contents(texts, spec, where)]),
        facts=Facts(
            tuple(spec.argv), steps, {knob.name: knob.stage for knob in space.knobs}, where,
            tuple(_said(spec, offers)), tuple(notes), check,
        ),
    )  # fmt: skip


_OWN = (
    Metric("wall_s", "lower", LAST, "s", quiet=True),
    Metric("cpu_s", "lower", LAST, "s", quiet=True),
    Metric("peak_bytes", "lower", LAST, "B", evidence="same data"),
)


def _metrics(
    spec: CommandSpec, stated: Stated | None
) -> tuple[tuple[StatedMetric, ...], tuple[StatedMetric, ...]]:
    """The metrics that a spec states, and where a verification finds some of them instead."""
    metrics = read_metrics(spec.metric, LAST, stated, [metric.name for metric in _OWN])
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
    spec: CommandSpec, texts: _Texts, where: str
) -> tuple[list[StatedKnob], tuple[Offer, ...]]:
    """The knobs that a spec states, and the ready-made ones that it asks for."""
    cores = spec.cores or max(int(probe().cores_usable), 1)
    read = []
    for text in spec.knob:
        name = knob_name(text)
        read.append(read_knob(text, _stage_of(name, texts), cores, where))
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


def _said(spec: CommandSpec, offers: Sequence[Offer]) -> list[tuple[str, str]]:
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


def _stages(texts: _Texts, knobs: Sequence[Knob], where: str) -> tuple[Program, ...]:
    """The steps and the program, each with its own knobs and the variables that it can read."""
    known, above, stages = {*PLACES}, list[Knob](), list[Program]()
    for name, argv in texts.words.items():
        own = tuple(knob for knob in knobs if knob.stage == name)
        above += own
        known |= {knob.name for knob in own}
        env = tuple((key, text) for key, text in texts.env if placeholders_in([text]) <= known)
        read = texts.reads((*texts.of(name), *(text for _, text in env)))
        steps = tuple(stage.name for stage in stages if stage.name in read)
        stages.append(Program(name, own, argv, env, where, steps=steps, known=tuple(above)))
        known.add(name)
    return tuple(stages)


def _check_program(words: Sequence[str], where: str) -> None:
    first = words[0] if words else ""
    path = str(Path(where, first)) if os.sep in first else first
    if first and not has_placeholder(first) and shutil.which(path) is None:
        raise InputError(
            f"expected a program that can be run; got {first!r}, which is not on the PATH "
            "and is no executable file"
        )


def _stage_words(spec: CommandSpec, where: str) -> dict[str, tuple[str, ...]]:
    words: dict[str, tuple[str, ...]] = {}
    if setup := _line(spec, SETUP, where):
        words[SETUP] = setup
    for step in spec.step:
        name, line = split_named(step, "a step NAME=program arguments")
        if name in words or name == LAST:
            raise InputError(f"step {name!r}: the name is taken; give it another")
        words[name] = _split(spec, line, f"step {name!r}", where)
    argv = (spec.shell, "-c", " ".join(spec.argv)) if spec.shell and spec.argv else spec.argv
    return {**words, LAST: tuple(checked_words(argv, "the program behind --"))}


def _line(spec: CommandSpec, name: str, where: str) -> tuple[str, ...]:
    """The words of one of the command lines beside the program, () where there is none."""
    line = getattr(spec, name)
    return () if line is None else _split(spec, line, f"--{name.replace('_', '-')}", where)


def _split(spec: CommandSpec, line: str, what: str, where: str) -> tuple[str, ...]:
    return (spec.shell, "-c", line) if spec.shell else tuple(split_line(line, what, where))


def _variables(spec: CommandSpec, where: str) -> tuple[tuple[str, str], ...]:
    """The variables of the file, then those that are said, which go before them."""
    said = [split_variable(text) for text in spec.env]
    names = [name for name, _ in said]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"expected each --env once; got {name} again; drop one of them")
    kept = read_env_file(Path(where, spec.env_file)) if spec.env_file else []
    kept = [(name, escaped(text)) for name, text in kept if name not in names]
    return (*kept, *said)


def _check_names(names: Sequence[str], steps: Sequence[str], files: Sequence[str]) -> None:
    for name in (*names, *steps, *files):
        if name in PLACES:
            raise InputError(f"the name {name!r} is reserved; choose another")
    every = [*names, *steps, *files]
    for name in (*names, *files):
        if every.count(name) > 1:
            what = "knob" if name in names else "config"
            raise InputError(f"{what} {name!r}: the name is taken; give it another")


def _check_places(texts: _Texts, names: Sequence[str]) -> None:
    """Refuse a placeholder that stands for nothing, or is no plain one."""
    files = [template.name for template in texts.templates]
    known = {*names, *PLACES, *files}
    check_plain(texts.every, {*known, *texts.words})
    for stage in texts.words:
        read = texts.of(stage) + (texts.variables if stage == LAST else [])
        for placeholder in sorted(placeholders_in(read)):
            if placeholder not in known:
                raise InputError(
                    f"{{{placeholder}}} is no knob and no step above {stage!r}: "
                    f"{nearest(placeholder, known)}; "
                    f"for the text itself write {{{{{placeholder}}}}}"
                )
            if stage == SETUP and placeholder in names:
                raise InputError(
                    f"expected --setup without knobs, as it is run once; got {{{placeholder}}}; "
                    "write --step NAME=… for what depends on one"
                )
            if stage != LAST and placeholder in files:
                raise InputError(
                    f"expected {{{placeholder}}} in the program's own words; got it in step "
                    f"{stage!r}; let the step write what it needs"
                )
        known.add(stage)
    used = placeholders_in(texts.every)
    for name in files:
        if name not in used:
            raise InputError(f"config {name!r} is used nowhere; write {{{name}}} in an argument")


def _stage_of(name: str, texts: _Texts) -> str:
    """The first stage that reads a knob."""
    for stage in texts.words:
        if name in texts.reads(texts.of(stage)):
            return stage
    if name != "threads" and name not in texts.reads(texts.variables):
        raise InputError(f"knob {name!r} is used nowhere; write {{{name}}} in an argument or --env")
    return LAST


def _contents(texts: _Texts, spec: CommandSpec, where: str) -> list[str]:
    """What the programs and the files named in the command lines hold; of large ones the age."""
    contents = [template.text for template in texts.templates]
    paths = [Path(where, spec.stdin)] if spec.stdin else []
    for first, *rest in texts.words.values():
        paths += [Path(shutil.which(first) or first), *(Path(where, word) for word in rest)]
    for path in paths:
        if _is_file(path):
            status = path.stat()
            large = status.st_size > _SMALL_BYTES
            content = b"" if large else path.read_bytes()
            stamp = f"{status.st_size} {status.st_mtime_ns}" if large else ""
            contents.append(hashlib.blake2b(content, digest_size=16).hexdigest() + stamp)
    return contents


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a whole script may be longer than a name
        return False


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


SAME_OUTPUT = Option("same-output", "Refuse what puts out something else.", "PATTERN|FILE", bare="")
TOLERANCE = Option("tolerance", "By how much its numbers may differ: 1e-6.", "SHARE")
METRIC = Option(
    "metric", "file:PATH, json:PATH:KEY, csv:PATH:COLUMN, junit:PATH:COUNT, tensorboard:PATH:TAG, "
    "regex:PATTERN (also regex-first, -mean, -max, -min) or used:WHAT.", "NAME=SOURCE", many=True,
)  # fmt: skip
RUNNING = (  # how a program is run, for `verify` as well
    Option("env", "An environment variable.", "NAME=TEXT", many=True),
    Option("env-file", "A file of them.", "FILE"),
    Option("stdin", "A file that it reads.", "FILE"),
    Option("shell", "Let a shell read every command line.", "[SHELL]", bare="sh"),
    Option("ok-exit", "The codes of a good run: 0,3.", "CODE,…"),
    Option("setup", "Run once before all; {setup} is its directory.", "COMMAND"),
    Option("prepare", "Run before each run, unmeasured.", "COMMAND"),
    Option("cleanup", "Run after each run, unmeasured.", "COMMAND"),
)
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
        SAME_OUTPUT,
        TOLERANCE,
    ),
    called=lambda spec: Path(spec.argv[0]).name,
    same_output=lambda spec: spec.same_output is not None,
)  # fmt: skip
