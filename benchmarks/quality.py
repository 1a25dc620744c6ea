"""How often a model that is worse by exactly the margin passes as not worse, and an equal one.

Both models of an experiment answer the same simulated rows. How much worse the candidate is in the
whole population is known in closed form or by quadrature, and it is the margin exactly:

* accuracy: the four cells of right and wrong have given probabilities; in groups they are drawn
  for each group from a Dirichlet distribution with that mean (correlation 0.2 within a group).
* log loss, AUC: the class shifts a normal score, to which either model adds noise of its own. The
  AUC of a binormal score is Φ(shift / √(2 variance)), its log loss an integral over the score. The
  candidate adds more noise, or (overconfident) stretches the logit.
* balanced accuracy, F1: the same four cells, in each class; a candidate finds fewer positive rows.
* squared, absolute error: the errors of both models are exchangeable (normal, skewed = lognormal,
  heavy = Student's with 5 degrees of freedom), and the candidate's are multiplied by the ratio. In
  groups their scale is shared.

A margin is 3.5 standard errors of the change between equal models, so that each n is put to a test
that it can decide. A claim is made as in a verdict: the worse end of both intervals at an error of
0.025 lies within the margin. Beside it stand the plain z (Wald) interval of independent rows and
the percentile bootstrap of the units, on the same draws.

Run: python benchmarks/quality.py [--only "log loss"] [--write]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from results import write_section
from scipy.optimize import brentq
from scipy.special import expit, ndtr

from tunewright.errors import TrialFailed
from tunewright.stats.rows import Rows, compare_rows
from tunewright.workloads.tabular.quality import contributions

Floats = NDArray[np.float64]

ALPHA = 0.05  # of both ends together
Z = 1.959963984540054
EXPERIMENTS = {300: 2000, 3_000: 2000, 30_000: 600}
EQUALS = {300: 300, 3_000: 150, 30_000: 50}
SHARES = (0.5, 0.05, 0.005)
SHAPES = ("normal", "skewed", "heavy")
ERRORS = 3.5  # standard errors in a margin
SHIFT, NOISE = 2.0, 0.3  # of the scores
GROUP = 10  # rows, on average
ALIKE = 0.2  # the correlation within a group
RESAMPLES = 999  # of the percentile bootstrap
RAW = Path(__file__).with_suffix(".jsonl")


@dataclass(frozen=True)
class Draw:
    """The contributions of one experiment; unit: the group of each row, or the row itself."""

    base: Floats
    cand: Floats
    classes: Floats
    unit: NDArray[np.intp]


@dataclass(frozen=True)
class Model:
    """One kind of metric and population.

    draw: an experiment of n rows (or groups) in which the candidate is worse by so much, exactly.
    """

    metric: str
    scale: str
    shapes: tuple[float | str, ...]
    draw: Callable[[np.random.Generator, int, float | str, float], Draw]
    grouped: bool = False

    @property
    def ratio(self) -> bool:
        """Whether it compares by the ratio; those metrics are better lower, the others higher."""
        return self.scale == "ratio"


@dataclass(frozen=True)
class Cell:
    """What came out: shares of experiments; at the margin a claim is wrong, of equals it is right.

    undetermined: the share of experiments that could say nothing.
    """

    metric: str
    shape: float | str
    n: int
    margin: float
    experiments: int
    accepted: float
    z: float
    percentile: float
    undetermined: float
    equals: int
    power: float
    z_power: float
    percentile_power: float
    wall_s: float

    @property
    def too_often(self) -> bool:
        """Whether it claims more often than 5 % and two standard errors."""
        return self.accepted > 0.05 + 2 * math.sqrt(0.05 * 0.95 / self.experiments)


def draw_accuracy(chance: np.random.Generator, n: int, shape: float | str, worse: float) -> Draw:
    """Rights and wrongs of independent rows."""
    chances = cells_of(shape, worse)
    return rights(chance.choice(4, size=n, p=chances), np.arange(n))


def draw_accuracy_groups(
    chance: np.random.Generator, n: int, shape: float | str, worse: float
) -> Draw:
    """Rights and wrongs, alike within groups."""
    groups = n // GROUP
    sizes = 1 + chance.poisson(GROUP - 1, size=groups)
    weights = np.asarray(cells_of(shape, worse)) * (1 / ALIKE - 1)
    shares = chance.standard_gamma(np.broadcast_to(weights, (groups, 4)))
    unit = np.repeat(np.arange(groups), sizes)
    edges = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)[unit, :3]
    return rights((chance.random(len(unit))[:, None] > edges).sum(axis=1), unit)


def cells_of(shape: float | str, worse: float) -> list[float]:
    """The chances of: both right, only the candidate, only the baseline, neither."""
    one, neither = 0.1 * float(shape), 0.2 * float(shape)
    return [1 - 2 * one - worse - neither, one, one + worse, neither]


def rights(cell: NDArray[np.intp], unit: NDArray[np.intp]) -> Draw:
    """A draw from the cell of each row."""
    return Draw((cell % 2 == 0) * (cell < 3) * 1.0, (cell < 2) * 1.0, np.empty(0), unit)


def scores(
    chance: np.random.Generator, n: int, share: float, noise: float
) -> tuple[NDArray[np.intp], Floats, Floats]:
    """The class of each row, and the score of both models."""
    y = (chance.random(n) < share).astype(np.intp)
    x = SHIFT * y + chance.standard_normal(n)
    return y, x + NOISE * chance.standard_normal(n), x + noise * chance.standard_normal(n)


def draw_auc(chance: np.random.Generator, n: int, shape: float | str, worse: float) -> Draw:
    """A candidate with more noise."""

    def auc(noise: float) -> float:
        return float(ndtr(SHIFT / math.sqrt(2 * (1 + noise**2))))

    noise = solved(("auc", worse), lambda x: auc(NOISE) - auc(x) - worse, NOISE, 1e3)
    y, base, cand = scores(chance, n, float(shape), noise)
    return judged("roc_auc", y, base, cand)


def draw_balanced(chance: np.random.Generator, n: int, shape: float | str, worse: float) -> Draw:
    """Rows of two classes, which are right as often in both."""
    y = (chance.random(n) < float(shape)).astype(np.intp)
    return guessed("balanced_accuracy", y, chance.choice(4, size=n, p=cells_of(1.0, worse)))


def draw_f1(chance: np.random.Generator, n: int, shape: float | str, worse: float) -> Draw:
    """A candidate that finds fewer of the positive rows; of both 0.3 times as many are wrong."""
    share, f1 = float(shape), 0.7 - worse
    y = (chance.random(n) < share).astype(np.intp)
    found = chance.choice(4, size=n, p=cells_of(1.0, 0.7 - 1.3 * f1 / (2 - f1)))
    spared = chance.choice(4, size=n, p=cells_of(share / (1 - share), 0.0))
    return guessed("f1", y, np.where(y == 1, found, spared))


def guessed(metric: str, y: NDArray[np.intp], cell: NDArray[np.intp]) -> Draw:
    """The draw of two models that are right as the cell of each row says."""
    right = rights(cell, np.arange(len(y)))
    told = (np.where(one == 1, y, 1 - y).astype(np.float64) for one in (right.base, right.cand))
    return judged(metric, y, *told)


def draw_loss(chance: np.random.Generator, n: int, shape: float | str, worse: float) -> Draw:
    """A candidate with more noise that knows how much."""
    share = float(shape)
    known = loss(share, NOISE)
    noise = solved(("loss", share, worse), lambda x: loss(share, x) / known - 1 - worse, NOISE, 1e3)
    y, base, cand = scores(chance, n, share, noise)
    chances = expit(logit(base, share, NOISE)), expit(logit(cand, share, noise))
    return judged("log_loss", y, *chances)


def draw_overconfident(
    chance: np.random.Generator, n: int, shape: float | str, worse: float
) -> Draw:
    """A candidate that exaggerates: rare rows cost it much."""
    share = float(shape)
    known = loss(share, NOISE)
    stretch = solved(
        ("stretch", share, worse), lambda x: loss(share, NOISE, x) / known - 1 - worse, 1.0, 50.0
    )
    y, base, cand = scores(chance, n, share, NOISE)
    chances = expit(logit(base, share, NOISE)), expit(stretch * logit(cand, share, NOISE))
    return judged("log_loss", y, *chances)


def logit(score: Floats, share: float, noise: float) -> Floats:
    """What Bayes' rule makes of a score."""
    return math.log(share / (1 - share)) + (SHIFT * score - SHIFT**2 / 2) / (1 + noise**2)


