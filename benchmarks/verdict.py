"""How often the speed verdict errs, and how many runs it needs, beside what other tools do.

Runs are simulated in time order under noise that benchmarks meet. Ours takes them as pairs in the
order of `block_order`, looks after each pair from the fifth on with `early` and at the end with
`last`; the others take the same draws, first all runs of the baseline and then all of the
candidate. The verdicts come from a vectorised copy whose constants are read off the real functions,
and which is held against them on random experiments first.

Run: python benchmarks/verdict.py [--quick] [--write]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from results import write_section
from scipy.signal import lfilter
from scipy.special import stdtrit
from threadpoolctl import threadpool_limits

from tunewright.stats.pairs import POWER, early, last
from tunewright.verifying.pairs import block_order

Array = NDArray[np.float64]
Line = dict[str, Any]

SEED = 0  # another one, other draws
ALPHA = 0.05
FIRST_LOOK = 5  # pairs
PAIRS = 40
SD = 0.05  # of the log time of a single run
VALUES = 20  # of each process that repeats inside
SMALL, LARGE, HUGE = math.log(0.97), math.log(0.7), math.log(0.1)  # true changes of the log time
BATCH = 1000  # experiments drawn at a time
BOOTSTRAPS = 500
STUDIES = 1000  # seeds of the real order of pairs
PYPERF_CRITICAL = {False: 2.0, True: 1.96}  # its table at 78 degrees of freedom, and from 200 on
FASTER, SLOWER = -1, 1
OURS = "ours"
INTERLEAVED = "Welch, interleaved"


# ---------------------------------------------------------------------------------------- noise


@dataclass(frozen=True)
class Noise:
    """Log times without any effect: experiments x runs in time order x values of each run."""

    name: str
    draw: Callable[[Generator, int, int], Array]
    values: int = 1
    steady: bool = True


def normal(chance: Generator, count: int, runs: int, sd: float = SD) -> Array:
    """Independent normal log times."""
    return sd * chance.standard_normal((count, runs))


def autoregressive(chance: Generator, count: int, runs: int, kept: float) -> Array:
    """A stationary AR(1): each run keeps this share of the one before."""
    new = chance.standard_normal((count, runs))
    new[:, 0] /= math.sqrt(1 - kept**2)
    return SD * math.sqrt(1 - kept**2) * np.asarray(lfilter([1.0], [1.0, -kept], new, axis=1))


def cycle(chance: Generator, count: int, runs: int, period: float) -> Array:
    """Independent runs on a machine that becomes 10 % slower and faster in a cycle of runs."""
    phase = np.arange(runs) / period + chance.random((count, 1))
    return normal(chance, count, runs) + 0.1 * np.sin(2 * math.pi * phase)


def shifts(chance: Generator, count: int, runs: int) -> Array:
    """Independent runs on a machine that changes between two levels, 10 % apart."""
    steps = np.cumsum(chance.random((count, runs)) < 1 / 40, axis=1)
    level = (steps + chance.integers(2, size=(count, 1))) % 2
    return normal(chance, count, runs) + math.log(1.1) * level


def processes(chance: Generator, count: int, runs: int, shared: float) -> Array:
    """Values that share their process's offset; its share of the variance is `shared`."""
    own = normal(chance, count * runs, VALUES, SD * math.sqrt(1 - shared))
    offset = normal(chance, count, runs, SD * math.sqrt(shared))
    return offset[:, :, None] + own.reshape(count, runs, VALUES)


def outliers(chance: Generator, count: int, runs: int) -> Array:
    """One run in 20 is slower by an exponential amount, 30 % in the mean."""
    slow = chance.random((count, runs)) < 1 / 20
    extra = slow * chance.exponential(0.3, (count, runs))
    return normal(chance, count, runs) + np.log1p(extra)


def heavy(chance: Generator, count: int, runs: int, freedom: int) -> Array:
    """Student's t of this freedom, cut off where a run takes ten times or a tenth."""
    scaled = SD / math.sqrt(3) * chance.standard_t(freedom, (count, runs))
    return np.clip(scaled, -math.log(10), math.log(10))


def skewed(chance: Generator, count: int, runs: int) -> Array:
    """A fixed time and a log-normal rest, whose standard deviation is 5 % of the fixed time."""
    spread = math.sqrt((math.e - 1) * math.e)
    return np.log1p(SD / spread * np.exp(chance.standard_normal((count, runs))))


