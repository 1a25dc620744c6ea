"""Parts: the rows of a search, its folds and the untouched rows, or one sentence why not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunewright.errors import TooFew
from tunewright.workloads.tabular.data import Column, Ints, Source
from tunewright.workloads.tabular.splitting import (
    SMALL,
    Keys,
    Parts,
    deal,
    hold_out,
    remixed,
    split_by_time,
    test_share,
)

LEAST_ROWS = 50
ENOUGH = 20_000  # judged rows tell candidates apart: beyond that the time is better spent on fits
FOLDS = (5, 3, 2, 1)  # parts of a table's rows: as many as can be judged
_Answers = tuple[NDArray[Any], tuple[str, ...]]  # and the classes


def split(
    source: Source, keys: Keys, time: Column | None, main: int, answers: _Answers
) -> tuple[Ints, Parts, Parts, str]:
    """The rows of the search, its folds, the untouched rows, and how it was made, in a sentence.

    Raises InputError where none can be judged.
    """
    together = f"rows with the same {source.group!r}" if source.group else "equal rows"
    if source.whole:
        every = np.arange(len(keys))
        return every, (every,), (every,), "every row is learned from, and none is left to judge on"
    folds: Parts
    untouched: Parts
    if time is not None and source.test is None:
        past, then, future = split_by_time(time.values, keys if source.group else None)
        how = f"by {time.name!r}: the latest {test_share(len(keys)):.0%} only for the verdict, the"
        how += " 20% before to compare candidates, what was earlier to learn from"
        train, folds, untouched = np.sort(np.concatenate((past, then))), (then,), (future,)
        _check_parts((past, then, future), keys, *answers)
        return train, folds, untouched, how
    if source.test is not None:
        train, untouched = _learnable(keys, main, source), (np.arange(main, len(keys)),)
        how = f"{source.test} only for the verdict"
    else:
        for parts in FOLDS if len(keys) < SMALL else FOLDS[-1:]:
            train, untouched = hold_out(keys, parts)
            if all(_can_judge(part, keys, *answers) for part in untouched):
                break
        how = f"by a hash of the data: {test_share(len(keys)):.0%} of the rows only for the verdict"
        if len(untouched) > 1:
            how += f" ({len(untouched)} parts, each judged after learning from all others)"
    folds = _folds(train, keys, answers)
    judged = max(-(-ENOUGH // len(folds[0])), 1)  # so many folds
    how += f", the others in {min(len(folds), FOLDS[0])} folds to compare candidates"
    how += f", dealt out {len(folds) // FOLDS[0]} times" if len(folds) > FOLDS[0] else ""
    how += f", of which {judged} will do" if judged < len(folds) else ""
    folds = folds[:judged]
    how += f"; {together} stay together"
    learned = np.setdiff1d(train, folds[0])
    _check_parts((learned, folds[0], np.concatenate(untouched)), keys, *answers)
    return train, folds, untouched, how


def _learnable(keys: Keys, main: int, source: Source) -> Ints:
    """The rows above `main` that no row below it is a copy of, or of the group of.

    A model that has learned from a row's copy is not judged by that row. Equal features make a
    copy, as in any split: were the answer to be equal too, rows with the other answers would stay.
    Raises TooFew where hardly any is left.
    """
    train = np.flatnonzero(~np.isin(keys[:main], keys[main:]))
    if len(train) < min(LEAST_ROWS, main):
        what = f"are of the same {source.group!r}" if source.group else "have the same features"
        raise TooFew(
            f"expected at least {LEAST_ROWS} rows to learn from in {source.path} that are not in "
            f"{source.test}; got {len(train):,}, since the other {main - len(train):,} {what}; "
            "give rows to --test that are not learned from, or leave it out"
        )
    return train


def _folds(train: Ints, keys: Keys, answers: _Answers) -> Parts:
    """The parts of the rows of a search: five, or fewer where not each could be judged.

    Those of a small table are dealt out twice, since one deal says less there.
    """
    for count in FOLDS[:-1]:
        folds = deal(train, keys, answers[0], count)
        if all(_can_judge(fold, keys, *answers) for fold in folds):
            break
    if len(train) < SMALL and len(folds) == FOLDS[0]:
        again = deal(train, remixed(keys), answers[0], FOLDS[0])
        folds += again if all(_can_judge(fold, keys, *answers) for fold in again) else ()
    return folds


def _can_judge(part: Ints, keys: Keys, y: NDArray[Any], classes: tuple[str, ...]) -> bool:
    two = len(np.unique(keys[part])) >= 2
    return two and (len(classes) != 2 or len(np.unique(y[part])) > 1)


def _check_parts(
    parts: tuple[Ints, Ints, Ints], keys: Keys, y: NDArray[Any], classes: tuple[str, ...]
) -> None:
    """Refuse a split that cannot be learned from or judged on."""
    for name, rows in zip(("training", "validation", "test"), parts, strict=True):
        if len(rows) < 2 or len(np.unique(keys[rows])) < (2 if name == "test" else 1):
            raise TooFew(
                "expected enough different rows for three parts; got "
                f"{len(np.unique(keys[rows]))} for the {name} part, "
                "since equal rows stay together; give more varied data, or another --group"
            )
        if len(classes) == 2 and len(np.unique(y[rows])) < 2:
            raise TooFew(
                "expected both classes in each part of the data; got only "
                f"{classes[int(y[rows][0])]!r} in the {len(rows)} {name} rows; collect more "
                "rows of the rarer class"
            )
