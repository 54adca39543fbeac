"""The faces of an audit: what does not hold comes first, then what was assumed, then every row; and it says what passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from touchstone.finding import GRAVITY, AuditedRow, AuditedTable, AuditFindings, Judgement, Verdict
from touchstone.message import Message, Translate, say
from touchstone.report.document import SCHEMA
from touchstone.report.markdown import cell
from touchstone.report.table import COLON, SEMICOLON, STATUS_WORDS, listed, plain
from touchstone.report.terminal import Screen

_MOST_ROWS = 60
_PER_ROW = 4


def headline(findings: AuditFindings) -> Message:
    """How many rows of how many hold."""
    counts = Counter(row.status for row in findings.rows)
    total = len(findings.rows)
    if not total:
        return say("nothing here could be audited")
    bad = [status for status in GRAVITY[:3] if counts[status]]
    if not bad:
        return say("{count} of {total} rows pass; nothing contradicts itself or physics", count=counts[Judgement.PASS], total=total)
    parts = [say("{count} {status}", count=counts[status], status=STATUS_WORDS[status]) for status in bad]
    return say("of {total} rows: {parts}", total=total, parts=listed(parts))


def _gravest(row: AuditedRow) -> list[Verdict]:
    """The verdicts to show of a row: the bad ones by gravity, else what could not be told."""
    bad = sorted((one for one in row.verdicts if one.status in GRAVITY[:3]), key=lambda one: GRAVITY.index(one.status))
    return bad[:_PER_ROW] or [one for one in row.verdicts if one.status is Judgement.CANNOT_TELL][:1]


def _passed(table: AuditedTable) -> str:
    """The rules that every row they apply to passes, with the number of rows."""
    status: dict[str, list[Judgement]] = {}
    for row in table.rows:
        for verdict in row.verdicts:
            status.setdefault(verdict.rule, []).append(verdict.status)
    return ", ".join(f"{rule} ({len(found)})" for rule, found in status.items() if set(found) == {Judgement.PASS})


def audit_to_text(findings: AuditFindings, translate: Translate) -> str:
    """The audit for a terminal."""
    def said(message: Message) -> str:
        return plain(message.render(translate))

    screen = Screen()
    screen.line(f"{said(say('Audit'))} {plain(findings.name)}{said(COLON)}{said(headline(findings))}")
    for table in findings.tables:
        screen.line()
        for line, hang in _table_lines(table, said):
            screen.line(line, hang)
    for message in findings.left_out:
        screen.line(f"{said(say('Left out'))}{said(COLON)}{said(message)}", 2)
    return screen.text()


def _table_lines(table: AuditedTable, said: Any) -> Iterator[tuple[str, int]]:
    """Lines and how far they hang."""
    yield plain(table.source), 0
    if table.assumptions:
        yield f"  {said(say('Assumed'))}{said(COLON)}{said(SEMICOLON).join(said(one).rstrip('.。') for one in table.assumptions)}", 4
    shown = sorted(table.rows, key=lambda row: GRAVITY.index(row.status))[:_MOST_ROWS] if len(table.rows) > _MOST_ROWS else table.rows
    for row in shown:
        label = f" {plain(row.label)}" if row.label and row.label != str(row.row) else ""
        yield f"  {row.row}{label}{said(COLON)}{said(STATUS_WORDS[row.status])}", 4
        for verdict in _gravest(row):
            yield f"      {verdict.rule} {said(STATUS_WORDS[verdict.status])}{said(COLON)}{said(verdict.message)}", 8
    if len(shown) < len(table.rows):
        yield "  " + said(say("and {count} more rows, none graver; --format json has them all", count=len(table.rows) - len(shown))), 4
    if passed := _passed(table):
        yield f"  {said(say('Every row passes'))}{said(COLON)}{passed}", 4
    for message in table.left_out:
        yield f"  {said(say('Left out'))}{said(COLON)}{said(message)}", 4


def audit_to_markdown(findings: AuditFindings, translate: Translate) -> str:
    """The audit as Markdown, every row with all its verdicts that are not passes."""
    def said(message: Message) -> str:
        return cell(message.render(translate))

    lines = [f"## {said(say('Audit'))}{said(COLON)}{cell(findings.name)}", "", said(headline(findings)), ""]
    for table in findings.tables:
        lines += [f"### {cell(table.source)}", "", *(f"* {said(say('Assumed'))}{said(COLON)}{said(one)}" for one in table.assumptions), "",
                  f"| # | {said(say('Row'))} | {said(say('Verdict'))} | {said(say('Reasons'))} |", "|---|---|---|---|"]
        for row in table.rows:
            reasons = "<br>".join(f"{one.rule}{said(COLON)}{said(one.message)}" for one in _gravest(row))
            lines.append(f"| {row.row} | {cell(row.label)} | {said(STATUS_WORDS[row.status])} | {reasons} |")
        lines += ["", *([f"{said(say('Every row passes'))}{said(COLON)}{passed}", ""] if (passed := _passed(table)) else []),
                  *(f"* {said(say('Left out'))}{said(COLON)}{said(one)}" for one in table.left_out)]
    lines += [f"* {said(say('Left out'))}{said(COLON)}{said(one)}" for one in findings.left_out]
    return "\n".join(lines).rstrip()


def audit_to_json(findings: AuditFindings, translate: Translate) -> str:
    """The audit as one JSON object; its shape is a contract (``"schema": 1``)."""
    def said(message: Message) -> str:
        return message.render(translate)

    document = {
        "schema": SCHEMA, "name": findings.name,
        "tables": [{"source": table.source, "assumptions": [said(one) for one in table.assumptions],
                    "rows": [_row(row, said) for row in table.rows], "left_out": [said(one) for one in table.left_out]}
                   for table in findings.tables],
        "left_out": [said(one) for one in findings.left_out],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1).decode()


def _row(row: AuditedRow, said: Any) -> Mapping[str, Any]:
    return {"row": row.row, "label": row.label, "verdict": row.status.value, "rules": [
        {"id": one.rule, "status": one.status.value, "observed": one.observed, "low": one.low, "high": one.high, "bound": one.bound,
         "unit": one.unit, "message": said(one.message)} for one in row.verdicts]}


AUDIT_FACES: Mapping[str, Any] = {"text": audit_to_text, "md": audit_to_markdown, "json": audit_to_json}
"""Name → function of audit findings and a translator."""
