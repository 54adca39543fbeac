"""Runs whose devices were sampled: power, counters and states as a test says, on the clock of trials made by hand."""

from dataclasses import replace

from builders import GB, S, make_run, make_trial

from touchstone.record import DeviceSample

START = 10 * S
"""When the measured process starts: what is sampled before is the device at rest."""
PERIOD = S // 4
LENGTH = 4 * S
"""Each trial lasts four seconds and brings 16 tokens."""


def make_account(**changes):
    """What a sampler says of itself."""
    facts = {"launch": 0, "process": 0, "asked_period_s": 0.25, "period_s": 0.25, "readings": 200, "cpu_s": 0.1, "wall_s": 50.0,
             "cost_fraction": 0.002, "sensor": {"name": "NVML", "read_s": 0.0005}, "samples": {"telemetry": 200, "devices": 200},
             "missing": [], "started_ns": START}
    return {**facts, **changes}


def make_trials(count=5, launch=0):
    """Trials one after the other from a second after the start, each from handing over to the last token exactly ``LENGTH``."""
    step_ns = (LENGTH - S) // 15
    first_ns = LENGTH - 15 * step_ns
    return [make_trial(index=index, launch=launch, sequence=index, sent_ns=START + S + index * 5 * S, first_ns=first_ns, step_ns=step_ns)
            for index in range(count)]


def sampled(values, period_ns=PERIOD, until_ns=START + 30 * S, **fixed):
    """Samples from three quarters of a second before the start on; ``values(at_ns)`` gives their fields."""
    facts = {"launch": 0, "kind": "cuda", "index": 0, **fixed}
    return tuple(DeviceSample(at_ns=at_ns, **{**facts, **values(at_ns)}) for at_ns in range(START - 3 * S // 4, until_ns, period_ns))


def steady(at_ns):
    """A device at 60 W and half a gigabyte before the start, 300 W and 20 GB after it, with a counter that knows it."""
    rest_j = 60 * (min(at_ns, START) - START) / S
    return {"power_w": 60.0 if at_ns < START else 300.0, "energy_j": 1e6 + rest_j + 300 * max(0, at_ns - START) / S,
            "memory_used_bytes": GB // 2 if at_ns < START else 20 * GB, "temperature_c": 55.0, "utilization_percent": 90.0,
            "frequency_hz": 1_980_000_000, "throttle": "", "other_processes": 0}


def without(*names, values=steady):
    """``values`` without some fields."""
    return lambda at_ns: {name: value for name, value in values(at_ns).items() if name not in names}


def watched_run(samples=None, trials=None, accounts=None, **header):
    """A run on one GPU of 300 W, sampled every quarter of a second."""
    run = make_run(make_trials() if trials is None else trials, telemetry={"launches": accounts or [make_account()]}, **header)
    return replace(run, device_samples=sampled(steady) if samples is None else tuple(samples))
