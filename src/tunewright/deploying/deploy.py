"""Handing over what a study found."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any

from tunewright.core.events import encode
from tunewright.deploying.bundle import BUNDLE, INDEX, write_index
from tunewright.errors import InputError, check_type
from tunewright.machine import probe
from tunewright.optimizing import Optimized
from tunewright.planning import build_workload, kind_of
from tunewright.running.cache import ArtifactCache
from tunewright.session import Result, request_of

LEARNED = {
    "all": "learned from every row, after the verdict",
    "test": "learned from all but the test rows, after the verdict",
    "verified": "the very one that was verified",
    "search": "as the search left it, learned from its training rows alone",
}


def deploy(result: Result | Optimized, path: str | os.PathLike[str] | None = None) -> Path | None:
    """Write what the verdict hands over to `path` (default: `bundle` in the study's directory).

    A table's bundle holds the very files that were verified, or where that was asked for those of
    the same recipe fitted on every row, and says which; a program's holds its command lines.
    Returns None where there is nothing to hand over but what you have. Raises InputError where
    something else is there.
    """
    if isinstance(result, Optimized):
        result = result.result
    check_type("result", result, Result, "what tunewright.tune gave")
    check_type("path", path, (str, os.PathLike, NoneType), "'bundle'")
    verdict = result.verdict
    if verdict is None:
        return None
    request = request_of(result.history, result.directory)
    kind, kept = kind_of(request.kind), None
    if key := kept_key(result):
        kept = ArtifactCache(result.directory / "artifacts").get(key)
        if kept is None:
            raise InputError(
                f"expected the model of the verdict in {result.directory}; it is gone; tune again"
            )
    workload = partial(build_workload, request)
    made = kind.hand_over(workload, verdict.config, kept.artifact if kept else None)
    if made is None:
        return None
    index = {
        **made.index, "kind": kind.name, "use": made.use, "study": result.directory.name,
        "config": dict(verdict.config), "verdict": encode(verdict),
    }  # fmt: skip
    if rows := learned_from(result):
        index["learned_from"] = rows
    path = Path(path or result.directory / BUNDLE)
    if _is(path, index, made.files):
        return path
    return write_index(path, {**index, "environment": encode(asdict(probe()))}, made.files)


def kept_key(result: Result) -> str:
    """The artifact of what is handed over, "" where there is none."""
    again, verdict = result.history.refitted, result.verdict
    return (again.key if again else "") or (verdict.key if verdict else "")


def learned_from(result: Result) -> str:
    """The rows that what is handed over has learned from, in words; "" where it has from none."""
    again, opened, verdict = result.history.refitted, result.history.opened, result.verdict
    if not (opened and opened.folds and verdict and kept_key(result)):
        return ""
    if again is not None and again.key:
        return LEARNED[again.split]
    judged = (m.key for t, m in result.history.ended() if t.purpose.kind == "refit")
    return LEARNED["verified" if verdict.key in judged else "search"]


def used(bundle: Path) -> str:
    """How a bundle is used, as a command line; "" where it speaks for itself."""
    return str(_index(bundle).get("use", "")).format(bundle=bundle)


def asked_for(bundle: Path) -> str:
    """What must be sent to a bundle, in words; "" where it asks for all that there was."""
    return str(_index(bundle).get("inputs", ""))


def _index(bundle: Path) -> dict[str, Any]:
    index: dict[str, Any] = json.loads((bundle / INDEX).read_text(encoding="utf-8"))
    return index


def _is(path: Path, index: Mapping[str, Any], files: Mapping[str, bytes]) -> bool:
    """Whether this very bundle is there already, whole: it was written before."""
    wanted = json.loads(json.dumps(index))
    try:
        body = json.loads((path / INDEX).read_text(encoding="utf-8"))
        same = all((path / name).read_bytes() == file for name, file in files.items())
        return same and all(body[name] == value for name, value in wanted.items())
    except (OSError, ValueError, LookupError, TypeError):
        return False
