"""Shows a running measurement on stderr: a row for each case on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from touchstone.cli.course import RunCourse
from touchstone.cli.inert import inert
from touchstone.cli.live_table import LiveTable, Row
from touchstone.message import Message, Translate, say
from touchstone.plan import Plan
from touchstone.units import seconds, significant

_PHASES: Mapping[str, Message] = {
    "verify": say("verifying"), "pilot_marked": say("pilot"), "pilot_plain": say("pilot"), "pilot_warmup": say("pilot"),
    "warmup": say("warming up"), "measured": say("measuring"),
}
HEADS = (say("phase"), say("trials"), say("tokens/s"), say("failed"))


@dataclass
class _Seen:
    """What is known of a case so far. The rate is of its measured trials: all their tokens over all their time."""

    phase: Message
    trials: int = 0
    failed: int = 0
    tokens: int = 0
    elapsed_s: float = 0.0
    counted: bool = True

    def add(self, event: Mapping[str, Any]) -> None:
        """Count a trial that ended."""
        if event["status"] != "ok":
            self.failed += 1
        elif event["phase"] == "measured":
            self.trials += 1
            self.elapsed_s += event["elapsed_s"]
            self.counted = self.counted and event["output_tokens"] is not None
            self.tokens += event["output_tokens"] or 0

    @property
    def rate(self) -> str:
        """Tokens per second so far; a dash where nobody counts tokens."""
        return significant(self.tokens / self.elapsed_s, 3) if self.counted and self.elapsed_s else "-"


class Progress:
    """Listens to a run and shows how far it is, what each case has given so far, and how long it may yet take."""

    def __init__(self, plan: Plan, translate: Translate, ui: str, stream: TextIO | None = None) -> None:
        self._plan, self._translate, self._course = plan, translate, RunCourse(plan)
        self._table = LiveTable(HEADS, translate, ui, stream)
        self._line, self.period_s = self._table.line, self._table.period_s
        self._cases = {case.name: _Seen(say("waiting")) for case in plan.cases}
        self._trials = plan.launches * plan.trials
        self._now: tuple[str, Message] | None = None
        self._launch = 0
        self._state = ""
        self._started_ns = 0

    def hear(self, kind: str, event: Mapping[str, Any], at_ns: int) -> None:
        """Take one event of the run."""
        if self._line.silent and kind != "note":
            return
        self._course.hear(kind, event, at_ns)
        if heard := getattr(self, f"_on_{kind}", None):
            heard(event, at_ns)

    def tick(self, at_ns: int) -> None:
        """Time goes by, and a trial may take long."""
        self._draw(at_ns)

    def close(self) -> None:
        """Leave the terminal as it was found."""
        self._line.close()

    def _on_note(self, event: Mapping[str, Any], _at_ns: int) -> None:
        self._line.insist(event["message"].render(self._translate))

    def _on_warning(self, event: Mapping[str, Any], _at_ns: int) -> None:
        self._line.say(inert(event["message"].render(self._translate)))

    def _on_start(self, _event: Mapping[str, Any], at_ns: int) -> None:
        self._started_ns, self._state = at_ns, self._translate("starting")
        self._draw(at_ns)

    def _on_environment(self, event: Mapping[str, Any], at_ns: int) -> None:
        self._launch, self._now = event["launch"], None
        self._started_ns = self._started_ns or at_ns
        self._table.rest(at_ns)
        self._state = self._translate("launch {launch} of {total}: loading").format(launch=event["launch"] + 1, total=self._plan.launches)
        if self._line.live:
            self._draw(at_ns)
        else:
            self._line.say(self._state)

    def _on_server(self, event: Mapping[str, Any], at_ns: int) -> None:
        """A server that is being started: how long so far, and the last line it wrote."""
        self._state = self._translate("waiting for the server, {waited} s").format(waited=round(event["waited_s"]))
        says = inert(event["says"]).strip()
        self._state += f" · {says}" if says else ""
        self._show(self._state, at_ns)

    def _on_crash(self, event: Mapping[str, Any], _at_ns: int) -> None:
        seen = self._seen(event["case"])
        seen.phase, seen.failed = say("failed"), max(seen.failed, 1)
        self._line.say(say("the process was lost in case {case} ({how}); going on without that case", case=event["case"],
                           how=event["how"]).render(self._translate))

    def _on_refused(self, event: Mapping[str, Any], _at_ns: int) -> None:
        self._seen(event["case"]).phase = say("does not fit")

    def _on_trial(self, event: Mapping[str, Any], at_ns: int) -> None:
        phase = _PHASES[event["phase"]]
        changed, self._now = self._now != (event["case"], phase), (event["case"], phase)
        if event["case"] in self._cases:
            self._cases[event["case"]].phase = phase
        self._state = ""
        if self._line.live:
            self._show("", at_ns)
        elif changed:
            self._show(f"{phase.render(self._translate)} {event['case']} #{event['index'] + 1}{self._left(at_ns)}", at_ns)

    def _on_played(self, event: Mapping[str, Any], _at_ns: int) -> None:
        if event["case"] in self._cases:
            self._cases[event["case"]].add(event)

    def _on_case(self, event: Mapping[str, Any], _at_ns: int) -> None:
        seen = self._seen(event["case"])
        seen.phase = say("failed") if seen.failed else say("done") if self._launch + 1 == self._plan.launches else say("waiting")

    def _seen(self, case: str) -> _Seen:
        return self._cases.setdefault(case, _Seen(say("waiting")))

    def _show(self, text: str, at_ns: int) -> None:
        """Draw, or say ``text`` where nothing has been said for a while."""
        if not self._table.is_due(at_ns):
            return
        if self._line.live:
            self._draw(at_ns)
        elif text:
            self._table.rest(at_ns)
            self._line.say(text)

    def _draw(self, at_ns: int) -> None:
        if not self._line.live or not self._started_ns:
            return
        rows = [Row(name, (seen.phase.render(self._translate), f"{seen.trials}/{self._trials}", seen.rate, str(seen.failed)),
                    now=self._now is not None and self._now[0] == name) for name, seen in self._cases.items()]
        self._table.draw(self._state or self._headline(at_ns), rows, at_ns)

    def _headline(self, at_ns: int) -> str:
        text = self._translate("launch {launch} of {total}").format(launch=self._launch + 1, total=self._plan.launches)
        if self._now is not None and self._now[0] not in self._cases:
            text += f" · {self._now[1].render(self._translate)}"
        elapsed = self._translate("{elapsed} s so far").format(elapsed=round(seconds(at_ns - self._started_ns)))
        return f"{text} · {elapsed}{self._left(at_ns)}"

    def _left(self, at_ns: int) -> str:
        share = self._course.share
        if not share:
            return ""
        left_s = seconds(at_ns - self._started_ns) * (1 / share - 1)
        return " · " + self._translate("{share} %, about {left} s left").format(share=min(99, round(100 * share)), left=round(left_s))
