"""`tunewright tune`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, final

import click
from click.core import ParameterSource

from tunewright import planning, session
from tunewright.cli.lines import columns
from tunewright.cli.preview import preview
from tunewright.cli.running import ALL, Telling, run, started_s, telling
from tunewright.cli.written import SUFFIX, read_request
from tunewright.core.budget import parse_budget
from tunewright.core.goal import Goal
from tunewright.core.kinds import Kind
from tunewright.core.roles import Workload
from tunewright.core.units import parse_quantity
from tunewright.errors import InputError
from tunewright.planning import Limits, Request
from tunewright.storing.studies import ROOT
from tunewright.workloads import KINDS


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


def _kinds() -> list[Kind]:
    """The kinds of workload that the command line can name."""
    return [kind for name in KINDS if (kind := planning.kind_of(name)).takes]


def _with_options(command: Callable[..., int]) -> Callable[..., int]:
    """The command with the options of every kind, in the order of the registry."""
    for kind in reversed(_kinds()):
        for option in reversed(kind.options):
            made = click.option(
                f"--{option.name}", option.target, multiple=option.many, metavar=option.metavar,
                help=f"{kind.name.capitalize()}: {option.help}",
                is_flag=False, flag_value=option.bare,
            )  # fmt: skip
            command = made(command)
    return command


def _in_order(
    ctx: click.Context, param: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    """Note the objectives in the order in which they were typed: click forgets it."""
    ctx.meta.setdefault("objectives", []).extend(f"{param.name} {name}" for name in names)
    return names


def objectives(command: Callable[..., int]) -> Callable[..., int]:
    """The command with the options that state a goal, for `goal_of`."""
    for option in (
        click.option("--subject-to", multiple=True, metavar="BOUND",
                     help="'roc_auc >= baseline - 0.005'"),
        click.option("--maximize", multiple=True, metavar="METRIC", callback=_in_order,
                     help="What to make larger."),
        click.option("--minimize", multiple=True, metavar="METRIC", callback=_in_order,
                     help="What to make smaller; what is named first matters most."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(cls=TuneCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("data", required=False)
@objectives
@click.option("--budget", default="60s", show_default=True, help="60s, 5min, or '50 trials'.")
@_with_options
@click.option("--baseline", metavar="KNOB=VALUE,…|MODULE:ESTIMATOR|BUNDLE",
              help="What to beat instead of the defaults: what you have today.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Makes chance repeatable.")
@click.option("--workers", type=click.IntRange(1, 1024), help="Trials at a time, at most.")
@click.option("--timeout", metavar="TIME", help="Wall time of one trial, at most.")
@click.option("--memory", metavar="SIZE", help="Memory of one trial, at most: 4GiB.")
@click.option("--refit", type=click.Choice(["all", "verified"]),
              help="Hand over the recipe fitted on all rows, or the very model that was verified. "
              "Default: all where the verdict rests on several models.")  # fmt: skip
@click.option("--name", help="The study's name; a number is added.")
@click.option("--dry-run", is_flag=True, help="Only print what was understood.")
@telling
@click.pass_context
def command(ctx: click.Context, /, data: str | None, **options: Any) -> int:
    """Search for a better config and prove it.

    DATA is a table, or a file such as tune.toml that says it all (see `tunewright init`); options
    go before what it says.

    \b
    tunewright tune tune.toml --dry-run
    tunewright tune adult.csv --target income --minimize latency_p50
    tunewright tune --knob level=6:1..9 --minimize wall_s -- zstd -{level} -f big.tar
    """  # noqa: D301 - click wants the character itself
    began_s, tell = started_s(), Telling(options.pop("quiet"), options.pop("json_"))
    options["objectives"] = ctx.meta["objectives"]
    request = _request(ctx, data, ctx.meta["program"], options)
    if options["dry_run"]:
        _understand(request)
        return 0
    parse_budget(request.budget)
    tell.check()
    with session.prepare(request.name, request.kind, request.limits, began_s=began_s) as workspace:
        workload, goal = _understand(request, tell)
        return run(
            request,
            goal,
            lambda watch: session.begin(
                request, workload=workload, workspace=workspace, watch=watch
            ),
            tell,
        )


def _understand(request: Request, tell: Telling = ALL) -> tuple[Workload, Goal]:
    """Read the data or the program, and print what was understood."""
    workload = planning.build_workload(request)
    goal = planning.understood_goal(request, workload)
    if request.refit and not workload.untouched.folds:
        raise InputError("expected --refit only for a table; drop it")
    if not goal.objectives:
        known = ", ".join(metric.name for metric in workload.metrics)
        raise InputError(f"expected --minimize or --maximize and one of {known}; got neither")
    if not tell.silent:
        before = session.looks_at(workload.untouched.rows, ROOT)
        width = columns() if sys.stdout.isatty() else None
        click.echo(preview(workload, goal, request, before, width))
    return workload, goal


def _request(
    ctx: click.Context, data: str | None, program: Sequence[str], options: dict[str, Any]
) -> Request:
    """The request that a command line makes, by itself or over what a file says."""
    _check_named(data, program)
    kinds, base = _kinds(), None
    if data is not None and data.endswith(SUFFIX):
        base = read_request(Path(data))
    takes = "data" if data else "program"
    kind = next(k for k in kinds if (k.name == base.kind if base else k.takes == takes))
    for other in kinds:
        for option in other.options:
            if other is not kind and _given(options[option.target]):
                wanted = "a program" if kind.takes == "data" else "a data file"
                raise InputError(f"--{option.name} belongs to {wanted}; drop it")
    said = {o.target: options[o.target] for o in kind.options if _given(options[o.target])}
    named, knobs = options["baseline"] or "", dict[str, Any]()
    if "=" in named:
        named, knobs = "", _baseline(named)
    if named and kind.takes == "program":
        raise InputError(f"--baseline: expected KNOB=VALUE,… for a program; got {named!r}")
    if named:
        said["baseline"] = named
    seed = options["seed"] if base is None or _typed(ctx, "seed") else base.seed
    spec = kind.parse(base.workload if base else data or program, said, seed)
    limits = Limits(
        options["workers"],
        _quantity(options["timeout"], "s", "--timeout"),
        (_quantity(options["memory"], "B", "--memory") or 0) / 2**20 or None,
    )
    if base is None:
        return Request(
            options["name"] or kind.called(spec), kind.name, spec, goal_of(options), knobs,
            options["budget"], seed, limits, refit=options["refit"] or "",
        )  # fmt: skip
    return replace(
        base,
        workload=spec,
        name=options["name"] or base.name,
        goal=goal_of(options) or base.goal,
        baseline=knobs or base.baseline,
        budget=options["budget"] if _typed(ctx, "budget") else base.budget,
        seed=seed,
        limits=Limits(*(
            getattr(base.limits, field.name) if getattr(limits, field.name) is None
            else getattr(limits, field.name)
            for field in fields(Limits)
        )),
        refit=options["refit"] or base.refit,
    )  # fmt: skip


def _check_named(data: str | None, program: Sequence[str]) -> None:
    if (data is None) != (not program):
        return
    got = "both; drop one of them" if data else "neither; try 'tunewright tune --help'"
    raise InputError(f"expected a data file, a tune.toml, or a program after '--'; got {got}")


def _typed(ctx: click.Context, name: str) -> bool:
    """Whether an option with a default was typed."""
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _given(value: Any) -> bool:
    """Whether an option was typed; an empty text may be what it was given."""
    return value is not None and value != ()


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


def goal_of(options: dict[str, Any]) -> str:
    """The goal that the options of `objectives` state."""
    parts: list[str] = options["objectives"]
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
