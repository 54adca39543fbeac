"""What the devices of a run can do at most: the nominal figures of known chips, or what a host's memory gave beside the run."""

from __future__ import annotations

from dataclasses import dataclass

from touchstone.hardware import Chip
from touchstone.judge.footprint.of_run import facts_of
from touchstone.judge.limits.devices import chip_of, count_of, device_name_of, is_host, why_open
from touchstone.message import Message, say
from touchstone.record import Run
from touchstone.simulate.precision import find_precision


@dataclass(frozen=True)
class Peaks:
    """All devices of a run together: ``bandwidth`` in bytes/s, ``flops`` per second (None: unknown, for the reason ``no_flops``).

    ``source`` says where the figures are from; ``nominal`` whether they are a label's rather than measured.
    """

    device: str
    bandwidth: float
    flops: float | None
    source: Message
    nominal: bool = True
    no_flops: Message | None = None


def peaks_of(run: Run) -> Peaks | Message:
    """The peaks of the devices that ``run`` ran on, or why they are not known."""
    reason, chip, name = why_open(run), chip_of(run), device_name_of(run)
    if reason is not None:
        return reason
    if chip is not None:
        return _of_chip(chip, count_of(run), _widest_share(facts_of(run).get("dtypes") or {}))
    measured = run.header.get("memory_read_bytes_per_s")
    if is_host(run) and isinstance(measured, (int, float)) and measured > 0:
        return Peaks(name, float(measured), None, say("as {device} read memory beside the run", device=name), nominal=False,
                     no_flops=say("how many operations per second {device} can do is not known", device=name))
    return say("{device} is in no table of chips, and its memory bandwidth was not measured", device=name or "?")


def _of_chip(chip: Chip, count: int, dtype: str | None) -> Peaks | Message:
    if not chip.certain:
        return say("the figures of {chip} are guesses (grade {grade}), and no share rests on those", chip=chip.name, grade=chip.grade)
    name = chip.name if count == 1 else f"{count} x {chip.name}"
    precision = find_precision(dtype) if dtype else None
    halves = precision is not None and precision.name in {"fp16", "bf16"}
    reason = None if halves else say("the peak of {chip} is tabled for FP16 and BF16, and its weights are {dtype}", chip=chip.name, dtype=dtype or "?")
    return Peaks(name, chip.bandwidth * count, chip.flops * count if halves else None,
                 say("nominal figures of {chip} ({source})", chip=name, source=chip.source), no_flops=reason)


def _widest_share(dtypes: dict[str, int]) -> str | None:
    """The dtype that most bytes of the weights are in."""
    return max(dtypes, key=lambda name: dtypes[name]) if dtypes else None
