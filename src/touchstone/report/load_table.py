"""The tables of a load run that its faces share: one row per case, and one case's latencies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from touchstone.finding import CaseFinding, Estimate, Findings, SloFinding, Soundness
from touchstone.message import Message, Translate, say
from touchstone.report.table import METRIC_WORDS, NOTHING, SCALES, number, shown, title, verdict_word
from touchstone.units import significant

COLUMNS: tuple[Message, ...] = (
    say("Load"), say("In"), say("Out"), say("TTFT mean ms"), say("TTFT P99 ms"), say("TPOT mean ms"), say("TPOT P99 ms"),
    say("Output tok/s"), say("req/s"), say("Goodput req/s"), say("Failed"), say("Verdict"),
)
LATENCY_COLUMNS: tuple[Message, ...] = (say("ms"), say("Mean"), say("±"), say("P50"), say("P90"), say("P99"), say("Max"), say("n"))
CLIENT_WORDS: Mapping[Soundness, Message] = {
    Soundness.VALID: say("valid"), Soundness.SUSPECT: say("suspect"), Soundness.INVALID: say("invalid"),
}
OUTCOME_WORDS: Mapping[str, Message] = {"passes": say("passes"), "fails": say("fails"), "undecided": say("undecided")}
ARRIVAL_WORDS: Mapping[str, Message] = {
    "closed": say("closed loop"), "poisson": say("Poisson"), "constant": say("constant rate"), "gamma": say("gamma"),
    "burst": say("burst: everything at once"), "trace": say("trace"),
}
_SHORT = ("ttft", "tpot", "itl", "e2e")
_OPEN = ("ttft", "response_ttft", "tpot", "itl", "e2e", "response_e2e", "send_lag")
LATENCIES = ("ttft", "ttfo", "ttfe", "response_ttft", "tpot", "itl", "e2e", "response_e2e", "stream_end", "send_lag")
"""All that is measured of a request."""


def row(case: CaseFinding, translate: Translate, lang: str, digits: int) -> list[str]:
    """The cells of one case, in the order of ``COLUMNS``, each number with so many significant ``digits``."""
    found = case.metrics
    values: list[tuple[float | None, float]] = [(case.input_tokens, 1.0), (case.output_tokens, 1.0)]
    for name in ("ttft", "tpot"):
        values += [(value, SCALES[name].factor) for value in (found[name].value, found[name].quantiles.get("p99"))]
    values += [(found[name].value, SCALES[name].factor) for name in ("output_throughput", "request_throughput", "goodput")]
    cells = [NOTHING if value is None else significant(value * factor, digits) for value, factor in values]
    return [title(case, lang), *cells, str(sum(case.failed.values())), verdict_word(case).render(translate)]


def main_latencies(case: CaseFinding) -> tuple[str, ...]:
    """The latencies of ``case`` that a screen shows; under an open load those from the scheduled time too."""
    return _SHORT if (case.load or {}).get("arrival") in {"closed", "burst"} else _OPEN


def latency_rows(case: CaseFinding, translate: Translate, names: Iterable[str] = LATENCIES) -> list[list[str]]:
    """Mean, half-width, quantiles, maximum and n of those latencies among ``names`` that ``case`` has."""
    return [_latency(case.metrics[name], translate) for name in names if case.metrics[name].value is not None]


def _latency(estimate: Estimate, translate: Translate) -> list[str]:
    factor = SCALES[estimate.metric].factor
    return [METRIC_WORDS[estimate.metric].render(translate), number(estimate.value, factor), half_width(estimate),
            *(number(estimate.quantiles.get(key), factor) for key in ("p50", "p90", "p99", "max")), f"{estimate.n:,}"]


def half_width(estimate: Estimate) -> str:
    """Half the interval in the unit of the faces; a dash without one."""
    if estimate.low is None or estimate.high is None:
        return NOTHING
    return significant((estimate.high - estimate.low) / 2 * SCALES[estimate.metric].factor, 2)


def load_words(case: CaseFinding) -> Message:
    """How the load was offered: ``closed loop, 64 in flight``; a burst is called a burst."""
    load = case.load or {}
    words = _arrivals(load)
    if load.get("concurrency") and load.get("arrival") != "closed":
        words = say("{load}, at most {count} in flight", load=words, count=load["concurrency"])
    return say("{load}, after a ramp of {seconds} s", load=words, seconds=number(load["ramp_s"])) if load.get("ramp_s") else words


def _arrivals(load: Mapping[str, Any]) -> Message:
    arrival = ARRIVAL_WORDS.get(str(load.get("arrival")), say("{arrival}", arrival=load.get("arrival")))
    if load.get("arrival") == "closed":
        return say("{arrival}, {count} in flight", arrival=arrival, count=load.get("concurrency"))
    if load.get("request_rate"):
        return say("{arrival}, {rate} requests/s", arrival=arrival, rate=number(load.get("request_rate")))
    if load.get("stages"):
        stages = ", ".join(f"{number(stage['duration_s'])}s@{number(stage['request_rate'])}" for stage in load["stages"])
        return say("{arrival}, {stages} requests/s", arrival=arrival, stages=stages)
    return arrival


def rates(case: CaseFinding) -> Message:
    """Throughput and goodput of one case, in one line."""
    found = case.metrics
    width = half_width(found["output_throughput"])
    parts = say("output {output} ± {width} tokens/s · total {total} · {requests} requests/s", output=shown(found["output_throughput"]),
                width=width, total=shown(found["total_throughput"]), requests=shown(found["request_throughput"]))
    share = found["goodput"].share
    if found["goodput"].value is None or share is None or share.value is None:
        return parts
    return say("{rates} · goodput {goodput} ({share} %)", rates=parts, goodput=shown(found["goodput"]),
               share=significant(100 * share.value, 3))


def level(found: SloFinding) -> Message:
    """One service level on one case, in words."""
    if found.share is None:
        return say("{level}: {outcome}", level=found.level, outcome=OUTCOME_WORDS[found.outcome])
    facts = {"level": found.level, "outcome": OUTCOME_WORDS[found.outcome], "share": significant(100 * found.share, 4), "n": found.issued,
             "low": significant(100 * found.low, 4), "high": significant(100 * found.high, 4)}
    if found.more:
        return say("{level}: {outcome} ({share} % of {n}; truly {low} to {high} %; {more} more might decide)", more=found.more, **facts)
    return say("{level}: {outcome} ({share} % of {n}; truly {low} to {high} %)", **facts)


def search_lines(findings: Findings) -> Iterator[Message]:
    """The answer of a search, what qualifies it, and what it cost."""
    found = findings.search
    if found is None:
        return
    yield say("Search: {answer} ({requests} requests)", answer=found.sentence or say("stopped before it was decided"), requests=found.requests)
    yield from found.notes


def client_lines(findings: Findings) -> Iterator[Message]:
    """The verdict on the client, and its own error where that was measured. Of a run without a point there is nothing to say."""
    client = findings.client
    if client is None or not findings.cases:
        return
    count, verdict = findings.identity.get("client_processes") or 1, CLIENT_WORDS[client.verdict]
    if client.floor_s is None:
        yield say("Client {verdict}, {count} process(es); measurement floor not measured", verdict=verdict, count=count)
    else:
        yield say("Client {verdict}, {count} process(es); measurement floor: TTFT ± {floor} ms", verdict=verdict, count=count,
                  floor=significant(1e3 * client.floor_s, 2))
