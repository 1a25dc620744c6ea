"""Any program as a workload: knobs are placeholders in its arguments, metrics what it leaves."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import shlex
import shutil
import signal
import tarfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, final

from tunewright import knobs as ready_made
from tunewright.core.config import Config, Value, digest_of
from tunewright.core.knobs import Choice, Domain, Integer, Knob, Real, Space
from tunewright.core.metrics import OUTPUT, Metric, Sample
from tunewright.core.roles import NO_ROWS, Artifact, Context, Evidence
from tunewright.core.trial import Fidelity
from tunewright.errors import InputError, TrialFailed, nearest
from tunewright.measuring.disturbance import Snapshot, disturbance
from tunewright.measuring.processes import ProgramRun, run_program

LAST = "run"  # the stage of the command itself
RESERVED = ("dir", "seed")
THREADS_ENV = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_RATES = frozenset({"speedup", "throughput", "qps", "tps", "rps", "fps"})
_SCORES = frozenset({
    "acc", "accuracy", "ap", "auc", "bleu", "f1", "iou", "map", "mcc", "ndcg", "precision", "r2",
    "recall", "score",
})  # fmt: skip
SCORE_MARGIN = 0.005
_KNOB_FORMAT = "NAME=DEFAULT:LOW..HIGH[:log] or NAME=DEFAULT:A,B,C"
_METRIC_FORMAT = "NAME=file:PATH, NAME=json:PATH:FIELD or NAME=regex:EXPRESSION"
_SMALL_BYTES = 2**24  # a larger file is known by its size and time
_PLACE = re.compile(r"\{(\{[A-Za-z_]\w*\})\}|\{([A-Za-z_]\w*)\}")  # {{x}} stands for {x} itself
_WHOLE = re.compile(r"[-+]?\d+")
_NAME = re.compile(r"[A-Za-z_]\w*")
_TAIL = re.compile(r"\w+_p(\d{2})")  # lat_p99: that quantile of the values a run leaves
_PADDING = 4096  # bytes by which the environment's size may vary
_RANGE = re.compile(r"(.+?)\.\.(.+?)(:log)?")

Kind = Literal["file", "json", "regex"]


@final
@dataclass(frozen=True)
class Facts:
    """What a command workload is, for reports: `placement` is the stage of each knob."""

    argv: tuple[str, ...]
    steps: Mapping[str, str]
    placement: Mapping[str, str]
    cwd: str


@final
@dataclass(frozen=True)
class Reader:
    """Where one metric is found after a run: the size of a file, in a JSON file, in the output."""

    name: str
    kind: Kind
    path: str  # of the file; for "regex" the expression
    field: str = ""

    def read(self, places: Mapping[str, Value], output: str) -> tuple[float, ...]:
        """The number, or the numbers of a list. Raises TrialFailed when they are not there."""
        if self.kind == "regex":
            found = re.findall(self.path, output)
            if not found:
                raise TrialFailed(
                    f"expected metric {self.name} as {self.path!r} in the output; it is not there; "
                    f"the output ends: {_last_line(output)}"
                )
            return (self._number(found[-1]),)
        path = Path(fill(self.path, places))
        if not path.is_file():
            raise TrialFailed(f"expected metric {self.name} in {self.path}; the file is not there")
        if self.kind == "file":
            return (float(path.stat().st_size),)
        try:
            value: Any = json.loads(path.read_bytes())
        except ValueError as error:
            raise TrialFailed(
                f"expected metric {self.name} in {self.path}; it is no JSON: {error}"
            ) from error
        for part in self.field.split("."):
            try:
                value = value[int(part)] if isinstance(value, list) else value[part]
            except (LookupError, TypeError, ValueError):
                known = f": {nearest(part, value)}" if isinstance(value, Mapping) else ""
                raise TrialFailed(
                    f"expected metric {self.name} as {self.field} in {self.path}; "
                    f"there is no {part!r}{known}"
                ) from None
        return tuple(map(self._number, value if isinstance(value, list) and value else [value]))

    def _number(self, value: object) -> float:
        try:
            number = float(value)  # type: ignore[arg-type]  # what cannot be converted is reported
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or isinstance(value, bool):
            raise TrialFailed(f"metric {self.name}: expected a finite number; got {value!r:.60}")
        return number


@final
@dataclass(frozen=True)
class Program:
    """A stage that runs one program; above the last one it keeps the files of its directory.

    Its artifact is the archives of the directories so far, by the names of the steps.
    """

    name: str
    knobs: tuple[Knob, ...]
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    timing: bool = False
    readers: tuple[Reader, ...] = ()

    def run(self, upstream: Artifact | None, config: Config, context: Context) -> Artifact:
        """Run it. Raises TrialFailed when it fails or leaves no metric."""
        archives: dict[str, bytes] = dict(upstream.value) if upstream else {}
        directory = context.directory / "dir"
        fidelity = context.fidelity  # repeated runs of the program itself have seeds of their own
        seed = fidelity.seed + (fidelity.repeat if self.name == LAST else 0)
        places: dict[str, Value] = {**config, "seed": seed, "dir": str(directory)}
        directory.mkdir()
        for step, archive in archives.items():
            places[step] = str(context.directory / step)
            _unpack(archive, context.directory / step)
        argv = [fill(word, places) for word in self.argv]
        env = {name: fill(text, places) for name, text in self.env}
        env = {**_shaken(fidelity), **os.environ, **env, "TUNEWRIGHT_DIR": str(directory)}
        before = Snapshot.now()
        try:
            run = run_program(argv, cwd=Path(self.cwd), env=env)
        except OSError as error:
            raise TrialFailed(f"cannot start {argv[0]}: {error.strerror}") from error
        after = Snapshot.now()
        if run.returncode:
            how = f"exited with status {run.returncode}"
            if run.returncode < 0:
                how = f"was killed ({signal.strsignal(-run.returncode)})"
            step = "" if self.name == LAST else f"step {self.name}: "
            raise TrialFailed(f"{step}{argv[0]} {how}: {_last_line(run.output)}")
        samples = _used(run) if self.name == LAST else {}
        if self.timing:
            samples |= disturbance(before, after, run.cpu_s)
            samples[OUTPUT] = Sample((float(zlib.crc32(run.output.encode())),))
        for reader in self.readers:
            unit = "B" if reader.kind == "file" else ""
            samples[reader.name] = Sample(reader.read(places, run.output), unit)
        if self.name != LAST:
            archives[self.name] = _pack(directory)
        return Artifact(archives, samples)


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
    evidence: Evidence = NO_ROWS

    def command_lines(self, config: Config) -> dict[str, dict[str, object]]:
        """Each step's words and environment with the knobs filled in; {dir} and the like stay."""
        kept = {name: f"{{{name}}}" for name in (*RESERVED, *(stage.name for stage in self.stages))}
        places: dict[str, Value] = {**kept, **config}
        return {
            stage.name: {
                "argv": [fill(word, places) for word in stage.argv],
                "env": {name: fill(text, places) for name, text in stage.env},
            }
            for stage in self.stages
        }


