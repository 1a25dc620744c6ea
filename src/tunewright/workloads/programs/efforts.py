"""Efforts of programs: how far a run goes, and where it goes on from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from tunewright.core.config import Config, Value
from tunewright.core.metrics import Sample
from tunewright.core.roles import Context, Effort
from tunewright.errors import InputError
from tunewright.workloads.checkpoints import CHECKPOINTS, Checkpoint
from tunewright.workloads.programs.words import split_named

CHECKPOINT = "checkpoint"  # the placeholder of a directory that a config goes on from
EFFORT_FORMAT = "NAME=LOW..HIGH: 'epochs=3..81'"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")
_SUMMED = ("wall_s", "cpu_s")  # what less effort has used was used for more of it, too


@final
@dataclass(frozen=True)
class StatedEffort:
    """How far a run goes: the placeholder `name` stands for it."""

    name: str
    least: float
    full: float

    @property
    def rungs(self) -> tuple[float, ...]:
        """The efforts at which configs are held against each other."""
        return self.effort("").rungs

    @property
    def told(self) -> str:
        """For whoever reads the plan."""
        return f"{self.name} {', '.join(format(rung, 'g') for rung in self.rungs)}"

    def effort(self, stage: str, *, continues: bool = False) -> Effort:
        """The effort of a workload, which this stage reads."""
        return Effort(self.name, self.least, self.full, continues, halved=True, stage=stage)

    def at(self, asked: Mapping[str, float]) -> Value:
        """What the placeholder stands for where this much was asked for; all where nothing was."""
        value = asked.get(self.name, self.full)
        return int(value) if float(value).is_integer() and self._whole else value

    @property
    def _whole(self) -> bool:
        return float(self.least).is_integer() and float(self.full).is_integer()


def read_effort(text: str) -> StatedEffort:
    """The effort that "epochs=3..81" states. Raises InputError."""
    name, rest = split_named(text, f"an effort {EFFORT_FORMAT}")
    span = _RANGE.fullmatch(rest)
    if span is None:
        raise InputError(f"--effort {name!r}: expected {EFFORT_FORMAT}; got {text!r}")
    least, full = float(span[1]), float(span[2])
    if not 0 < least < full:
        raise InputError(
            f"--effort {name!r}: expected LOW..HIGH with 0 < LOW < HIGH; got {rest.strip()}; "
            "HIGH is what a run takes today"
        )
    return StatedEffort(name, least, full)


@final
@dataclass(frozen=True)
class Continued:
    """The checkpoint of one run. before: what earlier parts of it had used, {} where it is new."""

    checkpoint: Checkpoint
    step: int
    whole: bool
    before: Mapping[str, float]

    def used(self, samples: Mapping[str, Sample]) -> dict[str, Sample]:
        """What the run and its earlier parts have used, together."""
        summed = dict(samples)
        for name in _SUMMED:
            own, earlier = samples.get(name), self.before.get(name)
            if own is not None and earlier is not None:
                summed[name] = replace(own, values=(own.values[0] + earlier,))
        peak, earlier = samples.get("peak_bytes"), self.before.get("peak_bytes")
        if peak is not None and earlier is not None:
            summed["peak_bytes"] = replace(peak, values=(max(peak.values[0], earlier),))
        return summed

    def keep(self, samples: Mapping[str, Sample]) -> None:
        """Keep what the program has left, to be gone on from; after a whole run nothing."""
        if self.whole:
            self.checkpoint.drop()
            return
        used = {n: samples[n].values[0] for n in (*_SUMMED, "peak_bytes") if n in samples}
        self.checkpoint.keep(self.step, used, move=True)


def continued(
    effort: StatedEffort, config: Config, context: Context, files: Path
) -> Continued | None:
    """Fill `files` with what this config goes on from; None where nothing is kept of a run.

    So it is in a verification: both arms of a pair start from nothing, whatever a search has left.
    """
    files.mkdir()
    fidelity = context.fidelity
    if fidelity.piece.fresh or not (fidelity.effort or fidelity.earlier):
        return None
    checkpoint = Checkpoint(context.lasting / CHECKPOINTS / f"{config.id}-{context.seed}", files)
    earlier = fidelity.earlier.get(effort.name)
    before = {} if earlier is None else checkpoint.restore(_step(effort, earlier))
    files.mkdir(exist_ok=True)  # a harmed state leaves nothing
    asked = fidelity.effort.get(effort.name)
    step = _step(effort, effort.full if asked is None else asked)
    return Continued(checkpoint, step, asked is None, before)


def _step(effort: StatedEffort, level: float) -> int:
    """The rung that an effort is, from 1: names of states are whole numbers."""
    return 1 + sum(rung < level for rung in effort.rungs)
