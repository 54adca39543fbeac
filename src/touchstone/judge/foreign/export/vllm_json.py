"""What ``vllm bench serve --save-result --save-detailed`` would write of the same requests: one object per case, one case a line.

The keys are those of vLLM 0.33.0. Its throughputs are totals over the time from the first request sent to the last answer, and so they are
here, because the object's own arithmetic must hold; ours, of the measured window, stand under ``touchstone``. Times are by our
definitions. A value that is not known, or that the sample cannot support, is null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from touchstone.finding import Estimate, Findings
from touchstone.judge import metrics
from touchstone.judge.foreign.export.case_rows import CaseRows, case_rows, gaps_of, listed
from touchstone.record import Run
from touchstone.served import Ending, LoadRun
from touchstone.units import NS_PER_S

_LATENCIES: Mapping[str, str] = {"ttft": "ttft", "tpot": "tpot", "itl": "itl", "e2el": "e2e"}
_QUANTILES = ("p50", "p90", "p95", "p99")
_OURS = ("output_throughput", "total_throughput", "request_throughput", "goodput")


def write(findings: Findings, run: Run | LoadRun, labels: Mapping[str, str]) -> str:
    """One line of JSON per case."""
    gaps = gaps_of(run)
    return "\n".join(json.dumps(_case(findings, rows, list(gaps(rows)), labels), ensure_ascii=False, allow_nan=False)
                     for rows in case_rows(findings, run))


def _case(findings: Findings, rows: CaseRows, itls: list[list[float]], labels: Mapping[str, str]) -> dict[str, Any]:
    case, identity, load = rows.case, findings.identity, rows.case.load or {}
    rate = load.get("request_rate")
    return {
        "date": _date(findings.created), "endpoint_type": identity.get("backend") or identity.get("engine"),
        "backend": identity.get("backend") or identity.get("engine"), "label": labels.get("label"), "model_id": identity.get("model"),
        "tokenizer_id": identity.get("tokenizer"), "num_prompts": case.issued, "request_rate": "inf" if rate is None else rate,
        "burstiness": load.get("burstiness") or 1.0, "max_concurrency": load.get("concurrency") or (case.batch_size if not load else None),
        **_totals(rows), **_details(rows, itls), **_latencies(rows, itls),
        "touchstone": {
            "run": findings.run_id, "case": case.name, "trust": case.trust.value, "window_s": case.window_s,
            "metrics": {name: _ours(case.metrics[name]) for name in _OURS if name in case.metrics},
            "definitions": {name: str(formula) for name, _, formula in findings.definitions},
        },
    }


def _date(created: str) -> str | None:
    """As that tool writes it: 20261121-120409."""
    try:
        return f"{datetime.fromisoformat(created):%Y%m%d-%H%M%S}"
    except ValueError:
        return None


def _totals(rows: CaseRows) -> dict[str, Any]:
    good, seconds = rows.good, rows.seconds
    counted, prompts = metrics.output_tokens(rows.requests)[good].compressed(), rows.requests.input_tokens[good].compressed()
    answered = int(good.sum())
    output = int(counted.sum()) if len(counted) == answered else None
    inputs = int(prompts.sum()) if len(prompts) == answered else None
    return {
        "duration": seconds, "completed": answered, "failed": rows.case.issued - answered, "total_input_tokens": inputs,
        "total_output_tokens": output, "request_throughput": _over(answered, seconds), "output_throughput": _over(output, seconds),
        "total_token_throughput": _over(None if output is None or inputs is None else output + inputs, seconds),
    }


def _over(count: float | None, seconds: float | None) -> float | None:
    return None if count is None or not seconds else count / seconds


def _details(rows: CaseRows, itls: list[list[float]]) -> dict[str, Any]:
    """One value per request, in the order of the tables."""
    requests = rows.requests
    return {
        "input_lens": listed(requests.input_tokens), "output_lens": listed(metrics.output_tokens(requests)),
        "ttfts": listed(metrics.ttft(requests)), "itls": itls, "latencies": listed(metrics.e2e(requests)),
        "start_times": listed(requests.sent_ns / NS_PER_S),
        "errors": ["" if code == Ending.OK else Ending(code).word for code in requests.ending.filled(Ending.STOPPED).tolist()],
    }


def _latencies(rows: CaseRows, itls: list[list[float]]) -> dict[str, Any]:
    """Means and quantiles as the report has them, in ms; standard deviations of the same values."""
    values = {"ttft": metrics.ttft(rows.requests).compressed(), "tpot": metrics.tpot(rows.requests).compressed(),
              "e2e": metrics.e2e(rows.requests).compressed(),
              "itl": np.array([gap for gaps, good in zip(itls, rows.good.tolist(), strict=True) if good for gap in gaps])}
    said: dict[str, Any] = {}
    for name, metric in _LATENCIES.items():
        estimate = rows.case.metrics[metric]
        spread = values[metric]
        said |= {f"mean_{name}_ms": _ms(estimate.value), f"median_{name}_ms": _ms(estimate.quantiles.get("p50")),
                 f"std_{name}_ms": _ms(float(spread.std()) if len(spread) else None)}
        said |= {f"{quantile}_{name}_ms": _ms(estimate.quantiles.get(quantile)) for quantile in _QUANTILES}
    return said


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _ours(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "unit": estimate.unit, "n": estimate.n}
