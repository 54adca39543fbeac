"""CSV for a spreadsheet: one row per case, or one per request, SI units in the names of the columns. Unknown is an empty cell.

The text begins with a byte order mark, without which Excel reads UTF-8 as something else.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from touchstone.finding import CaseFinding, Findings
from touchstone.judge import metrics
from touchstone.judge.foreign.export.case_rows import CaseRows, case_rows, listed
from touchstone.record import Run
from touchstone.served import Ending, LoadRun
from touchstone.units import NS_PER_S, SUFFIXES

_BYTE_ORDER_MARK = "\ufeff"
_QUANTILES = ("p50", "p90", "p95", "p99", "max")
_LOADS = ("arrival", "concurrency", "request_rate")
_TIMES: Mapping[str, Any] = {"ttft": metrics.ttft, "ttfo": metrics.ttfo, "ttfe": metrics.ttfe, "tpot": metrics.tpot, "e2e": metrics.e2e,
                             "stream_end": metrics.stream_end}


def write(findings: Findings, run: Run | LoadRun, labels: Mapping[str, str]) -> str:  # noqa: ARG001 - the signature of every export
    """One row per case: conditions, counts, and every metric with its interval and quantiles."""
    names = list(dict.fromkeys(name for case in findings.cases for name in case.metrics))
    rows = [_of_case(findings, case, names) for case in findings.cases]
    return _csv(list(rows[0]) if rows else ["case"], (row.values() for row in rows))


def _of_case(findings: Findings, case: CaseFinding, names: Sequence[str]) -> dict[str, Any]:
    load = case.load or {}
    row: dict[str, Any] = {
        "run": findings.run_id, "model": findings.identity.get("model"), "engine": findings.identity.get("engine"), "case": case.name,
        "trust": case.trust.value, "batch_size": None if load else case.batch_size, **{name: load.get(name) for name in _LOADS},
        "input_tokens": case.input_tokens, "output_tokens": case.output_tokens, "issued": case.issued, "ok": case.ok, "window_s": case.window_s,
    }
    for name in names:
        estimate = case.metrics.get(name)
        unit = SUFFIXES[metrics.METRICS[name].unit]
        values = vars(estimate) if estimate else {}
        row |= {f"{name}_{unit}" + ("" if key == "value" else f"_{key}"): values.get(key) for key in ("value", "low", "high")}
        row[f"{name}_n"] = values.get("n")
        if unit == "s":
            quantiles = estimate.quantiles if estimate else {}
            row |= {f"{name}_s_{key}": quantiles.get(key) for key in _QUANTILES}
    return row


def write_requests(findings: Findings, run: Run | LoadRun, labels: Mapping[str, str]) -> str:  # noqa: ARG001 - the signature of every export
    """One row per request. ``sent_s`` counts from the first request of the run."""
    cases = list(case_rows(findings, run))
    start = min((int(rows.requests.sent_ns.min()) for rows in cases if rows.requests.sent_ns.count()), default=0)
    header = ["case", "point", "request", "ending", "sent_s", "input_tokens", "cached_tokens", "output_tokens", *(f"{name}_s" for name in _TIMES)]
    return _csv(header, (row for rows in cases for row in _of_requests(rows, start)))


def _of_requests(rows: CaseRows, start_ns: int) -> Iterable[Sequence[Any]]:
    requests = rows.requests
    endings = [Ending(code).word for code in requests.ending.filled(Ending.STOPPED).tolist()]
    sent = np.ma.MaskedArray((requests.sent_ns.data - start_ns) / NS_PER_S, np.ma.getmaskarray(requests.sent_ns))
    columns = [requests.point, requests.request, endings, sent, requests.input_tokens, requests.cached_tokens, metrics.output_tokens(requests),
               *(of(requests) for of in _TIMES.values())]
    lists = [column if isinstance(column, list) else listed(column) for column in columns]
    return ([rows.case.name, *values] for values in zip(*lists, strict=True))


def _csv(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return _BYTE_ORDER_MARK + text.getvalue().rstrip("\n")


def _cell(value: object) -> object:
    """A spreadsheet runs text that begins like a formula; whatever a server calls its model must stay text."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return value
