"""The joint searcher joins the contract, and spends a study's seconds where they bring most."""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean
from types import SimpleNamespace

import pytest

from tunewright.core.budget import Budget
from tunewright.core.conditions import Condition
from tunewright.core.config import Config, digest_of
from tunewright.core.costs import Costs
from tunewright.core.events import Ended, Started
from tunewright.core.goal import parse_goal
from tunewright.core.history import History
from tunewright.core.knobs import Choice, Knob, Real, Space
from tunewright.core.metrics import Metric, Sample
from tunewright.core.preference import ranking
from tunewright.core.roles import BLEND, Effort, Portfolio, Problem, Proposal
from tunewright.core.trial import (
    Fidelity,
    Measurement,
    Need,
    Outcome,
    Piece,
    Purpose,
    Span,
    Trial,
)
from tunewright.searching.blending import TURNS
from tunewright.searching.chain import Chain
from tunewright.searching.joint import LOW_ROWS, JointSearcher
from tunewright.searching.racing import Race
from tunewright.searching.state import Seen
from tunewright.testing.searchers import GOALS, METRICS, SMALL, SearcherContract

AUC = Metric("auc", "higher", BLEND, scale="difference", margin=0.005, evidence="rows")
LATENCY = Metric("latency", "lower", "predict", "s", quiet=True)
STAGES = ("fit", "compile", BLEND, "predict")
KNOBS = (
    Knob("family", Choice(("linear", "trees", "net")), "linear", "algorithm", "fit"),
    Knob(
        "penalty",
        Real(1e-3, 1, log=True),
        0.1,
        "hyperparameter",
        "fit",
        when=Condition.one_of("family", ("linear",)),
    ),
    Knob(
        "rate",
        Real(1e-3, 1, log=True),
        0.9,
        "hyperparameter",
        "fit",
        when=Condition.one_of("family", ("trees",)),
    ),
    Knob(
        "width",
        Real(1, 100, log=True),
        1.0,
        "hyperparameter",
        "fit",
        when=Condition.one_of("family", ("net",)),
    ),
    Knob("runtime", Choice(("slow", "middle", "fast")), "slow", "resource", "compile"),
    Knob("keep", Real(0.1, 1.0), 1.0, "simplification", "compile"),
)
SPACE = Space(KNOBS)
BASELINE = SPACE.default


def problem(goal, fresh=None, **more):
    metrics = (AUC, LATENCY)
    return Problem(
        SPACE, parse_goal(goal, metrics), BASELINE, STAGES, BLEND, fresh, metrics=metrics, **more
    )


@dataclass(frozen=True)
class World:
    """What trials give: a family's cost in seconds, the noise of a fold, and of a measurement."""

    fit_s: dict
    compile_s: float = 0.01
    timing_s: float = 0.05
    baseline_s: float = 0.0
    import_s: float = 0.0
    fold_noise: float = 0.0
    noise: float = 0.0

    def quality(self, config):
        """The true one; of a blend a bit more than its members'."""
        if config.members:
            return sum(w * self.quality(c) for c, w in config.members) + 0.05
        best = {
            "linear": (0.80, "penalty", 0.02),
            "trees": (0.90, "rate", 0.05),
            "net": (0.86, "width", 30.0),
        }
        top, name, where = best[config["family"]]
        apart = abs(
            SPACE.by_name[name].position(config[name]) - SPACE.by_name[name].position(where)
        )
        return top - 0.15 * apart - 0.02 * (1 - float(config["keep"]))

    def latency_s(self, config):
        if config.members:
            return sum(self.latency_s(c) for c, _ in config.members)
        return {"slow": 9e-4, "middle": 3e-4, "fast": 1e-4}[config["runtime"]] * (
            0.2 + float(config["keep"])
        )

    def __call__(self, trial, made):
        config, fidelity = trial.config, trial.fidelity
        fold = fidelity.piece.fold
        prefix = digest_of(
            [
                {k: v for k, v in config.items() if k not in ("runtime", "keep")},
                fold,
                dict(fidelity.effort),
            ]
        )
        fit_s = (
            0.0
            if prefix in made or config.members
            else self.fit_s[config["family"]] * fidelity.effort.get("rows", 1.0)
        )
        fit_s += self.import_s if fit_s and config["family"] not in made else 0.0
        made |= {prefix, config.get("family")}
        spans = [
            Span("fit", 0.0, fit_s, cached=not fit_s),
            Span("compile", fit_s, fit_s + self.compile_s),
        ]
        if config.members and not any(w for _, w in config.members):
            raw = [max(self.quality(c) - 0.7, 0.0) for c, _ in config.members]
            raw[0] = 0.0
            weights = Sample(tuple(w / sum(raw) for w in raw))
            return Measurement(Outcome.OK, {"weights": weights}, tuple(spans))
        chance = random.Random(digest_of([config.id, fold]))
        change = self.quality(config) - self.quality(BASELINE)
        if config != BASELINE:
            change += chance.gauss(0.0, self.fold_noise)
        samples = {
            "auc": Sample((0.8 + change,)),
            "auc_change": Sample((change,), error=self.fold_noise or 1e-4),
        }
        if fidelity.since:
            again = random.Random(digest_of([config.id, fidelity.piece.repeat, "timing"]))
            samples["latency"] = Sample(
                (self.latency_s(config) * (1 + again.gauss(0.0, self.noise)),), "s"
            )
            timing_s = self.timing_s + (self.baseline_s if config == BASELINE else 0.0)
            spans.append(Span("predict", fit_s + self.compile_s, fit_s + self.compile_s + timing_s))
        return Measurement(Outcome.OK, samples, tuple(spans))


