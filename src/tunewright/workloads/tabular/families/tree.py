"""One decision tree, pruned by what each branch costs (Breiman et al. 1984)."""

from __future__ import annotations

from tunewright.core.config import Config
from tunewright.core.knobs import Integer, Knob, Real
from tunewright.core.registry import resolve
from tunewright.knobs import tuned
from tunewright.workloads.tabular.data import Learned, Training
from tunewright.workloads.tabular.families import Backend, Family
from tunewright.workloads.tabular.families.forest import written
from tunewright.workloads.tabular.trees import single
from tunewright.workloads.tabular.weighing import variance


def _knobs(_cores: int) -> tuple[Knob, ...]:
    return (
        tuned("tree_leaf", Integer(1, 100, log=True), 10),
        tuned("tree_leaves", Integer(2, 2000, log=True), 500),
        tuned("tree_prune", Real(1e-6, 1e-2, log=True), 1e-5),
    )


def fit(training: Training, config: Config, seed: int) -> Learned:
    """The tree's text. `tree_prune`: what a leaf must gain, as a share of the whole impurity."""
    schema, y = training.schema, training.y
    kind = "DecisionTreeClassifier" if schema.classes else "DecisionTreeRegressor"
    impurity = 1.0 if schema.classes else float(variance(y, training.weights))
    tree = resolve(f"sklearn.tree:{kind}")(
        min_samples_leaf=config["tree_leaf"], max_leaf_nodes=config["tree_leaves"],
        ccp_alpha=float(config["tree_prune"]) * impurity, random_state=seed % 2**32,
    ).fit(single(training.x), y, training.weights)  # fmt: skip
    return Learned(written(tree, [tree], schema))


FAMILY = Family(
    name="tree",
    tasks=frozenset({"binary", "multiclass", "regression"}),
    knobs=_knobs,
    fit="tunewright.workloads.tabular.families.tree:fit",
    runtimes={"native": Backend("tunewright.workloads.tabular.lightgbm_native:native")},
    runtime="tree_runtime",
    default_runtime="native",
    file="model.txt",
    calibrated=True,
    small=({"tree_leaves": 16}, {"tree_leaves": 64}),
)
