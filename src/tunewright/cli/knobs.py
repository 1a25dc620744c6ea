"""`tunewright knobs`."""

from __future__ import annotations

import sys

import click

from tunewright.cli.lines import columns
from tunewright.core.knobs import Choice, Knob
from tunewright.knobs import FAMILIES, family
from tunewright.machine import probe
from tunewright.reporting.layout import labelled

STAGE = "run"
COLUMN = 17


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List the ready-made knobs of this machine: `tune --knobs threads,allocator`."""
    cores = max(int(probe().cores_usable), 1)
    width = columns() if sys.stdout.isatty() else None
    for name in FAMILIES:
        own = family(name)
        lines = [(name, own.about)]
        offers = tuple(own.offers(STAGE, cores))
        lines += [(f"  {o.knob.name}", f"{_domain(o.knob)}  {o.about}") for o in offers]
        if not offers:
            lines.append(("", f"not here: {own.missing}"))
        for label, text in lines:
            whole = [f"{label:<{COLUMN}}{text}"]
            click.echo("\n".join(whole if width is None else labelled(label, text, width, COLUMN)))


def _domain(knob: Knob) -> str:
    if isinstance(knob.domain, Choice):
        values = ",".join(map(str, knob.domain.values))
    else:
        values = f"{knob.domain.low}..{knob.domain.high}"
    return f"{knob.default}:{values}"
