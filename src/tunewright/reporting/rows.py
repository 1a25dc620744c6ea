"""What the rows of a verdict show of the model itself: calibration, confusion, residuals."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import final

from tunewright.core.history import History
from tunewright.core.metrics import Sample
from tunewright.core.trial import Arm
from tunewright.core.verdict import Verdict
from tunewright.verifying.pairs import looks

BINS = 10  # of a calibration, each with as many rows
LEAST = 20  # rows that a bin has at least
MOST = 500  # points of a picture
SURE = NormalDist().inv_cdf(0.975)


@final
@dataclass(frozen=True)
class Bin:
    """Rows that were given about the same probability, and the share of them that was positive."""

    said: float
    share: float
    low: float
    high: float
    n: int


@final
@dataclass(frozen=True)
class Judged:
    """What the handed-over recipe said of the untouched rows, each while it was held back.

    calibration: of two classes. confusion: counts of rows by class, and then by what was said.
    residuals: (said, answer) of a regression, as many as a picture holds. n: rows.
    """

    classes: tuple[str, ...] = ()
    calibration: tuple[Bin, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    residuals: tuple[tuple[float, float], ...] = ()
    n: int = 0


NOTHING = Judged()


def judged(history: History) -> Judged:
    """What the refits of the last look say of the config that the verdict hands over."""
    verdict, number = history.finished, max(looks(history), default=0)
    if verdict is None or not number:
        return NOTHING
    arm = _arm(history, verdict, number)
    refits = looks(history)[number].refits.get(arm, {}) if arm else {}
    samples = [refit.samples for _, refit in sorted(refits.items())]
    said = [value for one in samples for value in _values(one, "said")]
    name = "class" if any("class" in one for one in samples) else "answer"
    answers = [value for one in samples for value in _values(one, name)]
    if not said or len(said) != len(answers):
        return NOTHING
    labels = next(one[name].labels for one in samples if name in one)
    if not labels:
        step = max(len(said) // MOST, 1)
        pairs = tuple(zip(said, answers, strict=True))
        return Judged(residuals=pairs[::step], n=len(said))
    places = [int(answer) for answer in answers]
    weights = [value for one in samples for value in _values(one, "weight")]
    two = len(labels) == 2
    guesses = [int(value >= 0.5) if two else int(value) for value in said]
    counts = Counter(zip(places, guesses, strict=True))
    every = range(len(labels))
    return Judged(
        labels,
        calibration(said, places, weights) if two else (),
        tuple(tuple(counts[truth, guess] for guess in every) for truth in every),
        n=len(said),
    )


def calibration(
    said: Sequence[float], places: Sequence[int], weights: Sequence[float] = ()
) -> tuple[Bin, ...]:
    """Rows in order of their probability, in bins of as many rows, each with Wilson's interval.

    weights: how much each row counts, () where all count the same. The interval is then that of as
    many equal rows as tell as much (Kish 1965).
    """
    rows = sorted(zip(said, places, weights or [1.0] * len(said), strict=True))
    count = min(BINS, len(rows) // LEAST)
    cuts = [round(i * len(rows) / count) for i in range(count + 1)] if count else []
    bins = []
    for start, end in itertools.pairwise(cuts):
        own = rows[start:end]
        total = math.fsum(weight for *_, weight in own)
        if not total:
            continue
        n = total**2 / math.fsum(weight**2 for *_, weight in own)
        mean = math.fsum(p * weight for p, _, weight in own) / total
        share = math.fsum(place * weight for _, place, weight in own) / total
        spread = SURE**2 / n
        middle = (share + spread / 2) / (1 + spread)
        half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
        bins.append(Bin(mean, share, middle - half, middle + half, len(own)))
    return tuple(bins)


def _arm(history: History, verdict: Verdict, number: int) -> Arm | None:
    """Which arm of the look is handed over; None where neither is."""
    if verdict.config == looks(history)[number].candidate:
        return "candidate"
    first, _ = next(history.ended())
    return "baseline" if verdict.config == first.config else None


def _values(samples: Mapping[str, Sample], name: str) -> tuple[float, ...]:
    return samples[name].values if name in samples else ()
