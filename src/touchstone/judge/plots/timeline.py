"""What happened when at a point of load, in equal slices of time, gathered while its events pass by."""

from __future__ import annotations

from typing import Any

import numpy as np

from touchstone.judge import metrics, stats
from touchstone.judge.load.scan import Arrivals, Offered
from touchstone.judge.load.window import Stretch, span_of
from touchstone.judge.plots.gantt import window_s
from touchstone.plots import Timeline, TimelineSlice

MOST_SLICES = 60
_LEAST_SLICES = 10
_PER_SLICE = 10  # requests: twice what a median needs, since they do not come evenly
_DIGITS = 9  # of seconds: gaps are kept in 32 bits
Floats = np.ndarray[Any, np.dtype[Any]]


class Clockwork:
    """The slices of one point. Times start with the first request sent, at the edge of the first slice."""

    def __init__(self, offered: Offered) -> None:
        span = span_of(offered.requests)
        self._span = Stretch(span.start_ns - 1, span.end_ns, steady=False) if span is not None and span.end_ns > span.start_ns else None
        self.count = min(max(_LEAST_SLICES, len(offered.requests) // _PER_SLICE), MOST_SLICES)
        self._tokens = np.zeros(self.count + 1)
        self._gap_places: list[np.ndarray[Any, np.dtype[np.uint8]]] = []

    def add(self, arrivals: Arrivals) -> None:
        """Count a batch of events."""
        if self._span is not None:
            self._tokens += np.bincount(self._span.slice_of(arrivals.at_ns, self.count), weights=arrivals.tokens, minlength=self.count + 1)
            self._gap_places.append(self._span.slice_of(arrivals.gap_ended_ns, self.count).astype(np.uint8))

    def timeline(self, offered: Offered) -> Timeline | None:
        """The slices of ``offered``, whose events have all passed by; None where no time passed."""
        span = self._span
        if span is None:
            return None
        places = np.concatenate(self._gap_places) if self._gap_places else np.zeros(0, dtype=np.uint8)
        gaps = _by_slice(offered.gaps_s, places, self.count)
        values = metrics.ttft(offered.requests)
        known = ~np.ma.getmaskarray(values)
        waits = _by_slice(values.data[known], span.slice_of(offered.requests.sent_ns.data[known], self.count), self.count)
        width = span.seconds / self.count
        slices = tuple(TimelineSlice((place + 0.5) * width, float(self._tokens[place]) / width, *_median_and_p95(waits[place]),
                                     *_median_and_p95(gaps[place]), _largest(gaps[place])) for place in range(self.count))
        return Timeline(offered.point.case, slices, window_s(offered, span.start_ns + 1))


def _by_slice(values: Floats, places: Floats, count: int) -> list[Floats]:
    """The values of each slice."""
    order = np.argsort(places, kind="stable")
    return np.split(values[order], np.searchsorted(places[order], np.arange(1, count + 1)))[:count]


def _median_and_p95(values: Floats) -> tuple[float | None, float | None]:
    wanted = [probability for probability in (0.5, 0.95) if len(values) >= stats.least_n(probability)]
    found = [round(value, _DIGITS) for value in stats.quantiles(values, wanted)] if wanted else []
    middle, high, *_ = (*found, None, None)
    return middle, high


def _largest(values: Floats) -> float | None:
    return round(float(values.max()), _DIGITS) if len(values) else None
