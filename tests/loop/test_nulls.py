"""Studies in which nothing is to be found: few are accepted, whatever the evidence and the look."""

import pytest

from tunewright.core.verdict import ALPHA, alpha_of
from tunewright.loop import FRESH, MAX_LOOKS
from tunewright.testing.nulls import NULLS, errors_of

STUDIES = 30  # of each; benchmarks/null.py runs a thousand
PROVEN = {
    "rows": ["rows"],
    "pairs": ["pairs"],
    "same data": ["same data"],
    "fixed": ["fixed"],
    "rows at a bound": ["fixed", "rows"],
}
by_evidence = pytest.mark.parametrize("null", NULLS, ids=lambda null: null.evidence)


@by_evidence
@pytest.mark.parametrize("looks", range(1, MAX_LOOKS + 1))
def test_no_more_is_accepted_than_the_level_allows(null, looks):
    errors = errors_of(null, looks, range(STUDIES))
    assert errors.studies >= STUDIES / 2
    assert alpha_of(looks) <= errors.level < ALPHA
    assert errors.share <= errors.bound


@by_evidence
def test_the_search_is_flattered_and_the_judge_decides_on_the_evidence_it_says(null):
    done = null.study(1)
    verdict = done.history.finished
    assert [c.evidence for c in verdict.comparisons] == PROVEN[null.evidence]
    pairs = [t for t in done.trials if t.purpose.kind == "pair"]
    assert all(t.fidelity.piece.repeat >= FRESH for t in pairs)
    assert bool(pairs) == (null.evidence in {"pairs", "same data"})


@by_evidence
def test_a_look_that_is_forced_is_about_another_candidate_at_half_the_error(null):
    # Where the baseline happens to look good, there are fewer than three to look at.
    studies = (null.study(seed, MAX_LOOKS) for seed in range(STUDIES))
    done = next(d for d in studies if max(t.purpose.look for t in d.trials) == MAX_LOOKS)
    candidates = {t.purpose.look: t.config for t in done.trials if t.purpose.arm == "candidate"}
    assert len(set(candidates.values())) == len(candidates) == MAX_LOOKS
    assert done.history.finished.alpha == alpha_of(MAX_LOOKS)
