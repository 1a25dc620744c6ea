"""Searchers: pure functions of the history, found by name."""

SEARCHERS = {
    "joint": "tunewright.searching.joint:JointSearcher",
    "none": "tunewright.searching.none:NoSearcher",
}
SOBOL = "tunewright.searching.sobol:points"  # scipy.stats takes longer to import than a small fit
MODEL = "tunewright.searching.model:Model"  # numpy is not needed by a study that searches nothing
