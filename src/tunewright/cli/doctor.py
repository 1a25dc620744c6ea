"""`tunewright doctor`."""

from __future__ import annotations

import click

from tunewright.machine import describe, probe, why_noisy


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Say what this machine can measure, and what disturbs it."""
    machine = probe()
    for name, value in describe(machine):
        click.echo(f"{name:<20}{value}")
    findings = why_noisy(machine)
    click.echo(
        "\n".join(f"noisy: {finding}" for finding in findings) or "quiet: nothing disturbs it"
    )
