"""Searchers: pure functions of the history, found by name."""

SEARCHERS = {
    "joint": "tunewright.searching.joint:JointSearcher",
    "halving": "tunewright.searching.halving:HalvingSearcher",
    "none": "tunewright.searching.none:NoSearcher",
}
MODEL = "tunewright.searching.model:Model"  # numpy is not needed by a study that searches nothing
