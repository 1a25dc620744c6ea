"""StageContract: what every Stage keeps. Subclass it and say how to make one."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tunewright.core.config import Config, Value
from tunewright.core.knobs import Choice
from tunewright.core.roles import Artifact, Context, Stage
from tunewright.core.trial import Fidelity
from tunewright.core.units import UNITS


@dataclass(frozen=True)
class StageCase:
    """A stage with what it is run on. `exact`: other values of its `exact` knobs to try.

    above: the artifacts of stages above that it asks for by name. measured: samples that tell of
    the machine, so that they vary; times always may.
    """

    stage: Stage
    config: Config
    upstream: tuple[Artifact, ...] = ()
    above: Mapping[str, Artifact] = field(default_factory=dict)
    exact: Mapping[str, Value] = field(default_factory=dict)
    measured: tuple[str, ...] = ()


class StageContract:
    """Every stage passes this suite unchanged."""

    def case(self) -> StageCase:
        """The stage, and a config and an upstream artifact that suit it."""
        raise NotImplementedError

    def run(self, case: StageCase, directory: Path, config: Config | None = None) -> Artifact:
        """Run the stage of this case once."""
        directory.mkdir(parents=True)
        context = Context(
            Fidelity(case.stage.name), directory, seed=0, limit_s=60.0,
            above=case.above.__getitem__, baseline=lambda: None, earlier=lambda: None,
            report=lambda *_: None, failure=directory / "failure.txt", lasting=directory,
        )  # fmt: skip
        return case.stage.run(case.upstream, config or case.config, context)

    def test_it_owns_its_knobs(self) -> None:
        """Each knob names the stage, and its default is one of its values."""
        stage = self.case().stage
        assert stage.name
        for knob in stage.knobs:
            assert knob.stage == stage.name
            assert knob.why_invalid(knob.default) is None

    def test_its_artifact_can_be_kept(self, tmp_path: Path) -> None:
        """Pickle carries the value, and samples have values and known units."""
        artifact = self.run(self.case(), tmp_path / "a")
        pickle.loads(pickle.dumps(artifact))  # noqa: S301 - made here
        for sample in artifact.samples.values():
            assert sample.values
            assert sample.unit in UNITS

    def test_equal_input_gives_equal_answers(self, tmp_path: Path) -> None:
        """Run twice, it has the same digest and values; what the machine decides may differ."""
        case = self.case()
        first, second = self.run(case, tmp_path / "a"), self.run(case, tmp_path / "b")
        assert first.digest == second.digest
        both = set(first.samples) & set(second.samples)
        assert set(first.samples) ^ set(second.samples) <= set(case.measured)
        for name in both:
            sample = first.samples[name]
            assert sample.unit == second.samples[name].unit
            if sample.unit != "s" and name not in case.measured:
                assert sample.values == second.samples[name].values, name

    def test_what_it_needs_is_a_function_of_the_config(self) -> None:
        """And it leaves it to the metrics to ask for the machine alone."""
        case = self.case()
        need = case.stage.needs(case.config)
        assert need == case.stage.needs(case.config)
        assert need.cores >= 1
        assert not need.alone

    def test_exact_knobs_do_not_change_the_answer(self, tmp_path: Path) -> None:
        """What is declared exact leaves the digest as it is."""
        case = self.case()
        first = self.run(case, tmp_path / "first")
        for knob in case.stage.knobs:
            values = knob.domain.values if isinstance(knob.domain, Choice) else ()
            others = (case.exact[knob.name],) if knob.name in case.exact else values
            for i, value in enumerate(others if knob.exact else ()):
                config = Config({**case.config, knob.name: value})
                other = self.run(case, tmp_path / f"{knob.name}-{i}", config)
                assert other.digest == first.digest, knob.name
