"""What is promised of a column holds for whatever is handed over, all else equal."""

import datetime as dt
import sys
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunewright.core.config import Config
from tunewright.core.events import decode, encode
from tunewright.core.goal import parse_goal
from tunewright.core.registry import resolve
from tunewright.core.roles import space_of
from tunewright.core.trial import Fidelity, Piece, Trial
from tunewright.deploying.bundle import load, write_index
from tunewright.errors import InputError
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import run_chain
from tunewright.workloads.tabular import TableSpec, lightgbm_library, table
from tunewright.workloads.tabular.asked import source_of
from tunewright.workloads.tabular.data import ColumnSchema, CompiledModel, Feature, Schema, Training
from tunewright.workloads.tabular.families import FAMILIES, family_of
from tunewright.workloads.tabular.kind import describe, hand_over, parse
from tunewright.workloads.tabular.monotone import direction
from tunewright.workloads.tabular.predictor import Predictor, load_runtime

ABLE = [name for name in FAMILIES if family_of(name).monotone and family_of(name).installed]
QUICK = {
    "lightgbm": {"n_trees": 30, "num_leaves": 63, "min_child_samples": 3},
    "xgboost": {"xgboost_trees": 30, "xgboost_depth": 8, "xgboost_child": 0.1},
    "catboost": {"catboost_trees": 30},
}
KEEP = {"lightgbm": "keep_trees", "xgboost": "xgboost_keep", "catboost": "catboost_keep"}
SERVED = [(name, runtime) for name in ABLE for runtime in family_of(name).runtimes]
ROWS, PROMISE = 500, {"up": "increasing", "down": "decreasing", "sold": "increasing"}
START = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - as it is in files


def written(place, classes=False):
    """A table whose answers move against the promise in places, with all kinds of other cells."""
    rng = np.random.default_rng(0)
    up, down, other = rng.normal(size=(3, ROWS))
    sold = rng.integers(0, 900, ROWS)
    made = sold - rng.integers(1, 400, ROWS)
    kind = rng.integers(0, 12, ROWS)
    signal = np.sin(3 * up) + 0.4 * up - down**3 / 8 + other * (kind % 3 - 1) + np.sin(sold / 40)
    signal += 0.3 * rng.normal(size=ROWS) + (sold - made) / 200
    rows = {
        "up": up, "down": down, "other": other, "kind": [f"k{one}" for one in kind],
        "sold": [START + dt.timedelta(days=int(day)) for day in sold],
        "made": [START + dt.timedelta(days=int(day)) for day in made],
        "y": np.where(signal > np.median(signal), "yes", "no") if classes else np.exp(signal / 3),
    }  # fmt: skip
    gaps = {name: rng.random(ROWS) < 0.06 for name in ("up", "down", "other", "kind", "sold")}
    path = place / f"{'classes' if classes else 'numbers'}.parquet"
    pq.write_table(pa.table({n: pa.array(v, mask=gaps.get(n)) for n, v in rows.items()}), path)
    return str(path)


@pytest.fixture(scope="module")
def workloads(tmp_path_factory):
    """By whether the answers are classes."""
    place = tmp_path_factory.mktemp("monotone")
    return {
        classes: table(
            TableSpec(
                written(place, classes), "y", positive="yes" if classes else None, cores=1,
                monotone=PROMISE, metrics=("log_loss",) if classes else (),
            )
        )
        for classes in (False, True)
    }  # fmt: skip


def config_of(workload, family, **values):
    return space_of(workload).config({"family": family, **QUICK[family], **values})


VALUES = {
    "up": [-np.inf, -1e300, *np.linspace(-3, 3, 60).tolist(), 1e300, np.inf],
    "down": np.linspace(-3, 3, 60).tolist(),
    "sold": [START + dt.timedelta(days=15.3 * i) for i in range(-5, 90)],
}


