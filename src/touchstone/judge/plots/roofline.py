"""Where prefill and decode of each case lie under the roof of the devices: operations per byte, and operations per second."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.finding import CaseFinding, Findings
from touchstone.judge.limits.peaks import Peaks
from touchstone.judge.limits.shares import Limits, Phase
from touchstone.message import Message, say
from touchstone.plots import Roofline, RooflinePoint
from touchstone.record import Run


def roofline_of(run: Run, findings: Findings) -> Roofline | Message:
    """The roofline of ``run`` with a point for each phase of each case that was measured, or why there is none.

    Where the peak of the arithmetic is not known the roof is the slope of the bandwidth alone, also for prefill.
    """
    limits = Limits(run)
    peaks = limits.peaks
    if isinstance(peaks, Message):
        return peaks
    if isinstance(limits.costs, Message):
        return limits.costs
    points = tuple(point for case in findings.cases if case.ok for point in _points(limits, peaks, case))
    if not points:
        return say("the engine does not count the parameters of the model, or nothing was measured")
    return Roofline(peaks.device, peaks.bandwidth, peaks.flops, peaks.source, points)


def _points(limits: Limits, peaks: Peaks, case: CaseFinding) -> Iterator[RooflinePoint]:
    for phase in (limits.prefill(case), limits.decode(case)):
        if isinstance(phase, Phase) and phase.flops:
            yield RooflinePoint(case.name, phase.name, case.trust, phase.flops / phase.read_bytes, phase.flops / phase.seconds,
                                phase.least_s(peaks) / phase.seconds)
