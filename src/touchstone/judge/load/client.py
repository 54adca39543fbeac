"""May the client be believed? Its own error before the run, and how it did during it, against what it measured.

A rule gives a message and two limits: above the first the client is suspect, above the second what it measured is invalid.

What the report shows is measured by the kernel's stamps, which do not care when the client reads (docs/design/0005). A late reader
does harm when it finds two events in one read, since only the later one's stamp survives, and when it sends the next request
late. So its delay is held against the gap between events and against the TTFT; and one that is 5 ms late with more than one read
in a hundred has been interrupted again and again, whatever it measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from touchstone.finding import CaseFinding, ClientDoubt, ClientFinding, Soundness
from touchstone.header import mapping
from touchstone.judge import metrics, stats
from touchstone.judge.load.scan import Offered
from touchstone.message import Message, say
from touchstone.units import NS_PER_S, significant

LATE_TURN_NS = 5_000_000
"""A turn of the client's loop that takes longer was interrupted: by the collector, by another program, or by the client itself."""
LATE_READ_S = 0.005
SEND_LAG_S = 0.001
_GRAVITY = (Soundness.VALID, Soundness.SUSPECT, Soundness.INVALID)


@dataclass(frozen=True)
class Limit:
    """Above ``suspect`` a share is suspect, above ``invalid`` it is invalid."""

    suspect: float
    invalid: float

    def judge(self, share: float) -> Soundness:
        if share > self.invalid:
            return Soundness.INVALID
        return Soundness.SUSPECT if share > self.suspect else Soundness.VALID


FLOOR = Limit(0.02, 0.20)
READ_OF_GAP = Limit(0.50, 1.0)
READ_OF_TTFT = Limit(0.10, 0.50)
MEAN_READ = Limit(0.05, 0.25)
LATE_TIME = Limit(0.005, 0.05)
CPU = Limit(0.80, 0.95)
LATE_SENDS = Limit(0.01, 0.05)
LAG_OF_GAP = 0.10
_WHY: Mapping[str, Message] = {
    "not-asked": say("--no-calibrate was given"), "no-answer": say("no request to the reference server succeeded"),
}
Doubt = tuple[Soundness, Message]


def judge_client(header: Mapping[str, Any], cases: Sequence[tuple[CaseFinding, Sequence[Offered]]]) -> ClientFinding:
    """The verdict on the client of a run, from its calibration and its conduct at every point of every case."""
    worst, each = mapping(header.get("calibration")), mapping(header.get("calibrations"))
    floor_s = _number(worst.get("floor_s"))
    calibrations = {case.name: mapping(each.get(case.name)) or worst for case, _ in cases}
    doubts = [ClientDoubt(Soundness.SUSPECT, message) for message in dict.fromkeys(map(_uncalibrated, calibrations.values())) if message]
    for case, points in cases:
        found = [*_floor(case, calibrations[case.name]), *_conduct(case, points)]
        if not all(_processes(one) for one in points):
            found.append((Soundness.SUSPECT, say("nothing is known of how the client did while it played {case}", case=case.name)))
        doubts += [ClientDoubt(soundness, message, case.name) for soundness, message in found if soundness is not Soundness.VALID]
    notes = () if any(list(_delays(point)) for _, points in cases for point in points) else (
        say("cannot tell how late the client read: the kernel gave no stamps"),)
    return ClientFinding(floor_s, tuple(sorted(doubts, key=lambda doubt: -_GRAVITY.index(doubt.soundness))), notes)


def _uncalibrated(calibration: Mapping[str, Any]) -> Message | None:
    if _number(calibration.get("floor_s")) is not None:
        return None
    why = _WHY.get(str(calibration.get("reason")), calibration.get("reason"))
    return say("the client's own error was not measured before the run: {why}", why=why) if why else \
        say("the client's own error was not measured before the run")


def _floor(case: CaseFinding, calibration: Mapping[str, Any]) -> Iterator[Doubt]:
    floor_s, median = _number(calibration.get("floor_s")), _median(case, "ttft")
    if floor_s is not None and median:
        yield FLOOR.judge(floor_s / median), say(
            "measurement floor {floor} ms is {share} % of the median TTFT of {case}", floor=significant(1e3 * floor_s, 3),
            share=significant(100 * floor_s / median, 3), case=case.name)


def _conduct(case: CaseFinding, points: Sequence[Offered]) -> Iterator[Doubt]:
    """How the client's processes did while ``case`` was played; each doubt once, of the worst process."""
    for rule in (_read_delay, _mean_delay, _late_turns, _processor, send_lag_doubt):
        doubts = [doubt for one in points for doubt in rule(case, one)]
        if doubts:
            yield max(doubts, key=lambda doubt: _GRAVITY.index(doubt[0]))


