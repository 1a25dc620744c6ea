"""What is handed over: the very files that were verified, or nothing; and never what lay there before."""

import json
import math
from dataclasses import replace

import pytest

import tunewright as tw
from tunewright import session
from tunewright.core.config import Config
from tunewright.core.events import Ended, Finished, Opened, Refitted, Started
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.metrics import Metric
from tunewright.core.trial import Fidelity, Measurement, Outcome, Purpose, Trial
from tunewright.core.verdict import Comparison, Decision, Verdict
from tunewright.deploying import deploy as deploying
from tunewright.deploying.deploy import LEARNED, deploy, used
from tunewright.errors import InputError
from tunewright.planning import Proving, Request, to_json
from tunewright.session import Result
from tunewright.workloads.programs.spec import CommandSpec

AUC = Metric("roc_auc", "higher", "fit", scale="difference", evidence="rows")
TABLE_BUDGET = "6 trials"


def verdict(decision, config, **more):
    return Verdict(decision, config, "because", **more)


def studied(directory, request, end, metric=AUC, goal="maximize roc_auc"):
    """A finished study of this request."""
    opened = Opened(0.0, "adult-1", goal, "digest", to_json(request), (metric,))
    history = History().applied(opened).applied(Finished(1.0, end))
    return Result(directory, parse_goal(goal, [metric]), history)


def table_request(path, **more):
    return Request("adult", "table", tw.Table(str(path), "y"), "maximize roc_auc", **more)


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "t.csv"
    rows = "\n".join(f"{i * 37 % 101},{i % 7},{int(i * 37 % 101 > 50)}" for i in range(300))
    path.write_text(f"a,b,y\n{rows}\n")
    return path


def test_a_study_whose_budget_ended_within_the_refit_hands_nothing_over(tmp_path, csv):
    unknown = [math.nan] * 6
    nothing = Comparison(
        "roc_auc", "objective", "difference", *unknown, Decision.INCONCLUSIVE, 0, "rows"
    )
    end = verdict(Decision.INCONCLUSIVE, Config({}), comparisons=(nothing,), looks=1)
    assert deploy(studied(tmp_path, table_request(csv), end)) is None
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_study_hands_nothing_over(tmp_path, csv):
    opened = Opened(0.0, "adult-1", "maximize roc_auc", "d", to_json(table_request(csv)), (AUC,))
    history = History().applied(opened)
    assert deploy(Result(tmp_path, parse_goal("maximize roc_auc", [AUC]), history)) is None


# Command lines


def program_study(directory, **values):
    spec = CommandSpec(("echo", "{n}"), ("n=1:1..9",), step=("make=true {dir}",))
    wall = Metric("wall_s", "lower", "run", "s")
    request = Request("echo", "command", spec, "minimize wall_s")
    end = verdict(Decision.ACCEPT, Config({"n": 1, **values}))
    return studied(directory, request, end, wall, "minimize wall_s")


def test_a_programs_bundle_holds_its_command_lines(tmp_path):
    place = deploy(program_study(tmp_path / "study", n=7))
    index = json.loads((place / "bundle.json").read_text())
    assert index["steps"]["run"]["argv"] == ["echo", "7"]
    assert index["steps"]["make"]["argv"] == ["true", "{dir}"]
    assert index["config"] == {"n": 7}
    assert used(place) == ""


def test_the_same_study_finds_its_own_bundle_again(tmp_path):
    result = program_study(tmp_path / "study")
    place = deploy(result)
    before = (place / "bundle.json").read_bytes()
    assert deploy(result) == place
    assert (place / "bundle.json").read_bytes() == before


@pytest.mark.parametrize("own", [True, False])
def test_another_bundle_in_the_place_is_never_handed_over_for_this_one(tmp_path, own):
    place = None if own else tmp_path / "served"
    yesterday = deploy(program_study(tmp_path / "study", n=2), place)
    before = (yesterday / "bundle.json").read_bytes()
    with pytest.raises(InputError, match=r"expected a new directory; got .*; name another"):
        deploy(program_study(tmp_path / "study", n=3), place)
    assert (yesterday / "bundle.json").read_bytes() == before