def run(searcher, world, *, trials=10**6, seconds=float("inf"), n=1):
    """The history of a study: until so many trials or seconds are over, or nothing is proposed."""
    history, made, elapsed_s = History(), set(), 0.0
    while history.last_number < trials and elapsed_s < seconds:
        wanted = [p for p in searcher.propose(history, n) if isinstance(p, Proposal)]
        if not wanted:
            break
        for proposal in wanted[: trials - history.last_number]:
            number = history.last_number + 1
            need = Need(alone=bool(proposal.fidelity.since))
            trial = Trial(number, proposal.config, proposal.fidelity, Purpose(), need=need)
            history = history.applied(Started(elapsed_s, trial))
            measurement = world(trial, made)
            moved = tuple(
                replace(s, start_s=s.start_s + elapsed_s, end_s=s.end_s + elapsed_s)
                for s in measurement.spans
            )
            elapsed_s = max(s.end_s for s in moved)
            history = history.applied(
                Ended(elapsed_s, number, 1, replace(measurement, spans=moved))
            )
    return history


def prefix_of(config):
    return Config({k: v for k, v in config.items() if k not in ("runtime", "keep")})


TIMED = Fidelity("predict", "predict")
QUICK = {"linear": 0.02, "trees": 0.03, "net": 0.1}
DEAR = {"linear": 0.2, "trees": 2.0, "net": 8.0}
FOLDS = (Effort("folds", 1, 5),)
SPEED = "minimize latency subject to auc >= baseline - 0.005"


class TestJointSearcher(SearcherContract):
    def make(self, problem):
        return JointSearcher(problem)


@pytest.mark.parametrize("goal", GOALS)
def test_it_finds_the_best_of_a_small_space(goal):
    history, _, _ = TestJointSearcher().study(SMALL, goal, trials=500)[-1]
    (best,) = ranking(parse_goal(goal, METRICS), METRICS, ("make", "run"))(history).best(1)
    wanted = {"depth": 3, "runtime": "fast"} if "cost" in goal else {"depth": 3}
    assert wanted.items() <= best.config.items()


def ranked(goal, history):
    return ranking(parse_goal(goal, (AUC, LATENCY)), (AUC, LATENCY), STAGES)(history)


def test_what_is_worth_trying_first_comes_first_and_in_its_order():
    prior = tuple(
        SPACE.config(v)
        for v in ({"family": "net", "width": 20.0}, {"family": "trees"}, {"penalty": 0.5})
    )
    searcher = JointSearcher(problem("maximize auc", prior=Portfolio(prior)))
    history = run(searcher, World(QUICK), trials=5)
    assert [t.config for t, _ in history.ended()][:4] == [BASELINE, *prior]


@pytest.mark.parametrize(("gain", "wanted"), [(-0.005, False), (0.05, True)])
def test_where_time_comes_first_what_is_known_for_quality_waits_until_it_is_needed(gain, wanted):
    prior = (SPACE.config({"family": "net", "width": 20.0}),)
    goal = f"minimize latency subject to auc >= baseline + {gain}".replace("+ -", "- ")
    searcher = JointSearcher(problem(goal, TIMED, prior=Portfolio(prior)))
    history = run(searcher, World(QUICK), trials=8)
    assert (prior[0] in [t.config for t, _ in history.ended()]) == wanted