def drift(chance: Generator, count: int, runs: int, total: float) -> Array:
    """Independent runs that become slower by this factor from the first to the last."""
    return normal(chance, count, runs) + np.linspace(0, math.log(total), runs)


INDEPENDENT = Noise("independent", normal)
AR_50 = Noise("AR(1) 0.5", partial(autoregressive, kept=0.5))
AR_80 = Noise("AR(1) 0.8", partial(autoregressive, kept=0.8))
AR_95 = Noise("AR(1) 0.95", partial(autoregressive, kept=0.95))
SHIFTS = Noise("level shifts", shifts)
DRIFT = Noise("drift 1.2x", partial(drift, total=1.2), steady=False)
SLOWDOWN = Noise("drift 3x", partial(drift, total=3.0), steady=False)
NOISES = (
    INDEPENDENT,
    AR_50,
    AR_80,
    AR_95,
    SHIFTS,
    Noise("cycle of 4 runs", partial(cycle, period=4)),
    Noise("processes, ICC 0.5", partial(processes, shared=0.5), VALUES),
    Noise("processes, ICC 0.9", partial(processes, shared=0.9), VALUES),
    Noise("outliers", outliers),
    Noise("Student t, 3 df", partial(heavy, freedom=3)),
    Noise("Student t, 2 df", partial(heavy, freedom=2)),
    Noise("skewed", skewed),
    DRIFT,
    SLOWDOWN,
)
DEPENDENT = (AR_80, AR_95, SHIFTS, DRIFT, SLOWDOWN)


@dataclass(frozen=True)
class Draws:
    """The same simulated runs as each side takes them; `pairs` runs of either arm."""

    changes: Array  # of ours, experiments x pairs
    interleaved: tuple[Array, Array]  # ours by arm: times of runs
    blocked: tuple[Array, Array]  # first all of the baseline: times, experiments x runs x values


@cache
def candidate_first(block: int) -> NDArray[np.bool]:
    """Which studies run the candidate first in this pair, in the real order."""
    return np.array([block_order(study, 1, block)[0] == "candidate" for study in range(STUDIES)])


def draws(noise: Noise, purpose: str, count: int, pairs: int, effect: float) -> Iterator[Draws]:
    """Experiments in batches, the same for the same arguments."""
    name = f"{SEED} {noise.name} {purpose} {pairs} {effect}"
    chance = np.random.default_rng(zlib.crc32(name.encode()))
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        logs = noise.draw(chance, size, 2 * pairs).reshape(size, 2 * pairs, noise.values)
        runs = logs[:, :, 0] if noise.values == 1 else np.log(np.exp(logs).mean(axis=2))
        studies = chance.integers(STUDIES, size=size)
        turned = np.stack([candidate_first(block)[studies] for block in range(pairs)], axis=1)
        one, two = runs[:, 0::2], runs[:, 1::2]
        base, candidate = np.where(turned, two, one), np.where(turned, one, two) + effect
        times = np.exp(logs)
        times[:, pairs:] *= math.exp(effect)
        yield Draws(
            candidate - base,
            (np.exp(base), np.exp(candidate)),
            (times[:, :pairs], times[:, pairs:]),
        )


# ----------------------------------------------------------------------------------------- ours


@dataclass(frozen=True)
class Look:
    """What the real function asks of n changes.

    half: half the interval of the mean, in standard deviations of the changes; None where the mean
    is not asked. left_out: averages of two changes that may lie beyond 0; None without ranks.
    """

    half: float | None
    left_out: int | None


@cache
def look(n: int, *, final: bool) -> Look:
    """Read off the real function's answer to n arbitrary values."""
    values = np.random.default_rng(n).standard_normal(n)
    found = (last if final else early)(values.tolist(), ALPHA)
    ends = (found.low, found.high)
    by_ranks = final and found.check is not None
    mean, ranks = (found.check, ends) if by_ranks else (ends, found.check)
    half = (mean[1] - mean[0]) / 2 / stdev(values.tolist()) if mean else None
    if ranks is None:
        return Look(half, None)
    if math.isinf(ranks[0]):
        return Look(half, -1)
    i, j = np.triu_indices(n)
    return Look(half, int(np.sum((values[i] + values[j]) / 2 < ranks[0])))


