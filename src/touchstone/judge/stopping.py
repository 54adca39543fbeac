"""When is a case warm, and when is it precise enough? Asked by a measurement, answered here, from the trials alone."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.judge import stats
from touchstone.judge.columns import window_of
from touchstone.judge.metrics import output_throughput
from touchstone.record import Trial

LEAST_TRIALS = stats.LEAST_UNITS


def enough(trials: Sequence[Trial], half_width: float) -> bool:
    """Whether the throughput of ``trials`` is known within ``half_width`` (relative, 95 %)."""
    rates = [rate for trial in trials if (window := window_of(trial)) and (rate := output_throughput(window))]
    return stats.known_within(rates, half_width)


def warm_after(trials: Sequence[Trial]) -> int | None:
    """The number of warm-up trials after which a pilot is steady; None while it is not. The first two trials never count."""
    durations = [(trial.ended_ns - trial.sent_ns) * 1.0 for trial in trials]
    steady = len(durations) >= 2 + stats.PROBE and stats.is_steady(durations)
    return len(durations) - stats.PROBE if steady else None
