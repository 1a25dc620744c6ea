"""The report's figures as inline SVG. The only file that imports matplotlib."""

from __future__ import annotations

import io
import itertools
import math
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from tunewright.core.metrics import Metric
from tunewright.core.units import format_quantity
from tunewright.reporting.phrases import signed
from tunewright.reporting.sentences import stage_of
from tunewright.reporting.summary import Sampled, Summary
from tunewright.reporting.words import Language, say

# Middle tones that read on white and on black; text and its fonts come from the page's own style.
BLUE, ORANGE, GREEN, GREY = "#3b82c4", "#d9822b", "#2f9e63", "#8a8f98"
STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "tunewright", "text.parse_math": False, "font.size": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": GREY,
    "xtick.color": GREY, "ytick.color": GREY, "grid.color": GREY, "grid.alpha": 0.25,
    "axes.grid": True, "legend.frameon": False, "legend.fontsize": 9,
}  # fmt: skip
MOST_CLASSES = 12  # a larger table of them cannot be read
MOST_COLUMNS = 12  # the most important ones
LONGEST = 18  # characters of a name
TURNED = 24  # characters of all names, from which they stand upright
DECADES = 5.0  # beyond this ratio an axis is logarithmic
TICKS = 5  # at most, about: their labels must not overlap
Draw = Callable[[Axes, Summary, Language], None]


def figures(summary: Summary, language: Language) -> list[tuple[str, str]]:
    """The figures that this study has something for, as (caption key, SVG)."""
    wanted: list[tuple[str, Draw, bool]] = [
        ("search figure", _search, bool(summary.goal.objectives and _axes_of(summary)[2])),
        ("pairs figure", _pairs, bool(summary.pairs)),
        ("calibration figure", _calibration, bool(summary.judged.calibration)),
        ("confusion figure", _confusion, 1 < len(summary.judged.confusion) <= MOST_CLASSES),
        ("residuals figure", _residuals, bool(summary.judged.residuals)),
        ("importance figure", _importance, bool(summary.importance)),
        ("time figure", _time, bool(summary.stages) and not summary.lines),
    ]
    return [(key, _svg(draw, summary, language)) for key, draw, some in wanted if some]


def _axes_of(summary: Summary) -> tuple[Metric, Metric | None, list[Sampled]]:
    """The first objective, what it is weighed against, and the configs that have both.

    That is the second objective, or else the metric of a constraint.
    """
    objective, *others = summary.goal.metrics
    across = others[0] if others else None
    names = {objective.name, *([across.name] if across else [])}
    return objective, across, [t for t in summary.tried if names <= set(t.values)]


