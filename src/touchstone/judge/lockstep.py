"""Whether a batch was one: then one request's time is the batch's time."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.record import Trial

_TOGETHER = 0.005


def in_lockstep(trials: Sequence[Trial]) -> bool:
    """Whether the sequences of each batch began and ended together, so that one request's time is the batch's time."""
    for trial in trials:
        stamps = [(record.event_ns[0], record.event_ns[-1]) for record in trial.records if record.event_ns]
        if len({record.sent_ns for record in trial.records}) > 1 or not stamps:
            return False
        allowed = _TOGETHER * (trial.ended_ns - trial.sent_ns)
        if any(max(column) - min(column) > allowed for column in zip(*stamps, strict=True)):
            return False
    return bool(trials)