@pytest.mark.parametrize("goal", [SPEED, "maximize auc, minimize latency"])
@pytest.mark.parametrize("budget", [Budget(trials=300), Budget(seconds=40)])
def test_quick_fits_are_not_starved_by_their_variants(goal, budget):
    # The baseline is as slow as many others, and the first fit of a family imports a library.
    world = World(QUICK, baseline_s=8.0, import_s=3.0)
    history = run(JointSearcher(problem(goal, TIMED, budget=budget)), world, trials=300)
    fits = {prefix_of(t.config) for t, _ in history.ended()}
    assert len(fits) >= 20


def test_after_a_dear_fit_many_cheap_variants_are_timed():
    history = run(
        JointSearcher(problem(SPEED, TIMED, budget=Budget(seconds=1000))), World(DEAR), trials=200
    )
    fits = {prefix_of(t.config) for t, _ in history.ended()}
    assert len({t.config for t, _ in history.ended()}) >= 4 * len(fits)


def test_families_share_the_time_and_the_best_gets_more_trials_than_the_worst():
    searcher = JointSearcher(problem("maximize auc", budget=Budget(seconds=300)))
    history = run(searcher, World(DEAR), seconds=300)
    spent, best = Counter(), defaultdict(float)
    for trial, measurement in history.ended():
        if trial.config.members:
            continue
        family = trial.config["family"]
        spent[family] += sum(s.end_s - s.start_s for s in measurement.spans if not s.cached)
        best[family] = max(best[family], World(DEAR).quality(trial.config))
    assert min(spent.values()) >= 0.02 * sum(spent.values())
    assert max(spent, key=spent.get) != "linear"  # it is cheap, and far from the best
    assert best["trees"] > 0.89


def test_a_family_of_which_nothing_is_known_is_taken_to_be_as_dear_as_the_dearest():
    world = World({"linear": 0.1, "trees": 10.0, "net": 0.1})
    searcher = JointSearcher(problem("maximize auc", budget=Budget(seconds=20)))
    history = run(searcher, world, seconds=16)
    families = {t.config.get("family") for t, _ in history.ended()}
    assert families - {None} == {"linear", "trees"}


@pytest.mark.parametrize(("bound", "first"), [("0.5 ms", "trees"), ("5 ms", "net")])
def test_where_the_baseline_breaks_a_bound_other_families_come_before_what_is_known(bound, first):
    prior = (SPACE.config({"family": "net", "width": 20.0}),)
    searcher = JointSearcher(
        problem(f"maximize auc subject to latency <= {bound}", TIMED, prior=Portfolio(prior))
    )
    history = run(searcher, World(QUICK), trials=8)
    others = [t.config["family"] for t, _ in history.ended() if t.config["family"] != "linear"]
    assert others[0] == first


@pytest.mark.parametrize(
    ("goal", "wanted"),
    [
        ("maximize auc", False),
        ("maximize auc subject to latency <= 1 s", False),
        ("maximize auc subject to latency <= 60 us", True),  # which the baseline breaks
        (SPEED, True),
    ],
)
def test_the_small_are_tried_first_where_time_and_space_are_scarce(goal, wanted):
    small, good = (SPACE.config({"family": "net", "width": width}) for width in (2.0, 20.0))
    searcher = JointSearcher(problem(goal, TIMED, prior=Portfolio((good,), (small,))))
    tried = [trial.config for trial, _ in run(searcher, World(QUICK), trials=30).ended()]
    assert (small in tried) == wanted
    if wanted and good in tried:
        assert tried.index(small) < tried.index(good)


def test_what_is_good_and_breaks_a_bound_is_cut_as_short_as_the_bound_asks_for():
    good = SPACE.config({"family": "trees", "rate": 0.05, "runtime": "fast"})
    searcher = JointSearcher(
        problem("maximize auc subject to latency <= 60 us", TIMED, prior=Portfolio((good,)))
    )
    history = run(searcher, World(QUICK), trials=60)
    timed = [t.number for t, _ in history.ended() if t.config == good and t.need.alone]
    cut = [t for t, _ in history.ended() if t.config == SPACE.config({**good, "keep": 0.4})]
    assert cut  # by 0.8 of the bound over what it takes, 120 us
    after = [t for t, _ in history.ended() if timed[0] < t.number < cut[0].number]
    assert sum(not t.need.alone for t in after) <= 3