def against(changes: Array, side: NDArray[np.int_]) -> NDArray[np.int_]:
    """How many averages of two changes do not lie on this side of 0 (no change may be 0)."""
    order = np.argsort(np.abs(changes), axis=1)
    other = np.take_along_axis(changes * side[:, None] < 0, order, axis=1)
    return np.asarray(other @ np.arange(1, changes.shape[1] + 1), int)


@dataclass(frozen=True)
class Verdicts:
    """One entry an experiment."""

    claimed: NDArray[np.int_]  # FASTER, SLOWER or 0
    used: NDArray[np.int_]  # pairs
    early: NDArray[np.bool]


def decide(changes: Array) -> Verdicts:
    """What the real functions would claim, and after how many pairs."""
    count, pairs = changes.shape
    claimed, used = np.zeros(count, int), np.full(count, pairs)
    sums, squares = np.cumsum(changes, axis=1), np.cumsum(changes**2, axis=1)
    in_time = np.zeros(count, bool)
    looks = [*((n, False) for n in range(FIRST_LOOK, pairs + 1)), (pairs, True)]
    for n, final in looks:
        asked = look(n, final=final)
        mean = sums[:, n - 1] / n
        if asked.half is None:
            hit = np.flatnonzero(claimed == 0)
            below = against(changes[hit], np.ones(len(hit), int))
            side = np.where(4 * below < n * (n + 1), SLOWER, FASTER)
        else:
            spread = np.sqrt(np.maximum(squares[:, n - 1] - n * mean**2, 0.0) / (n - 1))
            hit = np.flatnonzero((claimed == 0) & (np.abs(mean) > asked.half * spread))
            side = np.sign(mean[hit]).astype(int)
        agreed = np.ones(len(hit), bool)
        if asked.left_out is not None:
            agreed = against(changes[hit, :n], side) <= asked.left_out
        claimed[hit[agreed]] = side[agreed]
        used[hit[agreed]] = n
        in_time[hit[agreed]] = not final
    return Verdicts(claimed, used, in_time)


def decide_one(changes: list[float]) -> tuple[int, int]:
    """The claim and the pairs it took, by the real functions alone."""
    for n in range(FIRST_LOOK, len(changes) + 1):
        low, high = early(changes[:n], ALPHA).hull
        if low > 0 or high < 0:
            return (SLOWER if low > 0 else FASTER), n
    low, high = last(changes, ALPHA).hull
    return (SLOWER if low > 0 else FASTER if high < 0 else 0), len(changes)


def check_copy(count: int) -> int:
    """How many random experiments the copy and the real functions judged alike: all, or it raises.

    The share of centres that `last` covers is read off the ranks as well, and so compared too.
    """
    checked = 0
    for noise in NOISES:
        for pairs, effect in ((5, LARGE), (7, SMALL), (20, 0.0), (40, SMALL), (70, SMALL)):
            changes = next(draws(noise, "copy", count, pairs, effect)).changes
            copied = decide(changes)
            inside = covered_last(changes, effect)
            for k, one in enumerate(changes.tolist()):
                real, end = decide_one(one), last(one, ALPHA)
                assert real == (copied.claimed[k], copied.used[k]), (noise.name, one, real)
                assert inside[k] == (end.low <= effect <= end.high), (noise.name, one)
                checked += 1
    return checked


def covered_last(changes: Array, effect: float) -> NDArray[np.bool]:
    """Where low and high of `last` enclose the true change."""
    n = changes.shape[1]
    asked, errors = look(n, final=True), changes - effect
    if asked.left_out is None:
        return np.abs(errors.mean(axis=1)) <= asked.half * errors.std(axis=1, ddof=1)
    ones = np.ones(len(changes), int)
    return np.minimum(against(errors, ones), against(errors, -ones)) > asked.left_out


def covered_shown(changes: Array, effect: float, found: Verdicts) -> NDArray[np.bool]:
    """Where the interval that is shown covers: that of `early` where it claimed, else `last`."""
    inside = covered_last(changes, effect)
    for k in np.flatnonzero(found.early):
        n = int(found.used[k])
        errors = changes[k, :n] - effect
        inside[k] = abs(errors.mean()) <= look(n, final=False).half * errors.std(ddof=1)
    return inside


# ----------------------------------------------------------------------------------- other tools


def student(a: Array, b: Array) -> Array:
    """The t score of equally many values, with the pooled variance; Welch's is the same."""
    error = (a.var(axis=1, ddof=1) + b.var(axis=1, ddof=1)) / a.shape[1]
    return (b.mean(axis=1) - a.mean(axis=1)) / np.sqrt(error)


