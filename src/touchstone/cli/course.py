"""How much of a measurement is done, as far as that can be told while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.load_plan import LoadPlan
from touchstone.plan import Plan
from touchstone.units import seconds

_AUTO_WARMUPS = 12
_PER_SEQUENCE = 0.25  # a batch of n takes about as long as 1 + (n - 1) / 4 of one


class RunCourse:
    """Counts the work of a run in output tokens, which is what time is roughly proportional to."""

    def __init__(self, plan: Plan) -> None:
        self._work = {case.name: case.output_tokens * (1 + (case.batch_size - 1) * _PER_SEQUENCE) for case in plan.cases}
        warmups = plan.warmup if isinstance(plan.warmup, int) else _AUTO_WARMUPS
        first = next((self._work[case.name] for case in plan.cases if case.speed), 0.0)
        self._total = plan.launches * sum(self._work.values()) * (warmups + plan.trials) + first * (2 * plan.observer_pairs + 1)
        self._done = 0.0

    def hear(self, kind: str, event: Mapping[str, Any], at_ns: int) -> None:  # noqa: ARG002 - a course counts work, not time
        """Take one event of a run."""
        if kind == "played":
            self._done += self._work.get(event["case"], 0.0)

    @property
    def share(self) -> float | None:
        """0 to 1; None where there is nothing that could be counted."""
        return min(self._done / self._total, 1.0) if self._total else None


class LoadCourse:
    """Counts the points of a load test: each load as often as it is repeated, as far as its requests or its time have gone.

    Without a ``plan`` (a search finds out itself what it still has to try) nothing is known of the whole.
    """

    def __init__(self, plan: LoadPlan | None) -> None:
        self._points = 0 if plan is None else len(plan.loads) * plan.repeats
        self._played = 0
        self._point: Mapping[str, Any] = {}
        self._started_ns = 0
        self.point_share = 0.0
        """How much of the point that is being played is done, 0 to 1."""

    def hear(self, kind: str, event: Mapping[str, Any], at_ns: int) -> None:
        """Take one event of a load test."""
        if kind == "point":
            self._point, self._started_ns, self.point_share = event, at_ns, 0.0
        elif kind == "counts" and self._point:
            # Of a load that ends with the time, more requests are prepared than will be sent.
            duration_s = self._point["duration_s"]
            share = seconds(at_ns - self._started_ns) / duration_s if duration_s else event["ended"] / max(1, self._point["requests"])
            self.point_share = min(share, 1.0)
        elif kind == "played":
            self._played, self._point, self.point_share = self._played + 1, {}, 0.0

    @property
    def share(self) -> float | None:
        """0 to 1; None where the whole is not known."""
        return min((self._played + self.point_share) / self._points, 1.0) if self._points else None
