"""Reasons: why a study has no winner, from what it did. Nothing untried is said to be no better."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from statistics import median

from tunewright.core.costs import MOST_RESERVE
from tunewright.core.units import format_quantity
from tunewright.core.verdict import MIN_PAIRS, Comparison
from tunewright.reporting.sentences import in_language
from tunewright.reporting.summary import Summary
from tunewright.reporting.words import Language, say
from tunewright.verifying.claims import MORE

FEW_CONFIGS = 1000  # a space with more of them is not told by their number
SEARCHED = 5  # configs: with fewer, a larger budget is named
ENDLESS = 1e6  # an interval that reaches so far has no such end
_OVERDUE = re.compile(r"ran longer than (?P<limit>[\d.]+) s, which is what a trial may")
_BUDGETS_S = (*range(5, 30, 5), 30, 45, *range(60, 300, 60), *range(300, 3600, 300))


def reason_of(summary: Summary, language: Language = "en") -> str:
    """Why the study ended as it did, in words that claim no more than was tried."""
    verdict = summary.verdict
    if verdict is None:
        return ""
    if verdict.comparisons or summary.lines:
        return named(verdict.reason, summary, language)
    return joined(_parts(summary, verdict.reason, language), language)


def note_of(c: Comparison, summary: Summary, language: Language) -> str:
    """Why nothing is proven of a metric, what its pairs say so far, and what would be needed."""
    note, _, more = c.note.partition(f"; {MORE}")
    parts = [named(note + more, summary, language)] if note else []
    parts += [so_far] if (so_far := _so_far(c, summary, language)) else []
    if note != c.note and summary.budget_s is not None:
        parts += _larger(max(summary.needed_s, 1.5 * summary.budget_s), language)
    return joined(parts, language)


def named(sentence: str, summary: Summary, language: Language) -> str:
    """A sentence of the study in this language, in which what is compared has its own names."""
    told = in_language(sentence, language)
    if not summary.lines:
        return told
    first, *_, second = summary.lines
    words = ("the baseline", "the candidate") if language == "en" else ("基线", "候选")
    return told.replace(words[0], first).replace(words[1], second)


def short_of(summary: Summary, language: Language = "en") -> str:
    """Why the budget holds no proof, from what the baseline took, and which one would; "" if not.

    Said while there is time to stop.
    """
    budget_s = summary.budget_s
    share = 1.0 if summary.lines else MOST_RESERVE
    if budget_s is None or summary.proof_s <= share * budget_s:
        return ""
    key = "budget short" if summary.paired else "budget short of refits"
    told = {"pairs": MIN_PAIRS, "takes": format_quantity(summary.proof_s, "s")}
    parts = [say(key, language, **told)]
    return joined([*parts, *_larger(max(summary.needed_s, budget_s), language)], language)


def joined(sentences: Sequence[str], language: Language) -> str:
    """Sentences as one."""
    return say("semicolon", language).join(sentences)


def _parts(summary: Summary, reason: str, language: Language) -> list[str]:
    """The reason, one thing at a time."""
    overdue = _OVERDUE.search(reason)
    if overdue and reason.startswith("the baseline failed") and not summary.limited:
        limit_s = float(overdue["limit"])
        cause = say("baseline overdue", language, limit=format_quantity(limit_s, "s"))
        return [cause, *_larger(4 * limit_s, language)]
    if reason.startswith("the search found nothing better"):
        return _nothing_better(summary, reason, language)
    cause = in_language(reason.removesuffix("; give a larger one"), language)
    if not reason.startswith("the budget"):
        return [cause]
    known = math.isfinite(summary.needed_s)
    return [cause, *_larger(summary.needed_s if known else 4 * (summary.budget_s or 0), language)]


def _nothing_better(summary: Summary, reason: str, language: Language) -> list[str]:
    """What was tried of what there is, what failed of it, and what the constraints ask for."""
    counts = {"tried": summary.configs, "count": f"{summary.space:.0f}"}
    few = summary.space <= FEW_CONFIGS
    if few and summary.configs >= summary.space:
        parts = [say("all tried", language, **counts)]
    elif summary.configs <= 1:
        parts = [say("too short", language)]
    else:
        parts = [say("some tried" if few else "tried", language, **counts)]
    failed = {key: n for key, n in summary.outcomes.items() if key not in ("ok", "stopped")}
    if failed:
        how = say("comma", language).join(f"{n} {say(key, language)}" for key, n in failed.items())
        parts.append(say("some failed", language, how=how))
    for name, value, bound in summary.broken:
        parts.append(say("baseline breaks", language, name=name, value=value, bound=bound))
    if summary.broken and summary.handed_over:
        parts.append(say("best within", language))
    miss = reason.partition("; ")[2]
    parts += [in_language(miss, language)] if miss else []
    short = summary.configs < min(SEARCHED, summary.space)
    needed_s = max(summary.needed_s, 1.5 * (summary.budget_s or 0))
    return [*parts, *(_larger(needed_s, language) if short and summary.budget_s else ())]


def _larger(needed_s: float, language: Language) -> list[str]:
    """The budget that would do, where that is known."""
    if not math.isfinite(needed_s) or needed_s <= 0:
        return []
    rounded = next((s for s in _BUDGETS_S if s >= needed_s), 3600 * math.ceil(needed_s / 3600))
    text = f"{rounded}s" if rounded < 60 else f"{rounded // 60}min"
    return [say("larger", language, budget=text)]


def _so_far(c: Comparison, summary: Summary, language: Language) -> str:
    """What too few pairs say: an estimate and an interval that claim nothing; "" without any."""
    metric, pairs = summary.pair_metric, summary.pairs
    if metric is None or c.metric != metric.name or not math.isnan(c.estimate) or not pairs:
        return ""
    changes = sorted(metric.change(pair.baseline, pair.candidate) for pair in pairs)
    low, high = pairs[-1].low, pairs[-1].high
    known = math.isfinite(low) and math.isfinite(high) and high < ENDLESS
    ends = (low, high) if known else (changes[0], changes[-1])
    mark = "×" if metric.scale == "ratio" else ""
    texts = [f"{x:.3g}{mark}" for x in (median(changes), *ends)]
    key = "so far" if known else "so far spread"
    return say(key, language, change=texts[0], low=texts[1], high=texts[2])
