"""llm-d Benchmark Report 0.2 in YAML: one document per case. Its fields, units and required keys: the project's JSON schema of that version.

A statistic must have a mean there, so a metric without one is left out; what the schema has no place for (trust) stands in the keywords.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml

from touchstone.finding import Estimate, Findings
from touchstone.judge import metrics
from touchstone.judge.foreign.export.case_rows import CaseRows, case_rows
from touchstone.record import Run
from touchstone.served import Column, LoadRun

VERSION = "0.2"
_TOOL = "touchstone"
_LATENCIES: Mapping[str, tuple[str, str]] = {
    "time_to_first_token": ("ttft", "s"), "time_per_output_token": ("tpot", "s/token"), "inter_token_latency": ("itl", "s/token"),
    "request_latency": ("e2e", "s"),
}
_RATES: Mapping[str, tuple[str, str]] = {
    "input_token_rate": ("prompt_throughput", "tokens/s"), "output_token_rate": ("output_throughput", "tokens/s"),
    "total_token_rate": ("total_throughput", "tokens/s"), "request_rate": ("request_throughput", "queries/s"),
}
_SOURCES = {"synthetic": "random", "sharegpt": "sampled", "jsonl": "sampled"}


def write(findings: Findings, run: Run | LoadRun, labels: Mapping[str, str]) -> str:
    """The documents of all cases, parted by ``---``."""
    reports = [_report(findings, rows, stage, run, labels) for stage, rows in enumerate(case_rows(findings, run))]
    return str(yaml.safe_dump_all(reports, allow_unicode=True, sort_keys=False))


def _report(findings: Findings, rows: CaseRows, stage: int, run: Run | LoadRun, labels: Mapping[str, str]) -> dict[str, Any]:
    case = rows.case
    return {
        "version": VERSION,
        "run": {"uid": f"{findings.run_id}-{stage}", "eid": findings.run_id, "time": {"start": findings.created},
                "description": f"{findings.plan_name}: {case.name}", "keywords": [_TOOL, f"trust: {case.trust.value}"]},
        "scenario": _present({"stack": [_engine(findings.identity, labels)],
                              "load": _load(findings, rows, stage, str(run.header.get("touchstone")))}),
        "results": {"request_performance": {"aggregate": {
            "requests": _requests(rows),
            "latency": _present({name: _statistics(case.metrics.get(metric), unit) for name, (metric, unit) in _LATENCIES.items()}),
            "throughput": _present({name: _statistics(case.metrics.get(metric), unit) for name, (metric, unit) in _RATES.items()}),
        }}},
    }


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode("utf-8", "replace")).hexdigest()[:16]


def _engine(identity: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """The engine as a component of no particular kind: the schema's own kind wants an accelerator, which a server does not name."""
    known = {"model": identity.get("model"), "device": labels.get("hw") or identity.get("device_name") or identity.get("device"),
             "dtype": labels.get("precision") or identity.get("dtype"), "tp": labels.get("tp")}
    return {
        "metadata": {"label": "engine", "cfg_id": _digest(dict(identity))},
        "standardized": {"kind": "generic", "tool": str(identity.get("engine") or "unknown"),
                         "tool_version": str(identity.get("engine_version") or "unknown"), **_present(known)},
        "native": {},
    }


def _load(findings: Findings, rows: CaseRows, stage: int, version: str) -> dict[str, Any] | None:
    """What was offered; None where nobody knows the length of a prompt, without which the schema takes no load."""
    load, requests = rows.case.load or {}, rows.requests
    asked = _length(requests.input_tokens_asked) or _length(requests.input_tokens)
    if asked is None:
        return None
    concurrency = load.get("concurrency") if load else rows.case.batch_size
    return {
        "metadata": {"cfg_id": _digest({"load": load, "method": findings.method}), "description": rows.case.name},
        "standardized": _present({
            "tool": _TOOL, "tool_version": version, "parallelism": findings.identity.get("client_processes") or 1,
            "source": _SOURCES.get(str(findings.method.get("workload")), "unknown"), "stage": stage, "input_seq_len": asked,
            "output_seq_len": _length(requests.output_tokens_asked) if rows.case.speed else None,
            "rate_qps": load.get("request_rate"), "concurrency": concurrency}),
        "native": {"config": {"command": list(findings.reproduce)}},
    }


def _length(lengths: Column) -> dict[str, Any] | None:
    known = lengths.compressed()
    if not len(known) or known.max() < 1:
        return None
    fixed = known.min() == known.max()
    return {"distribution": "fixed" if fixed else "other", "value": int(known[0]) if fixed else float(known.mean()),
            "min": int(known.min()), "max": int(known.max())}


def _requests(rows: CaseRows) -> dict[str, Any]:
    case, good = rows.case, rows.good
    stopped = case.failed.get("stopped", 0)
    return _present({"total": case.issued, "failures": sum(case.failed.values()) - stopped, "incomplete": stopped,
                     "input_length": _counts(rows.requests.input_tokens, good), "output_length": _counts(metrics.output_tokens(rows.requests), good)})


def _counts(column: Column, good: metrics.Flags) -> dict[str, Any] | None:
    known = column[good].compressed()
    if not len(known):
        return None
    return {"units": "count", "mean": float(known.mean()), "stddev": float(np.std(known)), "min": int(known.min()), "max": int(known.max())}


def _statistics(estimate: Estimate | None, unit: str) -> dict[str, Any] | None:
    if estimate is None or estimate.value is None:
        return None
    return {"units": unit, "mean": estimate.value, **_present(dict(estimate.quantiles))}
