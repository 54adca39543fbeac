"""Rules of physics: what memory and batches allow at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from touchstone.checkpoints.shape import ModelShape
from touchstone.finding import Judgement, Verdict
from touchstone.hardware import find_chip
from touchstone.judge.audit.evidence import Evidence, Rule
from touchstone.message import say
from touchstone.simulate.accounting import parameters, parameters_read_per_step
from touchstone.units import gigabytes, significant

_SCALING_SLACK = 0.05


def _weights_are_read(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    """A dense decoding step reads every weight once: TPOT >= weight bytes / memory bandwidth."""
    chip = find_chip(str(evidence.facts.get("device_name", "")))
    if chip is None:
        yield Verdict(rule, Judgement.CANNOT_TELL, say(
            "no memory bandwidth is known for {device}, so no share of it and no floor for TPOT",
            device=evidence.facts.get("device_name", evidence.target["device"])))
        return
    read_bytes = _bytes_read_per_step(evidence)
    for case in evidence.cases:
        tpot = case.metrics["tpot"].value
        if tpot is None or not read_bytes:
            continue
        share, hard = read_bytes / tpot / chip.bandwidth, read_bytes / tpot / chip.bandwidth_hard
        over = hard > 1
        status = (Judgement.IMPOSSIBLE if chip.certain else Judgement.CANNOT_TELL) if over else Judgement.PASS
        yield Verdict(rule, status, say(
            "decoding reads {size} per step, {share} % of the {peak} TB/s of {chip} (nominal, grade {grade})",
            size=gigabytes(read_bytes), share=significant(100 * share, 3), peak=significant(chip.bandwidth / 1e12), chip=chip.name,
            grade=chip.grade), case.name, observed=share, bound=chip.bandwidth_hard / chip.bandwidth)


def _bytes_read_per_step(evidence: Evidence) -> float | None:
    """Stored weights without the input embedding, of which a step gathers one row; None where the shape is unknown."""
    shape, weight_bytes = evidence.facts.get("shape"), evidence.facts.get("weight_bytes")
    if not isinstance(shape, Mapping) or not weight_bytes:
        return None
    known = ModelShape(**shape)
    return float(weight_bytes) * parameters_read_per_step(known) / parameters(known)


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
    def shape(case: object) -> tuple[float, float]:
        return (getattr(case, "input_tokens", None) or 0.0, getattr(case, "output_tokens", None) or 0.0)

    speed = sorted((case for case in evidence.cases if case.speed and case.metrics["output_throughput"].value), key=shape)
    for _, group in groupby(speed, key=shape):
        series = sorted(group, key=lambda case: case.batch_size)
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
