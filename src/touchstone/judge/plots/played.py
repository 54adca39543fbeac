"""The trials of an engine run in the order they were played."""

from __future__ import annotations

from collections.abc import Iterable

from touchstone.judge.summarize import whole
from touchstone.record import Phase, Run, Trial

Ordered = tuple[tuple[int, Trial], ...]
"""Trials, each after its place, counted from 1."""


class Played:
    """The trials of a run with their places in it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._measured = _places(run.measured())
        self._all = _places(trial for trial in run.trials if trial.phase in {Phase.WARMUP, Phase.MEASURED})

    def whole(self, case: str) -> Ordered:
        """The trials that entered the estimates of ``case``, by their place among all measured trials of the run."""
        return tuple((self._measured[_key(trial)], trial) for trial in whole(self._run.measured(case)))

    def among_all(self, trial: Trial) -> int:
        """The place of a measured or warm-up trial among all of both."""
        return self._all[_key(trial)]

    def warmups(self, case: str) -> list[Trial]:
        """The warm-up trials of ``case`` that ended well."""
        return whole(trial for trial in self._run.trials if trial.case == case and trial.phase is Phase.WARMUP)


def _key(trial: Trial) -> tuple[int, int, int]:
    return trial.launch, trial.process, trial.sequence


def _places(trials: Iterable[Trial]) -> dict[tuple[int, int, int], int]:
    return {_key(trial): place for place, trial in enumerate(trials, 1)}
