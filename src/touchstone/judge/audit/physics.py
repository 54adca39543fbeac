"""Rules of physics: what memory and batches allow at most."""

from __future__ import annotations

from collections.abc import Iterator

from touchstone.finding import Judgement, Verdict
from touchstone.hardware import Chip, find_chip
from touchstone.judge.audit.evidence import Evidence, Rule
from touchstone.judge.series import batch_series
from touchstone.message import say
from touchstone.units import gigabytes, significant

_SCALING_SLACK = 0.05


def _weights_are_read(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """A dense decoding step reads every weight once: TPOT >= weight bytes / memory bandwidth."""
    read_bytes = evidence.facts.get("read_bytes_per_step")
    chip = find_chip(str(evidence.facts.get("device_name", "")))
    measured = evidence.run.header.get("memory_read_bytes_per_s")
    if not read_bytes or (chip is None and not isinstance(measured, (int, float))):
        yield Verdict(rule, Judgement.CANNOT_TELL, say("no memory bandwidth is known for {device}, so no floor for TPOT",
                                                       device=evidence.facts.get("device_name") or evidence.target["device"]))
        return
    for case in evidence.cases:
        tpot = case.metrics["tpot"].value
        if tpot is None:
            continue
        if chip is not None:
            yield _against_chip(rule, case.name, read_bytes, tpot, chip)
        elif isinstance(measured, (int, float)):
            yield _against_host(rule, case.name, read_bytes, tpot, float(measured))


def _against_chip(rule: str, case: str, read_bytes: int, tpot: float, chip: Chip) -> Verdict:
    share = read_bytes / tpot / chip.bandwidth
    over = read_bytes / tpot > chip.bandwidth_hard
    status = (Judgement.IMPOSSIBLE if chip.certain else Judgement.CANNOT_TELL) if over else Judgement.PASS
    return Verdict(rule, status, say(
        "decoding reads {size} per step, {share} % of the {peak} TB/s of {chip} (nominal, grade {grade})",
        size=gigabytes(read_bytes), share=significant(100 * share, 3), peak=significant(chip.bandwidth / 1e12), chip=chip.name,
        grade=chip.grade), case, observed=share, bound=chip.bandwidth_hard / chip.bandwidth)


def _against_host(rule: str, case: str, read_bytes: int, tpot: float, bandwidth: float) -> Verdict:
    """A host's caches can beat its memory, so going faster is no proof of a mistake."""
    share = read_bytes / tpot / bandwidth
    status = Judgement.PASS if share <= 1 else Judgement.CANNOT_TELL
    return Verdict(rule, status, say(
        "decoding reads {size} per step, {share} % of the {peak} GB/s that this host read from memory beside the run",
        size=gigabytes(read_bytes), share=significant(100 * share, 3), peak=significant(bandwidth / 1e9, 3)), case, observed=share,
        bound=1.0)


def _weights_are_resident(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    weight_bytes = evidence.facts.get("weight_bytes")
    for case in evidence.cases:
        peak = case.metrics["peak_memory"].low
        if peak is None or not weight_bytes:
            continue
        allocated = evidence.target["device"] != "cpu"
        # Resident pages of a mapped file come and go; an allocator's count does not.
        below = Judgement.IMPOSSIBLE if allocated else Judgement.SUSPECT
        yield Verdict(rule, Judgement.PASS if peak >= weight_bytes else below, say(
            "peak {peak} against {weights} of weights", peak=gigabytes(peak), weights=gigabytes(weight_bytes)),
            case.name, observed=peak, bound=float(weight_bytes), unit="B")


def _batches_do_not_multiply(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """T(B) <= B * T(1) for one shape: a step of a batch is no shorter than a step of one sequence."""
    for series in batch_series(case for case in evidence.cases if case.speed and case.metrics["output_throughput"].value):
        single = series[0].metrics["output_throughput"].value
        if series[0].batch_size != 1 or single is None:
            continue
        for case in series[1:]:
            throughput = case.metrics["output_throughput"].value
            assert throughput is not None
            gain = throughput / single
            status = Judgement.PASS if gain <= case.batch_size * (1 + _SCALING_SLACK) else Judgement.SUSPECT
            yield Verdict(rule, status, say("batch {batch} gives {gain} times the throughput of one sequence",
                                            batch=case.batch_size, gain=significant(gain, 3)),
                          case.name, observed=gain, bound=float(case.batch_size))


PHYSICS = (
    Rule("weights-are-read", "TPOT >= weight bytes / memory bandwidth", _weights_are_read),
    Rule("weights-are-resident", "peak memory >= weight bytes", _weights_are_resident),
    Rule("batch-scaling", "T(B) <= B * T(1)", _batches_do_not_multiply),
)
