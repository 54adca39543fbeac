"""The Markdown face of a load run: the skeleton of a published report, with failures beside every number they could hide behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from touchstone.finding import CaseFinding, Findings
from touchstone.message import Message, Translate, say
from touchstone.report import load_table, table
from touchstone.report.load_table import OUTCOME_WORDS
from touchstone.report.markdown import Say, analysis, audit, cell, definitions, environment, grid, reasons, reproduction
from touchstone.report.table import NOTHING, TRUST_WORDS, number, shown
from touchstone.units import significant


def to_load_markdown(findings: Findings, translate: Translate, lang: str) -> str:
    """The whole report, ready to paste; hostile text in names or answers stays text."""
    def said(message: Message) -> str:
        return message.render(translate)

    note = say("n1 is the number of tokens in the first token-bearing event. Intervals are 95 %; their unit is the repeat, and where there is "
               "one repeat, batches of neighbouring requests or slices of the window.")
    parts = [_head(findings, said), _results(findings, said, translate, lang), _levels(findings, said), _latencies(findings, said, translate),
             _failures(findings, said), analysis(findings, said), audit(findings, said), definitions(findings, said, note),
             environment(findings, said), reproduction(findings, said)]
    return "\n\n".join(part for part in parts if part)


def _head(findings: Findings, said: Say) -> str:
    one, method = findings.identity, findings.method
    server = " ".join(str(part) for part in (one.get("engine"), one.get("engine_version")) if part)
    lines = [f"# {cell(one.get('model') or NOTHING)} · {cell(server or NOTHING)} · {cell(one.get('endpoint') or NOTHING)}", "",
             " · ".join([f"{said(say('Load test'))} {cell(findings.plan_name)}", cell(findings.created),
                         f"{said(say('Run'))} {cell(findings.run_id)}", cell(said(table.run_word(findings.status)))]), "",
             said(say("Method: {workload} prompts, {repeats} repeat(s) of each load, warm-up {warmup}, seed {seed}, timeout {timeout} s; output "
                      "length {forced}.", workload=method["workload"], repeats=method["repeats"], warmup=method["warmup"], seed=method["seed"],
                      timeout=significant(method["timeout_s"]), forced=say("forced") if method["ignore_eos"] else say("free"))),
             "", f"**{said(say('Verdict'))}: {said(TRUST_WORDS[findings.trust])}**", *reasons(findings, said),
             *(f"\n{cell(said(one))}" for one in load_table.search_lines(findings))]
    for line in load_table.client_lines(findings):
        lines += ["", said(line)]
    lines += [f"* {cell(said(reason))}" for reason in findings.client.reasons] if findings.client else []
    return "\n".join(lines)


def _results(findings: Findings, said: Say, translate: Translate, lang: str) -> str:
    if not findings.cases:
        return ""
    header = [said(column) for column in load_table.COLUMNS]
    rows = [[cell(one) for one in load_table.row(case, translate, lang, 4)] for case in findings.cases]
    note = said(say("Lengths are counted by the server. Throughput and goodput are of the measured window: from the first request that ended "
                    "well (in a closed loop, from the end of the first round) to the last one sent, or the whole span where that is not steady."))
    return f"## {said(say('Results'))}\n\n{grid(header, rows)}\n\n{note}\n\n{_conditions(findings, said)}"


def _conditions(findings: Findings, said: Say) -> str:
    """How each load was offered, and what was served of it."""
    header = [said(say("Load")), said(say("How")), said(say("Window (s)")), said(say("Output (tokens/s)")), "±", said(say("Total (tokens/s)")),
              said(say("Goodput, share of issued")), said(say("Input asked (min, max)")), said(say("Output asked (min, max)")),
              said(say("Tokens per event"))]
    rows = []
    for case in findings.cases:
        load: Mapping[str, Any] = case.load or {}
        share = case.metrics["goodput"].share
        rows.append([cell(case.name), cell(said(load_table.load_words(case))), number(case.window_s), shown(case.metrics["output_throughput"]),
                     load_table.half_width(case.metrics["output_throughput"]), shown(case.metrics["total_throughput"]),
                     _share(None if share is None else share.value, None if share is None else share.low, None if share is None else share.high),
                     _length(load["input_tokens_asked"]), _length(load["output_tokens_asked"]), number(load["tokens_per_event"])])
    return grid(header, rows)


def _share(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return NOTHING
    return f"{significant(100 * value, 4)} % ({significant(100 * low, 4)} … {significant(100 * high, 4)})"


def _length(length: Mapping[str, Any]) -> str:
    return NOTHING if length["mean"] is None else f"{number(length['mean'])} ({number(length['min'])}, {number(length['max'])})"


def _levels(findings: Findings, said: Say) -> str:
    rows = [[cell(case.name), cell(one.level), said(OUTCOME_WORDS[one.outcome]), number(one.observed_s, 1e3), one.issued,
             _share(one.share, one.low, one.high)] for case in findings.cases for one in case.slos]
    header = [said(say("Load")), said(say("Level")), said(say("Outcome")), said(say("Measured (ms)")), "n", said(say("Share inside the limit"))]
    return f"## {said(say('Service levels'))}\n\n{grid(header, rows)}" if rows else ""


def _latencies(findings: Findings, said: Say, translate: Translate) -> str:
    rows = [[cell(case.name), *row] for case in findings.cases for row in load_table.latency_rows(case, translate, every=True)]
    header = [said(say("Load")), said(say("Latency (ms)")), *(said(column) for column in load_table.LATENCY_COLUMNS[1:])]
    note = said(say("Of requests that ended well. A dash stands where the sample is too small: P90 needs 29 values, P99 299."))
    return f"## {said(say('Latency'))}\n\n{grid(header, rows)}\n\n{note}" if rows else ""


def _failures(findings: Findings, said: Say) -> str:
    rows = [row for case in findings.cases for row in _failure_rows(case)]
    if not findings.cases:
        return ""
    body = grid([said(say("Load")), said(say("Kind")), said(say("Requests")), said(say("Share (%)"))], rows) if rows else \
        said(say("None: every request ended well."))
    return f"## {said(say('Failures'))}\n\n{body}"


def _failure_rows(case: CaseFinding) -> list[list[object]]:
    return [[cell(case.name), f"`{kind}`", count, significant(100 * count / case.issued, 3)] for kind, count in case.failed.items()]
