"""`tunewright optimize`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from tunewright import planning, session
from tunewright.cli.lines import columns
from tunewright.cli.preview import preview
from tunewright.cli.running import Telling, run, started_s, telling
from tunewright.cli.tune import goal_of, objectives
from tunewright.errors import InputError
from tunewright.optimizing import advice, prepared
from tunewright.planning import Limits
from tunewright.storing.studies import ROOT
from tunewright.workloads.inference.importing import Quality

LABELS = "y"  # the array of labels in a file


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", metavar="FILE.npz", help="Rows that the model has not learned from: an "
              "array for each input (or one called x), and labels called y.")  # fmt: skip
@click.option("--metric", help="accuracy, log_loss, roc_auc, rmse, mae or r2.")
@click.option("--batch", type=click.IntRange(1), help="Rows of a call (default: 1).")
@click.option("--runtimes", metavar="NAME,…", help="Those to choose from; 'inductor' compiles for "
              "half a minute and is tried only where it is named.")  # fmt: skip
@objectives
@click.option("--budget", default="60s", show_default=True, help="60s, 5min, or '50 trials'.")
@click.option("--seed", default=0, show_default=True, help="Makes chance repeatable.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Trials at a time, at most.")
@click.option("--name", help="The study's name; a number is added.")
@click.option("--dry-run", is_flag=True, help="Only print what was understood.")
@telling
@click.pass_context
def command(ctx: click.Context, /, model: Path, **options: Any) -> int:
    """Find the quickest way to answer with a trained model that is proven to be as good.

    MODEL is a file: ONNX, .pt2 of torch.export, .keras, a scikit-learn model written by skops or
    joblib, or the text or JSON of LightGBM or XGBoost.

    \b
    tunewright optimize model.onnx --data val.npz --metric accuracy
    tunewright optimize model.pt2 --data val.npz --metric rmse --batch 64 --budget 2min
    """  # noqa: D301 - click wants the character itself
    began_s, tell = started_s(), Telling(options.pop("quiet"), options.pop("json_"))
    tell.check()
    batch = options["batch"] or 1
    example, quality = _data(options["data"], options["metric"], batch)
    goal = goal_of({**options, "objectives": ctx.meta["objectives"]})
    given = Limits(options["workers"])
    with prepared(
        model, example, quality, goal=goal, budget=options["budget"], seed=options["seed"],
        limits=given, name=options["name"] or "",
        runtimes=tuple((options["runtimes"] or "").replace(",", " ").split()), batch=batch,
        began_s=began_s,
    ) as (request, workspace, _):  # fmt: skip
        workload = planning.build_workload(request)
        understood = planning.understood_goal(request, workload)
        if not tell.silent:
            width = columns() if sys.stdout.isatty() else None
            before = session.looks_at(workload.untouched.rows, ROOT)
            click.echo(preview(workload, understood, request, before, width))
        if options["dry_run"]:
            return 0

        def start(watch: session.Watch) -> session.Result:
            return session.begin(request, workload=workload, workspace=workspace, watch=watch)

        return run(request, understood, start, tell, advice)


def _data(path: str | None, metric: str | None, batch: int) -> tuple[Any, Quality | None]:
    """An example, and the rows by which quality is judged. Raises InputError for other files."""
    if path is None:
        if metric is not None:
            raise InputError("--metric: expected --data with it, rows and labels; got none")
        return None, None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"--data: expected an .npz file of arrays; got {path}: {error}; "
            "write it with numpy.savez(path, x=…, y=…)"
        ) from error
    y = arrays.pop(LABELS, None)
    if not arrays:
        raise InputError(f"--data: expected an array of rows beside y in {path}; got none")
    x: Any = next(iter(arrays.values())) if len(arrays) == 1 else arrays
    few = {
        name: one[np.arange(batch) % max(len(one), 1)] for name, one in arrays.items() if len(one)
    }
    example = next(iter(few.values()), None) if len(arrays) == 1 else few
    if metric is None:
        return example, None
    if y is None:
        raise InputError(
            f"--data: expected labels called y in {path}; got {', '.join(arrays)}; "
            "write them with numpy.savez(path, x=…, y=…)"
        )
    return example, Quality(x, y, metric)
