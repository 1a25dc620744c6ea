"""`tunewright tune`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import click

from tunewright import planning, session
from tunewright.cli.running import run, started_s
from tunewright.cli.understood import understood
from tunewright.core.budget import parse_budget
from tunewright.core.goal import Goal
from tunewright.core.roles import Workload
from tunewright.core.units import parse_quantity
from tunewright.errors import InputError
from tunewright.storing.studies import ROOT

TABLE_ONLY = ("target", "positive", "group", "drop")
COMMAND_ONLY = ("knob", "metric", "step", "env")


@final
class TuneCommand(click.Command):
    """Keeps what stands after `--` apart: it is a program of the user's, never options of ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse our options from what stands before `--`."""
        own, program = args, []
        if "--" in args:
            cut = args.index("--")
            own, program = args[:cut], args[cut + 1 :]
        ctx.meta["program"] = program
        return super().parse_args(ctx, own)


@click.command(cls=TuneCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", required=False)
@click.option("--minimize", multiple=True, metavar="METRIC", help="What to make smaller.")
@click.option("--maximize", multiple=True, metavar="METRIC", help="What to make larger.")
@click.option("--subject-to", multiple=True, metavar="BOUND", help="'roc_auc >= baseline - 0.005'")
@click.option("--budget", default="60s", show_default=True, help="60s, 5min, or '50 trials'.")
@click.option("--target", metavar="COLUMN", help="Table: the column to predict.")
@click.option("--positive", metavar="CLASS", help="Table: the class that counts as positive.")
@click.option("--group", metavar="COLUMN", help="Table: its equal values are never split.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="Table: a column to leave out.")
@click.option("--knob", multiple=True, metavar="NAME=DEFAULT:LOW..HIGH[:log]",
              help="Command: what may change; also NAME=DEFAULT:A,B,C.")  # fmt: skip
@click.option("--metric", multiple=True, metavar="NAME=SOURCE",
              help="Command: file:PATH, json:PATH:KEY or regex:PATTERN.")  # fmt: skip
@click.option("--step", multiple=True, metavar="NAME=COMMAND",
              help="Command: a step before it; {NAME} is its directory.")  # fmt: skip
@click.option("--env", multiple=True, metavar="NAME=TEXT", help="Command: an environment variable.")
@click.option("--baseline", metavar="KNOB=VALUE,…", help="What to beat instead of the defaults.")
@click.option("--seed", default=0, show_default=True, help="Makes chance repeatable.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Trials at a time, at most.")
@click.option("--trial-limit", metavar="TIME", help="Wall time of one trial, at most.")
@click.option("--memory-limit", metavar="SIZE", help="Memory of one trial, at most: 4GiB.")
@click.option("--name", help="The study's name; a number is added.")
@click.option("--dry-run", is_flag=True, help="Only print what was understood.")
@click.pass_context
def command(ctx: click.Context, /, data: str | None, **options: Any) -> int:
    """Search for a better config and prove it.

    \b
    tunewright tune adult.csv --target income --minimize latency_p50
    tunewright tune --knob level=6:1..9 --minimize wall_s -- zstd -{level} -f big.tar
    """  # noqa: D301 - click wants the character itself
    began_s = started_s()
    request = _request(data, ctx.meta["program"], options)
    if options["dry_run"]:
        _understand(request)
        return 0
    parse_budget(request.budget)
    with session.prepare(request) as place:
        workload, goal = _understand(request)
        return run(
            goal,
            lambda watch: session.tune(
                request, workload=workload, place=place, watch=watch, began_s=began_s
            ),
        )


def _understand(request: planning.Request) -> tuple[Workload, Goal]:
    """Read the data or the program, and print what was understood."""
    workload = planning.build_workload(request)
    if not request.goal.startswith(("minimize", "maximize")):
        known = ", ".join(metric.name for metric in workload.metrics)
        raise InputError(f"expected --minimize or --maximize and one of {known}; got neither")
    goal = planning.guarded_goal(request.goal, workload)
    before = session.looks_at(workload.evidence.rows, ROOT)
    click.echo(understood(workload, goal, parse_budget(request.budget), request, before))
    return workload, goal


def _request(data: str | None, program: Sequence[str], options: dict[str, Any]) -> planning.Request:
    if (data is None) == (not program):
        raise InputError(
            "expected a data file, or a program after '--'; "
            + (
                "got both; drop one of them"
                if data
                else "got neither; try 'tunewright tune --help'"
            )
        )
    for name in COMMAND_ONLY if data else TABLE_ONLY:
        if options[name]:
            other = "a program after '--'" if data else "a data file"
            raise InputError(f"--{name} belongs to {other}; drop it")
    if data:
        kind, stem = "table", Path(data).name.split(".")[0]
        made: dict[str, Any] = {"path": str(Path(data).absolute()), "seed": options["seed"]}
        made |= {name: options[name] for name in ("target", "positive", "group")}
        made["drop"] = list(options["drop"])
    else:
        kind, stem = "command", Path(program[0]).name
        made = {"argv": list(program), "cwd": str(Path.cwd())}
        made |= {f"{n}s" if n != "env" else n: list(options[n]) for n in COMMAND_ONLY}
    if options["baseline"]:
        made["baseline"] = _baseline(options["baseline"])
    return planning.Request(
        name=options["name"] or stem,
        kind=kind,
        options=made,
        goal=_goal(options),
        budget=options["budget"],
        seed=options["seed"],
        workers=options["workers"],
        limit_s=_quantity(options["trial_limit"], "s", "--trial-limit"),
        memory_mib=(_quantity(options["memory_limit"], "B", "--memory-limit") or 0) / 2**20 or None,
    )


def _quantity(text: str | None, unit: str, option: str) -> float | None:
    if text is None:
        return None
    try:
        quantity = parse_quantity(text, unit)
    except InputError as error:
        raise InputError(f"{option}: {error}") from error
    if quantity <= 0:
        raise InputError(f"{option}: expected more than 0; got {text!r}")
    return quantity


def _goal(options: dict[str, Any]) -> str:
    parts = [f"minimize {name}" for name in options["minimize"]]
    parts += [f"maximize {name}" for name in options["maximize"]]
    bounds = " and ".join(options["subject_to"])
    return " and ".join(parts) + (f" subject to {bounds}" if bounds else "")


def _baseline(text: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"--baseline: expected KNOB=VALUE,…; got {part!r}")
        values[name.strip()] = parse_value(value.strip())
    return values


def parse_value(text: str) -> int | float | str:
    """A knob's value as typed: a whole number, a number, or a word."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
