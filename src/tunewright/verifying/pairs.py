"""The trials of a verification: refits of both arms, then pairs of processes in ABBA order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from tunewright.core.config import Config, digest_of
from tunewright.core.history import Fold, History
from tunewright.core.metrics import Sample
from tunewright.core.trial import Arm, Measurement, Outcome, Purpose, Trial

ARMS: tuple[Arm, Arm] = ("baseline", "candidate")


@final
@dataclass
class Look:
    """One look at the test rows: a candidate, the refits, and the pairs as far as they are."""

    candidate: Config | None = None
    refits: dict[Arm, Measurement] = field(default_factory=dict)
    pairs: dict[int, dict[Arm, Measurement]] = field(default_factory=dict)

    def complete(self) -> list[tuple[Measurement, Measurement]]:
        """The pairs of which both arms gave a measurement, in order."""
        return [
            (pair["baseline"], pair["candidate"])
            for _, pair in sorted(self.pairs.items())
            if len(pair) == len(ARMS) and all(m.outcome is Outcome.OK for m in pair.values())
        ]

    def failed(self) -> tuple[Arm, Measurement] | None:
        """An arm that could not be refitted or run, or None."""
        for arms in (self.refits, *self.pairs.values()):
            for arm, measurement in arms.items():
                if measurement.outcome not in (Outcome.OK, Outcome.STOPPED):
                    return arm, measurement
        return None


def _step(looks: dict[int, Look], trial: Trial, measurement: Measurement) -> None:
    purpose = trial.purpose
    if purpose.kind == "search" or purpose.arm is None:
        return
    look = looks.setdefault(purpose.look, Look())
    if purpose.arm == "candidate":
        look.candidate = trial.config
    if purpose.kind == "refit":
        look.refits[purpose.arm] = measurement
    else:
        look.pairs.setdefault(purpose.block, {})[purpose.arm] = measurement


looks = Fold[dict[int, Look]](dict, _step)  # by number, from 1


def current_look(history: History) -> int:
    """The number of the latest look that was begun; 0 while the search goes on."""
    begun = [*looks(history), *(t.purpose.look for t in (*history.running, *history.lost))]
    return max(begun, default=0)


def next_purposes(history: History, number: int, *, refits: bool, seed: int) -> list[Purpose]:
    """What the look still needs next: the missing refits, else the next arm of a pair."""
    look = looks(history).get(number, Look())
    busy = {t.purpose for t in (*history.running, *history.lost)}
    if refits and len(look.refits) < len(ARMS):
        wanted = [Purpose("refit", arm, number) for arm in ARMS if arm not in look.refits]
        return [purpose for purpose in wanted if purpose not in busy]
    block = 0
    while len(look.pairs.get(block, {})) == len(ARMS):
        block += 1
    for arm in block_order(seed, number, block):
        purpose = Purpose("pair", arm, number, block)
        if arm not in look.pairs.get(block, {}):
            return [] if purpose in busy else [purpose]
    return []


def block_order(seed: int, look: int, block: int) -> tuple[Arm, Arm]:
    """Which arm goes first: at random for each two blocks, the second reversed (ABBA)."""
    flipped = int(digest_of([seed, look, block // 2]), 16) % 2
    return ARMS if (block + flipped) % 2 == 0 else (ARMS[1], ARMS[0])


def values_of(look: Look, name: str) -> tuple[Sample, Sample] | None:
    """Both arms' samples of this name from the refits, or None where one has no values."""
    both = [look.refits[arm].samples.get(name) for arm in ARMS if arm in look.refits]
    found = [sample for sample in both if sample is not None and sample.values]
    return (found[0], found[1]) if len(found) == len(ARMS) else None
