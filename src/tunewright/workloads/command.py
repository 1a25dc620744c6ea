"""Any program as a workload: knobs are placeholders in its arguments, metrics what it leaves."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, final

from tunewright.core.config import Config, Value, digest_of
from tunewright.core.goal import Goal
from tunewright.core.kinds import HandOver, Kind, Option, Stated
from tunewright.core.knobs import Choice, Knob, Space
from tunewright.core.metrics import OUTPUT, Metric, Sample
from tunewright.core.roles import NO_ROWS, Artifact, Context, Effort, Untouched
from tunewright.core.texts import names_of
from tunewright.core.trial import Need
from tunewright.core.units import parse_quantity
from tunewright.errors import (
    InputError,
    OutputDiffers,
    TrialFailed,
    TrialTimeout,
    check_type,
    nearest,
)
from tunewright.measuring.disturbance import Snapshot, disturbance, own_cpu_s
from tunewright.measuring.processes import ProgramRun, run_program
from tunewright.workloads.programs.failures import keep_failure, why_failed
from tunewright.workloads.programs.knobs import knob_name, read_knob
from tunewright.workloads.programs.metrics import Reader, StatedMetric, read_metrics, stamps
from tunewright.workloads.programs.outputs import Check, Kept, Parts, read_check
from tunewright.workloads.programs.placeholders import (
    check_plain,
    check_values,
    fill,
    fill_words,
    has_placeholder,
    placeholders_in,
)
from tunewright.workloads.programs.words import (
    checked_words,
    input_waits,
    notes_on,
    split_line,
    split_named,
    split_variable,
)

LAST = "run"  # the stage of the command itself
DIFFERENCE = "outputs.txt"  # among a study's failures: how the runs of a pair put out differed
RESERVED = ("dir", "seed")
THREADS_ENV = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_MARK = re.compile(r"TUNEWRIGHT_([0-9]+)_PLACE")  # stands for a directory or the seed
_SMALL_BYTES = 2**24  # a larger file is known by its size and time
_PADDING = 4096  # bytes by which the environment's size may vary


@final
@dataclass(frozen=True)
class Facts:
    """What a command workload is, for reports: `placement` is the stage of each knob.

    notes: how texts were read that could have meant something else. check: of what it puts out.
    """

    argv: tuple[str, ...]
    steps: Mapping[str, str]
    placement: Mapping[str, str]
    cwd: str
    notes: tuple[str, ...] = ()
    check: Check | None = None


@final
@dataclass(frozen=True)
class Program:
    """A stage that runs one program; above the last one it keeps the files of its directory."""

    name: str
    knobs: tuple[Knob, ...]
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    readers: tuple[Reader, ...] = ()
    steps: tuple[str, ...] = ()  # whose directories it reads
    check: Check | None = None  # of what it puts out
    baseline: Config | None = None  # whose output a search holds others against

    def needs(self, config: Config) -> Need:
        """As many cores as it has threads; the program is a process of its own."""
        threads = config.get("threads", 1)
        return Need(cores=threads if isinstance(threads, int) else 1, process="own")

    def run(self, _upstream: Sequence[Artifact], config: Config, context: Context) -> Artifact:
        """Run it. Raises TrialFailed when it fails or leaves no metric.

        In a search with a check the baseline runs twice, the second time only for what it puts
        out: where that varies, nothing can be held against it. Raises OutputDiffers for a config
        that puts out something else.
        """
        artifact, run, parts = self._once(config, context, context.directory, context.limit_s)
        if self.name != LAST:
            return artifact
        output, searching = (
            float(zlib.crc32(run.digest.encode())),
            not context.fidelity.piece.repeat,
        )
        if self.check is not None:
            kept = Kept(context.lasting / "outputs")
            output, why = kept.name(self.check, parts, context.seed)
            if why and not searching:
                context.failure.parent.mkdir(parents=True, exist_ok=True)
                context.failure.with_name(DIFFERENCE).write_text(why, encoding="utf-8")
            if searching and config == self.baseline:
                again_s = max(context.limit_s - run.wall_s, 0.0)
                again = context.directory / "again"
                again.mkdir()
                *_, parts = self._once(config, context, again, again_s)
                _, why = kept.name(self.check, parts, context.seed)
                if why:
                    raise TrialFailed(
                        f"its output varies from run to run: {why}; say what of it must be the "
                        "same: --same-output PATTERN, --same-output FILE, or --tolerance 1e-6"
                    )
            if searching and self.baseline is not None and why:
                raise OutputDiffers(f"its output is not the baseline's: {why}")
        return replace(artifact, samples={**artifact.samples, OUTPUT: Sample((output,))})

    def _once(
        self, config: Config, context: Context, where: Path, limit_s: float
    ) -> tuple[Artifact, ProgramRun, Parts]:
        """What one run in this directory gives, how it went, and what of its output is compared."""
        directory = where / "dir"
        places: dict[str, Value] = {**config, "seed": context.seed, "dir": str(directory)}
        directory.mkdir()
        for step in self.steps:
            kept = context.above(step).files
            assert kept is not None
            places[step] = str(shutil.copytree(kept, where / step, symlinks=True))
        argv = fill_words(self.argv, places)
        env = {name: fill(text, places) for name, text in self.env}
        env = {**_shaken(context.seed), **os.environ, **env, "TUNEWRIGHT_DIR": str(directory)}
        spool = where / "output"
        spool.mkdir()
        output = self.check.reader(self.cwd) if self.check else None
        read = (*self.readers, *((output,) if output else ()))
        written = stamps(read, places, self.steps)
        before, used_s = Snapshot.now(), own_cpu_s()
        try:
            run = run_program(argv, spool, cwd=Path(self.cwd), env=env, limit_s=limit_s)
        except OSError as error:
            raise TrialFailed(f"cannot start {argv[0]}: {error.strerror}") from error
        after, used_s = Snapshot.now(), own_cpu_s() - used_s
        self._check(run, argv, context)
        if self.name != LAST:
            return Artifact(None, files=directory), run, {}
        samples = _used(run) | disturbance(before, after, used_s)
        for reader in self.readers:
            unit = "B" if reader.kind == "file" else ""
            samples[reader.name] = Sample(reader.read(run, places, written), unit)
        parts = self.check.parts(run, self.cwd, places, written) if self.check else {}
        return Artifact(None, samples), run, parts

    def _check(self, run: ProgramRun, argv: Sequence[str], context: Context) -> None:
        """Raise TrialFailed for a run that failed, with the telling part of what it printed."""
        step = "" if self.name == LAST else f"step {self.name}: "
        if not (run.timed_out or run.returncode or run.flooded):
            return
        rest = keep_failure(run, argv, context.failure)
        if run.timed_out:
            raise TrialTimeout(
                f"{step}{argv[0]} ran longer than {context.limit_s:.3g} s, "
                f"which is what a trial may; more in {rest}"
            )
        raise TrialFailed(f"{step}{why_failed(run, argv, rest)}")


@final
@dataclass(frozen=True)
class CommandSpec:
    """What a user says about a program; `{name}` in a text stands for a knob, a step, dir or seed.

    knob: "level=6:1..9", "lr=1e-3:1e-5..1e-1:log", "batch=32:16,32,64" or "threads".
    metric: "size=file:{dir}/out", "acc=json:{dir}/m.json:acc", "acc=regex:accuracy=([0-9.]+)",
    each with ":higher" or ":lower" behind it where that is not plain.
    step: "build=make OUT={dir}/prog", run before; `{build}` is its directory further down.
    env: "NAME=text". cwd: where it runs. cores: for threads, None for all.
    same_output: what must be the same whatever the config: "" for all that is printed, a pattern
    of what is printed, or a file; None to check nothing. tolerance: of the numbers in it, as a
    share of their size.
    """

    argv: tuple[str, ...]
    knob: tuple[str, ...] = ()
    metric: tuple[str, ...] = ()
    step: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    cwd: str | os.PathLike[str] | None = None
    cores: int | None = None
    same_output: str | os.PathLike[str] | None = None
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        """Take one text for a list of one; a whole command line is no list of words."""
        argv: object = self.argv
        if isinstance(argv, str):
            raise InputError(
                f"expected a program and its arguments one by one; got {argv!r}; "
                f"write {tuple(argv.split())!r}"
            )
        for name in ("argv", "knob", "metric", "step", "env"):
            object.__setattr__(self, name, names_of(name, getattr(self, name)))
        for name in ("cwd", "same_output"):
            if isinstance(path := getattr(self, name), os.PathLike):
                object.__setattr__(self, name, os.fspath(path))
        check_type("cwd", self.cwd, (str, NoneType), "'.'")
        check_type("cores", self.cores, (int, NoneType), "2")
        check_type("same_output", self.same_output, (str, NoneType), "'' or 'result: .*'")
        check_type("tolerance", self.tolerance, (int, float), "1e-6")


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
    portfolio: tuple[Config, ...] = ()

    def command_lines(self, config: Config) -> dict[str, dict[str, object]]:
        """Each step's words and environment with the knobs filled in; {dir} and the like stay.

        line: the same for a shell, ready to paste, each directory made as it is needed. Raises
        InputError for a config without one of the knobs, as a harmed journal may hold.
        """
        owned = [k.name for stage in self.stages for k in stage.knobs if k.when is None]
        if missing := [name for name in owned if name not in config]:
            raise InputError(
                f"expected a value for {' and '.join(missing)} in the config that won; got none; "
                "the study's journal is harmed, so tune again"
            )
        names = (*RESERVED, *(stage.name for stage in self.stages))
        marks = {name: f"TUNEWRIGHT_{at}_PLACE" for at, name in enumerate(names)}
        kept: dict[str, Value] = {**marks, **config}

        def as_typed(text: str) -> str:
            return _MARK.sub(lambda match: f"{{{names[int(match[1])]}}}", text)

        lines: dict[str, dict[str, object]] = {}
        for stage in self.stages:
            argv = fill_words(stage.argv, kept)
            env = {name: fill(text, kept) for name, text in stage.env}
            lines[stage.name] = {
                "argv": list(map(as_typed, argv)),
                "env": {name: as_typed(text) for name, text in env.items()},
                "line": self._pasted(stage, argv, env, names),
            }
        return lines

    def _pasted(
        self, stage: Program, argv: Sequence[str], env: Mapping[str, str], names: Sequence[str]
    ) -> str:
        """A step's command line for a shell, in which marks are the variables of directories."""
        own = _variable(stage.name, self.stages)
        variables = {"dir": own, **{s.name: _variable(s.name, self.stages) for s in self.stages}}

        def quoted(word: str) -> str:
            parts = _MARK.split(word)
            for at in range(1, len(parts), 2):
                name = names[int(parts[at])]
                parts[at] = "0" if name == "seed" else f'"${variables[name]}"'
            parts[::2] = [shlex.quote(part) if part else "" for part in parts[::2]]
            return "".join(parts) or "''"

        words = [*(f"{name}={quoted(text)}" for name, text in env.items()), *map(quoted, argv)]
        later = self.stages[self.stages.index(stage) + 1 :]
        line = " ".join(words)
        read = f'"${own}"' in line or any(stage.name in each.steps for each in later)
        return f"{own}=$(mktemp -d); {line}" if read else line


