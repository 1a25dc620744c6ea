"""Conditions over the values of knobs: data that is checked when it is written, never code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from tunewright.core.config import Value
from tunewright.errors import InputError

Values = Mapping[str, Value]
_Part = Callable[[Values], Any]  # what a part of the text is for these values, _ABSENT for unknown
_ABSENT = object()  # of a knob that is inactive, and of what is reckoned from it
_LONGEST = 2000  # characters: what is nested more deeply than these allow is no condition
_ARITHMETIC: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARISONS: Mapping[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many, ast.NotIn: lambda one, many: one not in many,
}  # fmt: skip


@final
@dataclass(frozen=True)
class Condition:
    """What must hold between the values of knobs: "layers > 1 and optimizer in ('sgd', 'adam')".

    text: comparisons of knobs, numbers, texts and what + - * / // % make of them, joined by and, or
    and not; kept in one form, so that conditions which differ in spaces alone are equal. A
    comparison with an inactive knob does not hold. Raises InputError for any other text.
    """

    text: str

    def __post_init__(self) -> None:
        text: object = self.text
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise InputError(f"expected a condition such as 'layers > 1'; got {text!r:.60}")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
            _compiled(tree)
            plain = ast.unparse(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            why = error.msg if isinstance(error, SyntaxError) else str(error)
            raise InputError(
                f'expected a condition such as "layers > 1" or "optimizer == \'sgd\'"; '
                f"got {text!r}: {why}"
            ) from error
        object.__setattr__(self, "text", plain)

    @classmethod
    def one_of(cls, knob: str, values: Sequence[Value]) -> Condition:
        """That a knob has one of these values."""
        alone = len(values) == 1
        return cls(f"{knob} == {values[0]!r}" if alone else f"{knob} in {tuple(values)!r}")

    @cached_property
    def knobs(self) -> tuple[str, ...]:
        """The knobs that it reads, in the order of the text."""
        names = [node for node in ast.walk(self._tree) if isinstance(node, ast.Name)]
        ordered = sorted(names, key=lambda node: (node.lineno, node.col_offset))
        return tuple(dict.fromkeys(node.id for node in ordered))

    def holds(self, values: Values) -> bool:
        """Whether it holds for these values; what is not among them is inactive.

        Raises InputError where it compares what cannot be compared.
        """
        try:
            held = self._part(values)
        except TypeError as error:
            got = ", ".join(f"{name}={values.get(name)!r}" for name in self.knobs)
            raise InputError(
                f"expected a condition that compares like with like; got {self.text!r} with "
                f"{got}: {error}"
            ) from error
        return held is not _ABSENT and bool(held)

    @cached_property
    def _part(self) -> _Part:
        return _compiled(self._tree)

    @property
    def _tree(self) -> ast.expr:
        return ast.parse(self.text, mode="eval").body

    def __reduce__(self) -> tuple[type[Condition], tuple[str]]:
        """By its text: what was made of it does not travel."""
        return Condition, (self.text,)


def _compiled(node: ast.expr) -> _Part:
    """What a part of the text does with values. Raises ValueError for what no condition has."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return lambda _: value
        case ast.Name(id=name):
            return lambda values: values.get(name, _ABSENT)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            made = [_compiled(part) for part in parts]
            return lambda values: [part(values) for part in made]
        case ast.BoolOp(op=op, values=parts):
            made = [_compiled(part) for part in parts]
            joined = all if isinstance(op, ast.And) else any
            return lambda values: joined(_true(part(values)) for part in made)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            inner = _compiled(part)
            return lambda values: not _true(inner(values))
        case ast.UnaryOp(op=ast.USub(), operand=part):
            inner = _compiled(part)
            return lambda values: _reckoned(operator.sub, 0, inner(values))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            one, other, of = _compiled(left), _compiled(right), _ARITHMETIC[type(op)]
            return lambda values: _reckoned(of, one(values), other(values))
        case ast.Compare(left=left, ops=ops, comparators=rest) if {*map(type, ops)} <= {
            *_COMPARISONS
        }:
            terms = [_compiled(part) for part in (left, *rest)]
            tests = [_COMPARISONS[type(op)] for op in ops]
            return lambda values: _compared(tests, [term(values) for term in terms])
    raise ValueError(f"{ast.unparse(node)!r} may not stand in a condition")


def _true(value: Any) -> bool:
    return value is not _ABSENT and bool(value)


def _reckoned(of: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    """The result; unknown where a knob is inactive, or where it is divided by 0."""
    if one is _ABSENT or other is _ABSENT:
        return _ABSENT
    if not (isinstance(one, int | float) and isinstance(other, int | float)):
        raise TypeError("only numbers can be reckoned with")
    try:
        return of(one, other)
    except (ZeroDivisionError, OverflowError):
        return _ABSENT


def _compared(tests: Sequence[Callable[[Any, Any], bool]], values: Sequence[Any]) -> bool:
    """Whether each neighbour stands so to the next; not where one of them is unknown."""
    if any(value is _ABSENT for value in values):
        return False
    return all(test(a, b) for test, a, b in zip(tests, values, values[1:], strict=False))
