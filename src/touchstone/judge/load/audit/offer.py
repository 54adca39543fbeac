"""Rules on what was offered and by whom: was the load the one that was asked, and may the client be believed?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from touchstone.finding import ClientDoubt, Judgement, Soundness, Verdict
from touchstone.header import outcome
from touchstone.judge import stats
from touchstone.judge.audit.evidence import Rule
from touchstone.judge.audit.procedure import RUN_WORDS
from touchstone.judge.load.client import LAG_OF_GAP, LATE_SENDS, SEND_LAG_S, send_lag_doubt
from touchstone.judge.load.evidence import LoadEvidence
from touchstone.judge.load.scan import Offered
from touchstone.message import Message, say
from touchstone.units import NS_PER_S, significant

PACE_LIMIT = 0.01
PACE_LOST = 0.05
SHAPE_LIMIT = 0.05
_SHAPE_P = 0.001
_JUDGEMENTS = {Soundness.VALID: Judgement.PASS, Soundness.SUSPECT: Judgement.SUSPECT, Soundness.INVALID: Judgement.INCONSISTENT}
_NOTES: Mapping[str, Message] = {
    "no-usage": say("the server counts no tokens: prompt and output lengths rest on our own count, or are unknown"),
    "template-varies": say("the chat template adds more tokens to some prompts than to others: prompt lengths are approximate"),
    "tokenizer-differs": say("the server counts other tokens than the tokenizer given: prompts were sized by the server's count"),
    "words-unknown": say("no words of one token each were found by asking the server: prompt lengths are approximate; --tokenizer helps"),
    "closes-connections": say("the server closes every connection after its answer: each request pays for a new one"),
    "ignore-eos-refused": say("the server refused ignore_eos: answers end where the model ends them, not at the length asked for"),
    "temperature-refused": say("the server refused temperature: it samples as it likes"),
    "stream-options-refused": say("the server refused stream_options: it may send no token counts"),
    "max-tokens-refused": say("the server refused max_tokens: max_completion_tokens was sent instead"),
}
_PACED = {"poisson", "constant", "gamma", "trace"}


def _complete(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    status = outcome(evidence.run.header)
    missing = len(evidence.plan.loads) * evidence.plan.repeats - len(evidence.run.points)
    if status != "complete" and missing <= 0:
        yield Verdict(rule, Judgement.SUSPECT, say("the run is {status}: its last load was not offered to the end", status=RUN_WORDS.get(status, status)))
    elif missing > 0:
        yield Verdict(rule, Judgement.SUSPECT, say("the run is {status}; loads not offered: {missing}", status=RUN_WORDS.get(status, status),
                                                   missing=missing))
    else:
        yield Verdict(rule, Judgement.PASS, say("every load of the plan was offered"))


def _client(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    client = evidence.client
    if client.verdict is Soundness.VALID:
        message = say("the client kept up: nothing it did weighs against what it measured")
        yield Verdict(rule, Judgement.PASS, message, observed=client.floor_s, unit="s")
        return
    cure = say("leave out --no-calibrate") if client.floor_s is None else say("give the client cores of its own: --processes, or another machine")
    gravest: dict[str | None, ClientDoubt] = {}
    for doubt in client.doubts:
        gravest.setdefault(doubt.case, doubt)
    for case, doubt in gravest.items():
        yield Verdict(rule, _JUDGEMENTS[doubt.soundness], doubt.message, case, observed=client.floor_s, unit="s", cure=cure)


def _send_lag(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    for case, points in evidence:
        for offered in points:
            for sound, message in send_lag_doubt(case, offered):
                yield Verdict(rule, _JUDGEMENTS[sound], message, case.name, bound=SEND_LAG_S, unit="s")


def _probed(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """What short requests showed of the server before the load, where it changed how the load was put."""
    probe = evidence.run.header.get("probe")
    notes = [note for note in probe.get("notes") or () if note in _NOTES] if isinstance(probe, Mapping) else []
    for note in notes:
        yield Verdict(rule, Judgement.CANNOT_TELL, _NOTES[note])
    if not notes:
        yield Verdict(rule, Judgement.PASS, say("short requests before the load found nothing unusual"))


def _warm_up(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    for case, points in evidence:
        found = [one.point.client.get("warmup") for one in points]
        told = [one for one in found if isinstance(one, Mapping)]
        failed = sum(_count(one.get("failed")) for one in told)
        if failed:
            yield Verdict(rule, Judgement.SUSPECT, say("{count} requests of the warm-up failed", count=failed), case.name)
        elif not evidence.plan.warmup:
            yield Verdict(rule, Judgement.CANNOT_TELL, say("no warm-up: the first requests may have paid for things the others did not"),
                          case.name, cure=say("--warmup 3"))
        elif told:
            yield Verdict(rule, Judgement.PASS, say("the warm-up ended well"), case.name)


def _count(failed: object) -> int:
    if isinstance(failed, Mapping):
        return sum(_count(one) for one in failed.values())
    return failed if isinstance(failed, int) else 0


def _burst(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    for case, points in evidence:
        if points[0].point.load.get("arrival") == "burst":
            yield Verdict(rule, Judgement.CANNOT_TELL, say(
                "a burst: everything is sent at once, so TTFT is mostly waiting; nothing is said of a steady load"), case.name,
                cure=say("--request-rate or --concurrency"))


def _pace(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """The span of the sent requests against the planned one, and the planned rate against the asked one."""
    for case, points in evidence:
        for offered in points:
            pair = _sends(offered)
            if pair is None:
                continue
            planned, sent = pair
            off = (planned[-1] - planned[0]) / max(sent[-1] - sent[0], 1) - 1
            asked, expected = offered.point.load.get("request_rate"), _deviation(offered.point.load, len(planned))
            rate = (len(sent) - 1) / ((sent[-1] - sent[0]) / NS_PER_S)
            # A schedule that is drawn has a rate of its own; only what chance cannot explain is off.
            plain = asked and expected is not None
            astray = bool(plain) and abs(rate / asked - 1) > PACE_LIMIT + 4 * (expected or 0.0)
            status = Judgement.INCONSISTENT if abs(off) > PACE_LOST else Judgement.SUSPECT if abs(off) > PACE_LIMIT or astray \
                else Judgement.PASS
            facts = {"rate": significant(rate), "off": f"{100 * off:+.2f}"}
            message = say("sent {rate} requests/s of {asked} asked, {off} % off the schedule", asked=significant(float(asked)), **facts) \
                if asked and plain else say("sent {rate} requests/s, {off} % off the schedule", **facts)
            yield Verdict(rule, status, message, case.name, off, PACE_LIMIT)


def _deviation(load: Mapping[str, Any], count: int) -> float | None:
    """Relative standard deviation of the rate of ``count`` drawn gaps; None where the rate is not one number."""
    if load.get("ramp_s") or load.get("stages") or load.get("arrival") == "trace":
        return None
    shape = {"constant": math.inf, "poisson": 1.0}.get(str(load.get("arrival")), load.get("burstiness") or 1.0)
    return 1 / math.sqrt(shape * max(count, 1))


def _sends(offered: Offered) -> tuple[Any, Any] | None:
    """Planned and real times of sending, each in order, of an open load that nothing held back; None of any other."""
    load, requests = offered.point.load, offered.requests
    both = ~np.ma.getmaskarray(requests.scheduled_ns) & ~np.ma.getmaskarray(requests.sent_ns) & (requests.turn.filled(0) <= 0)
    if load.get("arrival") not in _PACED or load.get("concurrency") or np.count_nonzero(both) < 3:
        return None
    planned, sent = np.sort(requests.scheduled_ns.data[both]), np.sort(requests.sent_ns.data[both])
    return (planned, sent) if planned[-1] > planned[0] and sent[-1] > sent[0] else None


def _shape(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """Kolmogorov and Smirnov: the sent gaps against the planned ones, and those of a Poisson load against the exponential."""
    for case, points in evidence:
        for offered in points:
            pair = _sends(offered) if offered.point.load.get("arrival") in {"poisson", "gamma"} else None
            if pair is None:
                continue
            planned, sent = (np.diff(one) / NS_PER_S for one in pair)
            distance = stats.ks_distance(planned, sent)
            bent = distance > SHAPE_LIMIT and stats.ks_p(distance, len(planned) / 2) < _SHAPE_P
            load = offered.point.load
            strange = False
            if load.get("arrival") == "poisson" and load.get("request_rate") and not load.get("ramp_s"):
                ordered = np.sort(planned)
                strange = stats.ks_p(stats.ks_against(1 - np.exp(-ordered * load["request_rate"])), len(ordered)) < _SHAPE_P
            status = Judgement.SUSPECT if bent or strange else Judgement.PASS
            yield Verdict(rule, status, say("the gaps between requests are not the exponential ones of a Poisson load") if strange else say(
                "the gaps between requests as sent and as planned differ by {distance} at most (Kolmogorov-Smirnov)",
                distance=significant(distance, 2)), case.name, distance, SHAPE_LIMIT)


def _replication(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    if evidence.plan.repeats == 1:
        yield Verdict(rule, Judgement.CANNOT_TELL, say("one repeat: nothing is claimed about doing it again"),
                      cure=say("--repeat 5"))
    else:
        yield Verdict(rule, Judgement.PASS, say("{repeats} repeats are the unit of every interval", repeats=evidence.plan.repeats))


OFFER: tuple[Rule[LoadEvidence], ...] = (
    Rule("load-complete", "every load of the plan was offered", _complete),
    Rule("client", "floor, read delay, late loops, CPU and send lag are small against what was measured", _client),
    Rule("send-lag", f"at most {LATE_SENDS.suspect:.0%} of the requests are sent more than {SEND_LAG_S} s late; at most {LATE_SENDS.invalid:.0%} by {LAG_OF_GAP} of the mean gap", _send_lag),
    Rule("offered-rate", f"|planned span / sent span - 1| <= {PACE_LIMIT}, and the rate is the one asked", _pace),
    Rule("arrivals", f"KS distance of sent and planned gaps <= {SHAPE_LIMIT}; Poisson gaps are exponential", _shape),
    Rule("burst", "a burst is called a burst", _burst),
    Rule("probe", "short requests before the load found nothing unusual", _probed),
    Rule("warm-up", "every request of the warm-up ended well", _warm_up),
    Rule("repeats", "repeats >= 2 for any claim about doing it again", _replication),
)
