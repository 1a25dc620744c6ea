"""Rows: what the same untouched rows under two models say about the change of a metric.

Which test speaks is chosen by what the rows hold. Rights and wrongs get the score interval, whose
variance is the one at the limit that is tested, so that even no disagreement at all leaves room for
some. Everything else gets Student's interval, with the studentised bootstrap as its check.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import final

import numpy as np
from numpy.typing import NDArray

from tunewright.stats.intervals import Interval, nothing
from tunewright.stats.kish import effective_size
from tunewright.stats.quantiles import student

LEAST_RUNS = 3  # of a model: two seeds say next to nothing about how seeds differ
LEAST_OF_A_CLASS = 10  # units; fewer of them say nothing about how their losses vary
RESAMPLES = 1999
BEYOND = 10  # resamples beyond either end, as long as there are not too many of them
MOST_RESAMPLES = 20_000
DRAWS = 40_000_000  # resamples times units: about a second
MOST_RESAMPLED = 10_000  # units; more are merged at random, so that a check takes a moment
ENOUGH = 1_000  # units of the smallest class from which their skewness is known
BLOCKS = 200  # of rows, for a metric without contributions

Floats = NDArray[np.float64]
Counts = tuple[float, float, float, float]  # right under both, the candidate, the baseline, neither
Ends = tuple[float, float]


@final
@dataclass(frozen=True)
class Rows:
    """What both models gave for the same rows.

    baseline, candidate: one number a row, whose mean is the metric. classes: the class of each row,
    () where there is none. groups: rows of one group stay together; () where each is its own.
    labels: what the classes are called, where each is a place in this list. weights: how much each
    row counts, all above 0; () where all count the same. The metric is then the mean by these.
    by_class: each class counts the same, however few rows it has; else the classes that have very
    few count together as one. runs: the run that said it, where several runs with chance of their
    own answered the same rows; () where each row was answered once.
    """

    baseline: Sequence[float]
    candidate: Sequence[float]
    classes: Sequence[float] = ()
    groups: Sequence[float] = ()
    labels: Sequence[str] = ()
    weights: Sequence[float] = ()
    by_class: bool = False
    runs: Sequence[float] = ()

    @property
    def count(self) -> int:
        """How many rows there are, however many runs answered them."""
        return len(self.baseline) // max(len(set(self.runs)), 1)

    @property
    def means(self) -> tuple[float, float]:
        """The metric of both models."""
        of = self.weights if len(self.weights) else None
        base, cand = (np.average(values, weights=of) for values in (self.baseline, self.candidate))
        return float(base), float(cand)


def compare_rows(rows: Rows, alpha: float, *, factor: float = 1.0, ratio: bool = False) -> Interval:
    """The interval for candidate - `factor` × baseline, or for candidate / baseline.

    alpha: the error of both ends together. Of independent rows that are all 0 or 1 it is the score
    interval: Tango's (1998), Wilson's for a factor of 0, Tang's (2003) for a ratio. Else it is
    Student's over rows or groups, and its check must agree. Where the rows can say nothing it is
    infinite and has a note. For a relative margin ask for the ratio: equal rows have one of 1.
    """
    if note := _why_unusable(rows):
        return nothing(note)
    if len(rows.runs):
        return _over_runs(rows, alpha, factor=factor, ratio=ratio)
    base, cand = np.asarray(rows.baseline, np.float64), np.asarray(rows.candidate, np.float64)
    a, b = rows.means
    if ratio and not (a > 0 and b > 0):
        return nothing("a ratio needs positive values of both models")
    units = _Units.of(rows)
    estimate = b / a if ratio else b - factor * a
    changes = cand / b - base / a if ratio else cand - factor * base
    if np.isin(base, (0, 1)).all() and np.isin(cand, (0, 1)).all():
        counts = units.counted(base, cand, units.effective(changes, certain=a == b == 1))
        score = _score_ends(counts, alpha, factor, ratio=ratio)
        if not len(rows.groups):
            return Interval(estimate, *score)
        plain, _ = units.ends(changes, alpha, len(units.sizes), checked=False)
        return Interval(estimate, *_moved(plain, a, b, ratio=ratio), check=score)
    if units.why_too_few:
        return nothing(units.why_too_few)
    plain, check = units.ends(changes, alpha, units.least)
    return Interval(
        estimate,
        *_moved(plain, a, b, ratio=ratio),
        check=_moved(check, a, b, ratio=ratio) if check else None,
    )


def _over_runs(rows: Rows, alpha: float, *, factor: float, ratio: bool) -> Interval:
    """The interval where both the rows and the runs are drawn by chance.

    By the rows each is a unit with all that the runs said of it; by the runs each is a unit with
    all of its rows. The two reaches, each by a quantile of its own, are joined as the sides of a
    right angle, which covers at least as often as asked for (Banerjee 1961). What both count, the
    chance of a row in a run, is counted twice: that errs on the safe side, by little.
    """
    of_rows = compare_rows(replace(rows, runs=()), alpha, factor=factor, ratio=ratio)
    if of_rows.note:
        return of_rows
    base, cand = np.asarray(rows.baseline, np.float64), np.asarray(rows.candidate, np.float64)
    a, b = rows.means
    changes = cand / b - base / a if ratio else cand - factor * base
    run = np.unique(np.asarray(rows.runs), return_inverse=True)[1]
    weights = np.asarray(rows.weights if len(rows.weights) else np.ones(len(base)), np.float64)
    means = np.bincount(run, weights * changes) / np.bincount(run, weights)
    count = len(means)
    if count < LEAST_RUNS:
        return nothing(f"{count} of at least {LEAST_RUNS} runs with seeds of their own")
    reach = student(1 - alpha / 2, count - 1.0) * float(means.std(ddof=1)) / math.sqrt(count)
    estimate = of_rows.estimate

    def wider(low: float, high: float) -> Ends:
        if not ratio:
            return (
                estimate - math.hypot(estimate - low, reach),
                estimate + math.hypot(high - estimate, reach),
            )
        below = math.log(estimate / low) if low > 0 else math.inf
        above = math.log(high / estimate) if math.isfinite(high) else math.inf
        ends = -math.hypot(below, reach), math.hypot(above, reach)
        low, high = (estimate * math.exp(min(end, 700.0)) for end in ends)
        return low, high if math.isfinite(ends[1]) else math.inf

    low, high = wider(of_rows.low, of_rows.high)
    check = wider(*of_rows.check) if of_rows.check else None
    return Interval(estimate, low, high, check=check)


def influence(
    value: Callable[[NDArray[np.intp]], float], n: int, blocks: int = BLOCKS
) -> list[float]:
    """One number a row for any metric; their mean is the metric of all `n` rows.

    value: the metric of the rows with these indices. The numbers come from the pseudo-values of the
    jackknife over blocks of rows (Tukey 1958; Shao & Wu 1989): right to first order for any smooth
    metric, and the same for all rows of a block. So the blocks are the groups of a comparison:
    `Rows(influence(a, n), influence(b, n), groups=blocks_of(n))`.
    """
    block = np.asarray(blocks_of(n, blocks), np.intp)
    sizes = np.bincount(block)
    whole = value(np.arange(n))
    without = np.array([value(np.flatnonzero(block != j)) for j in range(len(sizes))])
    moved = (len(sizes) - 1) * (whole - without)
    return [float(x) for x in whole + (moved - moved @ sizes / n)[block]]


def units_by_class(label: NDArray[np.intp], unit: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many units hold each class. label, unit: those of each row, whole numbers from 0."""
    count = int(unit.max()) + 1
    return np.bincount(np.unique(label * count + unit) // count)


def pooled(label: NDArray[np.intp], units_of: NDArray[np.intp]) -> NDArray[np.intp]:
    """The classes of rows with those of very few units taken as one.

    Where all rows count the same, a row of a rare class says what any rare row does; a class of two
    rows among thousands must not keep all others from saying anything.
    """
    rare = units_of < LEAST_OF_A_CLASS
    if rare.all() or not rare.any():
        return label
    return np.where(rare[label], int(np.flatnonzero(rare)[0]), label)


def blocks_of(n: int, blocks: int = BLOCKS) -> list[float]:
    """The block of each row: by chance, the same for the same arguments, sizes within one row."""
    return [float(x) for x in np.random.default_rng(n).permutation(n) % min(blocks, n)]


def _why_unusable(rows: Rows) -> str:
    """Why no test may look at these rows, "" where one may."""
    n = len(rows.baseline)
    for name in ("candidate", "classes", "groups", "weights", "runs"):
        length = len(getattr(rows, name))
        if length != n and (length or name == "candidate"):
            return f"{n} rows of the baseline, but {length} of the {name}"
    for name in ("baseline", "candidate", "classes", "groups", "weights"):
        if not np.isfinite(np.asarray(getattr(rows, name), np.float64)).all():
            return f"some values of the {name} are not finite"
    count, what = (len(set(rows.groups)), "groups") if len(rows.groups) else (n, "rows")
    return f"{count} of at least 2 {what}" if count < 2 else ""


@final
@dataclass(frozen=True)
class _Units:
    """What was drawn independently: rows, or groups of rows.

    unit: that of each row. weights: of each row, 1 in the mean. sizes: the sum of each unit's.
    least: how many units hold the rarest class, or all units where there are no classes.
    why_too_few: why that says too little about losses, or "".
    """

    unit: NDArray[np.intp]
    weights: Floats
    sizes: Floats
    least: int
    why_too_few: str

    @classmethod
    def of(cls, rows: Rows) -> _Units:
        n = len(rows.baseline)
        unit = np.unique(rows.groups, return_inverse=True)[1] if len(rows.groups) else np.arange(n)
        weights = np.asarray(rows.weights if len(rows.weights) else np.ones(n), np.float64)
        weights = weights / weights.mean()
        sizes: Floats = np.bincount(unit, weights).astype(np.float64)
        if not len(rows.classes):
            return cls(unit, weights, sizes, len(sizes), "")
        names, label = np.unique(np.asarray(rows.classes, np.float64), return_inverse=True)
        units_of = units_by_class(label, unit)
        rarest = int(units_of.argmin())
        if not rows.by_class:
            units_of = units_by_class(pooled(label, units_of), unit)
        least = int(units_of[units_of > 0].min())
        note = "only one class among the rows" if len(names) < 2 else ""
        if not note and least < LEAST_OF_A_CLASS:
            what = "groups with" if len(rows.groups) else "rows of"
            name = rows.labels[int(names[rarest])] if rows.labels else f"{names[rarest]:g}"
            note = f"only {least} {what} class {name}"
            note += f"; at least {LEAST_OF_A_CLASS} are needed"
        return cls(unit, weights, sizes, least, note)

    def ends(
        self, changes: Floats, alpha: float, informed: int, *, checked: bool = True
    ) -> tuple[Ends, Ends | None]:
        """Student's interval for the mean change, and the bootstrap's where it could differ.

        informed: units that carry the information. With few rows of a class the losses vary as if
        there were no others, so they count, not all rows. A unit that outweighs the others draws
        the mean to itself, so that its residual tells less than is due: no more units count than
        there would be of one size.
        """
        mean, residuals = self._residuals(changes)
        error = _error(residuals, len(changes))
        freedom = max(min(informed, effective_size(self.sizes)) - 1.0, 0.5)
        freedom = min(freedom, _freedom(residuals))
        reach = student(1 - alpha / 2, freedom) * error
        plain = mean - reach, mean + reach
        # Without spread both models' rows differ by one constant: they are the same, or shifted.
        if not checked or error == 0 or _nearly_symmetric(residuals, informed, alpha):
            return plain, None
        low, high = _studentised(residuals, self.sizes, alpha)
        return plain, (mean - high * error, mean - low * error)

    def effective(self, changes: Floats, *, certain: bool) -> float:
        """As many independent rows as these say the same about their mean change.

        Their number over the design effect, which a score interval takes like this after Korn &
        Graubard (1998), and no more than there would be of one weight. Rows without any change may
        be as alike as can be within a unit. certain: every value is 1, which may be a perfect
        ranking: there the rarest class says the least.
        """
        if certain:
            return min(float(self.least), effective_size(self.sizes))
        mean, residuals = self._residuals(changes)
        squares = float(self.weights @ (changes - mean) ** 2)
        spread = math.sqrt(squares / (len(changes) - 1) / len(changes))
        if spread == 0:
            return effective_size(self.sizes)
        rows = len(changes) / max(1.0, (_error(residuals, len(changes)) / spread) ** 2)
        return min(rows, effective_size(self.weights))

    def _residuals(self, changes: Floats) -> tuple[float, Floats]:
        """The mean change, and the sum of what each unit's rows deviate from it."""
        mean = float(self.weights @ changes) / len(changes)
        if changes.min() == changes.max():
            return float(changes[0]), np.zeros(len(self.sizes))
        return mean, np.bincount(self.unit, self.weights * changes) - self.sizes * mean

    def counted(self, base: Floats, cand: Floats, effective: float) -> Counts:
        """How many of `effective` rows both models have right, one of them, and neither."""
        scaled = self.weights * effective / len(base)
        wrong, missed = 1 - base, 1 - cand
        both, one, other, neither = (
            float(scaled @ (a * b))
            for a, b in ((base, cand), (wrong, cand), (base, missed), (wrong, missed))
        )
        return both, one, other, neither


def _error(residuals: Floats, n: int) -> float:
    """The standard error of a mean of `n` rows, from the sums of the residuals of its units."""
    count = len(residuals)
    return math.sqrt(count / (count - 1) * float(residuals @ residuals)) / n


def _freedom(residuals: Floats) -> float:
    """The degrees of freedom of a normal sample whose variance is known as badly as this one.

    A few residuals beyond all others make up the variance, and its own error with it. Matching that
    error, (kurtosis - 1) / n, is Satterthwaite's (1946) rule. One residual alone has 2.
    """
    if not residuals.any():
        return math.inf
    squares = (residuals / np.abs(residuals).max()) ** 2
    excess = float(np.mean(squares**2)) / float(np.mean(squares)) ** 2 - 1
    return 2 * len(residuals) / excess if excess > 0 else math.inf


def _moved(ends: Ends, a: float, b: float, *, ratio: bool) -> Ends:
    """Ends as they are asked for: of a ratio they come as the relative change around its log."""
    if not ratio:
        return ends
    centre = math.log(b / a)
    low, high = (math.exp(min(centre + end, 700.0)) for end in ends)
    return low, high if math.isfinite(ends[1]) else math.inf


def _nearly_symmetric(residuals: Floats, informed: int, alpha: float) -> bool:
    """Whether skewness moves the error of an end by less than a tenth of it.

    By the first term of the Edgeworth expansion of Student's statistic, which is what a studentised
    bootstrap corrects (Hall, "The Bootstrap and Edgeworth Expansion", 1992, 2.6).
    """
    if informed < ENOUGH:
        return False
    z = NormalDist().inv_cdf(1 - alpha / 2)
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    residuals = residuals / np.abs(residuals).max()
    skewness = float(np.mean(residuals**3)) / float(np.mean(residuals**2)) ** 1.5
    moved = abs(skewness) * (2 * z * z + 1) * density / (6 * math.sqrt(len(residuals)))
    return bool(moved < 0.1 * alpha / 2)


def _studentised(residuals: Floats, sizes: Floats, alpha: float) -> Ends:
    """Between what the studentised error of a resampled mean lies (Efron 1979; Hall 1988).

    Infinite where so many resamples have an error but no spread. The same for the same rows, and
    mirrored or scaled for mirrored or scaled ones: chance is seeded by the number of units.
    """
    chance = np.random.default_rng(len(residuals))
    count = min(max(RESAMPLES, math.ceil(2 * BEYOND / alpha) - 1), MOST_RESAMPLES)
    most = min(MOST_RESAMPLED, max(ENOUGH, DRAWS // count))
    if len(residuals) > most:  # merged, the mean's skewness stays, its price does not
        into = chance.permutation(len(residuals)) % most
        residuals, sizes = (np.bincount(into, x).astype(np.float64) for x in (residuals, sizes))
    residuals = residuals / np.abs(residuals).max()
    n = len(residuals)
    columns = np.stack((residuals, sizes, residuals**2, residuals * sizes, sizes**2), axis=1)
    step = max(1, 200_000 // n)  # resamples at once: few enough for the processor's cache
    sums = np.concatenate(
        [
            _times_drawn(chance, min(step, count - done), n) @ columns
            for done in range(0, count, step)
        ]
    )
    errors = sums[:, 0] / sums[:, 1]
    squares = sums[:, 2] - 2 * errors * sums[:, 3] + errors**2 * sums[:, 4]
    squares[squares <= 1e-12 * sums[:, 2]] = 0.0  # nothing but rounding
    with np.errstate(divide="ignore", invalid="ignore"):
        values = errors * sums[:, 1] / np.sqrt(n / (n - 1) * squares)
    values = np.sort(np.nan_to_num(values, nan=0.0, posinf=math.inf, neginf=-math.inf))
    k = math.floor((count + 1) * alpha / 2)
    if k < 1:  # an error so small that chance alone could say nothing about it
        return -math.inf, math.inf
    return float(values[k - 1]), float(values[-k])


def _times_drawn(chance: np.random.Generator, resamples: int, n: int) -> Floats:
    """How often each of `n` units is in each resample."""
    drawn = chance.integers(0, n, size=(resamples, n)) + np.arange(resamples)[:, None] * n
    counts = np.bincount(drawn.ravel(), minlength=resamples * n)
    return counts.reshape(resamples, n).astype(np.float64)


def _score_ends(counts: Counts, alpha: float, factor: float, *, ratio: bool) -> Ends:
    """The changes that the score test does not exclude.

    The test compares the mean with a limit by the variance that is likeliest if the limit is true.
    For a difference it is Tango's (Statistics in Medicine 17:891), for a ratio that of Tang, Tang &
    Chan (Statistics in Medicine 22:1217), of a single proportion Wilson's.
    """
    z = NormalDist().inv_cdf(1 - alpha / 2)
    both, one, other, _ = counts
    if ratio:

        def ahead(x: float) -> float:
            theta = x / (1 - x)
            return _score(counts, (1 - theta, 1.0, -theta, 0.0), 0.0)

        share = (both + one) / (2 * both + one + other)
        low, high = _crossing(ahead, z, 0.0, share), _crossing(ahead, -z, share, 1.0)
        return low / (1 - low), high / (1 - high) if high < 1 else math.inf
    values = (1 - factor, 1.0, -factor, 0.0)
    mean = math.fsum(n * v for n, v in zip(counts, values, strict=True)) / math.fsum(counts)
    mean = min(max(mean, min(values)), max(values))

    def above(limit: float) -> float:
        return _score(counts, values, limit)

    return _crossing(above, z, min(values), mean), _crossing(above, -z, mean, max(values))


def _crossing(score: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a falling score crosses the level between `low` and `high`; the ends are not asked."""
    for _ in range(45):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if score(middle) > level else (low, middle)
    return (low + high) / 2


def _score(counts: Counts, values: tuple[float, ...], limit: float) -> float:
    """The standardised distance of the mean from `limit`, with the variance likeliest under it.

    Under the limit a value that was seen m times of n has probability m / (n (1 + t w)), where w is
    its distance from the limit and t holds the mean there. An extreme value that was never seen
    gets what is left over, if t would have to go beyond the point where it is 0.
    """
    n = math.fsum(counts)
    cells = [(m / n, v - limit) for m, v in zip(counts, values, strict=True)]
    seen, ways = [(p, w) for p, w in cells if p > 0], [w for _, w in cells]
    mean = math.fsum(p * w for p, w in seen)
    if mean == 0:
        return 0.0
    extreme = min(ways) if mean > 0 else max(ways)
    edge = -1 / extreme  # |t| is smaller, or nothing could be as extreme
    inner, outer = 0.0, edge
    for _ in range(60):
        t = (inner + outer) / 2
        if t in (inner, outer):
            break
        pull = math.fsum(p * w / (1 + t * w) for p, w in seen)
        inner, outer = (t, outer) if (pull > 0) == (mean > 0) else (inner, t)
    likeliest = [(p / (1 + inner * w), w) for p, w in seen]
    rest = max(0.0, 1 - math.fsum(p for p, _ in likeliest))
    variance = math.fsum(p * w * w for p, w in likeliest) + rest * extreme * extreme
    return mean * math.sqrt(n / variance)
