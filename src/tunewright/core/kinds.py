"""Kinds: what makes a family of workloads usable, as one value that is registered by name.

The session, the command line, the bundles and the reports ask this value and switch on nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, final

from tunewright.core.config import Config, Value
from tunewright.core.goal import Goal
from tunewright.core.metrics import Metric
from tunewright.core.roles import Artifact, Workload

Lines = Sequence[tuple[str, str]]
Stated = Mapping[str, Literal["lower", "higher"]]
Later = Callable[[], Any]  # a workload of the kind, built on call


@final
@dataclass(frozen=True)
class Option:
    """A command-line option of a kind; `--name` fills the field of that name in its spec.

    many: may be given several times; the field is then a tuple. bare: what the option means where
    no value follows it; None where one must.
    """

    name: str
    help: str
    metavar: str = "TEXT"
    many: bool = False
    field: str = ""
    bare: str | None = None

    @property
    def target(self) -> str:
        """The field of the spec."""
        return self.field or self.name.replace("-", "_")


@final
@dataclass(frozen=True)
class HandOver:
    """What a bundle is made of: files by name, an index of plain JSON, and how it is used."""

    index: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)
    use: str = ""


@final
@dataclass(frozen=True)
class Importance:
    """How much a loss rises where one column says nothing any more, with a 95 % interval over n."""

    name: str
    rise: float
    low: float
    high: float
    n: int


@final
@dataclass(frozen=True)
class Kind:
    """A kind of workload.

    spec: a frozen dataclass of plain JSON values: what the user says about it. parse: a spec from
    the data or the program as typed, or from a spec that a file states, with the options given and
    the seed. written: the fields of a spec
    as a file states them, made whole: its paths are as seen from the file's directory.
    build: the workload that a spec and the baseline's knobs make, where the goal states for some
    metrics which way is better. Raises InputError.
    takes: what names it on the command line: a data file, or a program behind "--".
    options: the rest of what may be said there. warm: modules that a worker imports first.
    describe: what was understood, as labelled lines: of the workload, its goal, and how often its
    untouched rows were looked at before.
    hand_over: what a bundle of a config holds, made from the artifact that was verified (None where
    the search left none); None where there is nothing to hand over. The workload is built on call:
    a table may be large by now, or gone.
    arms: what is compared, the baseline first, where nothing is searched. same_output: whether all
    configs must put out the same. answering: what a bundle's index and its files answer with; a
    table's are read by `deploying.bundle`.
    called: what a study of a spec is called, where nobody says. aims: what a workload is tuned for
    where nobody says, the most important metric first; () where that must be said. importance: of
    what an artifact answers from, the most important first, and the metric in which it is told.
    """

    name: str
    spec: type[Any]
    build: Callable[[Any, Mapping[str, Value], Stated], Workload]
    describe: Callable[[Any, Goal, int], Lines]
    hand_over: Callable[[Later, Config, Artifact | None], HandOver | None] = lambda *_: None
    takes: Literal["data", "program", ""] = ""
    parse: Callable[[Any, Mapping[str, Any], int], Any] = lambda *_: None
    written: Callable[[Mapping[str, Any], Path], Mapping[str, Any]] = lambda body, _: body
    options: tuple[Option, ...] = ()
    warm: tuple[str, ...] = ()
    arms: Callable[[Any], Mapping[str, str]] = lambda _: {}
    called: Callable[[Any], str] = lambda _: "study"
    aims: Callable[[Any], Sequence[Metric]] = lambda _: ()
    importance: Callable[[Artifact], tuple[str, Sequence[Importance]]] = lambda _: ("", ())
    same_output: Callable[[Any], bool] = lambda _: False
    answering: Callable[[Mapping[str, Any], Mapping[str, bytes]], Any] | None = None
