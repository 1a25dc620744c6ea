"""Studies in which nothing is to be found: few are accepted, whatever the evidence and the look."""

import pytest

from tunewright.core.trial import FRESH
from tunewright.core.verdict import ALPHA, alpha_of
from tunewright.loop.verification import MAX_LOOKS
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


def looked(null, looks):
    """The first study that came to this look: in some nothing is better even by luck."""
    studies = (null.study(seed, looks) for seed in range(20))
    return next(done for done in studies if any(t.purpose.look == looks for t in done.trials))


@by_evidence
@pytest.mark.parametrize("looks", range(1, MAX_LOOKS + 1))
def test_no_more_is_accepted_than_the_level_allows(null, looks):
    errors = errors_of(null, looks, range(STUDIES))
    assert errors.studies >= STUDIES / 2
    assert alpha_of(looks) <= errors.level < ALPHA
    # One of so few says nothing: at the smallest level one study of 21 errs by chance in 12 %.
    assert errors.share <= errors.bound or errors.accepted == 1


@by_evidence
def test_the_search_is_flattered_and_the_judge_decides_on_the_evidence_it_says(null):
    done = looked(null, 1)
    verdict = done.history.finished
    assert [c.evidence for c in verdict.comparisons] == PROVEN[null.evidence]
    pairs = [t for t in done.trials if t.purpose.kind == "pair"]
    assert all(t.fidelity.piece.repeat >= FRESH for t in pairs)
    assert bool(pairs) == (null.evidence in {"pairs", "same data"})


@by_evidence
def test_a_look_that_is_forced_is_about_another_candidate_at_half_the_error(null):
    done = looked(null, MAX_LOOKS)
    candidates = {t.purpose.look: t.config for t in done.trials if t.purpose.arm == "candidate"}
    assert len(set(candidates.values())) == len(candidates) == MAX_LOOKS
    assert done.history.finished.alpha == alpha_of(MAX_LOOKS)
