"""Rules of physics where no table of chips helps: a host's own memory bandwidth and resident pages."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.finding import Judgement, Verdict
from touchstone.hardware import find_chip
from touchstone.judge.audit.evidence import Evidence, Rule
from touchstone.message import say
from touchstone.units import gigabytes, significant


def _weights_are_read(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """A dense decoding step reads every weight once: TPOT >= weight bytes / memory bandwidth, as read beside the run."""
    if find_chip(str(evidence.facts.get("device_name", ""))):
        return
    read_bytes = evidence.facts.get("read_bytes_per_step")
    measured = evidence.run.header.get("memory_read_bytes_per_s")
    if not read_bytes or not isinstance(measured, (int, float)):
        yield Verdict(rule, Judgement.CANNOT_TELL, say("no memory bandwidth is known for {device}, so no floor for TPOT",
                                                       device=evidence.facts.get("device_name") or evidence.target["device"]))
        return
    for case in evidence.cases:
        tpot = case.metrics["tpot"].value
        if tpot is not None:
            yield _against_host(rule, case.name, read_bytes, tpot, float(measured))


def _against_host(rule: str, case: str, read_bytes: int, tpot: float, bandwidth: float) -> Verdict:
    """A host's caches can beat its memory, so going faster is no proof of a mistake."""
    share = read_bytes / tpot / bandwidth
    status = Judgement.PASS if share <= 1 else Judgement.CANNOT_TELL
    return Verdict(rule, status, say(
        "decoding reads {size} per step, {share} % of the {peak} GB/s that this host read from memory beside the run",
        size=gigabytes(read_bytes), share=significant(100 * share, 3), peak=significant(bandwidth / 1e9, 3)), case, observed=share,
        bound=1.0)


def _weights_are_resident(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """Resident pages of a mapped file come and go, so less than the weights is odd and not impossible; an allocator's count is PH4's."""
    weight_bytes = evidence.facts.get("weight_bytes") if evidence.target["device"] == "cpu" else None
    for case in evidence.cases:
        peak = case.metrics["peak_memory"].low
        if peak is None or not weight_bytes:
            continue
        yield Verdict(rule, Judgement.PASS if peak >= weight_bytes else Judgement.SUSPECT, say(
            "peak {peak} against {weights} of weights", peak=gigabytes(peak), weights=gigabytes(weight_bytes)),
            case.name, observed=peak, bound=float(weight_bytes), unit="B")


PHYSICS = (
    Rule("weights-are-read", "TPOT >= weight bytes / memory bandwidth", _weights_are_read),
    Rule("weights-are-resident", "peak memory >= weight bytes", _weights_are_resident),
)
