"""Rules on times: what each answer's stamps, and all of them together, must add up to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from touchstone.finding import Judgement, Verdict
from touchstone.judge import metrics, stats
from touchstone.judge.audit.evidence import Rule
from touchstone.judge.load.evidence import LoadEvidence
from touchstone.judge.load.scan import Offered, Streams
from touchstone.judge.load.window import Stretch
from touchstone.message import say
from touchstone.served import Requests
from touchstone.units import NS_PER_S, significant

_ROUNDING_S = 1e-6
LITTLE_LIMIT = 0.05
LITTLE_BLUNT = 0.25
"""A bound that is wider than this proves nothing."""
IDLE_LIMIT = 0.10
E2E_SHARE = 1 / 3
_FULL_SLACK = 0.001
_PART = 1 << 16


def _times_add_up(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """e2e = ttft + (n - n1) * tpot, and last token - first token = sum of gaps: the requests' stamps are those of their events."""
    for case, points in evidence:
        worst = max((residue for one in points if (residue := _residue(one)) is not None), default=None)
        if worst is None:
            continue
        if worst <= _ROUNDING_S:
            yield Verdict(rule, Judgement.PASS, say("TTFT + later tokens x TPOT and TTFT + gaps give back E2E on every request"), case.name)
        else:
            yield Verdict(rule, Judgement.INCONSISTENT, say("TTFT + later tokens x TPOT, or + gaps, misses E2E by up to {worst} ms",
                                                            worst=significant(worst * 1e3, 3)), case.name, worst, unit="s")


def _residue(offered: Offered) -> float | None:
    """The worst of all requests, in seconds; a part of them at a time, so that memory does not grow with their number."""
    parts = (slice(start, start + _PART) for start in range(0, len(offered.requests), _PART))
    return max((worst for rows in parts if (worst := _residue_of(offered.requests.part(rows), offered.streams, rows)) is not None), default=None)


def _residue_of(requests: Requests, streams: Streams, rows: slice) -> float | None:
    ttft, e2e = metrics.ttft(requests), metrics.e2e(requests)
    by_rate = (e2e - ttft - metrics.later_tokens(requests) * metrics.tpot(requests)).compressed()
    gaps = np.ma.array(streams.gap_sum_ns[rows] / NS_PER_S, mask=streams.events[rows] == 0)
    by_gaps = (e2e - ttft - gaps).compressed()
    early = np.minimum(ttft.compressed(), 0.0)
    residues = [float(np.abs(values).max()) for values in (by_rate, by_gaps, early) if len(values)]
    return max(residues, default=None)


@dataclass(frozen=True)
class _Flow:
    """Of one steady stretch: mean in flight, requests ended per second, and their mean time from sending to the end of the answer."""

    in_flight: float
    rate: float
    stay_s: float


def _flow(offered: Offered, stretch: Stretch) -> _Flow | None:
    requests = offered.requests
    known = ~np.ma.getmaskarray(requests.sent_ns)
    sent, ended = requests.sent_ns.data[known], requests.ended_ns.filled(stretch.end_ns)[known]
    inside = (ended > stretch.start_ns) & (ended <= stretch.end_ns) & ~np.ma.getmaskarray(requests.ended_ns)[known]
    if not inside.any() or not stretch.seconds:
        return None
    overlap = np.minimum(ended, stretch.end_ns) - np.maximum(sent, stretch.start_ns)
    in_flight = float(np.maximum(overlap, 0).sum()) / NS_PER_S / stretch.seconds
    return _Flow(in_flight, float(inside.sum()) / stretch.seconds, float((ended - sent)[inside].mean()) / NS_PER_S)


