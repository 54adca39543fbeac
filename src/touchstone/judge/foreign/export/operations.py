"""The requests of a run as operations of a GenAI client, counted into buckets.

Names, units and bounds are those of OpenTelemetry's semantic conventions for generative AI (semantic-conventions-genai,
docs/gen-ai/gen-ai-metrics.md, in development). A chunk is there what an event of the answer is here; chunks that reached the client
together have no time between them and are counted once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from touchstone.finding import Findings
from touchstone.histogram import Histogram
from touchstone.judge import metrics
from touchstone.judge.foreign.export.case_rows import CaseRows, case_rows, gaps_of
from touchstone.record import Run
from touchstone.served import Ending, LoadRun
from touchstone.units import NS_PER_S

SECONDS = tuple(0.01 * 2**step for step in range(14))
"""Upper bounds of the buckets of every time: 10 ms to 82 s, each twice the one before."""
TOKENS = tuple(4.0**step for step in range(14))
"""Upper bounds of the buckets of token counts."""
_Group = tuple[str, Mapping[str, str], Any]


def operations(findings: Findings, run: Run | LoadRun) -> tuple[Histogram, ...]:
    """The histograms of every case of ``findings``; what no request of a case has is left out."""
    gaps = gaps_of(run)
    streamed = findings.identity.get("streamed") is not False
    return tuple(_counted(rows.case.name, name, attributes, values)
                 for rows in case_rows(findings, run)
                 for name, attributes, values in chain(_of_requests(rows), _of_chunks(rows, gaps(rows)) if streamed else ())
                 if len(values))


def _of_requests(rows: CaseRows) -> Iterator[_Group]:
    requests, good = rows.requests, rows.good
    yield "operation.duration", {}, metrics.stream_end(requests).compressed()
    endings = requests.ending.filled(Ending.STOPPED)
    for code in np.unique(endings[~good]).tolist():
        failed = endings == code
        lasted = (requests.ended_ns[failed] - requests.sent_ns[failed]) / NS_PER_S
        yield "operation.duration", {"error.type": Ending(code).word}, np.ma.MaskedArray(lasted).compressed()
    yield "token.usage", {"gen_ai.token.type": "input"}, requests.input_tokens[good].compressed()
    yield "token.usage", {"gen_ai.token.type": "output"}, metrics.output_tokens(requests)[good].compressed()


def _of_chunks(rows: CaseRows, gaps: Iterator[list[float]]) -> Iterator[_Group]:
    yield "operation.time_to_first_chunk", {}, metrics.ttfe(rows.requests).compressed()
    between = chain.from_iterable(gap for gap, good in zip(gaps, rows.good.tolist(), strict=True) if good)
    yield "operation.time_per_output_chunk", {}, np.fromiter(between, dtype=np.float64)


def _counted(case: str, name: str, attributes: Mapping[str, str], values: Any) -> Histogram:
    bounds, unit = (TOKENS, "{token}") if name == "token.usage" else (SECONDS, "s")
    counts = np.bincount(np.searchsorted(bounds, values, side="left"), minlength=len(bounds) + 1)
    return Histogram(case, f"gen_ai.client.{name}", unit, attributes, bounds, tuple(counts.tolist()), float(values.sum()),
                     float(values.min()), float(values.max()))
