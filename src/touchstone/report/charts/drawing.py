"""Chart → static SVG, by Vega-Lite inside vl-convert (the extra ``charts``). Both languages are in the drawing and a page shows one."""

from __future__ import annotations

from collections.abc import Sequence

from touchstone.report.charts import svg
from touchstone.report.charts.chart import Chart
from touchstone.report.charts.encoding import LEFT, WIDTH
from touchstone.report.charts.stand_ins import StandIns
from touchstone.report.vega.board import DrawingBoard, installed, svgs_of

_FULL = WIDTH + LEFT + 28


def draw(charts: Sequence[Chart], board: DrawingBoard | None = None) -> list[str | None] | None:
    """One SVG per chart, in order, by ``board`` or else by this process; None where vl-convert is not installed.

    A picture that Vega cannot draw is None: its numbers stand in its table, and a report is not lost for it.
    """
    if not installed():
        return None
    standing = [StandIns(chart.texts) for chart in charts]
    plain = (board.svgs_of if board else svgs_of)([one.put_into(chart.spec) for one, chart in zip(standing, charts, strict=True)])
    return [None if one is None else svg.rewritten(one, chart, texts, _FULL) for one, chart, texts in zip(plain, charts, standing, strict=True)]