def command(  # noqa: PLR0913 - one keyword for each repeated option of the command line
    argv: Sequence[str],
    *,
    knobs: Sequence[str] = (),
    metrics: Sequence[str] = (),
    steps: Sequence[str] = (),
    env: Sequence[str] = (),
    timing: bool = True,
    cwd: str | None = None,
    baseline: Mapping[str, Value] | None = None,
    cores: int | None = None,
) -> CommandWorkload:
    """A workload of any program; `{name}` in a text stands for a knob, a step, dir or seed.

    knobs: "level=6:1..9", "lr=1e-3:1e-5..1e-1:log", "batch=32:16,32,64" or "threads".
    metrics: "size=file:{dir}/out", "acc=json:{dir}/m.json:acc", "acc=regex:accuracy=([0-9.]+)",
    each with ":higher" or ":lower" behind it where that is not plain.
    steps: "build=make OUT={dir}/prog", run before; `{build}` is its directory further down.
    env: "NAME=text". timing: the program's time is of interest, so it gets the machine alone.
    Raises InputError for anything that cannot be read or run.
    """
    if not argv:
        raise InputError("expected a program to run; got nothing; put it behind --")
    where = str(Path(cwd or ".").resolve())
    words = _stage_words(argv, steps)
    variables = tuple(_split(text, "=", "an environment variable NAME=text") for text in env)
    readers, measured = _metrics(metrics)
    names = [_split(text, "=", _KNOB_FORMAT)[0] if "=" in text else text for text in knobs]
    _check_names(names, [*words][:-1])
    _check_places(words, [text for _, text in variables], readers, names)
    for first, *_ in words.values():
        path = str(Path(where, first)) if os.sep in first else first
        if not _PLACE.search(first) and shutil.which(path) is None:
            raise InputError(
                f"expected a program that can be run; got {first!r}, which is not on the PATH "
                "and is no executable file"
            )
    placement = {name: _stage_of(name, words, variables) for name in names}
    made = [
        _knob(name, text, placement[name], cores or os.cpu_count() or 1)
        for name, text in zip(names, knobs, strict=True)
    ]
    if "threads" in names and "threads" not in _places(text for _, text in variables) | _places(
        word for stage in words.values() for word in stage
    ):
        variables = (*((name, "{threads}") for name in THREADS_ENV), *variables)
    known = set(RESERVED)
    stages: list[Program] = []
    for name, stage_words in words.items():
        timed = timing and name == LAST
        own = [knob for knob in made if knob.stage == name]
        if not stages and not timed and "workers" not in names:
            own.append(ready_made.workers(name, cores or os.cpu_count() or 1))
        known |= {knob.name for knob in own}
        usable = tuple((key, text) for key, text in variables if _places([text]) <= known)
        stages.append(
            Program(
                name, tuple(own), stage_words, usable, where, timed, readers if name == LAST else ()
            )
        )
        known.add(name)
    return CommandWorkload(
        name=" ".join(Path(word).name for word in argv[:2] if not _PLACE.search(word)),
        stages=tuple(stages),
        metrics=measured,
        baseline=Space(tuple(k for s in stages for k in s.knobs)).config(baseline or {}),
        digest=digest_of(
            [list(argv), list(steps), list(env), list(metrics), _contents(words, where)]
        ),
        facts=Facts(tuple(argv), {n: shlex.join(w) for n, w in words.items()}, placement, where),
    )


