"""Metrics of programs: how they are typed, and where they are found after a run."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, final

from tunewright.core.config import Value
from tunewright.core.metrics import Metric
from tunewright.core.texts import read_json
from tunewright.errors import InputError, TrialFailed, nearest
from tunewright.measuring.processes import ProgramRun
from tunewright.workloads.programs.failures import telling
from tunewright.workloads.programs.numbers import parse_number, whole_around
from tunewright.workloads.programs.placeholders import fill, placeholders_in
from tunewright.workloads.programs.words import split_named

METRIC_FORMAT = "NAME=file:PATH, NAME=json:PATH:FIELD or NAME=regex:EXPRESSION"
SCORE_MARGIN = 0.005
Kind = Literal["file", "json", "regex"]
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
    """Where one metric is found after a run: the size of a file, in a JSON file, in the output."""

    name: str
    kind: Kind
    path: str  # of the file; for "regex" the expression
    field: str = ""
    cwd: str = ""  # what its path is relative to; "" for where the process is

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
        if self.kind == "regex":
            return (self._last_match(run),)
        path = self.found(places, before)
        if self.kind == "file":
            return (float(path.stat().st_size),)
        try:
            value: Any = read_json(path.read_bytes())
        except ValueError as error:
            raise TrialFailed(
                f"expected metric {self.name} in {self.path}; it is no JSON: {error}"
            ) from error
        value = self._field(value)
        values = value if isinstance(value, list) and value else [value]
        return tuple(map(self._number, values))

    def found(self, places: Mapping[str, Value], before: Stamps) -> Path:
        """The file. Raises TrialFailed where this run did not write it."""
        path = self.file(places)
        if not path.is_file():
            raise TrialFailed(f"expected {self.name} in {self.path}; the file is not there")
        if str(path) in before and before[str(path)] == _stamp(path):
            raise TrialFailed(
                f"expected {self.name} in {self.path}; this run did not write the file, "
                "which is from before; let the program write it, best into {dir}"
            )
        return path

    def _last_match(self, run: ProgramRun) -> float:
        """The last match in what went to standard output, else in what went to standard error."""
        for stream in (run.stdout, run.stderr):
            text = stream.lines()
            last = next(iter(deque(re.finditer(self.path, text, re.MULTILINE), maxlen=1)), None)
            if last is None:
                continue
            caught = last[1] or ""
            whole = None if _spelled_out(self.path) else whole_around(text, *last.span(1))
            if whole is not None:
                raise TrialFailed(
                    f"metric {self.name}: expected a group that catches the whole number; got "
                    f"{caught!r} of {whole!r}; let the group be ([^\\s]+), or spell out what "
                    "stands beside it"
                )
            return parse_number(caught.strip().rstrip(".,;:"), f"metric {self.name}")
        raise TrialFailed(
            f"expected metric {self.name} as {self.path!r} in the output; it is not there; "
            f"the output ends: {telling(run.stdout, run.stderr)}"
        )

    def _field(self, value: Any) -> Any:
        """What the field names; keys may hold dots: the longest that fits goes first."""
        parts = self.field.split(".")
        while parts:
            for length in range(len(parts), 0, -1):
                key: Any = ".".join(parts[:length])
                if isinstance(value, list) and length == 1 and re.fullmatch("-?[0-9]+", key):
                    key = int(key)
                try:
                    value = value[key]
                except (LookupError, TypeError):
                    continue
                parts = parts[length:]
                break
            else:
                known = f": {nearest(parts[0], value)}" if isinstance(value, Mapping) else ""
                raise TrialFailed(
                    f"expected metric {self.name} as {self.field} in {self.path}; "
                    f"there is no {parts[0]!r}{known}"
                )
        return value

    def _number(self, value: object) -> float:
        known = isinstance(value, (int, float)) and not isinstance(value, bool)
        text = value if isinstance(value, str) else repr(value) if known else ""
        if not text:
            raise TrialFailed(f"metric {self.name}: expected a finite number; got {value!r:.60}")
        return parse_number(text, f"metric {self.name}")


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
        if reader.kind != "regex" and not placeholders_in([reader.path]) & above
    ]
    return {str(path): _stamp(path) for path in paths}


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _read_metric(text: str, stage: str, stated: Mapping[str, Better]) -> StatedMetric:
    name, rest = split_named(text, METRIC_FORMAT)
    said = next((d for d in ("higher", "lower") if rest.endswith(f":{d}")), None)
    rest = rest.removesuffix(f":{said}") if said else rest
    kind, _, path = rest.partition(":")
    field = ""
    if kind == "json":
        path, _, field = path.rpartition(":")
    if kind not in ("file", "json", "regex") or not path or (kind == "json" and not field):
        raise InputError(f"metric {name!r}: expected {METRIC_FORMAT}; got {text!r}")
    if kind == "regex":
        _check_expression(name, path)
    asked = stated.get(name)
    if asked and said and asked != said:
        raise InputError(
            f"metric {name!r}: expected one direction; got {said} from --metric and {asked} from "
            "the goal; drop one of them"
        )
    score = kind != "file" and is_score(name)
    guess = "higher" if score or _parts(name) & _RATES else "lower"
    metric = Metric(
        name,
        cast("Better", asked or said or guess),
        stage,
        "B" if kind == "file" else "",
        "difference" if score else "ratio",
        SCORE_MARGIN if score else 0.02,
        share=int(tail[1]) / 100 if (tail := _TAIL.fullmatch(name)) else 0.5,
        evidence="same data",
    )
    return StatedMetric(
        metric, Reader(name, cast("Kind", kind), path, field), guessed=not (asked or said)
    )


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
