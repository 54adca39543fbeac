"""Shows a running load test on stderr: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TextIO

from touchstone.cli.live_line import LiveLine
from touchstone.clock import now_ns
from touchstone.message import Translate
from touchstone.units import seconds, significant

_PLAIN_PERIOD_S = 10.0
_LIVE_PERIOD_S = 0.2


class LoadProgress:
    """Takes the events of a load test: what is being done, and how many requests were sent, ended and failed."""

    def __init__(self, translate: Translate, ui: str, stream: TextIO = sys.stderr) -> None:
        self._translate, self._line = translate, LiveLine(ui, stream)
        self._case, self._requests, self._duration_s = "", 0, None
        self._started_ns = self._said_ns = 0

    def __call__(self, kind: str, event: Mapping[str, Any]) -> None:
        """Take one event."""
        if kind == "calibration":
            self.say(self._translate("measuring the client's own error at {load}").format(load=event["load"]))
        elif kind == "calibrated" and event.get("floor_s") is not None:
            self.say(self._translate("measurement floor: TTFT ± {floor} ms").format(floor=significant(1e3 * event["floor_s"], 2)))
        elif kind == "calibrated":
            self.say(self._translate("the client's own error could not be measured: {reason}").format(reason=event.get("reason")))
        elif kind == "point":
            self._case = event["case"] if not event["repeat"] else f"{event['case']} #{event['repeat'] + 1}"
            self._requests, self._duration_s = event["requests"], event["duration_s"]
            self._started_ns = self._said_ns = now_ns()
        elif kind == "counts" and self._started_ns:
            self._count(event)

    def _count(self, event: Mapping[str, Any]) -> None:
        now = now_ns()
        if seconds(now - self._said_ns) < (_LIVE_PERIOD_S if self._line.live else _PLAIN_PERIOD_S):
            return
        self._said_ns = now
        elapsed_s = seconds(now - self._started_ns)
        # Of a load that ends with the time, more requests are prepared than will be sent.
        counts = self._translate("{case}: {ended} answered, {under_way} under way, {failed} failed, {elapsed} s") if self._duration_s else \
            self._translate("{case}: {ended} of {requests} answered, {under_way} under way, {failed} failed, {elapsed} s")
        text = counts.format(case=self._case, ended=event["ended"], requests=self._requests, under_way=event["sent"] - event["ended"],
                             failed=event["failed"], elapsed=round(elapsed_s))
        share = elapsed_s / self._duration_s if self._duration_s else event["ended"] / max(1, self._requests)
        if 0 < share < 1:
            text += self._translate(", about {left} s left").format(left=round(elapsed_s * (1 / share - 1)))
        (self._line.show if self._line.live else self._line.say)(text)

    def say(self, text: str) -> None:
        """One line that stays."""
        self._line.say(text)

    def close(self) -> None:
        """Leave the terminal as it was found."""
        self._line.close()
