"""Searchers: pure functions of the history, found by name."""

SEARCHERS = {
    "staged": "tunewright.searching.staged:StagedSearcher",
    "none": "tunewright.searching.none:NoSearcher",
}
SOBOL = "tunewright.searching.sobol:points"  # scipy.stats takes longer to import than a small fit