def fill(text: str, places: Mapping[str, Value]) -> str:
    """`text` with its placeholders replaced."""
    return _PLACE.sub(lambda match: match[1] or str(places[match[2]]), text)


def _places(texts: Iterable[str]) -> set[str]:
    return {match[2] for text in texts for match in _PLACE.finditer(text) if match[2]}


def _split(text: str, mark: str, expected: str) -> tuple[str, str]:
    name, found, rest = text.partition(mark)
    if not found or not _NAME.fullmatch(name) or not rest:
        raise InputError(f"expected {expected}; got {text!r}")
    return name, rest


def _stage_words(argv: Sequence[str], steps: Sequence[str]) -> dict[str, tuple[str, ...]]:
    words: dict[str, tuple[str, ...]] = {}
    for step in steps:
        name, line = _split(step, "=", "a step NAME=program arguments")
        if name in words or name == LAST:
            raise InputError(f"step {name!r}: the name is taken; give it another")
        try:
            words[name] = tuple(shlex.split(line))
        except ValueError as error:
            raise InputError(f"step {name!r}: expected a command line; {error}") from error
    return {**words, LAST: tuple(argv)}


def _check_names(names: Sequence[str], steps: Sequence[str]) -> None:
    for name in (*names, *steps):
        if name in RESERVED:
            raise InputError(f"the name {name!r} is reserved; choose another")
    for name in names:
        if name in steps or names.count(name) > 1:
            raise InputError(f"knob {name!r}: the name is taken; give it another")


def _check_places(
    words: Mapping[str, Sequence[str]],
    env: Sequence[str],
    readers: Sequence[Reader],
    names: Sequence[str],
) -> None:
    """Refuse a placeholder that stands for nothing."""
    known = {*names, *RESERVED}
    for stage, texts in words.items():
        paths = [reader.path for reader in readers if reader.kind != "regex"]
        for place in sorted(_places((*texts, *env, *paths) if stage == LAST else texts)):
            if place not in known:
                raise InputError(
                    f"{{{place}}} is no knob and no step above {stage!r}: {nearest(place, known)}; "
                    f"for the text itself write {{{{{place}}}}}"
                )
        known.add(stage)


def _stage_of(
    name: str, words: Mapping[str, Sequence[str]], variables: Sequence[tuple[str, str]]
) -> str:
    """The first stage that reads a knob."""
    for stage, texts in words.items():
        if name in _places(texts):
            return stage
    if name != "threads" and name not in _places(text for _, text in variables):
        raise InputError(f"knob {name!r} is used nowhere; write {{{name}}} in an argument or --env")
    return LAST


def _knob(name: str, text: str, stage: str, cores: int) -> Knob:
    """The knob that a text states."""
    resource = name == "threads" or name.endswith("_threads")
    default_text, found, domain_text = text.partition("=")[2].partition(":")
    if resource and not found:
        default = int(default_text) if _WHOLE.fullmatch(default_text) else cores
        return ready_made.threads(name, stage, default, cores, exact=False)
    if not found or not default_text:
        raise InputError(f"knob {name!r}: expected {_KNOB_FORMAT}; got {text!r}")
    span = _RANGE.fullmatch(domain_text)
    texts = [default_text, span[1], span[2]] if span else [default_text, *domain_text.split(",")]
    kind = next((kind for kind in (int, float) if all(_is(kind, t) for t in texts)), str)
    if span and kind is str:
        raise InputError(f"knob {name!r}: expected numbers in {_KNOB_FORMAT}; got {text!r}")
    default_value, *values = (kind(t) for t in texts)
    domain: Domain
    if span:
        (low, high), log = values, bool(span[3])
        whole = kind is int
        domain = Integer(int(low), int(high), log) if whole else Real(float(low), float(high), log)
    else:
        domain = Choice(tuple(dict.fromkeys(values)))
    return Knob(name, domain, default_value, "resource" if resource else "hyperparameter", stage)


