"""Timing a pickled function in a process of its own: `python -m tunewright.measuring.calls`."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import inspect
import io
import json
import os
import pickle
import sys
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final

from tunewright.errors import InputError
from tunewright.measuring.payloads import by_value, called, dumps
from tunewright.measuring.sampling import sample_calls

BUDGET_S = 0.5  # of calls in one process; one that takes longer is timed once
WARM_UP = 5  # more calls before those that are timed
Given = tuple[tuple[Any, ...], dict[str, Any]]  # the arguments of a call, by place and by name


@final
@dataclass(frozen=True)
class Calls:
    """Functions by their arms, and what all of them are called with."""

    functions: Mapping[str, Callable[..., object]]
    args: tuple[Any, ...]


def pack(functions: Mapping[str, Callable[..., object]], args: Sequence[Any]) -> bytes:
    """The functions and their arguments by value, for `main` in another process.

    What is defined in the program itself travels too: decorated, cached, partial, bound to an
    object. Raises InputError for what cannot travel, and for what does no work when it is called.
    """
    for function in functions.values():
        if reason := why_no_call(function):
            raise InputError(reason)
        by_value(function)
    try:
        body = dumps(Calls(dict(functions), tuple(args)))
        return pickle.dumps((list(sys.path), body))
    except Exception as error:
        raise InputError(
            "expected functions and arguments that can be pickled, since they travel to other "
            f"processes; got {type(error).__name__}: {error}"
        ) from error


def why_no_call(function: Callable[..., object]) -> str | None:
    """Why calling a function does not do its work, or None. Coroutine functions are awaited."""
    plain = inspect.unwrap(called(function))
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        return _lazy(_name(function), "a generator function")
    return None


def main(payload: str, arm: str, output: str) -> None:
    """Call the function of this arm again and again; its times go to a JSON file.

    Each call gets equal arguments, made anew outside the time that counts where they could have
    been changed; what a function keeps itself, such as a cache, it keeps. A coroutine is awaited.
    The first answer goes to standard output as a checksum of its pickle, so that both arms' answers
    can be compared; what cannot be pickled is compared by its text.
    """
    search: list[str]
    search, body = pickle.loads(Path(payload).read_bytes())  # noqa: S301 - of the own study
    sys.path[:] = search
    calls: Calls = pickle.loads(body)  # noqa: S301 - the same
    function, given = _split(calls.functions[arm], calls.args)
    try:
        times_s = _timed(function, given)
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        raise SystemExit(
            f"expected a function that returns; got {_name(function)}, which ended its process "
            f"with status {end.code or 0}"
        ) from None
    Path(output).write_text(json.dumps({"calls": times_s}), encoding="utf-8")


def _timed(function: Callable[..., object], given: Given) -> list[float]:
    """The times of its calls; the checksum of its first answer is printed."""
    fresh = _maker(given)
    with asyncio.Runner() as runner:
        args, named = fresh(None)
        began_s = time.perf_counter()
        answer = function(*args, **named)
        if inspect.isawaitable(answer):
            function = _awaited(function, runner)
            answer = runner.run(_await(answer))
        slow = time.perf_counter() - began_s > BUDGET_S  # then that call was warm-up enough
        if isinstance(answer, Iterator) and not isinstance(answer, io.IOBase):
            raise SystemExit(_lazy(_name(function), f"one that gives a {type(answer).__name__}"))
        print(f"answer {zlib.crc32(_content(answer)):08x}", flush=True)  # noqa: T201 - see above
        del answer, args, named
        with _silence():  # a function may print as often as it is called
            return sample_calls(
                lambda given: function(*given[0], **given[1]), [given], fresh=fresh,
                budget_s=BUDGET_S, most=1000, warm_up=0 if slow else WARM_UP,
            )  # fmt: skip


def _split(
    function: Callable[..., object], args: tuple[Any, ...]
) -> tuple[Callable[..., object], Given]:
    """What is called, and all that it is called with: a partial one brings arguments of its own."""
    named: dict[str, Any] = {}
    while isinstance(function, functools.partial):
        args, named = (*function.args, *args), {**function.keywords, **named}
        function = function.func
    return function, (args, named)


def _maker(given: Given) -> Callable[[object], Given]:
    """What gives arguments equal to these each time."""
    args, named = given
    values = (*args, *named.values())
    if copy.deepcopy(values) is values:  # nothing in them can change
        return lambda _: given
    try:
        body = pickle.dumps(given, protocol=5)
        pickle.loads(body)  # noqa: S301 - from the line above
    except Exception:  # noqa: BLE001 - classes that came by value, and any code of the user's
        return lambda _: copy.deepcopy(given)
    return lambda _: cast("Given", pickle.loads(body))  # noqa: S301 - as above


async def _await(answer: Awaitable[object]) -> object:
    return await answer


def _awaited(function: Callable[..., object], runner: asyncio.Runner) -> Callable[..., object]:
    """The function with its answer awaited."""

    @functools.wraps(function)
    def call(*args: Any, **named: Any) -> object:
        return runner.run(_await(cast("Awaitable[object]", function(*args, **named))))

    return call


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Nothing that is printed here goes anywhere, from whatever language."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def _content(answer: object) -> bytes:
    """Equal for equal answers: no object is pickled as "the same as before"."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.fast = True
    try:
        pickler.dump(answer)
    except Exception:  # noqa: BLE001 - what is recursive, and any `__reduce__` of the user's
        return repr(answer).encode()
    return buffer.getvalue()


def _lazy(name: str, what: str) -> str:
    return (
        f"expected a function that does its work when it is called; got {what}: {name}; "
        f"compare one that reads it to the end, such as: lambda *args: list({name}(*args))"
    )


def _name(function: Callable[..., object]) -> str:
    return str(getattr(called(function), "__name__", "function"))


if __name__ == "__main__":
    main(*sys.argv[1:])