def worst(predictor, rows, classes):
    """The furthest that an answer moves against the promise, as a share of the answers."""
    against = 0.0
    for column, values in VALUES.items():
        swept = [{**row, column: value} for row in rows for value in values]
        said = predictor.predict_rows(swept)
        said = [one["yes"] for one in said] if classes else said
        answers = np.array(said).reshape(len(rows), -1)
        sign = -1 if PROMISE[column] == "decreasing" else 1
        steps = sign * np.diff(answers, axis=1) / np.abs(answers).max()
        against = max(against, -float(steps.min()))
    return against


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize(("family", "runtime"), SERVED)
def test_every_runtime_of_a_family_that_promises_keeps_it(
    workloads, blended, tmp_path, family, runtime, classes
):
    workload = workloads[classes]
    config = config_of(workload, family, **{family_of(family).runtime: runtime})
    artifact, samples = blended(workload, config, split="all")
    assert samples["roc_auc" if classes else "r2"].values[0] > 0.3  # it has learned something
    made = hand_over(None, config, artifact)
    predictor = load(write_index(tmp_path / "bundle", made.index, made.files))
    assert worst(predictor, artifact.judged.rows[:30], classes) <= 1e-6


@pytest.mark.parametrize("family", ABLE)
def test_without_the_promise_the_same_config_breaks_it(tmp_path, blended, family):
    free = table(TableSpec(written(tmp_path), "y", cores=1))
    artifact, _ = blended(free, config_of(free, family), split="all")
    assert worst(Predictor(artifact.value), artifact.judged.rows[:30], False) > 0.05


@pytest.mark.parametrize("family", ABLE)
def test_scales_truncated_trees_calibrations_and_blends_keep_it(workloads, blended, family):
    numbers = partial(config_of, workloads[False], family)
    parts = [
        numbers(), numbers(target_transform="sqrt"),
        numbers(target_transform="log", **{KEEP[family]: 0.2}),
    ]  # fmt: skip
    chances = partial(config_of, workloads[True], family)
    calibrated = [Config({**chances(**{KEEP[family]: 0.5}), "temperature": t}) for t in (0.3, 3.0)]
    for classes, members in ((False, parts), (True, [*calibrated, chances()])):
        blend = Config({"threads": 1}, [(one, 1 / len(members)) for one in members])
        for config in (*members[:-1], blend):
            artifact, _ = blended(workloads[classes], config, split="all")
            assert worst(Predictor(artifact.value), artifact.judged.rows[:15], classes) <= 1e-9


