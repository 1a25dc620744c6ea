"""State: what the search has seen, from the ended trials alone."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field
from typing import final

from tunewright.core.config import Config, Value
from tunewright.core.evidence import Evidence, Record
from tunewright.core.goal import Constraint, within_margin
from tunewright.core.metrics import Metric
from tunewright.core.preference import FAILING, Ranking
from tunewright.core.roles import Problem
from tunewright.core.trial import Measurement, Outcome, Trial
from tunewright.searching.arms import Arm
from tunewright.searching.chain import Chain

ELITE = 5  # how many of the best have neighbours
LEARNED = 250  # of the best configs, and as many of those that do not hold, teach a model
MODEL_S, MODEL_ROW_S = 0.015, 3e-5  # about what a model costs, at all and for each row
MODEL_SHARE = 0.02  # of the trials' time, while they are few
MANY = 200  # trials; from then on a model is made anew only after a share more of them
GROWTH = 0.1
TRIAL_S = 0.01  # what any trial costs beside its stages
NEWEST = 3  # prefixes whose variants are looked at, beside those of the best

Row = tuple[Config, float | None]


@final
@dataclass(frozen=True)
class Snapshot:
    """What a model learns from, as it was when so many trials had ended.

    rows: by turn, the baseline first. elite: by turn; families: the best of each; newest: the
    youngest prefixes.
    """

    ended: int
    rows: tuple[tuple[Row, ...], ...] = ()
    elite: tuple[tuple[Config, ...], ...] = ()
    families: dict[Value, Config] = field(default_factory=dict)
    newest: tuple[Config, ...] = ()


@final
@dataclass
class Part:
    """What a part of the search has cost, and by how much it improved the best target."""

    gained: float = 0.0
    costs: list[float] = field(default_factory=list)  # of each trial, in order of size

    @property
    def spent_s(self) -> float:
        """What its trials cost, each as much as the middle one: the first ones import, too."""
        count = len(self.costs)
        return count * self.costs[count // 2] if count else 0.0

    def learn(self, cost_s: float, gain: float) -> None:
        """Take in one more trial."""
        bisect.insort(self.costs, cost_s)
        self.gained += gain


@final
class Seen:
    """The search so far. A turn is an objective: `boards` has the configs that hold, best first.

    unsound: ids of what does not hold; broken: the configs of these that can teach. made: keys with
    evidence at all rows. prefixes: what shares the dearest stage, the newest last. low: at few
    rows, not yet promoted, with what all of them would take; foreseen: how right that was. tried:
    each config's folds. untimed: made, and not yet measured anew; gathered: how many came since the
    last that was, gathered_s: what they took. prefix, variant: what new artifacts of the dearest
    stage have brought, and what the stages below them have. folds_s: what went into folds after the
    first. selected, selections: blends whose weights were asked for, and what each fold said.
    """

    def __init__(self, problem: Problem, chain: Chain) -> None:
        self._goal, self._chain, self._cached = problem.goal, chain, problem.cached
        evidence = Evidence(
            tuple({m.name: m for m in (*problem.metrics, *problem.goal.metrics)}.values()),
            problem.stages, refitted=problem.refitted,
        )  # fmt: skip
        self.ranked = Ranking(problem.goal, evidence)
        self.boards: list[list[tuple[float, str]]] = [[] for _ in problem.goal.objectives]
        self.unsound: set[str] = set()
        self.broken: dict[str, Config] = {}
        self.made: set[str] = set()
        self.prefixes: dict[str, Config] = {}
        self.low: dict[str, tuple[float, float, Config]] = {}
        self.low_count = 0
        self.foreseen = 1.0
        self.tried: set[tuple[str, int]] = set()
        self.untimed: dict[str, Config] = {}
        self.timed = self.repeats = self.gathered = 0
        self.gathered_s = 0.0
        self.measuring = False
        self.arms: dict[Value, Arm] = {}
        self.prefix, self.variant = Part(), Part()
        self.folds_s = self.shared_s = 0.0
        self.dearest, self.dearest_s = "", 0.0
        self.exact: dict[Config, tuple[float, int]] = {}  # log costs: sum, count
        self.selected: dict[str, Config] = {}
        self.selections: dict[str, dict[int, tuple[float, ...]]] = {}
        self.ended = 0
        self.snapshot: Snapshot | None = None
        self._counted = problem.budget.trials is not None
        self._spread = (0.0, 0)
        self._places: dict[str, tuple[float | None, ...]] = {}
        self._since_s = 0.0

    @property
    def noise(self) -> float | None:
        """The relative spread of one measurement, None until something was measured again."""
        total, count = self._spread
        return math.sqrt(total / count) if count else None

    def record(self, config: Config) -> Record | None:
        """The evidence of a config."""
        return self.ranked.evidence.records.get(config.id)

    def board(self, turn: int, count: int) -> list[Record]:
        """The best so many records of a turn."""
        records = self.ranked.evidence.records
        return [records[id_] for _, id_ in self.boards[turn][:count]]

    def place(self, record: Record, turn: int = 0) -> float | None:
        """A config's target on that turn, None where it has none or does not hold."""
        places = self._places.get(record.config.id)
        return places[turn] if places else None

    def learn(self, trial: Trial, measurement: Measurement) -> None:
        """Take in one ended trial."""
        if trial.purpose.kind != "search":
            return
        if measurement.outcome is Outcome.STOPPED:
            self._give_up(trial, self._cost_s(measurement))
            return
        self.ended += 1
        cost_s = self._cost_s(measurement)
        self._since_s += cost_s
        self.measuring = bool(trial.fidelity.since)
        if trial.config.unweighted:
            self._select(trial, measurement)
            return
        self.ranked.learn(trial, measurement)
        self.tried.add((trial.config.id, trial.fidelity.piece.fold))
        self._learn_stages(trial, measurement)
        if trial.fidelity.effort:
            self._learn_low(trial, measurement, cost_s)
            return
        best = self._best()
        record = self.ranked.evidence.records[trial.config.id]
        self._learn_place(record)
        if measurement.outcome is Outcome.OK and not record.measured:
            self.untimed[self._chain.key(trial.config)] = trial.config
            self.gathered += 1
            self.gathered_s += cost_s
        elif record.outgrown:
            self.untimed[self._chain.key(trial.config)] = trial.config
        self._learn_config(trial, record, measurement, cost_s, best)
        self._learn_noise(trial, record)
        self._refresh()

    def _give_up(self, trial: Trial, cost_s: float) -> None:
        """A fit that was stopped is not begun again, and its family is known to be dear."""
        config, family = trial.config, self._chain.family(trial.config)
        if trial.fidelity.since or config.members:
            return
        self.made.add(self._chain.key(config))
        self.low.pop(self._chain.prefix(self.dearest, config), None)
        if family is not None:
            self.arms.setdefault(family, Arm()).learn(None, cost_s)

    def _cost_s(self, measurement: Measurement) -> float:
        """What a trial has taken of the budget, in seconds: of one of trials each is the same."""
        if self._counted:
            return 1.0
        took_s = sum(s.end_s - s.start_s for s in measurement.spans if not s.cached)
        return took_s + TRIAL_S

    def _select(self, trial: Trial, measurement: Measurement) -> None:
        """The weights that the blend has chosen on one fold; () where it could not."""
        weights = measurement.samples.get("weights")
        values = weights.values if weights is not None else ()
        whole = len(values) == len(trial.config.members)
        self.selected[trial.config.id] = trial.config
        folds = self.selections.setdefault(trial.config.id, {})
        folds[trial.fidelity.piece.fold] = values if whole else ()

    def _learn_stages(self, trial: Trial, measurement: Measurement) -> None:
        above = self._chain.above
        spans = [s for s in measurement.spans if not s.cached and s.stage in above]
        if not self.dearest and self._cached:
            varied = (s for s in spans if s.stage in self._chain.varied)
            dearest = max(varied, key=lambda s: s.end_s - s.start_s, default=None)
            self.dearest = dearest.stage if dearest else self._cached
            self.dearest_s = dearest.end_s - dearest.start_s if dearest else 0.0
        dear_s = self._dear_s(measurement)
        if dear_s > 0 and self._chain.exact and not trial.fidelity.effort:
            names = [k.name for k in self._chain.exact if k.name in trial.config]
            chosen = Config({name: trial.config[name] for name in names})
            total, count = self.exact.get(chosen, (0.0, 0))
            self.exact[chosen] = (total + math.log(dear_s * trial.need.cores), count + 1)
        if not trial.fidelity.since:
            cost_s = self._cost_s(measurement)
            self.shared_s += cost_s
            self.folds_s += cost_s if trial.fidelity.piece.fold else 0.0

    def _learn_low(self, trial: Trial, measurement: Measurement, cost_s: float) -> None:
        family = self._chain.family(trial.config)
        if family is not None:
            self.arms.setdefault(family, Arm()).learn(None, cost_s, fitted=False)
        self.low_count += 1
        merit = math.inf
        if measurement.outcome is Outcome.OK:
            merit = 0.0
            for metric in self._goal.metrics:
                change = measurement.samples.get(f"{metric.name}_change")
                if change is not None:
                    merit = metric.signed(change.values[0])
                    break
        prefix = self._chain.prefix(self.dearest, trial.config)
        fit_s = self._dear_s(measurement) / trial.fidelity.effort.get("rows", 1.0)
        self.low[prefix] = (merit, fit_s, trial.config)

    def _learn_place(self, record: Record) -> None:
        baseline = self.ranked.baseline
        moved = self.ranked.evidence.records.values() if record is baseline else (record,)
        for each in moved:  # all stand where they do beside the baseline
            self._put(each)

    def _put(self, record: Record) -> None:
        id_ = record.config.id
        for board, old in zip(self.boards, self._places.get(id_, ()), strict=False):
            if old is not None:
                del board[bisect.bisect_left(board, (old, id_))]
        holds = self.holds(record)
        places = tuple(
            self._target(record, turn) if holds else None for turn in range(len(self.boards))
        )
        self._places[id_] = places
        self.broken.pop(id_, None)
        self.unsound.discard(id_)
        if not holds:
            self.unsound.add(id_)
        if not holds and not record.config.members:
            self.broken[id_] = record.config
        for board, new in zip(self.boards, places, strict=True):
            if new is not None:
                bisect.insort(board, (new, id_))

    def holds(self, record: Record) -> bool:
        """No run of it fails, and no constraint is broken by more than chance explains."""
        if record.failing(FAILING):
            return False
        return all(self._inside(record, c) for c in self._goal.constraints)

    def _inside(self, record: Record, constraint: Constraint) -> bool:
        slack = self.ranked.slack(record, constraint)
        return slack is None or slack.value >= -slack.error

    def _target(self, record: Record, turn: int) -> float | None:
        """What a turn's model learns: less is better; None where it is not known, or not to be.

        What is positive by nature counts by its logarithm. Beside a later objective the others
        must stay within their margins: what is worse on them is no gain.
        """
        metric, baseline = self._goal.objectives[turn], self.ranked.baseline
        value = record.value(metric)
        if value is None or baseline is None:
            return None
        if turn:
            others = [m for m in self._goal.objectives if m is not metric]
            if not all(self._inside(record, within_margin(m)) for m in others):
                return None
        return target(record, metric, baseline)

    def _learn_foreseen(
        self, low: tuple[float, float, Config] | None, measurement: Measurement
    ) -> None:
        """How well few rows have told how long all of them take."""
        took_s = self._dear_s(measurement)
        whole = measurement.outcome is Outcome.OK and low is not None and low[1] > 0
        if low is not None and whole and took_s > 0:
            self.foreseen = low[1] / took_s

    def _dear_s(self, measurement: Measurement) -> float:
        made = [s for s in measurement.spans if s.stage == self.dearest and not s.cached]
        return sum(s.end_s - s.start_s for s in made)

    def _learn_config(
        self, trial: Trial, record: Record, measurement: Measurement, cost_s: float, best: float
    ) -> None:
        """Whose doing it was, and what may follow from it."""
        config, chain = trial.config, self._chain
        key, prefix = chain.key(config), chain.prefix(self.dearest, config)
        first = config if config.members else self.prefixes.setdefault(prefix, config)
        self._learn_foreseen(self.low.pop(prefix, None), measurement)
        self.made.add(key)
        now = self.place(record)
        # The baseline would be there anyway, and may be many times slower than all others.
        if not trial.fidelity.piece.fold and record is not self.ranked.baseline:
            part = self.prefix if first == config else self.variant
            known = now is not None and best < math.inf
            part.learn(cost_s, max(best - now, 0.0) if known and now is not None else 0.0)
        family = chain.family(config)
        if family is not None and not config.members:
            fitted = first == config and not trial.fidelity.since
            self.arms.setdefault(family, Arm()).learn(now, cost_s, fitted=fitted)
        if trial.fidelity.since:
            self.timed += record.measured == 1
            self.gathered, self.gathered_s = 0, 0.0
            self.untimed.pop(key, None)

    def _best(self) -> float:
        return self.boards[0][0][0] if self.boards[0] else math.inf

    def _learn_noise(self, trial: Trial, record: Record) -> None:
        """How far a repeat is from the mean of those before it."""
        if trial.fidelity.piece.repeat < 1 or record.measured < 2:
            return
        self.repeats += 1
        for metric in self._goal.objectives:
            known, fold = record.readings.get(metric.name, {}), trial.fidelity.piece.fold
            values = [r.value for piece, r in known.items() if piece.fold == fold]
            if metric.since and len(values) > 1 and min(values) > 0:
                before = [math.log(value) for value in values[:-1]]
                apart = math.log(values[-1]) - sum(before) / len(before)
                total, count = self._spread
                self._spread = (total + apart**2 / (1 + 1 / len(before)), count + 1)
                return

    def _refresh(self) -> None:
        """Another snapshot, where enough has happened since the last one."""
        last = self.snapshot.ended if self.snapshot else 0
        rows = min(self.ended, 2 * LEARNED)
        worth_s = (MODEL_S + MODEL_ROW_S * rows) / MODEL_SHARE
        few = self.ended < MANY and self._since_s >= worth_s
        if self.snapshot is None or few or self.ended - last >= max(1, GROWTH * last):
            self.snapshot = self._snapshot()
            self._since_s = 0.0

    def _snapshot(self) -> Snapshot:
        newest = tuple([*self.prefixes.values()][-NEWEST:])
        if self.hopeless:
            return self._shortfalls(newest)
        records, baseline = self.ranked.evidence.records, self.ranked.baseline
        broken = [*self.broken.values()][-LEARNED:]
        every, elites = [], []
        for turn, board in enumerate(self.boards):
            known: list[Row] = [
                (records[id_].config, place)
                for place, id_ in board[:LEARNED]
                if not records[id_].config.members
            ]
            elites.append(tuple(config for config, _ in known[:ELITE]))
            rows: list[Row] = [*known, *((config, None) for config in broken)]
            first: Row | None = None
            if baseline is not None:
                first = (baseline.config, self.place(baseline, turn))
                rows = [row for row in rows if row[0] != baseline.config]
            every.append(tuple([first, *rows] if first else rows))
        families = {family: record.config for family, record in self.families().items()}
        return Snapshot(self.ended, tuple(every), tuple(elites), families, newest)

    @property
    def hopeless(self) -> bool:
        """Whether everything that is fully measured breaks a constraint."""
        first = next(iter(self.ranked.best(1)), None)
        standing = self.ranked.standing(first) if first else None
        return standing is not None and standing.tier > 1

    def _shortfalls(self, newest: tuple[Config, ...]) -> Snapshot:
        """What teaches a model to hold the constraints first, on every turn."""
        ranked = [r for r in self.ranked.best(2 * LEARNED) if not r.config.members]
        placed = [(record, self.ranked.standing(record)) for record in ranked]
        rows: list[Row] = [
            (record.config, None if record.failing(FAILING) else standing.shortfall)
            for record, standing in placed
            if standing is not None
        ]
        baseline = self.ranked.baseline
        elite, turns = tuple(config for config, _ in rows[:ELITE]), len(self.boards)
        rows.sort(key=lambda row: baseline is None or row[0] != baseline.config)
        families: dict[Value, Config] = {}
        for record in ranked:
            family = self._chain.family(record.config)
            if family is not None:
                families.setdefault(family, record.config)
        return Snapshot(self.ended, (tuple(rows),) * turns, (elite,) * turns, families, newest)

    def families(self) -> dict[Value, Record]:
        """The best of each family, as far as they are among the first of the first board."""
        best: dict[Value, Record] = {}
        for record in self.board(0, 2 * LEARNED):
            family = self._chain.family(record.config)
            if family is not None and not record.config.members:
                best.setdefault(family, record)
        return best


def target(record: Record, metric: Metric, baseline: Record) -> float | None:
    """A config's value as a number of which less is better."""
    if metric.evidence == "rows":
        change = record.change(metric, baseline)
        return change.value if change is not None else None
    value = record.value(metric)
    if value is None:
        return None
    if metric.scale == "ratio" and value > 0:
        return metric.signed(math.log(value))
    return metric.signed(value)