def command(
    spec: CommandSpec, baseline: Mapping[str, Value] | None = None, stated: Stated | None = None
) -> CommandWorkload:
    """The workload of a program. Raises InputError for anything that cannot be read or run."""
    where = str(Path(spec.cwd or ".").resolve())
    words = _stage_words(spec.argv, spec.step, where)
    variables = tuple(map(split_variable, spec.env))
    _check_once([name for name, _ in variables])
    metrics = read_metrics(spec.metric, LAST, stated, [metric.name for metric in _OWN])
    readers = tuple(replace(metric.reader, cwd=where) for metric in metrics)
    checked = None if spec.same_output is None else str(spec.same_output)
    check = read_check(checked, spec.tolerance)
    names = [knob_name(text) for text in spec.knob]
    _check_names(names, [*words][:-1])
    paths = [reader.path for reader in readers if reader.kind != "regex"]
    paths += [check.path] if check else []
    _check_places(words, [text for _, text in variables], paths, names)
    for first, *_ in words.values():
        _check_program(first, where)
    placement = {name: _stage_of(name, words, variables) for name in names}
    cores = spec.cores or os.cpu_count() or 1
    read = [
        read_knob(text, placement[name], cores) for name, text in zip(names, spec.knob, strict=True)
    ]
    every = placeholders_in(text for _, text in variables)
    every |= placeholders_in(word for stage in words.values() for word in stage)
    if "threads" in names and "threads" not in every:
        variables = (*((name, "{threads}") for name in THREADS_ENV), *variables)
    space = Space(tuple(k.knob for name in words for k in read if k.knob.stage == name))
    base = space.asked(baseline or {})
    stages = _stages(words, space.knobs, variables, where, paths)
    stages = (*stages[:-1], replace(stages[-1], readers=readers, check=check, baseline=base))
    for stage in stages:
        check_values(stage.argv, {k.name: _values(k) for k in stage.knobs})
    # What differs between two arms, or has chance of its own, is made anew for each pair of runs.
    since = next((s.name for s in stages if s.knobs or "seed" in placeholders_in(s.argv)), LAST)
    notes = [*(note for knob in read for note in knob.notes), *_notes(words, metrics)]
    steps = {name: shlex.join(argv) for name, argv in words.items()}
    return CommandWorkload(
        name=" ".join(Path(word).name for word in spec.argv[:2] if not has_placeholder(word)),
        stages=stages,
        metrics=tuple(
            replace(metric, since=since) for metric in (*_OWN, *(m.metric for m in metrics))
        ),
        baseline=base,
        digest=digest_of(
            [
                list(spec.argv), list(spec.step), list(spec.env), list(spec.metric),
                _contents(words, where),
            ]
        ),
        facts=Facts(tuple(spec.argv), steps, placement, where, tuple(notes), check),
    )  # fmt: skip


