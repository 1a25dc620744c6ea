"""What a function gives: numbers by name, from what it reports and what it returns."""

from __future__ import annotations

import math
import sysconfig
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from tunewright.core.metrics import Metric, Sample
from tunewright.errors import TrialFailed

Numbers = tuple[float, ...]
_OTHERS = (  # code that is not the user's: ours, the standard library, and what is installed
    str(Path(__file__).parents[2]),
    *(sysconfig.get_paths()[key] for key in ("purelib", "platlib", "stdlib")),
    "<frozen",
)


def numbers_of(value: object) -> Numbers | None:
    """The number that a value is, or the numbers of a list; None for anything else.

    Arrays and tensors of one number are one, whatever library they are from.
    """
    if isinstance(value, bool | str | bytes | Mapping):
        return None
    if isinstance(value, Real):
        return (float(value),)
    plain = getattr(value, "tolist", None)  # of NumPy, PyTorch, JAX, TensorFlow and CuPy
    if plain is not None:
        return numbers_of(plain())
    if isinstance(value, Sequence) and value:
        each = [numbers_of(item) for item in value]
        if all(numbers is not None and len(numbers) == 1 for numbers in each):
            return tuple(numbers[0] for numbers in each if numbers)
    return None


def read_report(metrics: Mapping[str, object]) -> dict[str, Numbers]:
    """What a report says, of what are finite numbers: others say nothing about a trial."""
    read = {name: numbers_of(value) for name, value in metrics.items()}
    return {n: v for n, v in read.items() if v is not None and all(map(math.isfinite, v))}


def read_answer(
    returned: object, reported: Mapping[str, Numbers], wanted: Sequence[Metric]
) -> dict[str, Numbers]:
    """Every number that a call gave: of what was reported the last, and of it what was returned.

    wanted: what must be there, in finite numbers. Raises TrialFailed where it is not.
    """
    given = _named(returned, wanted)
    found = dict(reported)
    for name, value in given.items():
        numbers = numbers_of(value)
        asked = any(metric.name == name for metric in wanted)
        if numbers is not None and (asked or all(map(math.isfinite, numbers))):
            found[name] = numbers
        elif asked:
            raise TrialFailed(f"metric {name}: expected a number; got {value!r:.60}")
    for metric in wanted:
        if metric.name not in found:
            got = ", ".join(found) or "nothing"
            raise TrialFailed(
                f"expected metric {metric.name} from what the function returns or reports; "
                f"got {got}; return {{{metric.name!r}: …}}"
            )
        if odd := [value for value in found[metric.name] if not math.isfinite(value)]:
            raise TrialFailed(f"metric {metric.name}: expected a finite number; got {odd[0]}")
    return found


def _named(returned: object, wanted: Sequence[Metric]) -> Mapping[str, object]:
    """What was returned, by name: one number alone is the one metric of the goal."""
    if returned is None:
        return {}
    if isinstance(returned, Mapping):
        return {str(name): value for name, value in returned.items()}
    names = [metric.name for metric in wanted]
    if numbers_of(returned) is not None and len(names) == 1:
        return {names[0]: returned}
    raise TrialFailed(
        f"expected the metrics by name; got {returned!r:.60}; "
        f"return {{{', '.join(f'{name!r}: …' for name in names)}}}"
    )


def samples_of(numbers: Mapping[str, Numbers], units: Mapping[str, str]) -> dict[str, Sample]:
    """The numbers as samples, each in its metric's unit."""
    return {name: Sample(values, units.get(name, "")) for name, values in numbers.items()}


def telling(error: BaseException) -> str:
    """An exception in one line, with the place in the user's code where it came from."""
    text = [line for line in str(error).strip().splitlines() if line.strip()]
    place = ""
    trace: Any = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_OTHERS):
            place = f" (line {trace.tb_lineno} of {code.co_filename}, in {code.co_name})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {text[0] if text else ''}{place}"
