"""Rules on what the server says of itself, against what the client saw. A server that says nothing proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from touchstone.finding import CaseFinding, Judgement, Verdict
from touchstone.judge import metrics
from touchstone.judge.audit.evidence import Rule
from touchstone.judge.load.evidence import LoadEvidence
from touchstone.judge.load.scan import Offered
from touchstone.judge.server_metrics import Counted, generated_tokens, mean_seconds, prefix_hit_rate
from touchstone.message import Message, say
from touchstone.server_names import Reading
from touchstone.units import significant

COUNT_LIMIT = 0.02
HIT_LIMIT = 0.01
TTFT_LIMIT = 0.10
_TTFT_FLOOR_S = 0.002


def readings(offered: Offered) -> tuple[Reading | None, Reading | None]:
    """The server's own metrics just before and just after a point; None where there are none, or none that can be read."""
    return _reading(offered.point.server.get("before")), _reading(offered.point.server.get("after"))


def _reading(content: object) -> Reading | None:
    try:
        return Reading.from_json(content) if isinstance(content, Mapping) else None
    except (KeyError, TypeError, ValueError):
        return None


def _silence(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """Said once, not once for every case and rule."""
    pairs = [readings(one) for _, points in evidence for one in points]
    if not any(before and after for before, after in pairs):
        yield Verdict(rule, Judgement.CANNOT_TELL, say("the server shows no metrics, so its cache is unchecked"))
    else:
        yield Verdict(rule, Judgement.PASS, say("the server's own metrics were read before and after"))


def _counts(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    for case, points in evidence:
        if not all(one.good.all() for one in points):  # what a failed request made the server generate, nobody knows
            continue
        said = [generated_tokens(*readings(one)) for one in points]
        ours = sum(int(one.requests.output_tokens.filled(0).sum()) for one in points)
        theirs = sum(one.value for one in said if one.value is not None)
        if not ours or any(one.value is None for one in said):
            continue
        share = theirs / ours - 1
        yield Verdict(rule, Judgement.PASS if abs(share) <= COUNT_LIMIT else Judgement.SUSPECT, say(
            "the server says it generated {theirs} tokens, the answers sum up to {ours} ({share} %)", theirs=significant(theirs, 6),
            ours=significant(ours, 6), share=f"{100 * share:+.1f}"), case.name, share, COUNT_LIMIT,
            cure=None if abs(share) <= COUNT_LIMIT else say("is somebody else using the server?"))


def _prefix_cache(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """Prompts that are unique by construction cannot be found in a cache; if they are, the work that was asked was not done."""
    workload = evidence.plan.workload
    unique = workload.kind == "synthetic" and not workload.shared_prefix_tokens and workload.turns == 1
    for case, points in evidence:
        rate, source = _hit_rate(case, points)
        if rate is None:
            continue
        if not unique:
            yield Verdict(rule, Judgement.PASS, say("{share} % of the prompt tokens came from the server's cache; this workload shares prefixes",
                                                    share=significant(100 * rate, 3)), case.name, rate)
            continue
        # A chat template opens every prompt with the same few tokens, and texts of words found by probing begin with one word.
        probe = evidence.run.header.get("probe")
        template = probe.get("template_tokens") if isinstance(probe, Mapping) else None
        allowed = HIT_LIMIT + ((template + 1) / case.input_tokens if isinstance(template, int) and case.input_tokens else 0.0)
        hit = rate > allowed
        yield Verdict(rule, Judgement.INCONSISTENT if hit else Judgement.PASS, say(
            "{share} % of the prompt tokens came from the server's cache ({source}), and no two prompts are alike", share=significant(100 * rate, 3),
            source=source), case.name, rate, allowed,
            cure=say("use another --seed, empty the server's cache, or start it without one") if hit else None)


def _hit_rate(case: CaseFinding, points: Sequence[Offered]) -> tuple[float | None, Message]:
    """The worst point's share of cached prompt tokens: by the server's counters, or where it has none by the usage of the answers."""
    rates: list[Counted] = [prefix_hit_rate(*readings(one)) for one in points]
    known = [one.value for one in rates if one.value is not None]
    if known:
        return max(known), say("its own counters")
    cached: Any = (case.load or {}).get("cached_tokens") or {}
    if cached.get("mean") is None or not case.input_tokens:
        return None, say("")
    return cached["mean"] / case.input_tokens, say("usage of the answers")


def _ttft(evidence: LoadEvidence, rule: str) -> Iterator[Verdict]:
    """The client's mean TTFT against the server's own: what lies between is the network, HTTP, tokenising, and the client."""
    for case, points in evidence:
        for offered in points:
            first = metrics.ttft(offered.requests).compressed()
            theirs = mean_seconds(*readings(offered), "ttft_seconds").value
            if not len(first) or not theirs:
                continue
            ours = float(first.mean())
            excess = ours - theirs
            agrees = -_TTFT_FLOOR_S <= excess <= max(TTFT_LIMIT * theirs, _TTFT_FLOOR_S)
            yield Verdict(rule, Judgement.PASS if agrees else Judgement.SUSPECT, say(
                "mean TTFT is {ours} ms at the client and {theirs} ms by the server's own count ({excess} ms between)",
                ours=significant(1e3 * ours, 4), theirs=significant(1e3 * theirs, 4), excess=f"{1e3 * excess:+.2f}"), case.name,
                excess / theirs, TTFT_LIMIT, cure=None if agrees else say("look at the network, a proxy, or the server's front end"))


SERVER: tuple[Rule[LoadEvidence], ...] = (
    Rule("server-metrics", "the server shows its own counters", _silence),
    Rule("server-tokens", f"|tokens by the server's counters / by the answers - 1| <= {COUNT_LIMIT}", _counts),
    Rule("prefix-cache", f"cached share of unique prompts <= {HIT_LIMIT}", _prefix_cache),
    Rule("server-ttft", f"mean TTFT at the client - at the server <= {TTFT_LIMIT} of it", _ttft),
)