_OWN = (
    Metric("wall_s", "lower", LAST, "s", quiet=True),
    Metric("cpu_s", "lower", LAST, "s", quiet=True),
    Metric("peak_bytes", "lower", LAST, "B", evidence="same data"),
)


def _variable(name: str, stages: Sequence[Program]) -> str:
    """The shell's variable for the directory of a step."""
    at = next(at for at, stage in enumerate(stages) if stage.name == name)
    word = name.replace("-", "_")
    return f"{word if word.isascii() else f'step{at}'}_dir"


def _values(knob: Knob) -> Sequence[Value]:
    return knob.domain.values if isinstance(knob.domain, Choice) else (knob.default,)


def _notes(words: Mapping[str, Sequence[str]], metrics: Sequence[StatedMetric]) -> list[str]:
    """What could have been meant otherwise: words for a shell, guessed directions, unread input."""
    notes = [note for argv in words.values() for note in notes_on(argv)]
    notes += [metric.note for metric in metrics if metric.note]
    if input_waits():
        notes.append("the standard input is not handed to the program; write sh -c '… < FILE'")
    return notes


def _stages(
    words: Mapping[str, tuple[str, ...]],
    knobs: Sequence[Knob],
    variables: Sequence[tuple[str, str]],
    where: str,
    paths: Sequence[str],
) -> tuple[Program, ...]:
    """The steps and the program, each with its own knobs and the variables that it can read.

    paths: of what is read when the program has run.
    """
    known, stages = set(RESERVED), list[Program]()
    for name, argv in words.items():
        own = tuple(knob for knob in knobs if knob.stage == name)
        known |= {knob.name for knob in own}
        env = tuple((key, text) for key, text in variables if placeholders_in([text]) <= known)
        read = placeholders_in((*argv, *(text for _, text in env)))
        read |= placeholders_in(paths) if name == LAST else set()
        steps = tuple(stage.name for stage in stages if stage.name in read)
        stages.append(Program(name, own, argv, env, where, steps=steps))
        known.add(name)
    return tuple(stages)