@pytest.mark.parametrize("make", ["empty", "full", "file"])
def test_a_place_that_holds_anything_else_is_refused(tmp_path, make):
    place = tmp_path / "served"
    if make == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        if make == "full":
            (place / "bundle.json").write_text("mine")
    with pytest.raises(InputError, match="name another"):
        deploy(program_study(tmp_path / "study"), place)
    if make != "empty":
        assert (place if make == "file" else place / "bundle.json").read_text() == "mine"


def test_a_named_place_may_hold_this_very_bundle_and_nothing_less(tmp_path):
    place, result = tmp_path / "served", program_study(tmp_path / "study")
    assert deploy(result, place) == place
    assert deploy(result, place) == place
    later = replace(result, directory=tmp_path / "another-study")
    with pytest.raises(InputError, match="name another"):
        deploy(later, place)


# A model, from end to end


def quickly(path, root):
    spec = tw.Table(str(path), "y", families=("linear",))
    return tw.tune(spec, goal="minimize latency_p50", budget=TABLE_BUDGET, root=root)


@pytest.fixture(scope="module")
def tuned(csv, tmp_path_factory):
    """A real study of a small table."""
    return quickly(csv, tmp_path_factory.mktemp("studies"))


def test_a_studys_model_answers_from_its_bundle(tuned, tmp_path):
    place = deploy(tuned, tmp_path / "served")
    assert place == tmp_path / "served"
    answer = tw.load(place).predict_row({"a": 90, "b": 3})
    assert set(answer) == {"0", "1"}
    assert answer["1"] > 0.9
    index = json.loads((place / "bundle.json").read_text(), parse_constant=pytest.fail)
    assert index["format"] == 2
    assert [one["family"] for one in index["members"]] == ["linear"]
    assert index["verdict"]["decision"] == tuned.verdict.decision.name
    assert used(place) == f"tunewright predict {place} rows.csv"


def test_a_model_is_handed_over_though_its_table_is_gone(tmp_path, csv):
    table = tmp_path / "t.csv"
    table.write_bytes(csv.read_bytes())
    result = quickly(table, tmp_path)
    table.unlink()
    place = deploy(result, tmp_path / "served")
    assert place is not None
    assert tw.load(place).predict_row({"a": 90, "b": 3})["1"] > 0.9


def test_a_model_of_which_a_file_was_harmed_is_not_taken_for_this_bundle(tuned, tmp_path):
    place = deploy(tuned, tmp_path / "served")
    assert deploy(tuned, place) == place
    (place / "linear.json").write_text("harmed")
    with pytest.raises(InputError, match="other bytes"):
        tw.load(place)
    with pytest.raises(InputError, match="name another"):
        deploy(tuned, place)


def test_a_model_that_is_gone_is_one_sentence(tuned, tmp_path):
    moved = replace(tuned, directory=tmp_path)
    with pytest.raises(InputError, match=r"expected the model of the verdict in .*; it is gone"):
        deploy(moved, tmp_path / "served")
    assert not (tmp_path / "served").exists()


# The recipe on every row


def here(path, root, **more):
    """A study in this very process."""
    spec = tw.Table(str(path), "y", families=("linear",))
    asked = "subject to roc_auc >= baseline - 0.5"  # of a config that is given, so that it looks
    few, proof = {"family": "linear"}, Proving({"linear_c": 0.5})
    request = Request("t", "table", spec, asked, few, budget="2 trials", proof=proof, **more)
    return session.begin(replace(request, limits=tw.Limits(workers=0)), root=root)


def learned_from(place):
    return json.loads((place / "bundle.json").read_text())["learned_from"]


ANEW, VERIFIED = LEARNED["all"], LEARNED["verified"]


@pytest.mark.parametrize(
    ("refit", "learned"),
    [("all", ANEW), ("", ANEW), ("verified", VERIFIED)],
)
def test_a_bundle_says_which_rows_its_model_learned_from(tmp_path, csv, refit, learned):
    result = here(csv, tmp_path, refit=refit)  # cross-fitted, as a small table is
    assert learned_from(deploy(result, tmp_path / "served")) == learned


def test_a_model_of_every_row_has_learned_from_the_rows_of_the_verdict(tmp_path, csv):
    texts = {}
    for refit in ("all", "verified"):
        place = deploy(here(csv, tmp_path / refit, refit=refit), tmp_path / f"served-{refit}")
        texts[refit] = (place / "linear.json").read_text()
    assert texts["all"] != texts["verified"]


