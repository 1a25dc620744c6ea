"""Handing over what a study found."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from tunewright.core.events import encode
from tunewright.deploying.bundle import write_bundle, write_index
from tunewright.errors import InputError
from tunewright.machine import probe
from tunewright.planning import build_workload
from tunewright.running.cache import ArtifactCache
from tunewright.session import Result, request_of
from tunewright.workloads.command import CommandWorkload


def deploy(result: Result, place: Path | None = None) -> Path | None:
    """Write what the verdict hands over to `place` (default: `bundle` in the study's directory).

    A table's bundle holds the very files that were verified; a program's holds its command lines.
    Returns None where nothing was verified: there is nothing to hand over but what you have.
    """
    verdict = result.verdict
    place = place or result.directory / "bundle"
    if verdict is None or not verdict.comparisons:
        return None
    if place.exists():
        return place
    told, environment = encode(verdict), asdict(probe())
    request = request_of(result.history, result.directory)
    if request.kind == "command":
        workload = build_workload(request)
        assert isinstance(workload, CommandWorkload)
        index = {"steps": workload.command_lines(verdict.config), "config": dict(verdict.config)}
        return write_index(place, {**index, "verdict": told, "environment": environment})
    if not verdict.key:  # the budget ended before the refit did
        return None
    kept = ArtifactCache(result.directory / "artifacts").get(verdict.key)
    if kept is None:
        raise InputError(
            f"expected the verified model in {result.directory}; it is gone; tune again"
        )
    return write_bundle(place, kept.artifact.value, verdict.config, told, environment)