def _check_program(first: str, where: str) -> None:
    path = str(Path(where, first)) if os.sep in first else first
    if not has_placeholder(first) and shutil.which(path) is None:
        raise InputError(
            f"expected a program that can be run; got {first!r}, which is not on the PATH "
            "and is no executable file"
        )


def _stage_words(
    argv: Sequence[str], steps: Sequence[str], where: str
) -> dict[str, tuple[str, ...]]:
    words: dict[str, tuple[str, ...]] = {}
    for step in steps:
        name, line = split_named(step, "a step NAME=program arguments")
        if name in words or name == LAST:
            raise InputError(f"step {name!r}: the name is taken; give it another")
        words[name] = tuple(split_line(line, f"step {name!r}", where))
    return {**words, LAST: tuple(checked_words(argv, "the program behind --"))}


def _check_names(names: Sequence[str], steps: Sequence[str]) -> None:
    for name in (*names, *steps):
        if name in RESERVED:
            raise InputError(f"the name {name!r} is reserved; choose another")
    for name in names:
        if name in steps or names.count(name) > 1:
            raise InputError(f"knob {name!r}: the name is taken; give it another")


def _check_once(variables: Sequence[str]) -> None:
    """Refuse a variable that is set twice."""
    for name in variables:
        if variables.count(name) > 1:
            raise InputError(f"expected each --env once; got {name} again; drop one of them")


