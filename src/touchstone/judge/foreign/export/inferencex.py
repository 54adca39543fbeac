"""InferenceX rows: a JSON list with one row per case; latencies in s, throughput per accelerator, interactivity in tokens/s per user.

Keys as SemiAnalysis' ``utils/process_result.py`` makes them from a result of vLLM (commit 77f3e68). How many accelerators there were,
and which, a server does not say: that comes from labels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from touchstone.errors import UsageError
from touchstone.finding import CaseFinding, Findings
from touchstone.record import Run
from touchstone.served import LoadRun

_LATENCIES: Mapping[str, str] = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e"}
_QUANTILES: Mapping[str, str] = {"median": "p50", "p90": "p90", "p95": "p95", "p99": "p99"}


def write(findings: Findings, run: Run | LoadRun, labels: Mapping[str, str]) -> str:
    """The rows as JSON. Raises :class:`UsageError` if nobody says on how many accelerators the model ran."""
    devices = _whole(labels.get("tp") or ("1" if isinstance(run, Run) else None))
    if devices is None:
        raise UsageError("An InferenceX row is per accelerator, and the run does not say how many there were.",
                         "Say it: --label tp=8 --label hw=h200")
    return json.dumps([_row(findings, case, devices, labels) for case in findings.cases], ensure_ascii=False, indent=1, allow_nan=False)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and 0 < len(text) < 6 and int(text) else None


def _row(findings: Findings, case: CaseFinding, devices: int, labels: Mapping[str, str]) -> dict[str, Any]:
    identity, load = findings.identity, case.load or {}
    output, total = (_value(case, name) for name in ("output_throughput", "total_throughput"))
    prompt = None if output is None or total is None else total - output
    row: dict[str, Any] = {
        "hw": labels.get("hw") or identity.get("device_name"), "conc": load.get("concurrency") if load else case.batch_size,
        "image": labels.get("image"), "model": identity.get("model"), "framework": labels.get("framework") or identity.get("engine"),
        "precision": labels.get("precision") or identity.get("dtype"), "spec_decoding": labels.get("spec_decoding"),
        "isl": _rounded(case.input_tokens), "osl": _rounded(case.output_tokens), "tp": devices,
        "ep": _whole(labels.get("ep")), "tput_per_gpu": _per(total, devices), "output_tput_per_gpu": _per(output, devices),
        "input_tput_per_gpu": _per(prompt, devices), "trust": case.trust.value,
    }
    for name, metric in _LATENCIES.items():
        estimate = case.metrics[metric]
        values = {"mean": estimate.value, **{word: estimate.quantiles.get(key) for word, key in _QUANTILES.items()}}
        row |= {f"{word}_{name}": value for word, value in values.items()}
        if name == "tpot":
            row |= {f"{word}_intvty": 1 / value if value else None for word, value in values.items()}
    return row


def _value(case: CaseFinding, name: str) -> float | None:
    return case.metrics[name].value if name in case.metrics else None


def _per(rate: float | None, devices: int) -> float | None:
    return None if rate is None else rate / devices


def _rounded(length: float | None) -> int | None:
    return None if length is None else round(length)
