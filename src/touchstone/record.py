"""What happened: facts only, in integer nanoseconds and bytes. Missing is None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from touchstone.header import outcome


class Phase(str, Enum):
    """Why a trial was played. Only MEASURED trials enter a result."""

    VERIFY = "verify"
    PILOT_MARKED = "pilot_marked"
    PILOT_PLAIN = "pilot_plain"
    PILOT_WARMUP = "pilot_warmup"
    WARMUP = "warmup"
    MEASURED = "measured"


class Status(str, Enum):
    """How a request or trial ended."""

    OK = "ok"
    ERROR = "error"
    OUT_OF_MEMORY = "out_of_memory"
    KILLED = "killed"
    TRUNCATED = "truncated"


@dataclass(frozen=True)
class Record:
    """One request: when it was sent, when its tokens came, and how many there were by each count.

    ``event_ns[k]`` is the stamp of the k-th token-bearing event and ``event_tokens[k]`` how many tokens it brought
    (None where a server does not say).
    ``engine_prefill_ns`` and ``engine_decode_ns`` are the engine's own timings where it has any.
    """

    request_id: str
    prompt_digest: str
    input_tokens_built: int
    input_tokens: int | None
    cached_tokens: int | None
    asked_output_tokens: int
    output_tokens: int | None
    status: Status
    finish: str | None
    sent_ns: int
    ended_ns: int
    event_ns: tuple[int, ...] = ()
    event_tokens: tuple[int | None, ...] = ()
    engine_prefill_ns: int | None = None
    engine_decode_ns: int | None = None
    text: str | None = None
    thinking_tokens: int | None = None
    answer_text: str | None = None


@dataclass(frozen=True)
class MemoryPeaks:
    """Peaks of one trial in bytes; which of them exist depends on the device."""

    allocated_bytes: int | None = None
    reserved_bytes: int | None = None
    device_used_bytes: int | None = None
    resident_bytes: int | None = None


@dataclass(frozen=True)
class Trial:
    """One call of the engine: a batch of a case, played once."""

    launch: int
    process: int
    sequence: int
    case: str
    index: int
    phase: Phase
    batch_size: int
    status: Status
    sent_ns: int
    ended_ns: int
    records: tuple[Record, ...] = ()
    memory: MemoryPeaks = field(default_factory=MemoryPeaks)
    error: str | None = None
    cpu_self_ns: int | None = None
    cpu_others_ns: int | None = None
    collector_pauses: int | None = None


@dataclass(frozen=True)
class Sample:
    """One reading of the telemetry sampler, on the same clock as the tape: of the measured process and those it started, and of the host."""

    at_ns: int
    launch: int
    resident_bytes: int | None
    cpu_self_ns: int | None
    cpu_busy_fraction: float | None
    load_1min: float | None
    frequency_hz: int | None
    memory_available_bytes: int | None


@dataclass(frozen=True)
class DeviceSample:
    """One reading of an accelerator (or of the processors of the host: ``kind`` cpu), on the same clock as the tape.

    ``index`` is the driver's number of the device. ``energy_j`` counts from an arbitrary start and only grows; ``memory_used_bytes`` is
    everybody's. ``throttle`` are the reasons why the clock is held down, joined by commas: empty where there is none. ``other_processes``
    is how many processes use the device that are not of the run. Unknown is None.
    """

    at_ns: int
    launch: int
    kind: str
    index: int
    memory_used_bytes: int | None = None
    power_w: float | None = None
    energy_j: float | None = None
    temperature_c: float | None = None
    utilization_percent: float | None = None
    frequency_hz: int | None = None
    throttle: str | None = None
    other_processes: int | None = None


@dataclass(frozen=True)
class LoadTime:
    """One loading of the model. ``resident_fraction`` is the share of its files in the page cache just before."""

    seconds: float
    resident_fraction: float | None


@dataclass(frozen=True)
class EngineFacts:
    """What the engine says it really runs: never what was asked of it.

    ``read_bytes_per_step`` are the stored weights that a decoding step of a dense model must read: all but the input embedding.
    """

    engine: str
    version: str
    device: str
    device_name: str
    model: str
    random_weights: bool
    dtypes: Mapping[str, int]
    weight_bytes: int
    parameters: int | None
    kv_bytes_per_token: int | None
    options: Mapping[str, object]
    loads: tuple[LoadTime, ...] = ()
    memory_total_bytes: int | None = None
    read_bytes_per_step: int | None = None


@dataclass(frozen=True)
class Run:
    """A finished or broken-off run as read back from its directory: the header of ``run.json`` and the tables."""

    path: str
    header: Mapping[str, object]
    trials: tuple[Trial, ...]
    samples: tuple[Sample, ...]
    device_samples: tuple[DeviceSample, ...] = ()

    @property
    def status(self) -> str:
        """How the run ended, a killed one too."""
        return outcome(self.header)

    def tried(self, case: str) -> tuple[Trial, ...]:
        """The measured trials of ``case``, and those of any phase in which it failed: a failure is a result too."""
        return tuple(trial for trial in self.trials if trial.case == case and (
            trial.phase is Phase.MEASURED or trial.status is not Status.OK))

    def measured(self, case: str | None = None) -> tuple[Trial, ...]:
        """The trials that enter the result of ``case`` (of all cases where None), in the order they were played."""
        return tuple(trial for trial in self.trials
                     if trial.phase is Phase.MEASURED and (case is None or trial.case == case))
