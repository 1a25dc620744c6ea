"""The trials of a verification: refits of both arms, then pairs of processes in random order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, final

from tunewright.core.config import Config, digest_of
from tunewright.core.history import Fold, History
from tunewright.core.metrics import OUTPUT, Sample
from tunewright.core.trial import Arm, Measurement, Outcome, Purpose, Trial

ARMS: tuple[Arm, Arm] = ("baseline", "candidate")
FAILURES = 3  # and half of all runs: an arm that fails like that is not worth more of them


@final
@dataclass
class Look:
    """One look at the test rows: a candidate, the refits by fold, and the pairs so far.

    Runs before the first pair warm the machine up; they are in the history and count for nothing.
    members: those of an arm's config that were refitted, each as (arm, fold, place).
    """

    candidate: Config | None = None
    members: set[tuple[Arm, int, int]] = field(default_factory=set)
    refits: dict[Arm, dict[int, Measurement]] = field(default_factory=dict)
    pairs: dict[int, dict[Arm, Measurement]] = field(default_factory=dict)
    warmed: set[Arm] = field(default_factory=set)

    def complete(self) -> list[tuple[Measurement, Measurement]]:
        """The pairs of which both arms gave a measurement, in order."""
        return [
            (pair["baseline"], pair["candidate"])
            for _, pair in sorted(self.pairs.items())
            if len(pair) == len(ARMS) and all(m.outcome is Outcome.OK for m in pair.values())
        ]

    def tried(self) -> int:
        """How many pairs have ended, well or badly."""
        return sum(len(pair) == len(ARMS) for pair in self.pairs.values())

    def runs(self, arm: Arm) -> int:
        """How many processes of this arm ran to whatever end of their own."""
        return sum(_ran(pair[arm]) for pair in self.pairs.values() if arm in pair)

    def failures(self, arm: Arm) -> list[Measurement]:
        """The pairs' runs of this arm that ended badly, in order."""
        ended = (pair[arm] for _, pair in sorted(self.pairs.items()) if arm in pair)
        return [measurement for measurement in ended if _failed(measurement)]

    def cut_off(self) -> Arm | None:
        """The arm whose run we stopped last, or None."""
        for _, pair in sorted(self.pairs.items(), reverse=True):
            for arm, measurement in pair.items():
                if not _ran(measurement):
                    return arm
        return None

    def unfit(self) -> tuple[Arm, Measurement] | None:
        """An arm that could not be refitted, or None."""
        for arm, folds in self.refits.items():
            for measurement in folds.values():
                if _failed(measurement):
                    return arm, measurement
        return None


def _ran(measurement: Measurement) -> bool:
    return measurement.outcome is not Outcome.STOPPED


def _failed(measurement: Measurement) -> bool:
    return measurement.outcome not in (Outcome.OK, Outcome.STOPPED)


def _step(looks: dict[int, Look], trial: Trial, measurement: Measurement) -> None:
    purpose = trial.purpose
    if purpose.kind == "search" or purpose.arm is None:
        return
    look = looks.setdefault(purpose.look, Look())
    if purpose.arm == "candidate":
        look.candidate = trial.config
    if purpose.member >= 0:
        look.members.add((purpose.arm, purpose.block, purpose.member))
    elif purpose.block < 0:
        look.warmed.add(purpose.arm)
    elif purpose.kind == "refit":
        look.refits.setdefault(purpose.arm, {})[purpose.block] = measurement
    else:
        look.pairs.setdefault(purpose.block, {})[purpose.arm] = measurement


looks = Fold[dict[int, Look]](dict, _step)  # by number, from 1


def current_look(history: History) -> int:
    """The number of the latest look that was begun; 0 while the search goes on."""
    begun = [*looks(history), *(t.purpose.look for t in (*history.running, *history.lost))]
    return max(begun, default=0)


def candidate_of(history: History, number: int) -> Config | None:
    """The candidate of this look, None before a trial of it has begun."""
    look = looks(history).get(number)
    if look is not None and look.candidate is not None:
        return look.candidate
    under_way = (*history.running, *history.lost)
    wanted = (number, "candidate")
    candidates = (t.config for t in under_way if (t.purpose.look, t.purpose.arm) == wanted)
    return next(candidates, None)


