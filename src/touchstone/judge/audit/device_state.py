"""Rules of the device's own state: was it held back, shared, or disturbed by being watched? Silent where nothing was sampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from touchstone.finding import Judgement, Verdict
from touchstone.judge.audit.evidence import Evidence, Rule
from touchstone.judge.meters import Meters, telemetry_accounts
from touchstone.message import say
from touchstone.units import significant

THROTTLE_LIMIT = 0.01
SAMPLER_LIMIT = 0.01


def _throttled(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    for case in evidence.cases:
        state = case.device
        if state is None or state.throttled_fraction is None:
            continue
        held = state.throttled_fraction > THROTTLE_LIMIT
        yield Verdict(rule, Judgement.SUSPECT if held else Judgement.PASS, say(
            "heat or power held the clock down in {share} % of {samples} samples ({reasons}); {temperature} °C at most",
            share=significant(100 * state.throttled_fraction, 3), samples=state.samples, reasons=", ".join(state.throttle_reasons) or "-",
            temperature="?" if state.temperature_max_c is None else significant(state.temperature_max_c, 3)),
            case.name, observed=state.throttled_fraction, bound=THROTTLE_LIMIT,
            cure=say("cool the device or lower its power limit, so that its clock is steady") if held else None)


def _shared(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    meters = Meters(evidence.run)
    if not any(kind != "cpu" for kind, _ in meters.devices):
        return
    before = meters.others_before()
    during = [case.device.other_processes_max for case in evidence.cases if case.device and case.device.other_processes_max is not None]
    most = max([*during, before or 0], default=0)
    if most:
        yield Verdict(rule, Judgement.SUSPECT, say(
            "up to {count} process(es) that are not of this run used the device", count=most), observed=float(most), bound=0.0,
            cure=say("end them, or choose another device"))
    elif during:
        yield Verdict(rule, Judgement.PASS, say("no process but those of the run was seen on the device"))
    else:
        yield Verdict(rule, Judgement.CANNOT_TELL, say("which processes use the device cannot be seen from here, as in a container"))


def _sampler_cost(evidence: Evidence, rule: str) -> Iterator[Verdict]:
    environment = evidence.run.header.get("environment")
    cores = environment.get("cores") if isinstance(environment, Mapping) else None
    costs = [(float(one["cost_fraction"]), one.get("period_s")) for one in telemetry_accounts(evidence.run.header)
             if one.get("cost_fraction") is not None]
    if not costs or not cores:
        return
    share, period_s = max(costs, key=lambda pair: pair[0])
    small = share / cores <= SAMPLER_LIMIT
    yield Verdict(rule, Judgement.PASS if small else Judgement.CANNOT_TELL, say(
        "sampling every {period} s used {share} % of one core of {cores}", period="?" if period_s is None else significant(period_s, 3),
        share=significant(100 * share, 2), cores=cores), observed=share / cores, bound=SAMPLER_LIMIT)


DEVICE_STATE = (
    Rule("throttled", f"samples in which heat or power holds the clock down / samples of the measured trials <= {THROTTLE_LIMIT}", _throttled),
    Rule("device-shared", "no process that is not of the run uses the device", _shared),
    Rule("sampler-cost", f"CPU time of the sampler / (time * cores) <= {SAMPLER_LIMIT}, else it is noted", _sampler_cost),
)
