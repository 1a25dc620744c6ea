"""Metrics of programs: how they are typed, and where they are found after a run."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal, cast, final

from tunewright.core.config import Value
from tunewright.core.metrics import Metric, Sample
from tunewright.errors import InputError, TrialFailed, nearest
from tunewright.measuring.processes import ProgramRun
from tunewright.workloads.programs.failures import telling
from tunewright.workloads.programs.numbers import parse_number, whole_around
from tunewright.workloads.programs.placeholders import fill, placeholders_in
from tunewright.workloads.programs.progress import Progress, read_progress
from tunewright.workloads.programs.sources import SOURCES
from tunewright.workloads.programs.words import split_named

METRIC_FORMAT = (
    "NAME=file:PATH, NAME=json:PATH:FIELD, NAME=csv:PATH:COLUMN, NAME=junit:PATH:COUNT, "
    "NAME=tensorboard:PATH:TAG, NAME=regex:EXPRESSION or NAME=used:WHAT"
)
SCORE_MARGIN = 0.005
# Which of several matches counts.
MATCHED: Mapping[str, Callable[[Sequence[float]], float]] = {
    "regex": lambda values: values[-1],
    "regex-first": lambda values: values[0],
    "regex-mean": fmean,
    "regex-max": max,
    "regex-min": min,
}
# What the kernel counted of a run: of which metric `used:WHAT` is, and its unit.
USED: Mapping[str, tuple[Callable[[ProgramRun], float], str]] = {
    "page_faults": (lambda run: float(run.counts.page_faults), ""),
    "context_switches": (lambda run: float(run.counts.context_switches), ""),
    "read_bytes": (lambda run: float(run.counts.read_bytes), "B"),
    "written_bytes": (lambda run: float(run.counts.written_bytes), "B"),
    "tree_bytes": (lambda run: float(run.counts.tree_bytes), "B"),
    "exit_code": (lambda run: float(run.returncode), ""),
}
Better = Literal["lower", "higher"]
Stamps = Mapping[str, tuple[int, ...] | None]
_RATES = frozenset({"speedup", "throughput", "qps", "tps", "rps", "fps"})
_SCORES = frozenset({
    "acc", "accuracy", "ap", "auc", "bleu", "f1", "iou", "map", "mcc", "ndcg", "precision", "r2",
    "recall", "score",
})  # fmt: skip
_TAIL = re.compile(r"\w+_p(\d{2})")  # lat_p99: that quantile of the values a run leaves


@final
@dataclass(frozen=True)
class Reader:
    """Where one metric is found after a run: in a file, in the output, or in what it used.

    kind: a name of SOURCES, MATCHED, "used" or "progress". path: of the file, the expression, or
    what was used.
    """

    name: str
    kind: str
    path: str
    field: str = ""
    cwd: str = ""  # what its path is relative to; "" for where the process is
    absent: str = ""  # what it means that the file is not there, where we know it

    @property
    def reads_file(self) -> bool:
        """Whether it is in a file that the run must write."""
        return self.kind in SOURCES

    @property
    def unit(self) -> str:
        """What it is counted in."""
        if self.kind == "used":
            return USED[self.path][1]
        return SOURCES[self.kind].unit if self.reads_file else ""

    def file(self, places: Mapping[str, Value]) -> Path:
        """Where the file is."""
        return Path(self.cwd, fill(self.path, places))

    def read(
        self, run: ProgramRun, places: Mapping[str, Value], before: Stamps
    ) -> tuple[float, ...]:
        """The number, or the numbers of a list, that this run left.

        before: the `stamps` from before the run. Raises TrialFailed for what is not there, what an
        earlier run left, and what is no number.
        """
        if self.kind == "used":
            return (USED[self.path][0](run),)
        if self.kind == "progress":
            return (self._last_told(run),)
        if not self.reads_file:
            return (self._matched(run),)
        path = self.found(places, before)
        try:
            return tuple(SOURCES[self.kind].read(path, self.field, f"metric {self.name}"))
        except OSError as error:
            raise TrialFailed(f"cannot read {self.path}: {error.strerror}") from error

    def found(self, places: Mapping[str, Value], before: Stamps) -> Path:
        """The file. Raises TrialFailed where this run did not write it."""
        path = self.file(places)
        if not path.exists():
            raise TrialFailed(
                self.absent or f"expected {self.name} in {self.path}; the file is not there"
            )
        if str(path) in before and before[str(path)] == _stamp(path):
            raise TrialFailed(
                f"expected {self.name} in {self.path}; this run did not write the file, "
                "which is from before; let the program write it, best into {dir}"
            )
        return path

    def _matched(self, run: ProgramRun) -> float:
        """What matches in standard output, or where nothing does in standard error."""
        which = MATCHED[self.kind]
        for stream in (run.stdout, run.stderr):
            text = stream.lines()
            matches = re.finditer(self.path, text, re.MULTILINE)
            if self.kind == "regex":  # of a long output only the last one is looked at
                matches = iter(deque(matches, maxlen=1))
            if values := [self._caught(match, text) for match in matches]:
                return which(values)
        raise TrialFailed(
            f"expected metric {self.name} as {self.path!r} in the output; it is not there; "
            f"the output ends: {telling(run.stdout, run.stderr)}"
        )

    def _last_told(self, run: ProgramRun) -> float:
        """What the last line of progress tells."""
        progress = read_progress(f"regex:{self.path}")
        for stream in (run.stdout, run.stderr):
            for line in reversed(re.split(r"[\r\n]+", stream.lines())):
                if (told := progress.read(line)) is not None:
                    return told[1][self.name].values[0]
        raise TrialFailed(
            f"expected metric {self.name} in a line of progress like {self.path!r}; there is none; "
            f"the output ends: {telling(run.stdout, run.stderr)}"
        )

    def _caught(self, match: re.Match[str], text: str) -> float:
        caught = match[1] or ""
        whole = None if _spelled_out(self.path) else whole_around(text, *match.span(1))
        if whole is not None:
            raise TrialFailed(
                f"metric {self.name}: expected a group that catches the whole number; got "
                f"{caught!r} of {whole!r}; let the group be ([^\\s]+), or spell out what "
                "stands beside it"
            )
        return parse_number(caught.strip().rstrip(".,;:"), f"metric {self.name}")


@final
@dataclass(frozen=True)
class StatedMetric:
    """A metric and its reader. guessed: nobody said which direction is better."""

    metric: Metric
    reader: Reader
    guessed: bool = False

    @property
    def note(self) -> str:
        """What to say about a guess; "" where there was none."""
        metric, other = self.metric, "lower" if self.metric.better == "higher" else "higher"
        if not self.guessed:
            return ""
        return (
            f"{metric.name}: {metric.better} is taken to be better, from its name; "
            f"if not: --metric {metric.name}=…:{other}"
        )


def read_metrics(
    texts: Sequence[str], stage: str, stated: Mapping[str, Better] | None = None,
    taken: Iterable[str] = (),
) -> tuple[StatedMetric, ...]:  # fmt: skip
    """The metrics that texts state, to be read after a stage.

    stated: the directions that objectives state, which go before any guess. taken: names that other
    metrics have. Raises InputError for what cannot be read and for two directions of one metric.
    """
    names, stated_metrics = set(taken), []
    for text in texts:
        metric = _read_metric(text, stage, stated or {})
        if metric.metric.name in names:
            raise InputError(f"metric {metric.metric.name!r}: the name is taken; give it another")
        names.add(metric.metric.name)
        stated_metrics.append(metric)
    return tuple(stated_metrics)


def stamps(
    readers: Iterable[Reader], places: Mapping[str, Value], steps: Iterable[str] = ()
) -> Stamps:
    """How the files of metrics stand before a run; those that steps above made are not asked."""
    above = set(steps)
    paths = [
        reader.file(places)
        for reader in readers
        if reader.reads_file and not placeholders_in([reader.path]) & above
    ]
    return {str(path): _stamp(path) for path in paths}


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
        inside = [each.lstat().st_mtime_ns for each in path.rglob("*")] if path.is_dir() else []
    except OSError:
        return None
    newest = (len(inside), max(inside)) if inside else ()
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, *newest)


def _read_metric(text: str, stage: str, stated: Mapping[str, Better]) -> StatedMetric:
    name, rest = split_named(text, METRIC_FORMAT)
    said = next((d for d in ("higher", "lower") if rest.endswith(f":{d}")), None)
    rest = rest.removesuffix(f":{said}") if said else rest
    kind, _, path = rest.partition(":")
    source, field = SOURCES.get(kind), ""
    if source and source.field:
        path, _, field = path.rpartition(":")
    known = source or kind in MATCHED or kind == "used"
    if not known or not path or (source and source.field and not field):
        raise InputError(f"metric {name!r}: expected {METRIC_FORMAT}; got {text!r}")
    if kind in MATCHED:
        _check_expression(name, path)
    if kind == "used" and path not in USED:
        raise InputError(f"metric {name!r}: unknown use {path!r}: {nearest(path, USED)}")
    return _stated(Reader(name, kind, path, field), said, stage, stated.get(name))


def progress_metrics(
    progress: Progress, names: Iterable[str], stage: str, stated: Mapping[str, Better]
) -> tuple[StatedMetric, ...]:
    """Those of these names that lines of progress tell: the last one counts."""
    return tuple(
        _stated(Reader(name, "progress", progress.expression), None, stage, stated.get(name))
        for name in names
        if name in progress.names
    )


def _stated(reader: Reader, said: str | None, stage: str, asked: Better | None) -> StatedMetric:
    name = reader.name
    if asked and said and asked != said:
        raise InputError(
            f"metric {name!r}: expected one direction; got {said} from --metric and {asked} from "
            "the goal; drop one of them"
        )
    score = not reader.unit and reader.kind != "used" and is_score(name)
    guess = "higher" if score or _parts(name) & _RATES else "lower"
    metric = Metric(
        name,
        cast("Better", asked or said or guess),
        stage,
        reader.unit,
        "difference" if score else "ratio",
        SCORE_MARGIN if score else 0.02,
        share=int(tail[1]) / 100 if (tail := _TAIL.fullmatch(name)) else 0.5,
        evidence="same data",
    )
    return StatedMetric(metric, reader, guessed=not (asked or said))


def is_score(name: str) -> bool:
    """Whether a metric's name says that it is a score, which compares by differences."""
    return bool(_parts(name) & _SCORES)


def _parts(name: str) -> set[str]:
    return {name, *re.split("[-_]", name.lower())}


def _check_expression(name: str, expression: str) -> None:
    try:
        groups = re.compile(expression, re.MULTILINE).groups
    except re.error as error:
        raise InputError(f"metric {name!r}: expected a regular expression; {error}") from error
    if groups != 1:
        raise InputError(
            f"metric {name!r}: expected one group (...) around the number; got {groups}"
        )


def _spelled_out(expression: str) -> bool:
    """Whether an expression itself says that a comma or a dot beside its group is no part of it."""
    return re.search(r"[,;]\(|\)\\?[,;]|\)\\\.|\\\.\(", expression) is not None


def samples_of(run: ProgramRun) -> dict[str, Sample]:
    """What is measured of every run."""
    samples = {"wall_s": Sample((run.wall_s,), "s"), "cpu_s": Sample((run.cpu_s,), "s")}
    if run.peak_bytes is not None:
        samples["peak_bytes"] = Sample((float(run.peak_bytes),), "B")
    return samples
