"""`tunewright doctor`."""

from __future__ import annotations

import click

from tunewright.machine import describe, probe, why_noisy
from tunewright.workloads.inference.runtimes import RUNTIMES, installed, runtime_of


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Say what this machine can measure, what disturbs it, and what can answer for a model."""
    machine = probe()
    for name, value in describe(machine):
        click.echo(f"{name:<20}{value}")
    for name in RUNTIMES:
        runtime = runtime_of(name)
        if not runtime.plain:
            there = "installed" if installed(runtime) else f"not installed: {runtime.install}"
            click.echo(f"{f'runtime {name}':<20}{there}")
    findings = why_noisy(machine)
    click.echo(
        "\n".join(f"noisy: {finding}" for finding in findings) or "quiet: nothing disturbs it"
    )
