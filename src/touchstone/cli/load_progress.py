"""Shows a running load test on stderr: a row for each load on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from touchstone.cli.course import LoadCourse
from touchstone.cli.inert import inert
from touchstone.cli.live_table import LiveTable, Row
from touchstone.message import Message, Translate, say
from touchstone.units import NS_PER_S, seconds, significant

_RATE_NS = 5 * NS_PER_S
"""The rate that is shown is over the last so many seconds."""
HEADS = (say("phase"), say("answered"), say("failed"), say("under way"), say("requests/s now"))


@dataclass
class _Seen:
    """What is known so far of a load, of all its repeats together. ``asked`` is None where it ends with the time."""

    phase: Message
    asked: int | None = 0
    ended: int = 0
    failed: int = 0
    under_way: int = 0
    rate: float | None = None
    before: tuple[int, int] = (0, 0)

    def cells(self, translate: Translate) -> tuple[str, ...]:
        """In the order of ``HEADS``."""
        answered = f"{self.ended:,}/{self.asked:,}" if self.asked else f"{self.ended:,}"
        return (self.phase.render(translate), answered, str(self.failed), str(self.under_way),
                "-" if self.rate is None else significant(self.rate, 3))


class LoadProgress:
    """Listens to a load test: what is being done, and how many requests were sent, ended and failed. ``loads`` are those known before."""

    def __init__(self, course: LoadCourse, loads: Sequence[str], translate: Translate, ui: str, stream: TextIO | None = None) -> None:
        self._course, self._translate = course, translate
        self._table = LiveTable(HEADS, translate, ui, stream)
        self._line, self.period_s = self._table.line, self._table.period_s
        self._loads = {load: _Seen(say("waiting")) for load in loads}
        self._case, self._name = "", ""
        self._point: Mapping[str, Any] = {}
        self._recent: deque[tuple[int, int]] = deque()
        self._state = ""
        self._began_ns = self._started_ns = 0

    def hear(self, kind: str, event: Mapping[str, Any], at_ns: int) -> None:
        """Take one event of the load test."""
        self._began_ns = self._began_ns or at_ns
        self._course.hear(kind, event, at_ns)
        if heard := getattr(self, f"_on_{kind}", None):
            heard(event, at_ns)

    def tick(self, at_ns: int) -> None:
        """Time goes by, and a load may be long in preparing."""
        self._draw(at_ns)

    def close(self) -> None:
        """Leave the terminal as it was found."""
        self._line.close()

    def say(self, text: str) -> None:
        """One line that stays."""
        self._line.say(inert(text))

    def _on_note(self, event: Mapping[str, Any], _at_ns: int) -> None:
        self.say(event["message"].render(self._translate))

    def _on_warning(self, event: Mapping[str, Any], _at_ns: int) -> None:
        self.say(event["message"].render(self._translate))

    def _on_calibration(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._enter(event["load"], say("calibrating"), at_ns)
        self.say(self._translate("measuring the client's own error at {load}").format(load=event["load"]))

    def _on_calibrated(self, event: Mapping[str, Any], _at_ns: int) -> None:
        if event.get("floor_s") is not None:
            self.say(self._translate("measurement floor: TTFT ± {floor} ms").format(floor=significant(1e3 * event["floor_s"], 2)))
        else:
            self.say(self._translate("the client's own error could not be measured: {reason}").format(reason=event.get("reason")))

    def _on_preparing(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._enter(event["case"], say("preparing"), at_ns)

    def _on_warmup(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._enter(event["case"], say("warming up"), at_ns)

    def _on_point(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._enter(event["case"], say("measuring"), at_ns)
        self._point = event
        self._name = event["case"] if not event["repeat"] else f"{event['case']} #{event['repeat'] + 1}"
        seen = self._loads[event["case"]]
        seen.before = (seen.ended, seen.failed)
        # Of a load that ends with the time, more requests are prepared than will be sent.
        seen.asked = None if event["duration_s"] or seen.asked is None else seen.asked + event["requests"]
        self._started_ns = at_ns
        self._table.rest(at_ns)
        self._recent.clear()

    def _on_counts(self, event: Mapping[str, Any], at_ns: int) -> None:
        if not self._point:
            return
        seen = self._loads[self._case]
        seen.ended, seen.failed = seen.before[0] + event["ended"], seen.before[1] + event["failed"]
        seen.under_way = event["sent"] - event["ended"]
        self._recent.append((at_ns, event["ended"]))
        while at_ns - self._recent[0][0] > _RATE_NS:
            self._recent.popleft()
        passed_ns, ended = at_ns - self._recent[0][0], event["ended"] - self._recent[0][1]
        seen.rate = ended / seconds(passed_ns) if passed_ns > NS_PER_S // 2 else seen.rate
        if not self._table.is_due(at_ns):
            return
        if self._line.live:
            self._draw(at_ns)
        else:
            self._table.rest(at_ns)
            self.say(self._plain(event, at_ns))

    def _on_played(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._enter(event["case"], say("done"), at_ns)
        self._point = {}

    def _enter(self, case: str, phase: Message, at_ns: int) -> None:
        self._case = case
        self._loads.setdefault(case, _Seen(phase)).phase = phase
        self._draw(at_ns)

    def _plain(self, event: Mapping[str, Any], at_ns: int) -> str:
        counts = self._translate("{case}: {ended} answered, {under_way} under way, {failed} failed, {elapsed} s") if self._point["duration_s"] else \
            self._translate("{case}: {ended} of {requests} answered, {under_way} under way, {failed} failed, {elapsed} s")
        elapsed_s = seconds(at_ns - self._started_ns)
        text = counts.format(case=self._name, ended=event["ended"], requests=self._point["requests"], under_way=event["sent"] - event["ended"],
                             failed=event["failed"], elapsed=round(elapsed_s))
        return text + self._left(elapsed_s, self._course.point_share)

    def _left(self, elapsed_s: float, share: float | None) -> str:
        if not share or share >= 1:
            return ""
        return self._translate(", about {left} s left").format(left=round(elapsed_s * (1 / share - 1)))

    def _draw(self, at_ns: int) -> None:
        if not self._line.live or not self._began_ns:
            return
        rows = [Row(name, seen.cells(self._translate), now=name == self._case) for name, seen in self._loads.items()]
        self._table.draw(self._headline(at_ns), rows, at_ns)

    def _headline(self, at_ns: int) -> str:
        """How long so far, and how long yet: of the whole where it is known, else of the load that is being offered."""
        elapsed_s = seconds(at_ns - self._began_ns)
        text = self._translate("{elapsed} s so far").format(elapsed=round(elapsed_s))
        if self._course.share is not None:
            return text + self._left(elapsed_s, self._course.share)
        return text + self._left(seconds(at_ns - self._started_ns), self._course.point_share)