def welch_critical(a: Array, b: Array) -> Array:
    """The two-sided 5 % bound of the t score at Welch's degrees of freedom."""
    u, v = a.var(axis=1, ddof=1), b.var(axis=1, ddof=1)
    return np.asarray(
        stdtrit((a.shape[1] - 1) * (u + v) ** 2 / (u**2 + v**2), 1 - ALPHA / 2), np.float64
    )


def ratio_score(a: Array, b: Array) -> Array:
    """How many of its propagated standard deviations hyperfine's ratio is away from 1.

    It divides the slower by the faster.
    """
    mean_a, mean_b = a.mean(axis=1), b.mean(axis=1)
    ratio = np.maximum(mean_a, mean_b) / np.minimum(mean_a, mean_b)
    spread = np.hypot(a.std(axis=1, ddof=1) / mean_a, b.std(axis=1, ddof=1) / mean_b)
    return np.sign(mean_b - mean_a) * (ratio - 1) / (ratio * spread)


def rank_score(a: Array, b: Array) -> Array:
    """The z score of Mann and Whitney's rank sum."""
    n = a.shape[1]
    order = np.argsort(np.concatenate([a, b], axis=1), axis=1)
    ranks = (order >= n) @ np.arange(1.0, 2 * n + 1)
    return (ranks - n * (2 * n + 1) / 2) / math.sqrt(n * n * (2 * n + 1) / 12)


def bootstrap(a: Array, b: Array, chance: Generator) -> tuple[Array, Array]:
    """The percentile interval of the log of the ratio of means; 100 experiments share weights."""
    n, ends = a.shape[1], []
    equal = np.full(n, 1 / n)
    for start in range(0, len(a), 100):
        part = slice(start, start + 100)
        means = [x[part] @ chance.multinomial(n, equal, BOOTSTRAPS).T.astype(float) for x in (a, b)]
        ends.append(np.quantile(np.log(means[1] / means[0]), [ALPHA / 2, 1 - ALPHA / 2], axis=1))
    low, high = np.concatenate(ends, axis=1)
    return low, high


def scores(one: Draws) -> dict[str, Array]:
    """The score of each tool that has one; below 0 is faster."""
    a, b = (x.reshape(len(x), -1) for x in one.blocked)
    t = student(a, b)
    whole = (x.mean(axis=2) for x in one.blocked)
    return {
        "pyperf": t,
        "hyperfine": ratio_score(*whole),
        "Welch": t,
        "Mann-Whitney": rank_score(a, b),
    }


def claims(one: Draws, chance: Generator) -> dict[str, NDArray[np.int_]]:
    """What each tool claims by its own rule."""
    a, b = (x.reshape(len(x), -1) for x in one.blocked)
    found = scores(one)
    normal_critical = float(stdtrit(1e9, 1 - ALPHA / 2))
    critical: dict[str, Array | float] = {
        "pyperf": PYPERF_CRITICAL[a.shape[1] > PAIRS],
        "hyperfine": 1.0,
        "Welch": welch_critical(a, b),
        "Mann-Whitney": normal_critical,
    }
    claimed = {
        name: np.sign(score).astype(int) * (np.abs(score) >= critical[name])
        for name, score in found.items()
    }
    low, high = bootstrap(a, b, chance)
    claimed["bootstrap"] = (low > 0).astype(int) - (high < 0)
    claimed[INTERLEAVED] = welch_claims(*one.interleaved)
    return claimed


def welch_claims(a: Array, b: Array) -> NDArray[np.int_]:
    """Welch's test at 5 %."""
    t = student(a, b)
    return np.sign(t).astype(int) * (np.abs(t) > welch_critical(a, b))


# --------------------------------------------------------------------------------- measurements


