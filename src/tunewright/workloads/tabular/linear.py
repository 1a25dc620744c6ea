"""A linear model in numpy: the weights of the columns of a design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from tunewright.workloads.tabular.data import Floats, Runtime, Schema, one_by_one
from tunewright.workloads.tabular.design import Design, link
from tunewright.workloads.tabular.packing import pack, unpack


@final
@dataclass(frozen=True, eq=False)
class Linear:
    """A design and the weights of its columns. coef: (outputs, columns). intercept: (outputs,)."""

    design: Design
    coef: Floats
    intercept: Floats

    def to_text(self) -> str:
        """What `from_text` reads."""
        return pack({**self.design.arrays, "coef": self.coef, "intercept": self.intercept})

    @staticmethod
    def from_text(text: str | bytes) -> Linear:
        """The model that `to_text` wrote."""
        arrays = unpack(text)
        return Linear(Design.of(arrays), arrays["coef"], arrays["intercept"])


def native(files: Mapping[str, bytes], schema: Schema, _threads: int) -> Runtime:
    """Numpy alone."""
    linear = Linear.from_text(files["linear.json"])
    design, coef, intercept = linear.design, linear.coef.T.copy(), linear.intercept
    return one_by_one(lambda x: link(design(x) @ coef + intercept, schema.task))
