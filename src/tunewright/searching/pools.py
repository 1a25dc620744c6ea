"""Pools: candidates that the models favour, drawn no further than they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, final

from tunewright.core.config import Config, Value
from tunewright.core.registry import resolve
from tunewright.core.roles import Problem
from tunewright.searching import MODEL
from tunewright.searching.chain import Chain
from tunewright.searching.state import Seen, Snapshot

LISTED = 400  # candidates of a pool, at most


class Asked(NamedTuple):
    """What candidates are asked for: by which objective, prefixes or variants, of which family."""

    turn: int
    kind: Literal["prefix", "variant"]
    family: Value | None = None


@final
@dataclass
class Pool:
    """Candidates of one kind, the most promising first, made as far as they were asked for."""

    source: Iterator[tuple[float, dict[str, Value]]]
    made: list[tuple[Config, str]] = field(default_factory=list)
    past: int = 0  # of these so many are known, and will be as long as there are these models


@final
@dataclass
class Modelled:
    """The models of one snapshot, by turn, the pools drawn from them, and the gains foretold."""

    snapshot: Snapshot
    models: dict[int, Any] = field(default_factory=dict)
    pools: dict[Asked, Pool] = field(default_factory=dict)
    gains: dict[str, float] = field(default_factory=dict)


@final
class Pools:
    """The models of what was measured, and their candidates. All is a function of the snapshot."""

    def __init__(self, problem: Problem, chain: Chain) -> None:
        self._space, self._seed, self._chain = problem.space, problem.seed, chain
        self._modelled: Modelled | None = None

    def first(
        self, seen: Seen, asked: Asked, is_new: Callable[[Config, str], bool]
    ) -> Config | None:
        """The most promising candidate that is new."""
        modelled = self._models(seen)
        pool = modelled.pools.get(asked)
        if pool is None:
            pool = modelled.pools[asked] = self._pool(modelled, seen, asked)
        while pool.past < len(pool.made) and pool.made[pool.past][1] in seen.made:
            pool.past += 1
        for i in range(pool.past, LISTED):
            if i == len(pool.made):
                values = next(pool.source, None)
                if values is None:
                    return None
                config = self._chain.config(
                    {k.name: values[1][k.name] for k in self._chain.searched}
                )
                pool.made.append((config, self._chain.key(config)))
            config, key = pool.made[i]
            if is_new(config, key):
                return config
        return None

    def gains(self, seen: Seen, configs: Sequence[Config], turn: int) -> list[float]:
        """What the model of a turn foretells of each; nothing of blends. Once for each snapshot."""
        modelled = self._models(seen)
        unknown = [c for c in configs if c.id not in modelled.gains and not c.members]
        if unknown:
            foretold = self._model(modelled, turn).improvement(unknown)
            modelled.gains.update(zip((c.id for c in unknown), foretold, strict=True))
        return [modelled.gains.get(config.id, 0.0) for config in configs]

    def _pool(self, modelled: Modelled, seen: Seen, asked: Asked) -> Pool:
        snapshot, chain = modelled.snapshot, self._chain
        elite = list(snapshot.elite[asked.turn]) or [chain.baseline]
        fixed: dict[str, Value] = {}
        if asked.kind == "variant":
            knobs = chain.late(seen.dearest)
            elite += [config for config in snapshot.newest if config not in elite]
        else:
            knobs = chain.upper(seen.dearest)
        family = asked.family
        if family is not None and chain.arm is not None:
            fixed = {chain.arm.name: family}
            own = [c for c in elite if c.get(chain.arm.name) == family]
            best = snapshot.families.get(family)
            own += [best] if best is not None and best not in own else []
            elite = own or elite[:1]
        free = [k.name for k in knobs if k.name not in fixed]
        kind = (asked.kind, family)
        return Pool(self._model(modelled, asked.turn).candidates(elite, free, fixed, kind))

    def _models(self, seen: Seen) -> Modelled:
        """The models of the newest snapshot."""
        snapshot = seen.snapshot
        assert snapshot is not None
        if self._modelled is None or self._modelled.snapshot is not snapshot:
            self._modelled = Modelled(snapshot)
        return self._modelled

    def _model(self, modelled: Modelled, turn: int) -> Any:
        if turn not in modelled.models:
            snapshot = modelled.snapshot
            seed = (self._seed, snapshot.ended, turn)
            modelled.models[turn] = resolve(MODEL)(self._space, snapshot.rows[turn], seed)
        return modelled.models[turn]