def errors_and_power(count: int) -> Iterator[Line]:
    """Claims of all tools without any effect and at a true 3 %, ours with early stopping."""
    for noise in NOISES:
        for effect in (0.0, SMALL):
            totals: dict[str, list[NDArray[np.int_]]] = {}
            used = []
            chance = np.random.default_rng(SEED)
            for one in draws(noise, "claims", count, PAIRS, effect):
                found = decide(one.changes)
                used.append(found.used)
                for name, claimed in {OURS: found.claimed, **claims(one, chance)}.items():
                    totals.setdefault(name, []).append(claimed)
            for name, parts in totals.items():
                claimed = np.concatenate(parts)
                line: Line = {
                    "what": "claims", "noise": noise.name, "rule": name, "pairs": PAIRS,
                    "ratio": math.exp(effect), "experiments": count,
                    "faster": int((claimed == FASTER).sum()),
                    "slower": int((claimed == SLOWER).sum()),
                }  # fmt: skip
                if name == OURS:
                    line["mean_pairs"] = float(np.concatenate(used).mean())
                yield line


def ours_at(noise: Noise, count: int, pairs: int, effect: float) -> tuple[float, float, float]:
    """The shares claimed faster and in either direction, and the mean number of pairs."""
    parts = [decide(one.changes) for one in draws(noise, "runs", count, pairs, effect)]
    claimed = np.concatenate([part.claimed for part in parts])
    used = np.concatenate([part.used for part in parts])
    return float((claimed == FASTER).mean()), float((claimed != 0).mean()), float(used.mean())


def ours_power(noise: Noise, count: int, pairs: int) -> float:
    """The share of true speed-ups by 3 % that is claimed within so many pairs."""
    return ours_at(noise, count, pairs, SMALL)[0]


def least(power: Callable[[int], float], start: int, cap: int, tolerance: float) -> int | None:
    """The least number of runs with 80 % power, by doubling and halving; None above the cap."""
    high, low = start, start - 1
    while power(high) < POWER:
        if high >= cap:
            return None
        low, high = high, min(2 * high, cap)
    while high - low > max(1, tolerance * low):
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def runs_needed(count: int, cap: int) -> Iterator[Line]:
    """Runs of an arm for 80 % power at a true 3 %, the others at ours' own error."""
    for noise in DEPENDENT:
        ours = least(partial(ours_power, noise, count), FIRST_LOOK, cap, 0)
        if ours is None:
            yield {"what": "runs", "noise": noise.name, "rule": OURS, "runs": None, "cap": cap}
            continue
        power, _, mean = ours_at(noise, count, ours, SMALL)
        _, error, _ = ours_at(noise, 5 * count, ours, 0.0)
        yield {
            "what": "runs", "noise": noise.name, "rule": OURS, "runs": ours, "mean_runs": mean,
            "power": power, "error": error, "experiments": count, "cap": cap,
        }  # fmt: skip
        powers = cache(partial(adjusted_powers, noise, count, error=error))
        for name in powers(FIRST_LOOK):
            needed = least(partial(power_of, powers, name), FIRST_LOOK, cap, 0.02)
            yield {
                "what": "runs", "noise": noise.name, "rule": name, "runs": needed, "cap": cap,
                "power": powers(needed or cap)[name], "error": error, "experiments": count,
            }  # fmt: skip
        needed = least(partial(welch_power, noise, count), FIRST_LOOK, cap, 0.02)
        yield {
            "what": "runs", "noise": noise.name, "rule": INTERLEAVED, "runs": needed, "cap": cap,
            "experiments": count,
        }  # fmt: skip


def adjusted_powers(noise: Noise, count: int, pairs: int, *, error: float) -> dict[str, float]:
    """The power of each tool at a true 3 % with the bound that gives it this error without."""
    none, small = (
        [scores(one) for one in draws(noise, "others", count, pairs, effect)]
        for effect in (0.0, SMALL)
    )
    power = {}
    for name in none[0]:
        bound = np.quantile(np.abs(np.concatenate([part[name] for part in none])), 1 - error)
        power[name] = float((np.concatenate([part[name] for part in small]) < -bound).mean())
    return power


def power_of(powers: Callable[[int], dict[str, float]], name: str, pairs: int) -> float:
    """That of one tool among all."""
    return powers(pairs)[name]


def welch_power(noise: Noise, count: int, pairs: int) -> float:
    """The power of Welch's test of interleaved runs at a true 3 %, at its own 5 %."""
    parts = [welch_claims(*d.interleaved) for d in draws(noise, "runs", count, pairs, SMALL)]
    return float((np.concatenate(parts) == FASTER).mean())