def test_where_the_baseline_breaks_a_bound_its_own_fit_is_called_as_quicker_ones_are():
    known = SPACE.config({"family": "linear", "penalty": 0.5, "runtime": "middle"})
    searcher = JointSearcher(
        problem("maximize auc subject to latency <= 0.5 ms", TIMED, prior=Portfolio((known,)))
    )
    history = run(searcher, World(DEAR), trials=4)
    third = [t for t, _ in history.ended()][2]
    assert third.config == SPACE.config({**BASELINE, "runtime": "middle"})


def test_what_needs_no_further_fit_is_still_cut_when_the_search_ends():
    good, budget = (
        SPACE.config({"family": "trees", "rate": 0.05, "runtime": "fast"}),
        Budget(seconds=20),
    )
    costs = Costs(budget, 1, STAGES, BLEND, "predict")
    goal = "maximize auc subject to latency <= 60 us"
    searcher = JointSearcher(
        problem(goal, TIMED, prior=Portfolio((good,)), budget=budget, costs=costs)
    )
    proposed = []

    def propose(history, n):
        wanted = searcher.propose(history, n)
        proposed.extend(wanted)
        return wanted

    world = World({"linear": 0.05, "trees": 14.0, "net": 0.05})
    run(SimpleNamespace(propose=propose), world, seconds=20)
    after = proposed[proposed.index(Proposal(good, TIMED)) + 1 :]
    cut = [p for p in after if p.config != good and not p.config.members]
    assert [p.config["keep"] for p in cut[:2]] == [0.4, 0.4]
    assert [(p.made, bool(p.fidelity.since)) for p in cut[:2]] == [(True, False), (False, True)]


def test_timing_trials_come_in_batches():
    history = run(JointSearcher(problem(SPEED, TIMED)), World(QUICK), trials=200)
    alone = [t.need.alone for t, _ in history.ended()]
    drains = sum(now and not before for before, now in pairwise(alone))
    assert sum(alone) >= 4 * drains


def test_what_breaks_a_constraint_beyond_chance_is_not_timed():
    world = World(QUICK)
    history = run(JointSearcher(problem(SPEED, TIMED)), world, trials=150)
    timed = [t.config for t, _ in history.ended() if t.need.alone and t.config != BASELINE]
    least = world.quality(BASELINE) - 0.005 - 2e-4
    assert timed
    assert all(world.quality(config) >= least for config in timed)


@pytest.mark.parametrize(("noise", "most"), [(0.0, 0.03), (0.05, 0.25)])
def test_what_is_known_is_measured_again_only_where_noise_leaves_it_open(noise, most):
    goal = parse_goal("minimize latency", (LATENCY,))
    asked = Problem(SPACE, goal, BASELINE, ("fit", "compile", BLEND, "predict"), "",
                    Fidelity("predict", "fit"), budget=Budget(trials=120), metrics=(LATENCY,))  # fmt: skip
    history = run(JointSearcher(asked), World(QUICK, noise=noise), trials=120)
    repeats = [t for t, _ in history.ended() if t.fidelity.piece.repeat]
    assert len(repeats) <= most * 120
    assert bool(repeats) or not noise


def test_only_fits_that_are_dear_beside_the_budget_begin_on_few_rows():
    for seconds, low in ((20, True), (2000, False)):
        asked = problem(
            "maximize auc", efforts=(Effort("rows", 0.05, 1.0),), budget=Budget(seconds=seconds)
        )
        history = run(JointSearcher(asked), World(dict.fromkeys(DEAR, 1.0)), trials=25)
        shares = {t.fidelity.effort.get("rows", 1.0) for t, _ in history.ended()}
        assert shares == ({LOW_ROWS, 1.0} if low else {1.0})


def test_a_config_that_failed_on_few_rows_never_sees_all_of_them():
    good = World(dict.fromkeys(DEAR, 1.0))

    def world(trial, made):
        measurement = good(trial, made)
        crashed = Measurement(Outcome.CRASHED, spans=measurement.spans, detail="no")
        return crashed if trial.fidelity.effort else measurement

    asked = problem("maximize auc", efforts=(Effort("rows", 0.05, 1.0),), budget=Budget(seconds=20))
    history = run(JointSearcher(asked), world, trials=20)
    whole = {prefix_of(t.config) for t, _ in history.ended() if not t.fidelity.effort}
    assert whole == {prefix_of(BASELINE)}


