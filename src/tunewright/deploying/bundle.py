"""Bundle: a directory with a model, why to trust it, and checksums. Nothing in it is pickled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tunewright.core.events import decode
from tunewright.core.registry import resolve
from tunewright.core.texts import read_json
from tunewright.errors import InputError, check_type
from tunewright.workloads.tabular.data import Blended, CompiledModel, Schema
from tunewright.workloads.tabular.families import family_of
from tunewright.workloads.tabular.predictor import Predictor

# Version 1: first format. Version 2: a model is a blend of members, and the index has a digest.
FORMAT = 2
NETWORK = "tunewright.workloads.training.predictor:predictor"
INDEX = "bundle.json"
BUNDLE = "bundle"  # of a study, in its directory


def write_index(
    path: Path, index: Mapping[str, Any], files: Mapping[str, bytes] | None = None
) -> Path:
    """A new directory with an index and files, whole or not at all. Raises InputError."""
    if path.exists():
        raise InputError(f"expected a new directory; got {path}, which exists; name another")
    sums = {name: hashlib.sha256(file).hexdigest() for name, file in (files or {}).items()}
    body = {"format": FORMAT, **index, "sha256": sums}
    sums[INDEX] = _digest_of(body)
    text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)
    draft: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        for name, file in {**(files or {}), INDEX: text.encode()}.items():
            (draft / name).write_bytes(file)
        draft.chmod(0o755)  # a temporary directory is private; a bundle is not
        draft.rename(path)
    except OSError as error:
        raise InputError(
            f"expected to write the bundle {path}; got {error.strerror}; name another place"
        ) from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
    return path


def load(directory: str | os.PathLike[str]) -> Any:
    """The bundle's predictor. Raises InputError unless format and every checksum are right.

    Of a table a Predictor, which answers rows by the names of their columns; of a network a
    NetworkPredictor, which answers arrays. Which of them is known by the bundle alone.
    """
    check_type("directory", directory, (str, os.PathLike), "'.tunewright/adult-1/bundle'")
    path = Path(directory)
    try:
        index = read_json((path / INDEX).read_bytes())
        version = index["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"expected a bundle; got {path}{_why_none(path, error)}") from error
    if "steps" in index:
        raise InputError(f"expected a model's bundle; got {path}, which holds command lines to run")
    if version != FORMAT:
        raise InputError(f"expected a bundle of format {FORMAT}; got {version!r}; export it again")
    try:
        if index["sha256"].pop(INDEX) != _digest_of(index):
            raise InputError(
                f"expected {path / INDEX} as written; got other content; export it again"
            )
        files = {name: _checked(path, name, digest) for name, digest in index["sha256"].items()}
        if "framework" in index:
            return resolve(NETWORK)(index, files)
        members = [
            (
                CompiledModel(
                    decode(Schema, one["schema"]), one["family"], one["runtime"],
                    {name: files[where] for name, where in one["files"].items()},
                ),
                float(one["weight"]),
            )
            for one in index["members"]
        ]  # fmt: skip
        if any(family_of(model.family).plain for model, _ in members):
            raise InputError(f"expected a bundle of ours; got {path} with a model of another kind")
        return Predictor(Blended(tuple(members)), index["threads"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"expected a whole bundle; got {path} without {error}") from error


def _why_none(path: Path, error: Exception) -> str:
    """Why this is no bundle, and which one is meant where one lies near."""
    near = [place for place in (path / BUNDLE, path.parent) if (place / INDEX).is_file()]
    meant = f"; name {near[0]}" if near else f"; name the directory that holds {INDEX}"
    if not path.exists():
        return f", which does not exist{meant}"
    if not path.is_dir():
        return f", which is a file{meant}"
    if not (path / INDEX).exists():
        return f" without {INDEX}{meant}"
    cause = error.strerror if isinstance(error, OSError) else str(error)
    return f" with {INDEX} that cannot be read: {cause}; deploy it again"


def _digest_of(index: Mapping[str, Any]) -> str:
    """The digest of all that an index says; its own is not among the sums."""
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()


def _checked(path: Path, name: str, digest: str) -> bytes:
    """The file's bytes, which have this digest."""
    if Path(name).name != name:
        raise InputError(f"expected a file of the bundle {path}; got {name!r}; export it again")
    try:
        file = (path / name).read_bytes()
    except OSError as error:
        raise InputError(f"expected {name} in {path}; got {error}; export it again") from error
    if hashlib.sha256(file).hexdigest() != digest:
        raise InputError(f"expected {path / name} as written; got other bytes; export it again")
    return file
