"""Run: what a function may ask for and tell while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from tunewright.errors import InputError, check_type
from tunewright.workloads.checkpoints import Checkpoint
from tunewright.workloads.functions.answers import Numbers, read_report

Report = Callable[[float, Mapping[str, Numbers]], None]


@final
@dataclass
class Run:
    """One run of a function, as the function sees it.

    seed: of all chance in it; another one for each run that is to be new evidence, and the same for
    both runs of a pair. Where the function does not ask, `random`, NumPy and PyTorch were seeded
    with it. step: epochs (or reports) that are over, those of the run that it continues among them.
    """

    seed: int
    step: int = 0
    reported: dict[str, Numbers] = field(default_factory=dict)
    _report: Report | None = None
    _checkpoint: Checkpoint | None = None
    _spent: Callable[[], Mapping[str, float]] = dict
    _counting: bool = False
    _asked: bool = False

    def epochs(self, count: int) -> Iterator[int]:
        """0, 1, … count - 1, and from the middle on where this run continues a checkpoint.

        At the end of each epoch what is in `checkpoint` is kept.
        """
        check_type("epochs", count, int, "100")
        self._counting = True
        for epoch in range(self.step, count):
            yield epoch
            self.step = epoch + 1
            self._keep()

    @property
    def checkpoint(self) -> Path:
        """A directory whose files outlive the process: enough of them to go on from.

        They are kept at the end of each epoch, else with each report; a run that continues finds
        them there, as they were then. Within an epoch nothing that is half written is ever kept.
        """
        if self._checkpoint is None:
            raise InputError("expected to be called by a study; got run.checkpoint without one")
        self._asked = True
        self._checkpoint.files.mkdir(parents=True, exist_ok=True)
        return self._checkpoint.files

    def report(self, step: float | None = None, /, **metrics: object) -> None:
        """Tell how good it is by now; the search may have seen enough, and end the run here.

        step: how far it is; by default the epochs, or where it counts none, the reports so far.
        Raises InputError once the run is over.
        """
        if self._report is None:
            raise InputError("expected run.report while the function runs; got it after the end")
        if step is None:
            self.step += 0 if self._counting else 1
            step = self.step + 1 if self._counting else self.step
        numbers = read_report(metrics)
        self.reported |= numbers
        if not self._counting:
            self._keep()
        self._report(float(step), numbers)

    def close(self) -> None:
        """Take no more reports."""
        self._report = None

    def _keep(self) -> None:
        if self._checkpoint is not None and self._asked:
            body = {"step": self.step, "reported": self.reported, **self._spent()}
            self._checkpoint.keep(self.step, body)


def continued(
    seed: int,
    report: Report,
    checkpoint: Checkpoint,
    spent: Callable[[Mapping[str, Any]], Mapping[str, float]],
) -> tuple[Run, Mapping[str, Any]]:
    """A run that goes on from its checkpoint, and what was kept beside that.

    spent: what was spent so far, given what the continued run had spent.
    """
    before = checkpoint.restore()
    reported = {name: tuple(values) for name, values in before.get("reported", {}).items()}
    step = int(before.get("step", 0))
    run = Run(seed, step, reported, report, checkpoint, lambda: spent(before))
    return run, before