def _check_places(
    words: Mapping[str, Sequence[str]],
    env: Sequence[str],
    paths: Sequence[str],
    names: Sequence[str],
) -> None:
    """Refuse a placeholder that stands for nothing, or is no plain one."""
    known = {*names, *RESERVED}
    every = [*env, *paths, *(text for texts in words.values() for text in texts)]
    check_plain(every, {*known, *words})
    for stage, texts in words.items():
        for placeholder in sorted(
            placeholders_in((*texts, *env, *paths) if stage == LAST else texts)
        ):
            if placeholder not in known:
                raise InputError(
                    f"{{{placeholder}}} is no knob and no step above {stage!r}: "
                    f"{nearest(placeholder, known)}; "
                    f"for the text itself write {{{{{placeholder}}}}}"
                )
        known.add(stage)


def _stage_of(
    name: str, words: Mapping[str, Sequence[str]], variables: Sequence[tuple[str, str]]
) -> str:
    """The first stage that reads a knob."""
    for stage, texts in words.items():
        if name in placeholders_in(texts):
            return stage
    if name != "threads" and name not in placeholders_in(text for _, text in variables):
        raise InputError(f"knob {name!r} is used nowhere; write {{{name}}} in an argument or --env")
    return LAST


def _shaken(seed: int) -> dict[str, str]:
    """Variables that move memory and hashes about, so that no layout favours one arm by luck.

    Both arms of a pair get the same ones (Mytkowicz et al., "Producing wrong data without doing
    anything obviously wrong!", 2009). What the user's environment says goes first.
    """
    chance = int(digest_of(seed), 16)
    padding = "x" * (chance % _PADDING)
    return {"PYTHONHASHSEED": str(chance % 2**32), "TUNEWRIGHT_PADDING": padding}


