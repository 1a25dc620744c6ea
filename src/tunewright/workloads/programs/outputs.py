"""Outputs: what must be the same in every run, and whether two runs put it out."""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import final

from tunewright.core.config import Value
from tunewright.errors import InputError, TrialFailed
from tunewright.measuring.processes import ProgramRun
from tunewright.workloads.programs.failures import printable, telling
from tunewright.workloads.programs.metrics import Reader, Stamps
from tunewright.workloads.programs.placeholders import has_placeholder

PRINTED = ("standard output", "standard error")
FIRST, LATEST = 8, 32  # outputs that are kept: each is compared with the first ones
MATCH = "match"
_PATH = re.compile(r"[\w./~{} -]+")
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)+")
_WINDOW = 100  # characters shown of a long line, about where it differs
_NUMBER = re.compile(
    r"(?<![\w.])([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:inf(?:inity)?|nan))"
    r"(?![\w.]*[0-9])",
    re.IGNORECASE,
)
_SPACES = re.compile(r"[ \t]+")
Parts = Mapping[str, Path]  # what is compared of one run, by what it is called


@final
@dataclass(frozen=True)
class Check:
    """What must be the same: all that is printed, what a pattern matches in it, or a file.

    tolerance: by how much a number may differ, as a share of it, or as it is for numbers below 1.
    With one, the width of a gap between words does not count.
    """

    pattern: str = ""
    path: str = ""
    tolerance: float = 0.0

    @property
    def told(self) -> str:
        """What is checked, for whoever reads the plan."""
        what = "all that is printed"
        if self.path:
            what = f"the file {self.path}"
        elif self.pattern:
            what = f"what {self.pattern!r} matches in what is printed"
        near = f"; numbers may differ by {self.tolerance:g} of their size" if self.tolerance else ""
        return f"must be the baseline's: {what}{near}"

    def reader(self, cwd: str) -> Reader | None:
        """Finds the file, where it is one."""
        return Reader("the output", "file", self.path, cwd=cwd) if self.path else None

    def parts(
        self, run: ProgramRun, cwd: str, places: Mapping[str, Value], before: Stamps
    ) -> Parts:
        """What is compared of a run. Raises TrialFailed where the run did not put it out."""
        if reader := self.reader(cwd):
            found = reader.found(places, before)
            if found.is_dir():
                raise TrialFailed(f"expected the output in the file {self.path}; it is a directory")
            return {self.path: found}
        streams = dict(zip(PRINTED, (run.stdout, run.stderr), strict=True))
        if not self.pattern:
            return {name: stream.path for name, stream in streams.items()}
        matches = [
            repr(
                "\t".join(group or "" for group in match.groups()) if match.re.groups else match[0]
            )
            for stream in streams.values()
            for match in re.finditer(self.pattern, stream.lines(), re.MULTILINE)
        ]
        if not matches:
            raise TrialFailed(
                f"expected {self.pattern!r} in the output; it is not there; "
                f"the output ends: {telling(run.stdout, run.stderr)}"
            )
        place = run.stdout.path.with_name(MATCH)
        place.write_text("".join(f"{match[1:-1]}\n" for match in matches), encoding="utf-8")
        return {MATCH: place}

    def why_different(self, expected: Parts, got: Parts) -> str | None:
        """Where two outputs differ first, in words, or None where they are the same."""
        unit = MATCH if self.pattern else "line"
        for name, place in got.items():
            if why := why_different(expected[name], place, self.tolerance, unit):
                return f"{PRINTED[1]}: {why}" if name == PRINTED[1] else why
        return None


def read_check(text: str | None, tolerance: float) -> Check | None:
    """The check that `--same-output` states; "" is all that is printed, None is no check.

    "file:PATH" and "regex:PATTERN" say plainly what else would be taken from the looks.
    Raises InputError for what is no regular expression, and for a tolerance that is none.
    """
    if text is None:
        if tolerance:
            raise InputError("expected --same-output with --tolerance; got no check to be relaxed")
        return None
    if not 0 <= tolerance < 1:
        raise InputError(
            f"expected a tolerance from 0 to 1, such as 1e-6 or 0.1%; got {tolerance:g}"
        )
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        return Check(path=rest, tolerance=tolerance)
    if kind != "regex":
        rest = text
        looks = has_placeholder(text) or "/" in text or _NAME.fullmatch(text)
        if looks and _PATH.fullmatch(text):
            return Check(path=text, tolerance=tolerance)
    try:
        re.compile(rest, re.MULTILINE)
    except re.error as error:
        raise InputError(
            f"--same-output: expected a file or a regular expression; got {text!r}: {error}"
        ) from error
    return Check(pattern=rest, tolerance=tolerance)