def refitted(look: Look, parts: int) -> bool:
    """Whether both arms were fitted again for so many parts of the untouched rows."""
    return all(len(look.refits.get(arm, {})) >= parts for arm in ARMS) or not parts


def next_purposes(  # noqa: PLR0913 - what a proof consists of
    history: History,
    number: int,
    arms: Mapping[Arm, Config],
    *,
    parts: int,
    warm_up: bool,
    seed: int,
) -> list[Purpose]:
    """What the look still needs next: missing refits, a warm-up, else the next arm of a pair.

    The members of an arm's config are refitted before the whole of it, the dear ones side by side.
    """
    look = looks(history).get(number, Look())
    busy = {t.purpose for t in (*history.running, *history.lost)}
    if not refitted(look, parts):
        wanted = [
            purpose
            for fold in range(parts)
            for arm in ARMS
            if fold not in look.refits.get(arm, {})
            for purpose in _refit(look, number, arm, fold, len(arms[arm].members))
        ]
        return [purpose for purpose in wanted if purpose not in busy]
    block, had = 0, set(look.pairs.get(0, {}))
    if warm_up and len(look.warmed) < len(ARMS):
        block, had = -1, look.warmed
    while len(had) == len(ARMS):
        block += 1
        had = set(look.pairs.get(block, {}))
    for arm in block_order(seed, number, block):
        purpose = Purpose("pair", arm, number, block)
        if arm not in had:
            return [] if purpose in busy else [purpose]
    return []


def _refit(look: Look, number: int, arm: Arm, fold: int, members: int) -> list[Purpose]:
    """The members that are still to be refitted, or then the whole config."""
    missing = [i for i in range(members) if (arm, fold, i) not in look.members]
    return [Purpose("refit", arm, number, fold, i) for i in missing or (-1,)]


def block_order(seed: int, look: int, block: int) -> tuple[Arm, Arm]:
    """Which arm goes first: drawn for each pair on its own.

    So the sign of what the order does to a pair is a fair coin, whatever the noise: disturbances
    that come back every few runs cannot side with one arm, as they do in blocks of ABBA.
    """
    flipped = int(digest_of([seed, look, block]), 16) % 2
    return (ARMS[1], ARMS[0]) if flipped else ARMS


def failing_arm(look: Look) -> Arm | None:
    """An arm of which half of the runs fail, three at least, or None."""
    for arm in ARMS:
        failures = len(look.failures(arm))
        if failures >= FAILURES and 2 * failures >= look.runs(arm):
            return arm
    return None


def failure_story(look: Look) -> str:
    """How often each arm failed, and how it did at last."""
    counts = [f"{len(look.failures(arm))} of {look.runs(arm)} runs of the {arm}" for arm in ARMS]
    latest = next(m for arm in reversed(ARMS) for m in reversed(look.failures(arm)))
    return f"{' and '.join(counts)} failed ({latest.outcome.value}: {latest.detail})"


def outputs_of(look: Look) -> Literal["same", "differ", "vary", "unknown"]:
    """Whether both arms put out the same, or whether that changes from run to run.

    Two runs of each that are unlike the other arm's are needed to know which.
    """
    complete = look.complete()
    seen: dict[Arm, set[float]] = {arm: set() for arm in ARMS}
    for pair in complete:
        for arm, measurement in zip(ARMS, pair, strict=True):
            seen[arm].update(values_of(measurement, OUTPUT))
    base, cand = (seen[arm] for arm in ARMS)
    if base and base == cand:
        return "same"
    if not base or not cand or len(complete) < 2:
        return "unknown"
    return "differ" if len(base) == len(cand) == 1 else "vary"


def values_of(measurement: Measurement, name: str) -> tuple[float, ...]:
    """The values of a sample; () where the measurement has none of this name."""
    sample = measurement.samples.get(name, Sample(()))
    return sample.values