@pytest.mark.parametrize("budget", ["1 trial", "4 trials"])
def test_no_row_of_a_test_file_is_ever_learned_from_unless_asked(tmp_path, csv, budget):
    header, *lines = csv.read_text().splitlines(keepends=True)
    for name, some in (("learned.csv", lines[:200]), ("held.csv", lines[200:])):
        (tmp_path / name).write_text("".join([header, *some]))
    learned, held = str(tmp_path / "learned.csv"), str(tmp_path / "held.csv")
    spec = tw.Table(learned, "y", test=held, families=("linear",))
    limits = tw.Limits(workers=0)
    result = tw.tune(spec, goal="maximize roc_auc", budget=budget, limits=limits, root=tmp_path)
    assert (result.history.refitted is None) == (result.verdict.looks > 0)
    expected = VERIFIED if result.verdict.looks else LEARNED["test"]
    assert learned_from(deploy(result, tmp_path / "served")) == expected


@pytest.mark.parametrize(("key", "learned"), [("of the look", "verified"), ("of 1", "search")])
def test_a_model_of_the_search_is_not_said_to_be_verified_where_a_look_began(
    tmp_path, key, learned
):
    request = table_request("t.csv")
    opened = Opened(0.0, "t-1", request.goal, "digest", to_json(request), (AUC,), folds=5)
    history = History().applied(opened)
    for number, purpose in enumerate((Purpose(), Purpose("refit", "candidate", 1)), start=1):
        made = Measurement(Outcome.OK, key="of the look" if purpose.look else "of 1")
        history = history.applied(Started(1.0, Trial(number, Config({}), Fidelity("fit"), purpose)))
        history = history.applied(Ended(2.0, number, 1, made))
    history = history.applied(
        Finished(3.0, verdict(Decision.INCONCLUSIVE, Config({}), looks=1, key=key))
    )
    result = Result(tmp_path, parse_goal(request.goal, [AUC]), history)
    assert deploying.learned_from(result) == LEARNED[learned]


def test_a_refit_that_breaks_a_bound_leaves_what_was_verified(tmp_path):
    rows = ((i * 37 % 101 / 50 - 1, i * 53 % 97 / 48 - 1) for i in range(600))
    cells = "\n".join(f"{a:.3f},{b:.3f},{'in' if a * a + b * b < 0.5 else 'out'}" for a, b in rows)
    (tmp_path / "t.csv").write_text(f"a,b,y\n{cells}\n")
    spec = tw.Table(str(tmp_path / "t.csv"), "y", families=("linear", "neighbours"))

    def studied(most):
        return tw.tune(
            spec, goal=f"maximize roc_auc subject to model_bytes <= {most}", budget="6 trials",
            limits=tw.Limits(workers=0), root=tmp_path / str(most),
        )  # fmt: skip

    free = studied(10**9)
    size = {c.metric: c for c in free.verdict.comparisons}["model_bytes"].candidate
    assert learned_from(deploy(free, tmp_path / "free")) == ANEW
    assert size < (tmp_path / "free" / "neighbours.json").stat().st_size
    tight = studied(int(size) + 10)
    assert tight.verdict.decision is Decision.ACCEPT
    assert learned_from(deploy(tight, tmp_path / "tight")) == VERIFIED
    assert tight.history.refitted.detail.startswith("model_bytes would be")


def test_a_refit_that_fails_leaves_what_was_verified(tmp_path, csv):
    result = here(csv, tmp_path, refit="verified")
    failed = Refitted(9.0, "all", "", "timeout: the budget was over")
    later = replace(result, history=result.history.applied(failed))
    assert learned_from(deploy(later, tmp_path / "served")) == VERIFIED


# A function's config


def test_a_functions_bundle_says_what_it_holds_and_how_it_is_used(tmp_path):
    result = tw.tune(
        lambda config: config["x"] ** 2, space={"x": tw.real(-1, 1, default=0.9)},
        goal="minimize loss", budget="3 trials", root=tmp_path,
    )  # fmt: skip
    place = deploy(result)
    with pytest.raises(InputError) as caught:
        tw.load(place)
    said = str(caught.value)
    assert "holds the config that won for the function" in said
    assert "['config'] and call the function with it" in said
    index = json.loads((place / "bundle.json").read_text())
    assert index["config"] == dict(result.best)