def _contents(words: Mapping[str, Sequence[str]], where: str) -> list[str]:
    """What the programs and the files named in the command lines hold; of large ones the age."""
    contents = []
    for first, *rest in words.values():
        program = shutil.which(first)
        for path in (Path(program or first), *(Path(where, word) for word in rest)):
            if path.is_file():
                status = path.stat()
                large = status.st_size > _SMALL_BYTES
                content = b"" if large else path.read_bytes()
                stamp = f"{status.st_size} {status.st_mtime_ns}" if large else ""
                contents.append(hashlib.blake2b(content, digest_size=16).hexdigest() + stamp)
    return contents


def _used(run: ProgramRun) -> dict[str, Sample]:
    samples = {"wall_s": Sample((run.wall_s,), "s"), "cpu_s": Sample((run.cpu_s,), "s")}
    if run.peak_bytes is not None:
        samples["peak_bytes"] = Sample((float(run.peak_bytes),), "B")
    return samples


def build(spec: CommandSpec, baseline: Mapping[str, Value], stated: Stated) -> CommandWorkload:
    """The workload; what the goal says about a metric's direction is so."""
    return command(spec, baseline, stated)


def parse(stated: CommandSpec | Sequence[str], said: Mapping[str, Any], _seed: int) -> CommandSpec:
    """The spec that a command line states."""
    read = dict(said)
    if "tolerance" in said:
        read["tolerance"] = read_tolerance(said["tolerance"])
    if isinstance(stated, CommandSpec):
        return replace(stated, **read)
    return CommandSpec(tuple(stated), **{"cwd": str(Path.cwd()), **read})


def written(body: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The fields of a spec that a file in this directory states; its program may be one text."""
    where = str(directory / body.get("cwd", "."))
    argv = body.get("argv")
    words = {"argv": tuple(split_line(argv, "argv", where))} if isinstance(argv, str) else {}
    same = {"same_output": ""} if body.get("same_output") is True else {}
    return {**body, **words, **same, "cwd": where}


def describe(workload: CommandWorkload, _goal: Goal, _looks: int) -> list[tuple[str, str]]:
    """The program, its steps, and what is measured."""
    facts, base = workload.facts, workload.baseline
    own = workload.stages[-1].name
    lines = [(f"step {name}", _short(line)) for name, line in facts.steps.items() if name != own]
    first = str(workload.command_lines(base)[own]["line"])
    names = ", ".join(metric.name for metric in workload.metrics)
    return [
        ("program", _short(shlex.join(facts.argv))),
        *lines,
        ("directory", facts.cwd),
        ("output", told_check(facts.check)),
        ("metrics", f"{names}; quality is judged on the same data as the search saw"),
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


def read_tolerance(text: str | None) -> float:
    """The tolerance as typed: 1e-6 or 0.1%; 0 where nothing is said. Raises InputError."""
    try:
        return parse_quantity(text, "") if text else 0.0
    except InputError as error:
        raise InputError(f"--tolerance: {error}") from error


def hand_over(
    workload: Callable[[], CommandWorkload], config: Config, _artifact: object
) -> HandOver:
    """The command lines with the knobs filled in."""
    return HandOver({"steps": workload().command_lines(config)})


SAME_OUTPUT = Option("same-output", "Refuse what puts out something else.", "PATTERN|FILE", bare="")
TOLERANCE = Option("tolerance", "By how much its numbers may differ: 1e-6.", "SHARE")
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
        Option("knob", "What may change; also NAME=DEFAULT:A,B,C.", "NAME=DEFAULT:LOW..HIGH[:log]",
               many=True),
        Option("metric", "file:PATH, json:PATH:KEY or regex:PATTERN.", "NAME=SOURCE", many=True),
        Option("step", "A step before it; {NAME} is its directory.", "NAME=COMMAND", many=True),
        Option("env", "An environment variable.", "NAME=TEXT", many=True),
        SAME_OUTPUT,
        TOLERANCE,
    ),
    called=lambda spec: Path(spec.argv[0]).name,
    same_output=lambda spec: spec.same_output is not None,
)  # fmt: skip