TREES = st.fixed_dictionaries({
    "n_trees": st.integers(10, 25), "num_leaves": st.integers(4, 128),
    "min_child_samples": st.integers(2, 20), "colsample": st.floats(0.3, 1.0),
    "subsample": st.floats(0.5, 1.0), "l2": st.floats(0.0, 5.0),
    "extra_trees": st.sampled_from(["no", "yes"]),
})  # fmt: skip


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    TREES,
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.1]),
    st.lists(st.sampled_from([-1, 0, 1]), min_size=4, max_size=4),
)
def test_any_settings_of_the_trees_keep_any_promise(values, seed, gaps, ways):
    """Whatever the other cells are, missing ones and categories among them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, 5))
    x[:, 4] = rng.integers(0, 9, 300)
    y = np.sin(3 * x[:, :4]).sum(axis=1) + x[:, 0] * (x[:, 4] % 3 - 1) + 0.3 * rng.normal(size=300)
    x[rng.random(x.shape) < gaps] = np.nan
    codes = {str(code): code for code in range(9)}
    columns = [ColumnSchema(f"n{i}", monotone=way) for i, way in enumerate(ways)]
    schema = Schema(
        "regression", "y", (), (*columns, ColumnSchema("c", "category")),
        (*(Feature(one.name, one.name) for one in columns), Feature("c", "c", codes=codes, nominal=True)),
    )  # fmt: skip
    knobs = {knob.name: knob.default for knob in family_of("lightgbm").space(1)}
    text = resolve(family_of("lightgbm").fit)(
        Training(schema, x, y), {**knobs, **values}, seed
    ).text
    batch = load_runtime(
        CompiledModel(schema, "lightgbm", "native", {"model.txt": text.encode()}), 1
    ).batch
    grid, asked = np.linspace(-3, 3, 40), x[:100].copy()
    asked[rng.random(asked.shape) < 0.1] = np.nan  # also where no row was learned from without
    for place, way in enumerate(ways):
        swept = np.repeat(asked, len(grid), axis=0)
        swept[:, place] = np.tile(grid, 100)
        assert (way * np.diff(batch(swept).reshape(len(asked), -1), axis=1)).min() >= 0


def test_a_model_whose_library_does_not_keep_its_word_fails(workloads, tmp_path, monkeypatch):
    monkeypatch.setattr(lightgbm_library, "directions", lambda _: [])
    config = config_of(workloads[False], "lightgbm")
    trial = Trial(1, config, Fidelity("blend", piece=Piece("test", 0, 0)))
    cache = ArtifactCache(tmp_path / "artifacts")
    measured = run_chain(trial, workloads[False], cache, tmp_path / "trial", lambda: 0.0)
    assert "expected an answer that never falls as 'up' grows; got one that does" in measured.detail


@pytest.mark.parametrize(
    ("feature", "asked", "wanted"),
    [
        (Feature("a", "a"), {"a": -1}, -1),
        (Feature("a", "a"), {"b": 1}, 0),
        (Feature("a days", "a", "days"), {"a": 1}, 1),
        (Feature("a month", "a", "month"), {"a": 1}, None),
        (Feature("a month", "a", "month"), {}, 0),
        (Feature("a day 0", "a", "same day"), {"a": 1}, None),
        (Feature("a - b", "a", "after", other="b"), {"a": 1}, 1),
        (Feature("a - b", "a", "after", other="b"), {"b": 1}, -1),
        (Feature("a - b", "a", "after", other="b"), {"a": 1, "b": -1}, 1),
        (Feature("a - b", "a", "after", other="b"), {"a": 1, "b": 1}, None),
        (Feature("a - b", "a", "after", other="b"), {}, 0),
    ],
)
def test_what_is_made_of_a_column_moves_with_it_or_is_not_seen(feature, asked, wanted):
    assert direction(feature, asked) == wanted


def test_only_families_that_can_keep_it_are_searched_and_that_is_said(workloads):
    workload = workloads[False]
    families = space_of(workload).by_name["family"].domain.values
    assert set(families) == set(ABLE)
    told = " ".join(
        text
        for label, text in describe(workload, parse_goal("minimize rmse", workload.metrics), 0)
        if label == "note"
    )
    assert "the answer never falls as 'up', 'sold' grows or rises as 'down' grows" in told
    assert "the baseline does so, too" in told
    assert "linear, forest, sgd, tree, neighbours, kernel, network cannot keep that" in told


def test_a_baseline_of_yours_is_not_held_to_it_and_that_is_said(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text("from sklearn.linear_model import LinearRegression as Model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = TableSpec(written(tmp_path), "y", monotone={"up": "increasing"}, baseline="own:Model")
    assert "your own baseline is not held to that" in " ".join(table(spec).facts.notes)


@pytest.mark.parametrize(
    ("monotone", "more", "said"),
    [
        (
            "upp=increasing",
            {},
            "expected --monotone to name a column; got 'upp': did you mean 'up'",
        ),
        ("y=increasing", {}, "expected --monotone to name another column than the target; got 'y'"),
        ("up=rising", {}, "expected increasing or decreasing for column 'up'; got 'rising': "),
        (
            "up",
            {},
            "expected column=direction as --monotone; got 'up'; directions: increasing, dec",
        ),
        (
            "up=increasing,up=decreasing",
            {},
            "decreasing for column 'up'; got both; drop one of them",
        ),
        ("kind=increasing", {}, "a column of numbers or dates; got 'kind', whose kind is category"),
        ("up=increasing", {"drop": "up"}, "got 'up', which is left out: asked for"),
        ("up=increasing", {"families": ("forest",)}, "can keep --monotone; got 'forest'; choose"),
        (
            "up=increasing",
            {"target": "kind"},
            "two classes or a regression for --monotone; got three",
        ),
    ],
)
def test_what_cannot_be_promised_is_refused_in_one_sentence(tmp_path, monotone, more, said):
    with pytest.raises(InputError) as error:
        table(TableSpec(written(tmp_path), **{"target": "y", **more}, monotone=monotone))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_it_is_said_as_an_option_or_as_a_mapping_and_is_part_of_the_schema(tmp_path):
    path = written(tmp_path)
    said = parse(path, {"target": "y", "monotone": "up=increasing, down=decreasing"}, 0)
    mapped = TableSpec(path, "y", monotone={"up": "increasing", "down": "decreasing"})
    assert source_of(said, "y") == source_of(mapped, "y")
    column = ColumnSchema("up", monotone=1)
    assert decode(ColumnSchema, encode(column)) == column
    assert table(mapped).digest != table(TableSpec(path, "y")).digest