@final
@dataclass(frozen=True)
class Kept:
    """The outputs that a study keeps to hold others against, in a directory of its own.

    Of outputs that differ from run to run the first ones are kept, and the latest.
    """

    place: Path

    def name(self, check: Check, parts: Parts, seed: int) -> tuple[float, str]:
        """A number that is equal for equal outputs; and how this one differs from the first of its
        seed, "" where it does not.
        """  # noqa: D205 - one sentence
        digests = _digests(parts)
        with self._locked():
            kept = sorted(path for path in self.place.iterdir() if path.is_dir())
            same_seed = [path for path in kept if path.name.endswith(f"-{seed}")][:1]
            difference = ""
            for path in dict.fromkeys([*same_seed, *kept[:FIRST]]):
                other = {name: path / str(at) for at, name in enumerate(parts)}
                known = (path / "digests").read_text(encoding="utf-8")
                why = "" if known == digests else check.why_different(other, parts)
                if not why:
                    return float(zlib.crc32(known.encode())), difference
                if path in same_seed:
                    difference = why
            number = int(kept[-1].name.partition("-")[0]) + 1 if kept else 0
            self._keep(parts, digests, f"{number:06d}-{seed}")
            for path in kept[FIRST : max(len(kept) - LATEST, FIRST)]:
                shutil.rmtree(path, ignore_errors=True)
        return float(zlib.crc32(digests.encode())), difference

    def _keep(self, parts: Parts, digests: str, name: str) -> None:
        """Keep an output, all of it or nothing."""
        draft = self.place / f"draft-{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        for at, path in enumerate(parts.values()):
            shutil.copyfile(path, draft / str(at))
        (draft / "digests").write_text(digests, encoding="utf-8")
        draft.rename(self.place / name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Other workers of the study wait."""
        self.place.mkdir(parents=True, exist_ok=True)
        with (self.place / "lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def why_different(
    expected: Path, got: Path, tolerance: float = 0.0, unit: str = "line"
) -> str | None:
    """Where two files differ first, in words, or None where they are the same.

    tolerance: as in `Check`; what is no text must be equal byte for byte. unit: what a line is.
    """
    with expected.open("rb") as ones, got.open("rb") as others:
        for at, (one, other) in enumerate(zip_longest(ones, others), start=1):
            if one == other:
                continue
            if one is None or other is None:
                more, line = ("more", other) if one is None else ("less", one)
                told = printable((line or b"").decode(errors="replace"))
                return f"there is {more} than expected, from {unit} {at} on: {told!r}"
            if why := _why_unlike(one, other, tolerance):
                return f"{unit} {at} {why}"
    return None


def _why_unlike(one: bytes, other: bytes, tolerance: float) -> str | None:
    """How one line differs from another, or None where only numbers do, within the tolerance."""
    try:
        texts = one.decode().rstrip("\r\n"), other.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return "differs, and is no text"
    if texts[0] == texts[1]:
        return None if tolerance else "ends in another way"
    if _same(*texts, tolerance):
        return None
    expected, got = _about(*texts)
    return f"is {got!r}, not {expected!r}"


def _about(one: str, other: str) -> tuple[str, str]:
    """Both texts as they can be shown; of long ones what is about the place where they differ."""
    both = zip(one, other, strict=False)
    at = next((i for i, (a, b) in enumerate(both) if a != b), min(len(one), len(other)))
    start = max(at - _WINDOW // 3, 0) if max(len(one), len(other)) > _WINDOW else 0
    cut = [text[start : start + _WINDOW] for text in (one, other)]
    first, second = (f"{'…' if start else ''}{printable(text)}" for text in cut)
    return first, second


def _same(one: str, other: str, tolerance: float) -> bool:
    """Whether two texts are equal but for numbers within the tolerance."""
    if one == other or not tolerance:
        return one == other
    ones, others = _NUMBER.split(one), _NUMBER.split(other)
    if len(ones) != len(others):
        return False
    return all(
        _near(float(a), float(b), tolerance)
        if at % 2
        else _SPACES.sub(" ", a).strip(" ") == _SPACES.sub(" ", b).strip(" ")
        for at, (a, b) in enumerate(zip(ones, others, strict=True))
    )


def _near(one: float, other: float, tolerance: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    if math.isinf(one) or math.isinf(other):
        return one == other
    return abs(one - other) <= tolerance * max(1.0, abs(one), abs(other))


def _digests(parts: Parts) -> str:
    """Equal for equal content."""
    found = []
    for path in parts.values():
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)))
    return " ".join(digest.hexdigest() for digest in found)