def _read_delay(case: CaseFinding, offered: Offered) -> Iterator[Doubt]:
    for delay_s in _delays(offered, "p99"):
        if delay_s > LATE_READ_S:
            yield Soundness.SUSPECT, say("the client was interrupted while it played {case}: one read in a hundred was {delay} ms late",
                                         case=case.name, delay=significant(1e3 * delay_s, 3))
        for name, of, limit in (("itl", say("gap"), READ_OF_GAP), ("ttft", say("TTFT"), READ_OF_TTFT)):
            median = _median(case, name)
            if median:
                yield limit.judge(delay_s / median), say(
                    "the client read up to {delay} ms late (P99), {share} % of the median {of} of {case}",
                    delay=significant(1e3 * delay_s, 3), share=significant(100 * delay_s / median, 3), of=of, case=case.name)


def _mean_delay(case: CaseFinding, offered: Offered) -> Iterator[Doubt]:
    ttft = case.metrics["ttft"].value
    for delay_s in _delays(offered, "mean") if ttft else ():
        yield MEAN_READ.judge(delay_s / (ttft or 1.0)), say(
            "the client read {delay} ms late on average, {share} % of the mean TTFT of {case}", delay=significant(1e3 * delay_s, 3),
            share=significant(100 * delay_s / (ttft or 1.0), 3), case=case.name)


def _late_turns(case: CaseFinding, offered: Offered) -> Iterator[Doubt]:
    wall_ns = offered.point.ended_ns - offered.point.started_ns
    for process in _processes(offered):
        count = _number(process.get("late_loops")) or 0
        if wall_ns <= 0 or not count:
            continue
        longest_ns, total_ns = _number(process.get("longest_loop_ns")) or LATE_TURN_NS, _number(process.get("late_ns"))
        # Without their sum the late turns took at least the limit each, and at most the longest each.
        least = total_ns if total_ns is not None else (count - 1) * LATE_TURN_NS + longest_ns
        most = total_ns if total_ns is not None else count * longest_ns
        sound = Soundness.INVALID if least / wall_ns > LATE_TIME.invalid else \
            Soundness.SUSPECT if most / wall_ns > LATE_TIME.suspect else Soundness.VALID
        yield sound, say("the client's loop stood still {count} times for more than 5 ms (the longest {longest} ms) while it played {case}",
                         count=round(count), longest=significant(longest_ns / 1e6, 3), case=case.name)


def _processor(case: CaseFinding, offered: Offered) -> Iterator[Doubt]:
    for process in _processes(offered):
        share = _number(process.get("cpu_fraction"))
        if share is not None:
            yield CPU.judge(share), say("a process of the client used {share} % of its core while it played {case}",
                                        share=significant(100 * share, 3), case=case.name)


def send_lag_doubt(case: CaseFinding, offered: Offered) -> Iterator[Doubt]:
    """Of an open load that is not capped: there nobody but the client can make a request late."""
    lags = metrics.send_lag(offered.requests).compressed()
    load = offered.point.load
    if load.get("arrival") in {None, "burst"} or load.get("concurrency") or not len(lags):
        return
    planned = np.sort(offered.requests.scheduled_ns.compressed())
    mean_gap_s = float(planned[-1] - planned[0]) / (len(planned) - 1) / NS_PER_S if len(planned) > 1 else 0.0
    # Shares, not a P99: of a hundred requests one stall decides a P99, and says nothing of the other ninety-nine.
    late, harmful = (float(np.count_nonzero(lags > limit)) / len(lags) for limit in (SEND_LAG_S, max(SEND_LAG_S, LAG_OF_GAP * mean_gap_s)))
    sound = Soundness.INVALID if mean_gap_s and harmful > LATE_SENDS.invalid else \
        Soundness.SUSPECT if late > LATE_SENDS.suspect else Soundness.VALID
    yield sound, say("{share} % of the requests of {case} were sent more than 1 ms late, the latest {lag} ms; their mean gap is {gap} ms",
                     share=significant(100 * late, 3), case=case.name, lag=significant(1e3 * float(lags.max()), 3),
                     gap=significant(1e3 * mean_gap_s, 3))


def _delays(offered: Offered, statistic: str = "p99") -> Iterable[float]:
    """How late the client read, in seconds, by process; without their counts, by the largest delay of each answer."""
    known = [number / NS_PER_S for process in _processes(offered)
             if (number := _number(mapping(process.get("read_delay_ns")).get(statistic))) is not None]
    if known:
        return known
    largest = offered.requests.delay_ns.compressed() / NS_PER_S
    if not len(largest) or statistic == "mean":
        return []
    return stats.quantiles(largest, [0.99])


def _processes(offered: Offered) -> list[Mapping[str, Any]]:
    found = offered.point.client.get("processes")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, (list, tuple)) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _median(case: CaseFinding, metric: str) -> float | None:
    """The median where there are enough values, else the mean."""
    estimate = case.metrics[metric]
    median = estimate.quantiles.get("p50")
    return estimate.value if median is None else median