def _is(kind: type[int | float], text: str) -> bool:
    try:
        return math.isfinite(kind(text))
    except ValueError:
        return False


def _metrics(texts: Sequence[str]) -> tuple[tuple[Reader, ...], tuple[Metric, ...]]:
    readers = []
    metrics = [
        Metric("wall_s", "lower", LAST, "s"),
        Metric("cpu_s", "lower", LAST, "s"),
        Metric("peak_bytes", "lower", LAST, "B"),
    ]
    for text in texts:
        name, rest = _split(text, "=", _METRIC_FORMAT)
        direction = next((d for d in ("higher", "lower") if rest.endswith(f":{d}")), None)
        if direction:
            rest = rest.removesuffix(f":{direction}")
        kind, _, path = rest.partition(":")
        field = ""
        if kind == "json":
            path, _, field = path.rpartition(":")
        if kind not in ("file", "json", "regex") or not path or (kind == "json" and not field):
            raise InputError(f"metric {name!r}: expected {_METRIC_FORMAT}; got {text!r}")
        if kind == "regex":
            _check_expression(name, path)
        if any(metric.name == name for metric in metrics):
            raise InputError(f"metric {name!r}: the name is taken; give it another")
        parts = {name, *name.lower().split("_")}
        score = kind != "file" and bool(parts & _SCORES)
        better = direction or ("higher" if score or parts & _RATES else "lower")
        readers.append(Reader(name, cast("Kind", kind), path, field))
        metrics.append(
            Metric(
                name,
                cast("Literal['lower', 'higher']", better),
                LAST,
                "B" if kind == "file" else "",
                "difference" if score else "ratio",
                SCORE_MARGIN if score else 0.02,
                share=int(tail[1]) / 100 if (tail := _TAIL.fullmatch(name)) else 0.5,
                evidence="same data",
            )
        )
    return tuple(readers), tuple(metrics)


def _check_expression(name: str, expression: str) -> None:
    try:
        groups = re.compile(expression).groups
    except re.error as error:
        raise InputError(f"metric {name!r}: expected a regular expression; {error}") from error
    if groups != 1:
        raise InputError(
            f"metric {name!r}: expected one group (...) around the number; got {groups}"
        )


def _shaken(fidelity: Fidelity) -> dict[str, str]:
    """Variables that move memory and hashes about, so that no layout favours one arm by luck.

    Both arms of a pair get the same ones (Mytkowicz et al., "Producing wrong data without doing
    anything obviously wrong!", 2009). What the user's environment says goes first.
    """
    chance = int(digest_of([fidelity.seed, fidelity.repeat]), 16)
    padding = "x" * (chance % _PADDING)
    return {"PYTHONHASHSEED": str(chance % 2**32), "TUNEWRIGHT_PADDING": padding}


def _contents(words: Mapping[str, Sequence[str]], where: str) -> list[str]:
    """What the programs and the files named in the command lines hold; of large ones the age."""
    found = []
    for first, *rest in words.values():
        program = shutil.which(first)
        for path in (Path(program or first), *(Path(where, word) for word in rest)):
            if path.is_file():
                status = path.stat()
                large = status.st_size > _SMALL_BYTES
                content = b"" if large else path.read_bytes()
                stamp = f"{status.st_size} {status.st_mtime_ns}" if large else ""
                found.append(hashlib.blake2b(content, digest_size=16).hexdigest() + stamp)
    return found


def _used(run: ProgramRun) -> dict[str, Sample]:
    samples = {"wall_s": Sample((run.wall_s,), "s"), "cpu_s": Sample((run.cpu_s,), "s")}
    if run.peak_bytes is not None:
        samples["peak_bytes"] = Sample((float(run.peak_bytes),), "B")
    return samples


def _last_line(output: str) -> str:
    last = (output.strip().splitlines() or ["it printed nothing"])[-1][:300]
    return "".join(c if c.isprintable() else "�" for c in last)


def _pack(directory: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(directory, arcname=".")
    return buffer.getvalue()


def _unpack(content: bytes, directory: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        # The step's own files, from the study's own directory: links may point anywhere.
        archive.extraction_filter = getattr(tarfile, "fully_trusted_filter", None)
        archive.extractall(directory)  # noqa: S202 - see above
