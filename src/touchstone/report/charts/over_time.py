"""The axis of time that pictures of one load share: the same ends in every panel, the measured window shaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from touchstone.message import Message, say
from touchstone.plots import Point
from touchstone.report.charts import palette
from touchstone.report.charts.encoding import Scale, number_axis, scale_of

SECONDS = say("Seconds since the first request was sent")


@dataclass(frozen=True)
class Clock:
    """Seconds from the first request to the last thing that happened, and the stretch that was measured."""

    scale: Scale
    window_s: Point | None

    def axis(self, name: str, title: str | None) -> dict[str, Any]:
        """The horizontal channel of the field ``name``; without a ``title`` a panel leaves the numbers to the one below it."""
        return number_axis(name, title, self.scale, labels=title is not None)

    def window(self, title: str | None) -> list[dict[str, Any]]:
        """A layer that shades what was measured; none where nothing was."""
        if self.window_s is None:
            return []
        span = {"since": max(self.window_s[0], self.scale.low), "until": min(self.window_s[1], self.scale.high)}
        return [{"data": {"values": [span]}, "mark": {"type": "rect", "color": palette.MUTED, "opacity": 0.12},
                 "encoding": {"x": self.axis("since", title), "x2": {"field": "until"}}}]


def clock_of(seconds: Iterable[float], window_s: Point | None) -> Clock:
    """The axis from 0 to the last of ``seconds``."""
    last = max([*seconds, *(window_s or ())], default=0.0) or 1.0
    ticks = scale_of([0.0, last], log=False).ticks
    return Clock(Scale(0.0, last, tuple(tick for tick in ticks if tick <= last)), window_s)


def window_words(window_s: Point | None) -> Message:
    """What the shaded stretch is."""
    return say("Shaded: the measured window.") if window_s else say("No window was measured.")
