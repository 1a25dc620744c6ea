"""The chain: what is run, what is reused, and what a measurement says about it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from tunewright.core.config import Config
from tunewright.core.knobs import Integer, Knob
from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact
from tunewright.core.trial import Fidelity, Need, Outcome, Piece, Trial
from tunewright.errors import StoreError
from tunewright.running.cache import ArtifactCache
from tunewright.running.chain import artifact_key, run_chain


@dataclass(frozen=True)
class Step:
    """A stage that notes that it was run and adds its knobs to a list."""

    name: str
    runs: list
    body: object = None
    exact: bool = False

    @property
    def knobs(self):
        return (Knob(self.name[0], Integer(0, 9), 0, "resource", self.name, exact=self.exact),)

    def needs(self, config):
        return Need()

    def run(self, upstream, config, context):
        self.runs.append(self.name)
        above = upstream[0].value if upstream else ()
        value = (*above, config[self.name[0]])
        if self.body:
            return self.body(value, context)
        return Artifact(value, {self.name: Sample((float(len(self.runs)),))})


@dataclass(frozen=True)
class Blends:
    """A blend that hands down what `body` makes of all the members."""

    runs: list
    body: object
    name: str = "blend"
    knobs: tuple = ()

    def needs(self, config):
        return Need()

    def run(self, upstream, config, context):
        self.runs.append(self.name)
        return Artifact(tuple(self.body(upstream, config)))


@dataclass(frozen=True)
class Chain:
    stages: tuple
    name: str = "chain"
    metrics: tuple = ()
    efforts: tuple = ()
    digest: str = "digest"
    warm: tuple = ()
    baseline: Config = field(default_factory=lambda: Config({"a": 0, "b": 0, "t": 0}))


def chain(runs, **options):
    return Chain((Step("a", runs), Step("b", runs, **options), Step("t", runs)))


def go(tmp_path, workload, through="b", fidelity=None, **values):
    """One trial in one process; `t` is what runs anew."""
    config = Config({"a": 0, "b": 0, "t": 0, **values})
    since = "t" if through == "t" else ""
    trial = Trial(1, config, fidelity or Fidelity(through, since))
    ticks = count()
    cache = ArtifactCache(tmp_path / "artifacts")
    return run_chain(trial, workload, cache, tmp_path / "trial", lambda: float(next(ticks)))


def test_a_prefix_is_reused_and_reports_its_samples(tmp_path):
    runs = []
    first = go(tmp_path, chain(runs), a=1, b=1)
    second = go(tmp_path, chain(runs), a=1, b=2)
    assert runs == ["a", "b", "b"]
    assert second.samples["a"] == first.samples["a"]
    assert [(s.stage, s.cached) for s in second.spans] == [("a", True), ("b", False)]
    third = go(tmp_path, chain(runs), a=1, b=1)
    assert (third.samples, third.key) == (first.samples, first.key)
    assert runs == ["a", "b", "b"]


def test_the_deepest_artifact_is_enough(tmp_path):
    runs = []
    shallow = go(tmp_path, chain(runs), through="a")
    first = go(tmp_path, chain(runs))
    (tmp_path / "artifacts" / f"{shallow.key}.artifact").unlink()
    assert go(tmp_path, chain(runs)).samples == first.samples
    assert runs == ["a", "b"]


def test_what_runs_anew_is_never_reused(tmp_path):
    runs = []
    first = go(tmp_path, chain(runs), "t")
    second = go(tmp_path, chain(runs), "t")
    assert runs == ["a", "b", "t", "t"]
    assert first.samples["t"] != second.samples["t"]
    assert [s.cached for s in second.spans] == [True, True, False]
    assert first.key == second.key == go(tmp_path, chain(runs), "b").key


def test_the_key_holds_what_decides_the_answer(tmp_path):
    workload = chain([])
    config, fidelity = workload.baseline, Fidelity("b")

    def key(workload=workload, config=config, fidelity=fidelity):
        return artifact_key(workload, workload.stages[:2], config, fidelity)

    same = [
        key(config=Config({**config, "t": 5})),
        key(fidelity=replace(fidelity, piece=Piece(repeat=3))),
        key(fidelity=replace(fidelity, through="t")),
        key(workload=chain([], exact=True), config=Config({**config, "b": 0})),
    ]
    others = [
        key(config=Config({**config, "a": 5})),
        key(config=Config({**config, "b": 5})),
        key(workload=replace(workload, digest="other")),
        key(fidelity=replace(fidelity, effort={"rows": 0.5})),
        key(fidelity=replace(fidelity, effort={"epochs": 0.5})),
        *(key(fidelity=replace(fidelity, piece=Piece(**change))) for change in (
            {"split": "test"}, {"fold": 1}, {"seed": 1},
        )),
        artifact_key(workload, workload.stages[:1], config, fidelity),
    ]  # fmt: skip
    assert set(same[:3]) == {key()}
    exact = chain([], exact=True)
    assert key(exact, Config({**config, "b": 7})) == key(exact) == same[3]
    assert len({key(), *others}) == len(others) + 1


def test_an_exact_knob_that_changes_the_answer_crashes_the_trial(tmp_path):
    def answer(value, _):
        return Artifact(value, digest=str(value))

    workload = chain([], exact=True, body=answer)
    first = go(tmp_path, workload, b=1)
    (tmp_path / "artifacts" / f"{first.key}.artifact").unlink()
    second = go(tmp_path, workload, b=2)
    assert second.outcome is Outcome.CRASHED
    assert second.detail == "a knob declared exact changed the answer of stage b"


def test_a_stage_can_ask_for_the_baselines_artifact(tmp_path):
    runs, seen = [], []

    def compare(value, context):
        baseline = context.baseline()
        seen.append(baseline and baseline.value)
        return Artifact(value)

    workload = chain(runs, body=compare)
    go(tmp_path, workload, b=3)
    assert seen == [None, (0, 0)]  # the baseline, run on the way, has none itself
    go(tmp_path, workload, b=4)
    assert seen == [None, (0, 0), (0, 0)]
    assert runs == ["a", "b", "b", "b"]


def test_what_is_no_artifact_is_refused(tmp_path):
    measurement = go(tmp_path, chain([], body=lambda value, _: value))
    assert measurement.outcome is Outcome.CRASHED
    assert measurement.detail == "stage b: expected an Artifact; got tuple"


def test_a_stage_has_a_private_directory_for_a_while(tmp_path):
    def write(value, context):
        (context.directory / "file").write_text("x")
        return Artifact(str(context.directory))

    go(tmp_path, chain([], body=write))
    assert not (tmp_path / "trial").exists()


def test_a_full_disk_fails_the_study_and_not_the_config(tmp_path):
    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError, match="is full; free some space and run it again to resume"):
        go(tmp_path, chain([], body=full))
    assert not (tmp_path / "trial").exists()


def test_a_failure_with_no_room_left_by_others_fails_the_study(tmp_path, monkeypatch):
    def failing(*_):
        raise ValueError("no room, perhaps")

    assert go(tmp_path, chain([], body=failing)).outcome is Outcome.CRASHED
    monkeypatch.setattr("tunewright.running.chain.LEAST_FREE_BYTES", 2**60)
    with pytest.raises(StoreError, match="no room, perhaps"):
        go(tmp_path, chain([], body=failing))


def test_a_refit_that_cannot_be_kept_fails_the_study(tmp_path):
    trial = Trial(1, Config({"a": 0, "b": 0, "t": 0}), Fidelity("b"), need=Need(keep=True))
    for budget_bytes, kept in ((10, False), (10**6, True)):
        cache = ArtifactCache(tmp_path / "artifacts", budget_bytes)
        if kept:
            measurement = run_chain(trial, chain([]), cache, tmp_path / "trial", lambda: 0.0)
            assert measurement.key in cache
        else:
            with pytest.raises(StoreError, match="cannot keep what stage b made"):
                run_chain(trial, chain([]), cache, tmp_path / "trial", lambda: 0.0)


# What a stage may ask for


def test_files_that_were_evicted_are_made_again(tmp_path):
    runs, seen = [], []

    def leave(value, context):
        files = context.directory / "files"
        files.mkdir()
        (files / "x").write_text(str(value))
        return Artifact(value, files=files)

    def read(value, context):
        seen.append((context.above("b").files / "x").read_text())
        return Artifact(value)

    steps = (Step("a", runs), Step("b", runs, body=leave), Step("t", runs, body=read))
    first = go(tmp_path, Chain(steps), through="t")
    assert first.outcome is Outcome.OK
    shutil.rmtree(tmp_path / "artifacts" / f"{first.key}.files")
    second = go(tmp_path, Chain(steps), through="t")
    third = go(tmp_path, Chain(steps), through="t")
    assert (second.key, third.key) == (first.key, first.key)
    assert runs == ["a", "b", "t", "b", "t", "t"]
    assert seen == ["(0, 0)"] * 3


@pytest.mark.parametrize("budget_bytes", [10, 10**6])
def test_files_that_find_no_room_reach_the_stage_below_all_the_same(tmp_path, budget_bytes):
    def leave(value, context):
        files = context.directory / "files"
        files.mkdir()
        (files / "x").write_text("here")
        return Artifact(value, files=files)

    def read(value, context):
        return Artifact((context.above("b").files / "x").read_text())

    steps = (Step("a", []), Step("b", [], body=leave), Step("t", [], body=read))
    cache = ArtifactCache(tmp_path / "artifacts", budget_bytes)
    trial = Trial(1, Config({"a": 0, "b": 0, "t": 0}), Fidelity("t"))
    measurement = run_chain(trial, Chain(steps), cache, tmp_path / "trial", lambda: 0.0)
    assert measurement.outcome is Outcome.OK, measurement.detail


def test_a_stage_may_go_on_from_its_artifact_of_less_effort(tmp_path):
    seen = []

    def train(value, context):
        earlier = context.earlier()
        seen.append(earlier and earlier.value)
        return Artifact((*(earlier.value if earlier else ()), context.fidelity.effort["epochs"]))

    workload = chain([], body=train)
    few, more = {"epochs": 0.1}, {"epochs": 0.3}
    go(tmp_path, workload, fidelity=Fidelity("b", effort=few))
    go(tmp_path, workload, fidelity=Fidelity("b", effort=more, earlier=few))
    assert seen == [None, (0.1,)]
    go(tmp_path, workload, fidelity=Fidelity("b", effort={"epochs": 0.5}, earlier=few), b=3)
    assert seen[2:] == [None]  # of that config there is none
    go(tmp_path, workload, fidelity=Fidelity("b", effort={"epochs": 1.0}))
    assert seen[3:] == [None]  # and nobody asked for it


def test_members_meet_at_the_blend_and_share_what_is_above_it(tmp_path):
    runs = []

    def blend(upstream, config):
        weights = [weight for _, weight in config.members]
        return [
            (weight, artifact.value) for weight, artifact in zip(weights, upstream, strict=True)
        ]

    workload = Chain((Step("a", runs), Blends(runs, blend), Step("t", runs)))
    members = ((Config({"a": 1}), 0.25), (Config({"a": 2}), 0.75))
    config = Config({"t": 5}, members)

    def tried(config, fidelity=Fidelity("t")):
        cache = ArtifactCache(tmp_path / "artifacts")
        trial, ticks = Trial(1, config, fidelity), count()
        clock = lambda: float(next(ticks))  # noqa: E731 - slow enough to be worth keeping
        return run_chain(trial, workload, cache, tmp_path / "trial", clock), cache

    first, cache = tried(config)
    assert first.outcome is Outcome.OK, first.detail
    assert cache.get(first.key).artifact.value == ((0.25, (1,)), (0.75, (2,)), 5)
    assert runs == ["a", "a", "blend", "t"]
    other, _ = tried(Config({"t": 5}, (members[0], (members[1][0], 0.5))))
    assert other.key != first.key
    assert runs[4:] == ["blend", "t"]
    again, _ = tried(config)
    assert again.key == first.key
    assert len(runs) == 6
    third = Config({"t": 5}, (*members, (Config({"a": 3}), 1.0)))
    part, cache = tried(third, Fidelity("a", member=2))
    assert cache.get(part.key).artifact.value == (3,)
    assert runs[6:] == ["a"]
    tried(third)
    assert runs[7:] == ["blend", "t"]


def test_the_most_memory_held_comes_back(tmp_path):
    def hoard(value, _):
        del value
        return Artifact(len(bytearray(b"x") * 2**27))

    small, large = go(tmp_path, chain([])), go(tmp_path / "other", chain([], body=hoard))
    assert large.peak_mib > small.peak_mib + 100
