"""The public names as users call them; a type checker reads it, nobody runs it."""

from __future__ import annotations

from pathlib import Path

import tunewright as tw
from tunewright.core.verdict import Comparison, Decision
from tunewright.planning import Proving


class Frame:
    """A table as pandas and polars export it."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return object()


frames = tw.TableSpec(Frame(), "income", test=Path("test.parquet"))
spec = tw.TableSpec("adult.csv", target="income", drop=("id",))
request = tw.Request(
    "adult", "table", spec, goal="minimize latency_p50", baseline={"family": "linear"},
    budget="60s", seed=1, limits=tw.Limits(workers=2, trial_s=30.0, memory_mib=4096.0),
    proof=Proving({"linear_c": 0.5}),
)  # fmt: skip
result = tw.tune(request, root=Path("studies"))
bundle = tw.deploy(result)
if bundle is not None:
    predicted = tw.load(bundle).predict_row({"age": 39})

compared = tw.verify(
    "sort --old", "sort --new", question=tw.Question(minimize=("wall_s",), same_output=True),
    sampling=tw.Sampling(budget="10s", pairs=20), programs=tw.Programs(env=("LC_ALL=C",)),
)  # fmt: skip


def sentences(found: tuple[Comparison, ...]) -> list[str]:
    return [f"{c.metric}: {c.estimate:g}" for c in found if c.decision is Decision.ACCEPT]
