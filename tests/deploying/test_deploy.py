"""What is handed over: the very files that were verified, or nothing."""

import math

from tunewright.core.config import Config
from tunewright.core.events import Finished, Opened, encode
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.metrics import Metric
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.deploying.deploy import deploy
from tunewright.planning import Request
from tunewright.session import Result

AUC = Metric("roc_auc", "higher", "fit", scale="difference", evidence="rows")


def test_a_study_whose_budget_ended_within_the_refit_hands_nothing_over(tmp_path):
    request = Request("adult", "table", {"path": "adult.csv"}, "maximize roc_auc")
    opened = Opened(
        0.0, "adult-1", "maximize roc_auc", "s", {}, {}, "digest", (AUC,), encode(request)
    )
    unknown = [math.nan] * 6
    nothing = Comparison(
        "roc_auc", "objective", "difference", *unknown, Decision.INCONCLUSIVE, 0, "rows"
    )
    verdict = Verdict(Decision.INCONCLUSIVE, Config({}), "not enough evidence", (nothing,), looks=1)
    history = History().applied(opened).applied(Finished(1.0, verdict))
    assert deploy(Result(tmp_path, parse_goal("maximize roc_auc", [AUC]), history)) is None
    assert list(tmp_path.iterdir()) == []
