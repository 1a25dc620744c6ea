"""Frames: a table in memory becomes a file, since whoever learns from it is another process."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pyarrow.feather

from tunewright.errors import InputError
from tunewright.workloads.tabular.files import load

PLACE = Path(".tunewright") / "tables"  # beside the studies, which read it again when resumed


def keep(data: object, place: Path = PLACE) -> Path:
    """The file that holds these rows, named by its content: equal frames are kept once.

    data: whatever exports an Arrow stream. Raises InputError for what is no table, and where
    nothing can be written; then no file is left.
    """
    rows = load(data).data.combine_chunks()  # however the rows were cut, they are the same
    draft: Path | None = None
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".frame-", dir=place)
        os.close(handle)
        draft = Path(name)
        pyarrow.feather.write_feather(rows, draft, compression="lz4")
        with draft.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=10))
        return draft.replace(place.absolute() / f"frame-{digest.hexdigest()}.arrow")
    except OSError as error:
        raise InputError(
            f"expected to keep the data frame in {place}; got {error.strerror or error}; free some "
            "space, or give a file"
        ) from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