def test_few_rows_are_given_up_where_they_save_little():
    """A fit that takes nearly as long on few rows tells less for the same time."""
    dear = World(dict.fromkeys(DEAR, 1.0))

    def world(trial, made):
        measurement = dear(trial, made)
        if not trial.fidelity.effort:
            return measurement
        longer = tuple(replace(span, start_s=0.0, end_s=0.9) for span in measurement.spans[:1])
        return replace(measurement, spans=longer)

    asked = problem("maximize auc", efforts=(Effort("rows", 0.05, 1.0),), budget=Budget(seconds=20))
    history = run(JointSearcher(asked), world, trials=15)
    few = [t for t, _ in history.ended() if t.fidelity.effort]
    assert len(few) <= 4  # as many as it takes to see one of them on all rows


def test_what_leads_is_timed_before_many_are_gathered_where_nothing_else_is_worth_it():
    """With fits as dear as these ten would be gathered when the study is over."""
    asked = problem("maximize auc, minimize latency", TIMED, budget=Budget(seconds=60))
    history = run(JointSearcher(asked), World(dict.fromkeys(DEAR, 4.0)), seconds=40)
    ended = [(t, m) for t, m in history.ended() if t.config != BASELINE and not t.config.members]
    better = [t for t, m in ended if m.samples["auc_change"].values[0] > 0]
    first = next(t.number for t in better if t.fidelity.since)
    fits_until_timed = [t for t in better if t.number < first]
    assert len(fits_until_timed) <= 2


# Folds


def folds_of(history):
    folds = defaultdict(list)
    for trial, _ in history.ended():
        folds[trial.config.id].append(trial.fidelity.piece.fold)
    return folds


def test_nobody_is_judged_on_a_fold_that_the_baseline_has_not_had():
    searcher = JointSearcher(problem("maximize auc", efforts=FOLDS, budget=Budget(trials=150)))
    history = run(searcher, World(QUICK, fold_noise=0.01), trials=150, n=3)
    had = set()
    for trial, _ in history.ended():
        fold = trial.fidelity.piece.fold
        assert trial.config == BASELINE or fold in had
        had |= {fold} if trial.config == BASELINE else set()
    assert had == set(range(5))


@pytest.mark.parametrize("budget", [Budget(trials=150), Budget(seconds=60)])
def test_the_best_and_each_familys_best_have_all_folds_in_the_end(budget):
    searcher = JointSearcher(problem("maximize auc", efforts=FOLDS, budget=budget))
    slow = {name: 4 * seconds for name, seconds in QUICK.items()}
    history = run(
        searcher,
        World(slow, fold_noise=0.01),
        trials=budget.trials or 10**6,
        seconds=0.8 * (budget.seconds or 1e9),
    )
    folds = folds_of(history)
    evidence = ranked("maximize auc", history).evidence
    known = [r for r in evidence.records.values() if not r.config.members]
    plain = sorted(known, key=lambda r: r.change(AUC, evidence.baseline).value)
    begun = {t.config.id: t.number for t, _ in reversed([*history.ended()])}
    first_of = {prefix_of(r.config): r for r in reversed(plain)}  # variants of a prefix err alike
    early = [
        r for r in plain if r in first_of.values() and begun[r.config.id] < history.last_number - 15
    ]
    best = early[:2] + [next(r for r in early if r.config["family"] == f) for f in QUICK]
    assert all(len(folds[r.config.id]) == 5 for r in best)
    once = [id_ for id_, had in folds.items() if len(had) == 1]
    assert len(once) > len(folds) / 2  # most configs were not worth a second fold