def runs_needed_independent(count: int, cap: int) -> Iterator[Line]:
    """Ours' mean runs beside Welch's fixed number under independent noise."""
    for sd in (0.02, 0.05, 0.10):
        noise = Noise(f"independent, {sd:.0%}", partial(normal, sd=sd))
        ours = least(partial(ours_power, noise, count), FIRST_LOOK, cap, 0)
        welch = least(partial(welch_power, noise, count), 2, cap, 0)
        if ours is None or welch is None:
            yield {"what": "independent", "noise": noise.name, "runs": ours, "welch_runs": welch}
            continue
        before, after = (ours_at(noise, count, n, SMALL) for n in (ours - 1, ours))
        _, error, _ = ours_at(noise, count, ours, 0.0)
        share = (POWER - before[0]) / (after[0] - before[0])
        ends = [welch_power(noise, count, n) for n in (welch - 1, welch)]
        yield {
            "what": "independent", "noise": noise.name, "runs": ours, "mean_runs": after[2],
            "power": after[0], "error": error, "welch_runs": welch, "welch_power": ends[1],
            "mean_runs_between": before[2] + share * (after[2] - before[2]),
            "welch_runs_between": welch - (ends[1] - POWER) / (ends[1] - ends[0]),
            "experiments": count,
        }  # fmt: skip


def coverages(count: int) -> Iterator[Line]:
    """How often intervals cover the true ratio, and how long pairs go on at larger effects."""
    for noise in NOISES:
        chance = np.random.default_rng(SEED)
        for pairs in (10, 20, 40):
            ours = others = 0
            for one in draws(noise, "coverage", count, pairs, SMALL):
                ours += int(covered_last(one.changes, SMALL).sum())
                a, b = (x.reshape(len(x), -1) for x in one.blocked)
                low, high = bootstrap(a, b, chance)
                others += int(((low <= SMALL) & (high >= SMALL)).sum())
            yield {
                "what": "coverage", "noise": noise.name, "pairs": pairs, "experiments": count,
                "ours": ours, "bootstrap": others,
            }  # fmt: skip
        for effect in (SMALL, LARGE, HUGE):
            stopped = inside = inside_stopped = claimed = 0
            used = []
            for one in draws(noise, "stopped", count, PAIRS, effect):
                found = decide(one.changes)
                shown = covered_shown(one.changes, effect, found)
                stopped += int(found.early.sum())
                inside += int(shown.sum())
                inside_stopped += int(shown[found.early].sum())
                claimed += int((found.claimed == FASTER).sum())
                used.append(found.used)
            pairs_used = np.concatenate(used)
            yield {
                "what": "stopped", "noise": noise.name, "ratio": math.exp(effect),
                "experiments": count, "covered": inside, "stopped": stopped,
                "covered_when_stopped": inside_stopped, "faster": claimed,
                "mean_pairs": float(pairs_used.mean()), "most_pairs": int(pairs_used.max()),
            }  # fmt: skip


