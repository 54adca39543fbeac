"""The Markdown face of a load run: the skeleton of a published report, with failures beside every number they could hide behind."""

from __future__ import annotations

from touchstone.finding import Findings
from touchstone.message import Message, Say, Translate, say
from touchstone.report import load_table, sheets, table
from touchstone.report.markdown import analysis, cell, drawn, reasons, reproduction, section
from touchstone.report.sheets import Sheet
from touchstone.report.table import COLON, NOTHING, TRUST_WORDS


def to_load_markdown(findings: Findings, translate: Translate, lang: str) -> str:
    """The whole report, ready to paste; hostile text in names or answers stays text."""
    def said(message: Message) -> str:
        return message.render(translate)

    def sheet(make: sheets.SheetOf) -> Sheet:
        return make(findings, translate, lang)

    results = [section(sheet(sheets.results)), drawn(sheet(sheets.conditions))] if findings.cases else []
    parts = [_head(findings, said), *results, section(sheet(sheets.levels)), section(sheet(sheets.latencies)), _failures(sheet(sheets.failures)),
             analysis(findings, said), section(sheet(sheets.audit)), section(sheet(sheets.definitions)), section(sheet(sheets.environment)),
             reproduction(findings, said)]
    return "\n\n".join(part for part in parts if part)


def _head(findings: Findings, said: Say) -> str:
    one = findings.identity
    server = " ".join(str(part) for part in (one.get("engine"), one.get("engine_version")) if part)
    lines = [f"# {cell(one.get('model') or NOTHING)} · {cell(server or NOTHING)} · {cell(one.get('endpoint') or NOTHING)}", "",
             " · ".join([f"{said(say('Load test'))} {cell(findings.plan_name)}", cell(findings.created),
                         f"{said(say('Run'))} {cell(findings.run_id)}", cell(said(table.run_word(findings.status)))]), "",
             said(sheets.method(findings)), "", f"**{said(say('Verdict'))}{said(COLON)}{said(TRUST_WORDS[findings.trust])}**", "", *reasons(findings, said),
             *(f"\n{cell(said(one))}" for one in load_table.search_lines(findings))]
    for line in load_table.client_lines(findings):
        lines += ["", said(line)]
    lines += [f"* {cell(said(reason))}" for reason in findings.client.reasons] if findings.client else []
    return "\n".join(lines)


def _failures(sheet: Sheet) -> str:
    """The failures, or that there is none."""
    body = drawn(sheet) if sheet.rows else sheet.note
    return f"## {sheet.title}\n\n{body}" if body else ""
