"""What every tracker is told of a run: numbers, parameters, tags. Nothing that could hold an address, a path or a secret.

A number is named ``CASE/METRIC_UNIT`` with ``_STATISTIC`` behind it, as the columns of ``touchstone export --to csv`` are. What is not
known is left out, never 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from touchstone.clock import realtime_ns
from touchstone.finding import CaseFinding, Estimate, Findings, Judgement, Verdict
from touchstone.report.table import plain, shortened
from touchstone.trackers.tracked import Tracked
from touchstone.units import NS_PER_S, SUFFIXES

Scalar = str | int | float | bool
_IDENTITY = ("engine", "engine_version", "device", "device_name", "model", "random_weights", "dtype", "parameters", "backend", "streamed",
             "tokenizer", "client_processes")
_PRIVATE = re.compile(r"key|secret|passw|credential|auth|bearer|cookie|header|host|addr|url|proxy|command|path|_token\b|^token\b", re.IGNORECASE)
_LONGEST_NAME, _LONGEST_TEXT = 40, 500
_SPOKEN = {Judgement.SUSPECT, Judgement.INCONSISTENT, Judgement.IMPOSSIBLE}


@dataclass(frozen=True)
class Number:
    """One statistic of one metric of one case, in SI units; ``case`` is a name that every tracker takes."""

    case: str
    metric: str
    statistic: str
    unit: str
    value: float

    @property
    def key(self) -> str:
        """``c4/ttft_s_p99``; a count has no unit."""
        unit = "" if self.statistic in {"n", "share"} else SUFFIXES.get(self.unit, "")
        return f"{self.case}/" + "_".join(part for part in (self.metric, unit, self.statistic) if part and part != "value")


def named_cases(findings: Findings) -> list[tuple[str, CaseFinding]]:
    """The cases, each under a name of letters, digits, ``_``, ``-``, ``.`` and spaces that no other has."""
    named: dict[str, CaseFinding] = {}
    for case in findings.cases:
        wanted = clean(case.name) or "case"
        free = (f"{wanted}-{place}" if place > 1 else wanted for place in count(1))
        named[next(name for name in free if name not in named)] = case
    return list(named.items())


def clean(text: str) -> str:
    """``text`` as a part of a name."""
    return re.sub(r"[^\w.\- ]", "_", plain(text))[:_LONGEST_NAME].strip(". ")


def numbers(findings: Findings) -> list[Number]:
    """Every number of every case that is known and finite."""
    return [number for name, case in named_cases(findings) for number in _of_case(name, case) if math.isfinite(number.value)]


def _of_case(name: str, case: CaseFinding) -> Iterator[Number]:
    counts = {"requests_issued": case.issued, "requests_ok": case.ok, "requests_failed": sum(case.failed.values())}
    for metric, requests in counts.items():
        yield Number(name, metric, "value", "{request}", requests)
    if case.window_s is not None:
        yield Number(name, "window", "value", "s", case.window_s)
    for metric, estimate in case.metrics.items():
        known = {statistic: value for statistic, value in _statistics(estimate).items() if value is not None}
        if known:
            yield from (Number(name, metric, statistic, estimate.unit, value) for statistic, value in {**known, "n": estimate.n}.items())


def _statistics(estimate: Estimate) -> dict[str, float | None]:
    share = {} if estimate.share is None else {"share": estimate.share.value}
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, **estimate.quantiles, **share}


def tags(findings: Findings) -> dict[str, str]:
    """Whether to believe the run and each case of it, and the rules that say no."""
    said = {"trust": findings.trust.value, "status": findings.status, "kind": findings.kind, "verdicts": _verdicts(findings.verdicts, None)}
    if findings.client is not None:
        said["client"] = findings.client.verdict.value
    for name, case in named_cases(findings):
        said |= {f"cases.{name}.trust": case.trust.value, f"cases.{name}.verdicts": _verdicts(findings.verdicts, case.name),
                 f"cases.{name}.slos": "; ".join(f"{slo.level}: {slo.outcome}" for slo in case.slos)}
    return {name: shortened(text, _LONGEST_TEXT) for name, text in said.items() if text}


def _verdicts(verdicts: Iterable[Verdict], case: str | None) -> str:
    spoken = [f"{one.rule}: {one.status.value}" for one in verdicts if one.case == case and one.status in _SPOKEN]
    return "; ".join(dict.fromkeys(spoken))


def parameters(tracked: Tracked) -> dict[str, Scalar]:
    """Plan, identity and conditions, by dotted name. A path is told by its last part only."""
    findings = tracked.findings
    options = findings.identity.get("options")
    told: dict[str, object] = {
        "run_id": findings.run_id, "created": findings.created, "plan": findings.plan_name,
        **{name: findings.identity.get(name) for name in _IDENTITY},
        **_under("options", options if isinstance(options, Mapping) else {}), **_under("method", findings.method),
        **_under("labels", tracked.labels),
    }
    for name, case in named_cases(findings):
        told |= _under(f"cases.{name}", _conditions(case))
    return {name: _shown(value) for name, value in told.items() if isinstance(value, (str, int, float)) and _finite(value)}


def _under(prefix: str, facts: Mapping[str, object]) -> dict[str, object]:
    return {f"{prefix}.{clean(str(name))}": value for name, value in facts.items() if not _PRIVATE.search(str(name))}


def _conditions(case: CaseFinding) -> dict[str, object]:
    shape = {"input_tokens": case.input_tokens, "output_tokens": case.output_tokens, "length_forced": case.speed,
             "launches": case.launches, "trials": case.trials}
    return {**shape, **({"batch_size": case.batch_size} if case.load is None else case.load)}


def _finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _shown(value: Scalar) -> Scalar:
    if not isinstance(value, str):
        return value
    return shortened(value.rstrip("/").rpartition("/")[2] if value.startswith(("/", "~")) else value, _LONGEST_TEXT)


def shown_address(text: str) -> str:
    """``text`` without the name and password that may stand in an address in it."""
    return re.sub(r"//[^/@\s]*@", "//", plain(text))


def title(findings: Findings) -> str:
    """What the run is called in a list: plan, model, id."""
    return shortened(" · ".join(str(part) for part in (findings.plan_name, findings.identity.get("model"), findings.run_id) if part), 100)


def moment_ns(text: str | None) -> int:
    """Nanoseconds since 1970 of an ISO 8601 time; now, where it cannot be read."""
    try:
        at_ns = round(datetime.fromisoformat(text or "").timestamp()) * NS_PER_S
    except (ValueError, OverflowError, OSError):
        at_ns = 0
    return at_ns if 0 < at_ns < 1 << 63 else realtime_ns()
