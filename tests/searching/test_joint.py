"""The joint searcher joins the contract."""

from tunewright.searching.joint import JointSearcher
from tunewright.testing.searchers import SearcherContract


class TestJointSearcher(SearcherContract):
    def make(self, problem):
        return JointSearcher(problem)
