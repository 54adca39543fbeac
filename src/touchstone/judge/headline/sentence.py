"""The one sentence: from believable cases only, with every number no more certain than its interval."""

from __future__ import annotations

from functools import reduce

from touchstone.finding import CaseFinding, Estimate, Findings, Trust
from touchstone.judge.headline.chosen import best_load, highest, keeps_levels, kept_below, measured, offered, reference, trust_of
from touchstone.message import Message, say
from touchstone.units import significant

_CERTAIN, _NARROW = 0.0005, 0.01
"""Shares of a value: of an interval below the first four digits of the value say as much, below the second its first digit does."""


def told(estimate: Estimate, scale: float = 1.0) -> str:
    """A value and half of its interval, both to the interval's second digit (its first where it is narrow).

    Where the interval is wider than the value only its ends are told, and without an interval two digits.

    >>> told(Estimate("ttft", "s", 9, 0.02471, 0.0241, 0.0253), 1e3), told(Estimate("ttft", "s", 2, 0.025, 0.004, 0.15), 1e3)
    ('24.71 ± 0.60', '4–150')
    """
    value = scale * (estimate.value or 0.0)
    if estimate.low is None or estimate.high is None:
        return f"≈ {significant(value, 2)}"
    if estimate.high - estimate.low > (estimate.value or 0.0):
        return f"{significant(scale * estimate.low, 2)}–{significant(scale * estimate.high, 2)}"
    half = scale * (estimate.high - estimate.low) / 2
    if half < _CERTAIN * value:
        return significant(value)
    printed = significant(half, 1 if half < _NARROW * value else 2)
    return f"{value:,.{len(printed.partition('.')[2])}f} ± {printed}"


def sentence_of_run(findings: Findings) -> Message | None:
    """What an engine gives one user, and how much it gives in all; None where no case may be believed."""
    cases = [case for case in measured(findings.cases) if trust_of(findings, case) is not Trust.REJECTED]
    single, most = reference(cases), highest(cases, "output_throughput")
    claims = [_marked(findings, case, claim) for case, claim in ((single, _to_one_user(single)), (most, _in_all(most, single))) if case and claim]
    return _sentence(_engine(findings), claims)


def _to_one_user(case: CaseFinding | None) -> Message | None:
    if case is None:
        return None
    ttft, speed, claims = case.metrics["ttft"], case.metrics["decode_speed"], []
    if ttft.value is not None:
        claims.append(say("first token after {ttft} ms ({tokens} tokens in)", ttft=told(ttft, 1e3), tokens=significant(case.input_tokens))
                      if case.input_tokens else say("first token after {ttft} ms", ttft=told(ttft, 1e3)))
    if speed.value is not None and case.batch_size == 1:
        claims.append(say("{speed} tokens/s to one user", speed=told(speed)))
    elif speed.value is not None:
        claims.append(say("{speed} tokens/s to each of {batch} users", speed=told(speed), batch=case.batch_size))
    return _joined(claims)


def _in_all(case: CaseFinding | None, single: CaseFinding | None) -> Message | None:
    """Silent where only one batch was measured: then it says nothing new."""
    if case is None or (single is not None and case.batch_size == single.batch_size):
        return None
    return say("up to {throughput} tokens/s at batch {batch}", throughput=told(case.metrics["output_throughput"]), batch=case.batch_size)


def _marked(findings: Findings, case: CaseFinding, claim: Message) -> Message:
    return claim if trust_of(findings, case) is Trust.TRUSTED else say("{claim} (suspect)", claim=claim)


def _joined(claims: list[Message]) -> Message | None:
    return reduce(lambda one, other: say("{one}, {other}", one=one, other=other), claims) if claims else None


def _sentence(subject: Message, claims: list[Message]) -> Message | None:
    joined = _joined(claims)
    return None if joined is None else say("{subject}: {claims}.", subject=subject, claims=joined)


def _engine(findings: Findings) -> Message:
    """What ran on what; a server that was there before the run does not say on what."""
    identity = findings.identity
    dtypes, options = identity.get("dtypes") or {}, identity.get("options") or {}
    if options.get("started_here") is False:
        return say("{model} on {device}", model=identity.get("model") or "?", device=identity.get("engine") or "?")
    dtype = identity["dtype"] if identity.get("dtype") not in {None, "auto"} else max(dtypes, key=lambda name: dtypes[name], default="?")
    ways = options.get("tensor_parallel") or 1
    device = identity.get("device_name") or identity.get("device") or "?"
    return say("{model} {dtype} on {device}", model=identity.get("model") or "?", dtype=dtype, device=device if ways == 1 else f"{ways} x {device}")


# ── of a server under load ───────────────────────────────────────────────────────────────────────────────────────────────


def sentence_of_load(findings: Findings) -> Message | None:
    """The highest load that keeps the service levels; without levels, what the server gives at its best load; None as above."""
    cases = [case for case in findings.cases if case.ok and trust_of(findings, case) is not Trust.REJECTED]
    case = best_load(cases)
    if case is None:
        return None
    claim = _with_levels(cases, case) if case.slos else _without_levels(case)
    return None if claim is None else _sentence(_server(findings), [_marked(findings, case, claim)])


def _with_levels(cases: list[CaseFinding], case: CaseFinding) -> Message | None:
    rate = _rate(case)
    if rate is None:
        return None
    words = {"levels": ", ".join(one.level for one in case.slos), "load": _load(case), "rate": rate}
    if not keeps_levels(case):
        return say("no load tried is shown to keep {levels}; {rate} at {load}", **words)
    if kept_below(cases, case):
        return say("keeps {levels} up to {load}, with {rate}", **words)
    return say("keeps {levels} at {load}, with {rate}", **words)


def _without_levels(case: CaseFinding) -> Message | None:
    rate, to_one = _rate(case), _to_one_user(case)
    if rate is None:
        return to_one
    return _joined([say("{rate} at {load}", rate=rate, load=_load(case)), *([to_one] if to_one else [])])


def _rate(case: CaseFinding) -> Message | None:
    """Tokens per second, or where the server counts none requests per second."""
    if case.metrics["output_throughput"].value:
        return say("{throughput} tokens/s", throughput=told(case.metrics["output_throughput"]))
    if case.metrics["request_throughput"].value:
        return say("{rate} requests/s", rate=told(case.metrics["request_throughput"]))
    return None


def _load(case: CaseFinding) -> Message:
    kind, load = offered(case)
    if kind == "concurrency":
        return say("{count} in flight", count=significant(load))
    return say("{rate} requests/s", rate=significant(load)) if kind == "rate" else say("{text}", text=case.name)


def _server(findings: Findings) -> Message:
    identity = findings.identity
    model, engine = identity.get("model"), identity.get("engine") or identity.get("base_url")
    return say("{model} on {device}", model=model, device=engine) if model and engine else say("{text}", text=str(model or engine or "?"))
