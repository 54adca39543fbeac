"""When each request waited and when it was answered, and how many were in flight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from touchstone.message import say
from touchstone.plots import Gantt, GanttBar
from touchstone.report.both import Both, both
from touchstone.report.charts import belief, palette
from touchstone.report.charts.chart import Chart, Key
from touchstone.report.charts.encoding import WIDTH, Scale, Words, number_axis, picture, scale_of
from touchstone.report.charts.labelling import UPRIGHT
from touchstone.report.charts.over_time import SECONDS, Clock, clock_of, window_words
from touchstone.report.charts.wording import about, headings, identifier
from touchstone.report.table import number, plain

_WAITING, _DECODING = 1, 0
_FAILED = 7
_BAR, _LEAST, _MOST = 2.6, 90, 280
_BELOW = 80
_ROOM = 1.08
"""Above the most requests in flight, so that they are not taken for the frame."""
_MOST_ROWS = 200
Panel = dict[str, Any]


def gantt(noun: Gantt, titles: Mapping[str, Both]) -> Chart | None:
    """The requests of one point of load over time; None where none was sent."""
    if not noun.bars:
        return None
    words, bars = Words(), sorted(noun.bars, key=lambda bar: bar.sent_s)
    clock = clock_of([*map(_last, bars), *(second for second, _ in noun.in_flight)], noun.window_s)
    title = words(SECONDS)
    panels = [_requests(bars, clock, words, None if noun.in_flight else title), *_in_flight(noun, clock, words, title)]
    return Chart(
        id=identifier("gantt", noun.case),
        title=about(belief.case_title(noun.case, titles), lambda case: say("Requests over time: {case}", case=case)),
        caption=both(say("Thin: waiting for the first token. Thick: tokens arriving. ✕: failed. {window} n = {shown} of {total} requests drawn.",
                         window=window_words(noun.window_s), shown=len(bars), total=f"{noun.total:,}")),
        spec=picture({"vconcat": panels, "bounds": "flush", "spacing": 32}), texts=words.all,
        columns=headings(say("Request"), say("Sent (s)"), say("First token (s)"), say("Ended (s)"), say("Ending")),
        rows=tuple(_row(bar) for bar in bars[:_MOST_ROWS]), legend=_legend(bars))


def _last(bar: GanttBar) -> float:
    return max(second for second in (bar.sent_s, bar.first_token_s, bar.ended_s) if second is not None)


def _requests(bars: Sequence[GanttBar], clock: Clock, words: Words, title: str | None) -> Panel:
    rows = Scale(float(len(bars)), 0.0, ())
    where = number_axis("row", words(say("Requests, in the order they were sent")), rows, domain=False, **UPRIGHT)
    waiting = [{"from": bar.sent_s, "to": bar.first_token_s if bar.first_token_s is not None else _last(bar), "row": row + 0.35, "below": row + 0.65}
               for row, bar in enumerate(bars)]
    decoding = [{"from": bar.first_token_s, "to": bar.ended_s, "row": row + 0.08, "below": row + 0.92}
                for row, bar in enumerate(bars) if bar.first_token_s is not None and bar.ended_s is not None]
    failed = [{"at": _last(bar), "row": row + 0.5} for row, bar in enumerate(bars) if _failed(bar)]
    x = clock.axis("from", title)
    layers = [*clock.window(title), _bars(waiting, _WAITING, x, where), _bars(decoding, _DECODING, x, where),
              {"data": {"values": failed}, "mark": {"type": "point", "shape": palette.CROSS, "size": 40, "stroke": palette.series(_FAILED), "strokeWidth": 1.8},
               "encoding": {"x": clock.axis("at", title), "y": where}}]
    return {"width": WIDTH, "height": min(max(_BAR * len(bars), _LEAST), _MOST), "layer": layers}


def _bars(rows: Sequence[Mapping[str, Any]], place: int, x: Mapping[str, Any], y: Mapping[str, Any]) -> Panel:
    return {"data": {"values": list(rows)}, "mark": {"type": "rect", "color": palette.series(place)},
            "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "y2": {"field": "below"}}}


def _in_flight(noun: Gantt, clock: Clock, words: Words, title: str) -> list[Panel]:
    if not noun.in_flight:
        return []
    steps = [{"second": second, "count": count} for second, count in noun.in_flight]
    y = number_axis("count", words(say("Requests in flight")), _whole(scale_of((_ROOM * row["count"] for row in steps), zero=True, ticks=4)), **UPRIGHT)
    mark = {"type": "line", "interpolate": "step-after", "color": palette.INK, "strokeWidth": 1.3}
    return [{"width": WIDTH, "height": _BELOW, "layer": [
        *clock.window(title),
        {"data": {"values": steps}, "mark": mark, "encoding": {"x": clock.axis("second", title), "y": y, "order": None}}]}]


def _whole(scale: Scale) -> Scale:
    """Requests are counted: no line between two of them."""
    return replace(scale, ticks=tuple(tick for tick in scale.ticks if tick == int(tick)))


def _failed(bar: GanttBar) -> bool:
    return bar.ending != "ok"


def _row(bar: GanttBar) -> tuple[Both | str, ...]:
    return (str(bar.request), number(bar.sent_s), number(bar.first_token_s), number(bar.ended_s), plain(bar.ending))


def _legend(bars: Sequence[GanttBar]) -> tuple[Key, ...]:
    keys = [Key(both(say("waiting for the first token")), _WAITING, mark="bar"), Key(both(say("tokens arriving")), _DECODING, mark="bar")]
    if any(map(_failed, bars)):
        keys.append(Key(both(say("failed")), _FAILED, crossed=True))
    return tuple(keys)
