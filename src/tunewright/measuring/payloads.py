"""Payloads: functions and data for other processes of this machine, large arrays without copies."""

from __future__ import annotations

import functools
import importlib
import inspect
import io
import mmap
import pickle
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, cast

VALUE, BUFFERS = "value.pickle", "buffers"
MAPPED_BYTES = 2**16  # a smaller array travels within the pickle
ALIGNED = 64  # bytes: what vector instructions like
_CACHED = type(functools.lru_cache(lambda: None))


def write(directory: Path, value: Any) -> None:
    """Leave a value in a new directory, for `read` in other processes.

    What is defined in the program itself travels by value. Raises whatever pickling it raises.
    """
    directory.mkdir(parents=True)
    spans: list[tuple[int, int]] = []
    with (directory / BUFFERS).open("wb") as file:

        def keep(buffer: pickle.PickleBuffer) -> bool:
            with buffer.raw() as raw:
                if raw.nbytes < MAPPED_BYTES:
                    return True
                start = -(-file.tell() // ALIGNED) * ALIGNED
                file.seek(start)
                file.write(raw)
                spans.append((start, raw.nbytes))
            return False

        body = dumps(value, keep)
    (directory / VALUE).write_bytes(pickle.dumps((list(sys.path), spans, body)))


def read(directory: Path) -> Any:
    """The value that `write` left. Large arrays are mapped from the file, and shared until written.

    What a process writes into them stays its own. Only what the own user's study left is read.
    """
    path, spans, body = pickle.loads((directory / VALUE).read_bytes())  # noqa: S301 - see above
    sys.path[:] = path
    if not spans:
        return pickle.loads(body)  # noqa: S301 - as above
    with (directory / BUFFERS).open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    return pickle.loads(body, buffers=[mapped[at : at + size] for at, size in spans])  # noqa: S301


def dumps(value: Any, keep: Callable[[pickle.PickleBuffer], bool] | None = None) -> bytes:
    """A pickle of a value by value; cached functions travel as functions, and are cached there.

    keep: is given what need not be in the pickle; False where it has kept it.
    """
    plain = importlib.import_module("cloudpickle").Pickler
    table = plain.dispatch_table.new_child({_CACHED: _uncached})
    buffer = io.BytesIO()
    pickler = type("Pickler", (plain,), {"dispatch_table": table})
    pickler(buffer, protocol=5, buffer_callback=keep).dump(value)
    return buffer.getvalue()


def by_value(function: Callable[..., object]) -> None:
    """Let a function's own code travel: a fresh process may not find the user's modules."""
    for module in _modules(function):
        origin = getattr(module, "__file__", None)
        installed = [sysconfig.get_paths()[key] for key in ("purelib", "platlib", "stdlib")]
        if module.__name__ != "__main__" and origin and not origin.startswith(tuple(installed)):
            importlib.import_module("cloudpickle").register_pickle_by_value(module)


def called(function: Callable[..., object]) -> Callable[..., object]:
    """The function behind partial ones, and the method behind an object that can be called."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function) or isinstance(function, _CACHED):
        return function
    return cast("Callable[..., object]", type(function).__call__)


def _modules(function: Callable[..., object]) -> set[ModuleType]:
    """The modules in which a function is defined, and those that its wrappers are from."""
    modules, left = set(), [cast("Any", function)]
    while left:
        part = left.pop()
        owner = part if hasattr(part, "__module__") else type(part)
        module = sys.modules.get(getattr(owner, "__module__", None) or "")
        modules |= {module} if module is not None else set()
        left += [
            getattr(part, name)
            for name in ("func", "__wrapped__", "__func__")
            if callable(getattr(part, name, None))
        ]
        if inspect.ismethod(part):
            left.append(type(part.__self__))
    return modules


def _uncached(function: Any) -> tuple[Any, ...]:
    return _cache, (function.__wrapped__, function.cache_parameters())


def _cache(function: Callable[..., object], how: Mapping[str, Any]) -> Callable[..., object]:
    cached: Callable[..., object] = functools.lru_cache(**how)(function)
    return cached
