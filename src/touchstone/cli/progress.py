"""Shows a running measurement on stderr: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TextIO

from touchstone.cli.inert import inert
from touchstone.cli.live_line import LiveLine
from touchstone.clock import now_ns
from touchstone.message import Message, Translate, say
from touchstone.plan import Plan
from touchstone.units import seconds

_PLAIN_PERIOD_S = 10.0  # of what is written one below the other
_PHASES: Mapping[str, Message] = {
    "verify": say("verifying"), "pilot_marked": say("pilot"), "pilot_plain": say("pilot"), "pilot_warmup": say("pilot"),
    "warmup": say("warming up"), "measured": say("measuring"),
}


class Progress:
    """Counts work in output tokens, which is what time is roughly proportional to, and says how much is left."""

    def __init__(self, plan: Plan, translate: Translate, ui: str, stream: TextIO = sys.stderr) -> None:
        self._plan, self._translate, self._line = plan, translate, LiveLine(ui, stream)
        self._work = {case.name: case.output_tokens * (1 + (case.batch_size - 1) / 4) for case in plan.cases}
        warmups = plan.warmup if isinstance(plan.warmup, int) else 12
        first = next((self._work[case.name] for case in plan.cases if case.speed), 0.0)
        self._total = plan.launches * sum(self._work.values()) * (warmups + plan.trials) + first * (2 * plan.observer_pairs + 1)
        self._done, self._current = 0.0, 0.0
        self._started_ns = 0
        self._said_ns = 0
        self._last = ""

    def __call__(self, kind: str, event: Mapping[str, Any]) -> None:
        """Take one event of the run."""
        if self._line.silent:
            return
        if kind == "environment":
            self._said_ns = now_ns()
            self._line.say(self._translate("launch {launch} of {total}: loading").format(
                launch=event["launch"] + 1, total=self._plan.launches))
        elif kind == "server":
            self._on_waiting(event)
        elif kind == "trial":
            self._on_trial(event)
        elif kind == "crash":
            self._line.say(say("the process was lost in case {case} ({how}); going on without that case", case=event["case"],
                               how=event["how"]).render(self._translate))

    def _on_waiting(self, event: Mapping[str, Any]) -> None:
        """A server that is being started: how long so far, and the last line it wrote."""
        text = self._translate("waiting for the server, {waited} s").format(waited=round(event["waited_s"]))
        says = inert(event["says"]).strip()
        text += f" · {says}" if says else ""
        now = now_ns()
        if self._line.live:
            self._line.show(text)
        elif seconds(now - self._said_ns) > _PLAIN_PERIOD_S:
            self._said_ns = now
            self._line.say(text)

    def _on_trial(self, event: Mapping[str, Any]) -> None:
        now = now_ns()
        self._started_ns = self._started_ns or now
        self._done += self._current
        self._current = self._work.get(event["case"], 0.0)
        phase = _PHASES[event["phase"]].render(self._translate)
        text = f"{phase} {event['case']} #{event['index'] + 1}{self._left(now)}"
        changed = f"{phase} {event['case']}" != self._last
        if self._line.live:
            self._line.show(text)
        elif changed and seconds(now - self._said_ns) > _PLAIN_PERIOD_S:
            self._said_ns = now
            self._line.say(text)
        self._last = f"{phase} {event['case']}"

    def _left(self, now: int) -> str:
        if not self._done or not self._total:
            return ""
        elapsed = seconds(now - self._started_ns)
        left = max(0.0, elapsed * (self._total / self._done - 1))
        share = min(99, round(100 * self._done / self._total))
        return " · " + self._translate("{share} %, about {left} s left").format(share=share, left=round(left))

    def close(self) -> None:
        """Leave the terminal as it was found."""
        self._line.close()