def loss(share: float, noise: float, stretch: float = 1.0) -> float:
    """The log loss in the population."""
    grid, step = np.linspace(-9, 9, 4001, retstep=True)
    weight = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi) * float(step)
    spread = math.sqrt(1 + noise**2)
    positive = np.logaddexp(0, -stretch * logit(SHIFT + spread * grid, share, noise))
    negative = np.logaddexp(0, stretch * logit(spread * grid, share, noise))
    return float(share * weight @ positive + (1 - share) * weight @ negative)


_SOLVED: dict[tuple[object, ...], float] = {}


def solved(
    key: tuple[object, ...], gap: Callable[[float], float], low: float, high: float
) -> float:
    """Where the gap is 0; 1e-12 more than `low` where it is there."""
    if key not in _SOLVED:
        _SOLVED[key] = low if abs(gap(low)) < 1e-12 else float(brentq(gap, low, high, xtol=1e-13))
    return _SOLVED[key]


def judged(metric: str, y: NDArray[np.intp], base: Floats, cand: Floats) -> Draw:
    """The draw of what both models answered."""
    values = contributions(metric, y, base), contributions(metric, y, cand)
    return Draw(*values, classes=y.astype(np.float64), unit=np.arange(len(y)))


def draw_errors(metric: str, *, grouped: bool) -> Callable[..., Draw]:
    """A candidate whose errors are larger by a factor."""

    def draw(chance: np.random.Generator, n: int, shape: float | str, worse: float) -> Draw:
        unit = np.arange(n)
        if grouped:
            sizes = 1 + chance.poisson(GROUP - 1, size=n // GROUP)
            unit = np.repeat(np.arange(n // GROUP), sizes)
        rows = len(unit)
        common, *own = chance.standard_normal((3, rows))
        errors = [math.sqrt(0.9) * common + math.sqrt(0.1) * x for x in own]
        if shape == "skewed":
            errors = [np.exp(x) - math.exp(0.5) for x in errors]
        if shape == "heavy":
            scale = np.sqrt(chance.chisquare(5, rows) / 5)
            errors = [x / scale for x in errors]
        if grouped:
            scale = np.exp(0.5 * chance.standard_normal(len(sizes)))[unit]
            errors = [x * scale for x in errors]
        y = np.zeros(rows)
        values = (contributions(metric, y, errors[0]),)
        values += (contributions(metric, y, (1 + worse) * errors[1]),)
        return Draw(*values, np.empty(0), unit)

    return draw


MODELS = (
    Model("accuracy", "difference", SHARES, draw_accuracy),
    Model("log loss", "ratio", SHARES, draw_loss),
    Model("log loss, overconfident", "ratio", SHARES, draw_overconfident),
    Model("AUC", "difference", SHARES, draw_auc),
    Model("balanced accuracy", "difference", SHARES, draw_balanced),
    Model("F1", "difference", SHARES, draw_f1),
    Model("rmse", "ratio", SHAPES, draw_errors("rmse", grouped=False)),
    Model("absolute error", "ratio", SHAPES, draw_errors("mae", grouped=False)),
    Model("accuracy, groups", "difference", SHARES, draw_accuracy_groups, grouped=True),
    Model("rmse, groups", "ratio", SHAPES, draw_errors("rmse", grouped=True), grouped=True),
)


def margin_of(model: Model, shape: float | str, n: int) -> float:
    """So many standard errors between equal models; the median of some draws."""
    chance = np.random.default_rng(7)
    found = []
    for _ in range(60):
        draw = drawn(model, chance, n, shape, 0.0)
        found += [error_of(draw, model, by_unit=True)[1]] if draw else []
    error = float(np.median(found)) if found else 0.0
    if model.metric.startswith("accuracy"):  # known, and not 0 where nothing was seen
        alike = 1 + ALIKE * GROUP if model.grouped else 1.0
        one, rate = 0.1 * float(shape), ERRORS**2 * alike / n
        return rate / 2 + math.sqrt(rate**2 / 4 + rate * 2 * one)
    if not found or error == 0:
        return 0.1  # of a cell that cannot be decided
    margin = math.expm1(ERRORS * error) if model.ratio else ERRORS * error
    return min(margin, 0.3) if model.scale == "difference" else margin


def drawn(
    model: Model, chance: np.random.Generator, n: int, shape: float | str, worse: float
) -> Draw | None:
    """An experiment, or None where no contributions can be told."""
    try:
        return model.draw(chance, n, shape, worse)
    except TrialFailed:
        return None


def error_of(draw: Draw, model: Model, *, by_unit: bool) -> tuple[float, float, Floats]:
    """The change (of a ratio its log), its standard error, and the residual sums of the units."""
    a, b = draw.base.mean(), draw.cand.mean()
    changes = draw.cand / b - draw.base / a if model.ratio else draw.cand - draw.base
    sums = changes - changes.mean()
    if by_unit and model.grouped:
        sums = np.bincount(draw.unit, sums)
    count = len(sums)
    error = math.sqrt(count / (count - 1) * float(sums @ sums)) / len(changes)
    return float(math.log(b / a) if model.ratio else b - a), error, sums


@cache
def resampled(count: int) -> NDArray[np.float32]:
    """How often each unit is in each resample of the percentile bootstrap."""
    chance = np.random.default_rng(1)
    times = [
        np.bincount(chance.integers(0, count, count), minlength=count) for _ in range(RESAMPLES)
    ]
    return np.asarray(times, np.float32)


def claims(
    model: Model, shape: float | str, n: int, margin: float, *, equal: bool
) -> Iterator[tuple[bool, bool, bool, bool]]:
    """For each experiment: claimed, claimed by z, by the percentile bootstrap; whether unable."""
    sign = 1.0 if model.ratio else -1.0
    limit = math.log1p(margin) if model.ratio else margin
    chance = np.random.default_rng([n, int(equal), *model.metric.encode(), *str(shape).encode()])
    for _ in range((EQUALS if equal else EXPERIMENTS)[n]):
        draw = drawn(model, chance, n, shape, 0.0 if equal else margin)
        if draw is None:
            yield False, False, False, True
            continue
        change, error, sums = error_of(draw, model, by_unit=True)
        plain = error_of(draw, model, by_unit=False)[1] if model.grouped else error
        z = sign * change + Z * plain <= limit
        moved = resampled(len(sums)) @ sums.astype(np.float32)
        sizes = np.bincount(draw.unit).astype(np.float32)
        rows = resampled(len(sums)) @ sizes if model.grouped else len(sums)
        percentile = sign * change + np.quantile(sign * moved / rows, 1 - ALPHA / 2) <= limit
        # Student's interval holds the z interval of the units: what that refuses, it does.
        score = model.metric == "accuracy"
        few = len(draw.classes) > 0 and not 10 <= draw.classes.sum() <= n - 10  # has a note
        if not score and not few and sign * change + Z * error > limit:
            yield False, bool(z), bool(percentile), False
            continue
        groups = draw.unit if model.grouped else ()
        interval = compare_rows(
            Rows(draw.base, draw.cand, draw.classes, groups), ALPHA, ratio=model.ratio
        )
        low, high = interval.hull
        if model.ratio:
            low, high = math.log(max(low, 1e-300)), math.log(min(high, 1e300))
        claimed = (high if model.ratio else -low) <= limit and not interval.note
        yield claimed, bool(z), bool(percentile), bool(interval.note)


def measure(model: Model, shape: float | str, n: int) -> Cell:
    """One cell of the table."""
    began_s = time.perf_counter()
    margin = margin_of(model, shape, n)
    at = np.array([*claims(model, shape, n, margin, equal=False)])
    equal = np.array([*claims(model, shape, n, margin, equal=True)])
    shares, powers = at.mean(axis=0), equal.mean(axis=0)
    return Cell(
        model.metric, shape, n, margin, len(at), *map(float, shares), len(equal),
        *map(float, powers[:3]), round(time.perf_counter() - began_s, 1),
    )  # fmt: skip


def main() -> None:
    """Measure each cell, print it, and tell those that claim too often."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="metrics whose name holds this")
    parser.add_argument("--n", type=int, nargs="*", default=[*EXPERIMENTS])
    parser.add_argument("--machine", default=f"{os.cpu_count()}-core machine")
    parser.add_argument("--write", action="store_true", help="quality.jsonl and RESULTS.md, too")
    options = parser.parse_args()
    cells = []
    for n in options.n:
        for model in MODELS:
            if options.only not in model.metric:
                continue
            for shape in model.shapes:
                cells.append(measure(model, shape, n))
                print(json.dumps(asdict(cells[-1])), "TOO OFTEN" * cells[-1].too_often, flush=True)
    text = told(options.machine, cells)
    print(text)
    if options.write:
        RAW.write_text("".join(json.dumps(asdict(cell)) + "\n" for cell in cells), encoding="utf-8")
        write_section("Quality tests", text)


def told(machine: str, cells: list[Cell]) -> str:
    """The section of RESULTS.md."""
    wrong = [cell for cell in cells if cell.too_often]
    often = {
        name: sum(getattr(cell, name) > 0.05 + 2 * math.sqrt(0.05 * 0.95 / cell.experiments)
                  for cell in cells)
        for name in ("z", "percentile")
    }  # fmt: skip
    text = f"""
`python benchmarks/quality.py`, {datetime.now(UTC):%Y-%m-%d}, {machine}. Raw lines: `quality.jsonl`.

A candidate that is worse by exactly the margin should pass as not worse in 2.5 % of the
experiments, and in 5 % at most; an equal one as often as possible. A margin is {ERRORS:g} standard
errors. z: the plain paired interval of independent rows; percentile: the bootstrap of rows or
groups; on the same draws. What may say nothing (fewer than 10 rows of a class) is no claim.

{len(cells)} cells of {min(c.experiments for c in cells):,} experiments or more; the worst has
{max(c.accepted for c in cells):.1%} wrong claims. More than 5 % and two standard errors have
{len(wrong)} cells; with z {often["z"]}, with percentile {often["percentile"]}.
"""
    peers = "z | percentile"
    lines = [
        text,
        f"| metric | share or errors | n | wrong | {peers} | says nothing | right | z | perc. |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for c in cells:
        shape = f"{c.shape:.1%}" if isinstance(c.shape, float) else c.shape
        shares = (c.accepted, c.z, c.percentile, c.undetermined)
        powers = (c.power, c.z_power, c.percentile_power)
        told = " | ".join([f"{x:.1%}" for x in shares] + [f"{x:.0%}" for x in powers])
        lines.append(f"| {c.metric} | {shape} | {c.n:,} | {told} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
