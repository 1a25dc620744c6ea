"""What the untouched rows of a table can prove, told before any time is spent."""

from __future__ import annotations

from collections.abc import Iterator

from tunewright.core.goal import Goal
from tunewright.core.verdict import alpha_of
from tunewright.stats.intervals import smallest_margin
from tunewright.stats.rows import LEAST_OF_A_CLASS
from tunewright.workloads.tabular.data import TableFacts

# Standard deviation of the per-row differences between a candidate and the baseline, for scores;
# for errors, relative to the error itself. Typical of simplified boosting on public tables.
SPREAD = {
    "roc_auc": 0.10, "accuracy": 0.22, "log_loss": 0.35, "r2": 0.10, "rmse": 0.50, "mae": 0.35,
    "balanced_accuracy": 0.22, "f1": 0.33,
}  # fmt: skip


def provable(facts: TableFacts, goal: Goal, looks_before: int) -> Iterator[tuple[str, str]]:
    """The smallest margin that this test split can prove, for each metric that rows judge."""
    level = alpha_of(1 + looks_before)
    if looks_before:
        yield (
            "looks",
            (
                f"{looks_before} earlier by studies of this data in this directory, so the error "
                f"level of the first one here is {level:.3g} instead of {alpha_of(1):.3g}"
            ),
        )
    for metric in goal.metrics:
        spread = SPREAD.get(metric.name)
        if metric.evidence != "rows" or spread is None:
            continue
        losses = metric.name != "accuracy"
        if losses and facts.classes and facts.rarest < LEAST_OF_A_CLASS:
            yield "provable", f"{metric.name}: nothing{_too_few(facts)}"
            continue
        margin = smallest_margin(spread, _effective_rows(facts, losses=losses), level)
        shown = f"{margin:.2g}" if metric.scale == "difference" else f"{margin:.1%}"
        asked = [
            c.factor - 1 if c.offset == 0 else c.offset
            for c in goal.constraints
            if c.metric.name == metric.name
        ]
        rows = f"{facts.test:,} untouched rows"
        if round(facts.worth) < facts.clusters:
            rows += f", by weight worth {facts.worth:,.0f} equal ones"
        elif facts.clusters < facts.test:
            rows += f", {facts.clusters:,} of them different"
        short = any(0 < abs(a) < margin for a in asked if a)
        yield (
            "provable",
            (
                f"{metric.name}: margins from about {shown} on {rows}"
                " (modelled: two models as alike as is usual)"
                + ("; yours is smaller, so it may stay inconclusive" if short else "")
            ),
        )


def _too_few(facts: TableFacts) -> str:
    """Why the rarest class proves nothing, and what would help."""
    needed = f"hold the rarest class, and at least {LEAST_OF_A_CLASS} are needed"
    if facts.clusters == facts.test:
        few = f"{facts.rarest} of the {facts.test:,} untouched rows"
        return f", since only {few} {needed}; give more of it"
    return (
        f", since equal rows and groups count once; only {facts.rarest} of the {facts.clusters:,} "
        f"different ones among the {facts.test:,} untouched rows {needed}; give more different "
        "rows of it, or name with --group the column that says whose each row is"
    )


def _effective_rows(facts: TableFacts, *, losses: bool) -> int:
    """As many balanced, independent rows as the untouched ones say the same.

    Rows that are alike count once, and the more weights differ, the less rows say (Kish 1965).
    Rankings, losses and means over classes vary as the rarest class does: their variance goes with
    p (1 - p), which is a quarter where two classes are balanced.
    """
    if not losses or not facts.classes:
        return max(round(facts.worth), 2)
    share = min(facts.rarest / facts.clusters * len(facts.classes) / 2, 0.5)
    return max(round(4 * share * (1 - share) * facts.worth), 2)
