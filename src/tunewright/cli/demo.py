"""`tunewright demo`: the main job on data that is on every machine."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path

import click

from tunewright.cli.tune import command as tune

PLACE = Path("digits.csv")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--budget", default="60s", show_default=True)
@click.pass_context
def command(ctx: click.Context, budget: str) -> int:
    """Tune a classifier of handwritten digits (1,797 real images, shipped with scikit-learn).

    Why digits: LightGBM's defaults are right on about 96 rows of 100, and two good models disagree
    on few of the untouched rows, so a margin of three points of accuracy can be proven on them.
    """
    if not PLACE.exists():
        digits = importlib.import_module("sklearn.datasets").load_digits()
        with PLACE.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*digits.feature_names, "digit"])
            writer.writerows(
                [*map(int, x), int(y)] for x, y in zip(digits.data, digits.target, strict=True)
            )
    words = [str(PLACE), "--target", "digit", "--minimize", "latency_p50"]
    words += ["--subject-to", "accuracy >= baseline - 0.03", "--budget", budget]
    click.echo("$ tunewright tune " + " ".join(f"'{w}'" if " " in w else w for w in words) + "\n")
    code = tune.main(words, standalone_mode=False, parent=ctx.parent)
    return code if isinstance(code, int) else 0