# -------------------------------------------------------------------------------------- telling


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table in markdown, its first column left and the others right."""
    marks = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, marks, *rows))


def two_errors(share: float, count: int) -> float:
    """Two standard errors of a share, in its unit."""
    return 2 * math.sqrt(share * (1 - share) / count)


class Told:
    """The lines as text, and what missed its target."""

    def __init__(self, lines: list[Line]) -> None:
        self._lines, self.missed = lines, list[str]()

    def _of(self, what: str, **wanted: object) -> list[Line]:
        return [
            line
            for line in self._lines
            if line["what"] == what and all(line.get(k) == v for k, v in wanted.items())
        ]

    def text(self) -> str:
        """All tables, then what was missed."""
        parts = [
            *self._errors(), self._runs(), self._independent(), self._coverage(), self._stopped()
        ]  # fmt: skip
        missed = "".join(f"- {one}\n" for one in self.missed) or "- nothing\n"
        return "\n\n".join([*parts, "Targets missed:\n\n" + missed])

    def _errors(self) -> tuple[str, str]:
        rules = [str(line["rule"]) for line in self._of("claims", noise=INDEPENDENT.name, ratio=1)]
        wrong, right = [], []
        for noise in NOISES:
            none = self._of("claims", noise=noise.name, ratio=1.0)
            small = self._of("claims", noise=noise.name, ratio=math.exp(SMALL))
            shares = [(a["faster"] + a["slower"]) / a["experiments"] for a in none]
            margins = [two_errors(x, none[0]["experiments"]) for x in shares]
            if shares[0] > ALPHA + two_errors(ALPHA, none[0]["experiments"]):
                self.missed.append(f"false claims under {noise.name}: {shares[0]:.2%}")
            wrong.append([
                noise.name,
                *(f"{100 * x:.1f} ± {100 * m:.1f}" for x, m in zip(shares, margins, strict=True)),
            ])  # fmt: skip
            used = [f"{a[0]['mean_pairs']:.1f}" for a in (small, none)]
            right.append([
                noise.name, *used, *(f"{100 * a['faster'] / a['experiments']:.0f}" for a in small)
            ])  # fmt: skip
        count = self._of("claims")[0]["experiments"]
        return (
            f"**False claims, %** (either direction, {count:,} experiments of {PAIRS} runs an arm, "
            "± 2 standard errors; ours with early stopping):\n\n" + table(["noise", *rules], wrong),
            "**Power at a true 3 % speed-up, %**, in the same experiments, each tool at its own "
            "rule whatever its false claims; pairs are ours' mean at 3 % and without effect:\n\n"
            + table(["noise", "pairs at 3 %", "pairs at 0", *rules], right),
        )

    def _runs(self) -> str:
        rows, names = [], []
        for noise in DEPENDENT:
            ours, *others = self._of("runs", noise=noise.name)
            cap = ours["cap"]
            if ours["runs"] is None:
                self.missed.append(f"80 % power within {cap} pairs under {noise.name}")
                continue
            names = [str(line["rule"]) for line in others]
            peers = [line["runs"] for line in others if line["rule"] != INTERLEAVED]
            best = min((n for n in peers if n is not None), default=None)
            ratio = (best or cap) / ours["mean_runs"]
            if ratio < 2:
                self.missed.append(f"half the runs under {noise.name}: {ratio:.2f} times fewer")
            rows.append([
                noise.name, f"{100 * ours['error']:.1f}", f"{ours['runs']}",
                f"{ours['mean_runs']:.1f}",
                *(f"{line['runs'] or f'> {cap}'}" for line in others),
                f"{ratio:.0f}" if best else f"> {math.floor(ratio)}",
            ])  # fmt: skip
        heads = ["noise", "error, %", "ours at most", "ours in the mean", *names, "best / ours"]
        return (
            "**Runs of an arm for 80 % power at a true 3 %**; each other tool's bound is moved "
            "until its error without effect is ours, but that of Welch's test of interleaved runs, "
            "which stands beside the others at its own 5 %:\n\n" + table(heads, rows)
        )

    def _independent(self) -> str:
        rows = []
        for line in self._of("independent"):
            if line["runs"] is None or line["welch_runs"] is None:
                self.missed.append(f"80 % power under {line['noise']}")
                continue
            ratio = line["mean_runs"] / line["welch_runs"]
            between = line["mean_runs_between"] / line["welch_runs_between"]
            if ratio > 1.3:
                self.missed.append(
                    f"1.3 times Welch's runs under {line['noise']}: {ratio:.2f} in whole runs, "
                    f"{between:.2f} interpolated"
                )
            rows.append([
                str(line["noise"]), f"{100 * line['error']:.1f}", f"{line['runs']}",
                f"{line['mean_runs']:.1f}", f"{line['welch_runs']}",
                f"{100 * line['power']:.1f}, {100 * line['welch_power']:.1f}",
                f"{ratio:.2f}", f"{between:.2f}",
            ])  # fmt: skip
        heads = [
            "noise", "error, %", "ours at most", "ours in the mean", "Welch", "powers, %",
            "ours / Welch", "interpolated",
        ]  # fmt: skip
        return (
            "**The same without dependence**, by the standard deviation of a run; Welch's number "
            "of runs is fixed beforehand. Whole runs overshoot 80 %, so the ratio is also told "
            "interpolated to just that power:\n\n" + table(heads, rows)
        )

    def _coverage(self) -> str:
        rows, numbers = [], (10, 20, 40)
        for noise in NOISES:
            found = self._of("coverage", noise=noise.name)
            for line in found if noise.steady else ():
                share, margin = (
                    line["ours"] / line["experiments"],
                    two_errors(0.95, line["experiments"]),
                )
                if not 0.93 - margin <= share <= 0.97 + margin:
                    n = line["pairs"]
                    self.missed.append(f"coverage under {noise.name}, {n} pairs: {share:.1%}")
            rows.append([
                noise.name,
                *(f"{100 * line['ours'] / line['experiments']:.1f}" for line in found),
                *(f"{100 * line['bootstrap'] / line['experiments']:.1f}" for line in found),
            ])  # fmt: skip
        heads = ["noise", *(f"ours, {n}" for n in numbers), *(f"bootstrap, {n}" for n in numbers)]
        count = self._of("coverage")[0]["experiments"]
        return (
            f"**Coverage of the true ratio, %**, after 10, 20 and 40 runs of an arm ({count:,} "
            "experiments, nominal 95.5 for ours and 95 for the bootstrap):\n\n" + table(heads, rows)
        )

    def _stopped(self) -> str:
        rows = []
        for noise in NOISES:
            small, large, huge = self._of("stopped", noise=noise.name)
            cells = []
            for line in (small, large):
                stopped, inside = line["stopped"], line["covered_when_stopped"]
                cells += [
                    f"{100 * line['covered'] / line['experiments']:.1f}",
                    f"{inside:,} of {stopped:,}",
                ]
            pairs = [f"{line['mean_pairs']:.1f}, {line['most_pairs']}" for line in (large, huge)]
            rows.append([noise.name, *cells, *pairs])
            unclaimed = huge["experiments"] - huge["faster"]
            if unclaimed:
                self.missed.append(
                    f"tenfold speed-ups unclaimed after {PAIRS} pairs under {noise.name}: "
                    f"{unclaimed} of {huge['experiments']}"
                )
        heads = [
            "noise", "covers at 3 %", "when stopped early", "covers at 30 %", "when stopped early",
            "pairs at 30 %", "pairs at 10x",
        ]  # fmt: skip
        return (
            "**With early stopping, at most 40 pairs**: coverage of the interval that is shown, %, "
            "and its hits among the experiments that stopped early; pairs until the verdict, mean "
            "and most:\n\n" + table(heads, rows)
        )


RULES = """\
Ours claims once the hull of `early` excludes 0 after 5 pairs or more, or that of `last` does at
the end; of a process's 20 values it takes the mean. The others see the baseline's runs first:
pyperf pools all values into Student's t test against its table of 95 % bounds; hyperfine prints
mean ratio ± propagated standard deviation of a run, and is taken to claim when 1 lies outside (it
makes no claim itself, and more runs do not narrow it); Welch's t test, Mann and Whitney's test
(normal bound) and the percentile bootstrap of the ratio of means (500 resamples) take all values at
5 %. Equally many values give Welch the t score of pyperf; only their bounds differ. Runs have a
standard deviation of 5 %; level shifts are two levels 10 % apart, changed every 40 runs in the
mean; the cycle slows the machine down and speeds it up by 10 %; AR(1) noise is that of the whole
machine, with none of a run's own beside it; heavy tails are cut off at 10x; drifts make the arm
that is run second slower.
"""


def main() -> None:
    """Simulate, print the tables, and record them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few experiments, to see it run")
    parser.add_argument("--machine", default=f"{os.cpu_count()}-core machine")
    parser.add_argument("--write", action="store_true", help="verdict.jsonl and RESULTS.md, too")
    options = parser.parse_args()
    scale = 0.05 if options.quick else 1.0
    cap = 200 if options.quick else 2000
    threadpool_limits(1)
    began_s = time.monotonic()
    checked = check_copy(2 if options.quick else 8)
    print(f"the copy judges {checked} experiments as the real functions do", flush=True)
    lines: list[Line] = []
    for found in (
        errors_and_power(int(20_000 * scale)),
        runs_needed(int(2_000 * scale), cap),
        runs_needed_independent(int(10_000 * scale), cap),
        coverages(int(4_000 * scale)),
    ):
        for line in found:
            lines.append(line)
            print(f"{time.monotonic() - began_s:6.0f} s {json.dumps(line)}", flush=True)
    text = Told(lines).text()
    print(text)
    if options.write:
        raw = Path(__file__).with_name("verdict.jsonl")
        raw.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        how = (
            f"`python benchmarks/verdict.py{' --quick' * options.quick} --write`, "
            f"{datetime.now(UTC):%Y-%m-%d}, {options.machine}, "
            f"{time.monotonic() - began_s:.0f} s on one core. Raw lines: `verdict.jsonl`.\n\n"
            f"The vectorised copy of the rule judged {checked} random experiments as the real "
            f"functions did.\n\n{RULES}"
        )
        write_section("Verdict, simulated", f"{how}\n{text}")


if __name__ == "__main__":
    main()