def _little(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """Mean in flight = rate x mean time in the system (Little, Operations Research 9, 1961), for a load that is steady."""
    for case, points in evidence:
        steady = [(one, one.stretch) for one in points if one.stretch is not None and one.stretch.steady]
        flows = [(one, stretch, flow) for one, stretch in steady if (flow := _flow(one, stretch)) is not None]
        if not flows:
            yield Verdict(rule, Judgement.CANNOT_TELL, say("no steady window, so requests in flight cannot be checked against rate x latency"),
                          case.name)
            continue
        offered, stretch, flow = max(flows, key=lambda one: abs(one[2].in_flight / (one[2].rate * one[2].stay_s) - 1))
        expected = flow.rate * flow.stay_s
        # Requests that straddle an end of the window count on one side only: half a stay at most, on average.
        bound = LITTLE_LIMIT + 0.5 * flow.stay_s / stretch.seconds
        gap = flow.in_flight / expected - 1
        asked = offered.point.load.get("concurrency")
        facts = {"in_flight": significant(flow.in_flight, 4), "expected": significant(expected, 4), "asked": asked}
        if bound > LITTLE_BLUNT:
            yield Verdict(rule, Judgement.CANNOT_TELL, say("the window is too short to check requests in flight against rate x latency"), case.name)
        elif asked and flow.in_flight > asked * (1 + _FULL_SLACK):
            yield Verdict(rule, Judgement.INCONSISTENT, say("{in_flight} requests were in flight on average, {asked} were allowed", **facts),
                          case.name, flow.in_flight, float(asked))
        elif abs(gap) > bound:
            yield Verdict(rule, Judgement.SUSPECT, say(
                "{in_flight} requests were in flight, rate x latency gives {expected}: the load was not steady (a queue that grows?)", **facts),
                case.name, gap, bound)
        elif asked and _always_busy(evidence, offered) and flow.in_flight < asked * (1 - IDLE_LIMIT):
            yield Verdict(rule, Judgement.SUSPECT, say("{in_flight} of {asked} slots were busy on average: the load is lower than its name",
                                                       **facts), case.name, flow.in_flight, float(asked))
        else:
            yield Verdict(rule, Judgement.PASS, say("{in_flight} requests in flight on average = rate x latency ({expected})", **facts),
                          case.name, gap, bound)


def _always_busy(evidence: LoadEvidence, offered: Offered) -> bool:
    """A closed loop keeps its slots busy, unless its users were asked to think between their turns."""
    return offered.point.load.get("arrival") is None and not evidence.plan.workload.think_time_s


def _window(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """A throughput is trusted only where the longest request is short against its window. A search claims none: it is about levels."""
    doubt = Judgement.CANNOT_TELL if "search" in evidence.run.header else Judgement.SUSPECT
    for case, points in evidence:
        longest = case.metrics["stream_end"].quantiles.get("max")
        windows = [one.stretch for one in points if one.stretch is not None and one.stretch.seconds]
        if longest is None or not windows:
            continue
        shortest = min(one.seconds for one in windows)
        facts = {"window": significant(shortest, 3), "longest": significant(longest, 3)}
        cure = say("more requests: --num-prompts or --duration")
        if not all(one.steady for one in windows):
            yield Verdict(rule, doubt, say("no steady window: ramp and drain are included ({window} s; the longest request took "
                                     "{longest} s)", **facts), case.name, longest / shortest, E2E_SHARE, cure=cure)
        elif longest > E2E_SHARE * shortest:
            yield Verdict(rule, doubt, say("the window of {window} s is shorter than three of the longest request ({longest} s)", **facts), case.name, longest / shortest, E2E_SHARE, cure=cure)
        else:
            yield Verdict(rule, Judgement.PASS, say("the window of {window} s holds three of the longest request ({longest} s)", **facts),
                          case.name, longest / shortest, E2E_SHARE)


def _samples(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    needed = stats.least_n(0.99)
    for case, _ in evidence:
        if case.ok:
            enough = case.ok >= needed
            yield Verdict(rule, Judgement.PASS if enough else Judgement.CANNOT_TELL,
                          say("{count} requests ended well; a P99 needs {needed}", count=case.ok, needed=needed), case.name, float(case.ok),
                          float(needed), cure=None if enough else say("--num-prompts {count}", count=needed + 1))


TIMES: tuple[Rule[LoadEvidence], ...] = (
    Rule("times-add-up", "e2e = ttft + (n - n1) * tpot = ttft + sum of gaps, for every answer; ttft >= 0", _times_add_up),
    Rule("littles-law", f"|mean in flight / (rate * mean time) - 1| <= {LITTLE_LIMIT} + time / (2 * window); in flight <= concurrency", _little),
    Rule("window", "steady, and longest request < window / 3", _window),
    Rule("samples", "requests >= 299 for a P99", _samples),
)