def test_racing_picks_no_worse_than_all_folds_for_everybody_at_the_same_cost():
    noisy, cost = 0.03, 150
    racing, whole = [], []
    for seed in range(6):
        world = World(QUICK, fold_noise=noisy)
        asked = problem("maximize auc", efforts=FOLDS, budget=Budget(trials=cost), seed=seed)
        asked = Problem(
            **{**asked.__dict__, "stages": ("fit", "compile", "predict"), "cached": "compile"}
        )
        history = run(JointSearcher(asked), world, trials=cost)
        folds = folds_of(history)
        best = next(
            r for r in ranked("maximize auc", history).best() if len(folds[r.config.id]) == 5
        )
        racing.append(0.9 - world.quality(best.config))
        mean = World(QUICK, fold_noise=noisy / 5**0.5)
        once = Problem(**{**asked.__dict__, "efforts": (), "budget": Budget(trials=cost // 5)})
        history = run(JointSearcher(once), mean, trials=cost // 5)
        (best,) = ranked("maximize auc", history).best(1)
        whole.append(0.9 - world.quality(best.config))
    assert fmean(racing) <= fmean(whole)


# Blends


def blends_of(history):
    trials = [t for t, _ in history.ended() if t.config.members]
    return [t for t in trials if not any(w for _, w in t.config.members)], [
        t for t in trials if any(w for _, w in t.config.members)
    ]


def test_the_best_are_blended_late_with_the_mean_of_the_weights_that_each_fold_chose():
    searcher = JointSearcher(problem("maximize auc", efforts=FOLDS, budget=Budget(trials=200)))
    history = run(searcher, World(QUICK, fold_noise=0.002), trials=200)
    selections, blends = blends_of(history)
    first = selections[0]
    assert first.number > TURNS[0] * 200
    of_first = [t for t in selections if t.config == first.config]
    assert sorted(t.fidelity.piece.fold for t in of_first) == [0, 1, 2, 3, 4]
    assert {t.fidelity.through for t in of_first} == {BLEND}
    members = [config for config, _ in first.config.members]
    assert 2 <= len(members) <= 12
    assert len({config["family"] for config in members}) > 1
    assert len({prefix_of(config) for config in members}) == len(members)
    folds = folds_of(history)
    assert all(len(folds[config.id]) == 5 for config in members)
    blend = blends[0].config
    assert members[0] not in [config for config, _ in blend.members]  # no fold gave it any weight
    assert sum(weight for _, weight in blend.members) == pytest.approx(1.0)
    assert sorted(folds[blend.id]) == [0, 1, 2, 3, 4]
    assert ranked("maximize auc", history).best(1)[0].config.members


def test_a_bound_on_latency_limits_the_members():
    goal = "maximize auc subject to latency <= 300us"
    searcher = JointSearcher(problem(goal, TIMED, budget=Budget(trials=300)))
    world = World(QUICK)
    history = run(searcher, world, trials=300)
    selections, _ = blends_of(history)
    assert selections
    for trial in selections:
        assert sum(world.latency_s(config) for config, _ in trial.config.members) <= 300e-6


def test_a_blend_is_timed_like_any_other_config():
    goal = "maximize auc subject to latency <= 4ms"
    history = run(
        JointSearcher(problem(goal, TIMED, budget=Budget(trials=300))), World(QUICK), trials=300
    )
    _, blends = blends_of(history)
    assert {bool(t.fidelity.since) for t in blends} == {False, True}


def test_blends_need_no_fit():
    """Their folds are those that all their members had."""
    asked = problem("maximize auc", efforts=FOLDS, budget=Budget(trials=200))
    history = run(JointSearcher(asked), World(QUICK, fold_noise=0.002), trials=200)
    had = defaultdict(set)
    for trial, _ in history.ended():
        for member, _ in trial.config.members:
            assert trial.fidelity.piece.fold in had[member.id]
        had[trial.config.id].add(trial.fidelity.piece.fold)


def test_a_blend_has_no_fold_before_all_its_members_do():
    asked = problem("maximize auc", efforts=FOLDS, budget=Budget(trials=200))
    chain = Chain(asked)
    seen, race, world, made = Seen(asked, chain), Race(asked, chain), World(QUICK), set()
    a, b = (SPACE.config({"family": "trees", "rate": rate}) for rate in (0.04, 0.06))
    blend = Config({}, [(a, 0.5), (b, 0.5)])

    def tried(config, fold):
        fidelity = Fidelity(BLEND, piece=Piece(fold=fold))
        trial = Trial(1, config, fidelity, Purpose())
        seen.learn(trial, world(trial, made))

    for config in (BASELINE, a, b, blend):
        tried(config, 0)
    assert race.missing(seen, seen.record(blend)) is None
    tried(a, 1)
    assert race.missing(seen, seen.record(blend)) is None
    tried(b, 1)
    assert race.missing(seen, seen.record(blend)) == 1


@pytest.mark.parametrize("goal", ["minimize latency", SPEED])
def test_nothing_is_blended_where_quality_is_not_asked_for(goal):
    history = run(
        JointSearcher(problem(goal, TIMED, budget=Budget(trials=100))), World(QUICK), trials=100
    )
    assert not any(t.config.members for t, _ in history.ended())