def _svg(draw: Draw, summary: Summary, language: Language) -> str:
    """One figure; its ids stay unique on a page that holds several, and no date is written."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has the fonts
        figure = Figure(figsize=(4.6, 3.3), layout="constrained")
        figure.patch.set_alpha(0.0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0.0)
        draw(axes, summary, language)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r' id="[A-Za-z0-9.]+_\d{1,4}"', "", text)
    return re.sub(r' (width|height)="[^"]*pt"', "", text, count=2)


def _search(axes: Axes, summary: Summary, language: Language) -> None:
    objective, across, tried = _axes_of(summary)
    constraint = next((c for c in summary.goal.constraints if c.metric == across), None)
    number_of = {t.id: i for i, t in enumerate(tried, start=1)}

    def points(some: Sequence[Sampled]) -> tuple[list[float], list[float]]:
        order = [float(number_of[s.id]) for s in some]
        xs = [s.values[across.name] for s in some] if across else order
        return xs, [s.values[objective.name] for s in some]

    steps = {step.label: step for step in summary.steps if step.id in number_of}
    held = "holds" if summary.goal.constraints else "point"
    groups = [
        ("breaks", GREY, 14, [t for t in tried if not t.holds]),
        (held, BLUE, 14, [t for t in tried if t.holds]),
        ("baseline", ORANGE, 60, [steps["baseline"]] if "baseline" in steps else []),
        ("final", GREEN, 60, [steps["final"]] if "final" in steps else []),
    ]
    for key, colour, size, some in groups:
        if some:
            label, marker = say(key, language), "o" if size < 60 else "D"
            axes.scatter(*points(some), s=size, c=colour, marker=marker, label=label, linewidths=0)
    front = sorted(summary.front, key=lambda one: one.values.get(across.name, 0.0) if across else 0)
    if across in summary.goal.objectives and len(front) > 1:
        axes.plot(
            *points(front), color=GREEN, linewidth=1, alpha=0.7, label=say("on front", language)
        )
    if constraint and across and "baseline" in steps:
        bound = constraint.bound(steps["baseline"].values[across.name])
        axes.axvline(bound, color=ORANGE, linestyle="--", linewidth=1, label=say("bound", language))
    xs, ys = points(tried)
    _scale(axes.yaxis, axes.set_yscale, ys, objective.unit)
    if across:
        _scale(axes.xaxis, axes.set_xscale, xs, across.unit)
    axes.set_xlabel(across.name if across else say("order", language))
    axes.set_ylabel(objective.name)
    # Anywhere among the points it would hide some.
    axes.figure.legend(loc="outside upper left", ncols=3, columnspacing=1, handletextpad=0.3)


def _pairs(axes: Axes, summary: Summary, language: Language) -> None:
    metric = summary.pair_metric
    assert metric is not None
    ratio = metric.scale == "ratio"
    blocks = [pair.block + 1 for pair in summary.pairs]
    changes = [metric.change(pair.baseline, pair.candidate) for pair in summary.pairs]
    lows, highs = [pair.low for pair in summary.pairs], [pair.high for pair in summary.pairs]
    axes.scatter(blocks, changes, s=22, c=BLUE, zorder=3, linewidths=0)
    axes.axhline(1.0 if ratio else 0.0, color=ORANGE, linewidth=1, linestyle="--")
    bottom, top = _window(changes, lows[-1], highs[-1])
    axes.set_ylim(bottom, top)
    drawn = [  # the first intervals are endless, and so would be the picture
        (block, max(low, bottom), min(high, top))
        for block, low, high in zip(blocks, lows, highs, strict=True)
        if low < top and high > bottom
    ]
    if drawn:
        xs, lower, upper = zip(*drawn, strict=True)
        label = say("interval", language)
        axes.fill_between(xs, lower, upper, color=BLUE, alpha=0.2, linewidth=0, label=label)
        axes.legend(loc="best")
    digits = max(math.ceil(-math.log10(top - bottom)) + 1, 0)  # so that neighbours differ

    def told(value: float, _: object) -> str:
        if ratio:
            return f"{value:.{digits}f}×"
        return signed(value, metric.unit) if metric.unit else f"{value:+.{digits}f}"

    axes.yaxis.set_major_formatter(FuncFormatter(told))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(say("pair", language))
    axes.set_ylabel(_change_label(summary, metric, language))


def _calibration(axes: Axes, summary: Summary, language: Language) -> None:
    bins, name = summary.judged.calibration, summary.judged.classes[1]
    said, share = [one.said for one in bins], [one.share for one in bins]
    spread = [[one.share - one.low for one in bins], [one.high - one.share for one in bins]]
    axes.plot([0, 1], [0, 1], color=ORANGE, linewidth=1, linestyle="--")
    axes.errorbar(said, share, yerr=spread, fmt="o", color=BLUE, markersize=4, linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel(say("said share", language, name=_cut(name)))
    axes.set_ylabel(say("true share", language, name=_cut(name)))


def _confusion(axes: Axes, summary: Summary, language: Language) -> None:
    counts, names = summary.judged.confusion, [_cut(name) for name in summary.judged.classes]
    shares = [[n / max(sum(row), 1) for n in row] for row in counts]
    every = range(len(names))
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1.3, alpha=0.6, edgecolors="none")
    for truth, guess in itertools.product(every, every):
        axes.text(guess + 0.5, truth + 0.5, f"{counts[truth][guess]:,}", ha="center", va="center",
                  fontsize=9 if len(names) < 6 else 7)  # fmt: skip
    turned = 90 if sum(map(len, names)) > TURNED else 0
    axes.set_xticks([i + 0.5 for i in every], names, rotation=turned)
    axes.set_yticks([i + 0.5 for i in every], names)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xlabel(say("said", language))
    axes.set_ylabel(say("true", language))


def _residuals(axes: Axes, summary: Summary, language: Language) -> None:
    said, answers = zip(*summary.judged.residuals, strict=True)
    axes.scatter(said, answers, s=8, c=BLUE, alpha=0.5, linewidths=0)
    ends = [min(*said, *answers), max(*said, *answers)]
    axes.plot(ends, ends, color=ORANGE, linewidth=1, linestyle="--", label=say("perfect", language))
    axes.set_xlabel(say("said", language))
    axes.set_ylabel(say("true", language))
    axes.legend(loc="best")


def _importance(axes: Axes, summary: Summary, language: Language) -> None:
    shown = [*reversed(summary.importance[:MOST_COLUMNS])]
    rises, every = [one.rise for one in shown], range(len(shown))
    spread = [[one.rise - one.low for one in shown], [one.high - one.rise for one in shown]]
    axes.barh(every, rises, color=BLUE, height=0.6, alpha=0.7)
    axes.errorbar(rises, every, xerr=spread, fmt="none", ecolor=GREY, linewidth=1)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(every, [_cut(one.name) for one in shown])
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(say("rise", language, name=summary.importance_of))


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _window(changes: Sequence[float], low: float, high: float) -> tuple[float, float]:
    """From where to where the points are drawn, with the interval as far as they stay visible."""
    least, most = min(changes), max(changes)
    spread = max(most - least, 1e-2 * max(abs(least), abs(most)), 1e-12)
    low = max(min(least, low), least - 2 * spread)
    high = min(max(most, high), most + 2 * spread)
    return low - spread / 4, high + spread / 4


def _change_label(summary: Summary, metric: Metric, language: Language) -> str:
    ratio = metric.scale == "ratio"
    if not summary.lines:
        return say("pair change" if ratio else "pair difference", language, name=metric.name)
    first, *_, second = summary.lines
    return f"{metric.name}: {second} {'/' if ratio else '−'} {first}"


def _time(axes: Axes, summary: Summary, language: Language) -> None:
    bars = [(stage_of(s.stage, language), s.seconds, BLUE) for s in summary.stages]
    bars += [
        (say("own", language), summary.own_s, GREY),
        (say("verification", language), summary.verification_s, GREEN),
    ]
    names, seconds, colours = zip(*reversed(bars), strict=True)
    axes.barh(range(len(bars)), seconds, color=colours, height=0.65)
    axes.set_yticks(range(len(bars)), names)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{say('wall', language)} {say('brackets', language, told='s')}")
    for y, value in enumerate(seconds):
        axes.text(value, y, f" {value:.1f}", va="center", fontsize=8)
    axes.margins(x=0.12)


def _scale(
    axis: Axis, set_scale: Callable[[str], None], values: Sequence[float], unit: str
) -> None:
    """Few ticks with units; logarithmic where values span more than a few times their least."""
    axis.set_major_locator(MaxNLocator(TICKS))
    if min(values) > 0 and max(values) / min(values) > DECADES:
        set_scale("log")
        subs = (1.0,) if max(values) / min(values) > 100 else (1.0, 2.0, 5.0)
        axis.set_major_locator(LogLocator(subs=subs, numticks=TICKS + 1))
        axis.set_minor_formatter(NullFormatter())
        axis.set_major_formatter(FuncFormatter(lambda value, _: format_quantity(value, unit)))
    else:
        axis.set_major_formatter(_Quantities(unit))


@final
class _Quantities(Formatter):
    """Ticks in one unit for all, with as many digits as tell one from the next."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._ticks: list[float] = []

    def set_locs(self, locs: Sequence[float]) -> None:
        """All the ticks, before the text of any is asked for."""
        self._ticks = sorted(locs)

    def __call__(self, x: float, pos: int | None = None) -> str:  # noqa: ARG002 - matplotlib's
        """The tick's text."""
        largest = max(map(abs, self._ticks), default=abs(x)) or 1.0
        number, _, name = format_quantity(largest, self._unit).partition(" ")
        scale = largest / float(number) if name else 1.0
        power = 10.0 ** round(math.log10(scale)) if name else 1.0
        steps = (b - a for a, b in itertools.pairwise(self._ticks))
        step = min(steps, default=largest) / power
        digits = max(0, math.ceil(-math.log10(step) - 1e-9)) if step > 0 else 0
        digits += not math.isclose(step, round(step, digits), rel_tol=1e-6)
        return f"{x / power:.{digits}f} {name}".rstrip()
