"""A request as a file states it: `tune.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from tunewright import planning
from tunewright.core.events import decode
from tunewright.core.kinds import Kind
from tunewright.errors import InputError, nearest
from tunewright.planning import Limits, Request
from tunewright.workloads import KINDS

SUFFIX = ".toml"
_FIELDS = {field.name: field for field in fields(Request)}
_ELSEWHERE = ("kind", "workload", "proof")  # the table's name, the table itself, and `verify`


def read_request(path: Path) -> Request:
    """The request that a file states: fields of `Request`, and a table named for a kind, its spec.

    Texts that are lists on the command line may be single ones. Raises InputError, naming the file
    and the key, for what cannot be read.
    """
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"expected a file to read; got {path}: {error.strerror}; 'tunewright init' writes one"
        ) from error
    except ValueError as error:  # neither TOML nor UTF-8
        raise InputError(f"{path}: expected TOML; {error}") from error
    try:
        return _request(body, path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _request(body: Mapping[str, Any], path: Path) -> Request:
    kinds = {name: kind for name in KINDS if (kind := planning.kind_of(name)).takes}
    named = [name for name in kinds if isinstance(body.get(name), Mapping)]
    if len(named) != 1:
        wanted = " or ".join(f"[{name}]" for name in kinds)
        raise InputError(f"expected one table {wanted}; got {' and '.join(named) or 'none'}")
    kind = kinds[named[0]]
    known = [name for name in _FIELDS if name not in _ELSEWHERE]
    rest = {key: value for key, value in body.items() if key != kind.name}
    _check_keys(rest, known, "")
    limits = rest.pop("limits", {})
    if not isinstance(limits, Mapping):
        raise InputError(f"expected a table [limits]; got {limits!r}")
    _check_keys(limits, [field.name for field in fields(Limits)], "limits.")
    spec = _spec(kind, body[kind.name], path.absolute().parent, rest.get("seed", 0))
    said = {"name": kind.called(spec), "goal": "", **rest}
    values = {key: _typed(_FIELDS[key], value) for key, value in said.items()}
    read: Limits = _decoded(Limits, limits, "limits")
    return Request(kind=kind.name, workload=spec, limits=read, **values)


def _spec(kind: Kind, body: Mapping[str, Any], directory: Path, seed: object) -> Any:
    known = {field.name: field for field in fields(kind.spec)}
    _check_keys(body, known, f"{kind.name}.")
    needed = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in needed if name not in body]:
        raise InputError(f"expected {missing[0]} in [{kind.name}]; got none; add it")
    own = {"seed": seed} if "seed" in known else {}
    return kind.spec(**_hashable({**own, **kind.written(body, directory)}))


def _typed(field: Field[Any], value: Any) -> Any:
    """A value of a field. Raises InputError where it is of another type."""
    wanted = {"baseline": Mapping, "seed": int}.get(field.name, str)
    if not isinstance(value, wanted) or isinstance(value, bool):
        word = {Mapping: "a table of knobs", int: "a whole number"}.get(wanted, "a text")
        raise InputError(f"{field.name}: expected {word}; got {value!r:.60}")
    return value


def _decoded(kind: type[Any], body: Mapping[str, Any], where: str) -> Any:
    try:
        return decode(kind, body)
    except (TypeError, ValueError, LookupError) as error:
        raise InputError(f"{where}: {error}") from error


def _hashable(body: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples, as specs have them."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in body.items()
    }


def _check_keys(body: Mapping[str, Any], known: Collection[str], where: str) -> None:
    for key in body:
        if key not in known:
            raise InputError(f"unknown key {where}{key}: {nearest(key, known)}")
