"""The Markdown face: the skeleton of a published report, every sentence tied to a measured row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from touchstone.finding import Advice, Findings
from touchstone.message import Message, Say, Translate, say
from touchstone.report import sheets, table
from touchstone.report.sheets import Sheet
from touchstone.report.table import COLON, METRIC_WORDS, STATUS_WORDS, TRUST_WORDS, plain


def to_markdown(findings: Findings, translate: Translate, lang: str) -> str:
    """The whole report, ready to paste; hostile text in names or outputs stays text."""
    def said(message: Message) -> str:
        return message.render(translate)

    def shown(make: sheets.SheetOf) -> str:
        return section(make(findings, translate, lang))

    parts = [_head(findings, said), shown(sheets.results), shown(sheets.latencies), analysis(findings, said), _advice(findings, said),
             shown(sheets.memory), shown(sheets.loading), _devices(findings, translate, lang), shown(sheets.audit), _texts(sheets.texts(findings, translate, lang)),
             shown(sheets.definitions), shown(sheets.environment), reproduction(findings, said)]
    return "\n\n".join(part for part in parts if part)


def cell(text: object) -> str:
    """``text`` inside a table or sentence: no markup, no line breaks, no HTML."""
    safe = plain(text)
    for character in "\\`|<>[]*_#":
        safe = safe.replace(character, {"<": "&lt;", ">": "&gt;"}.get(character, f"\\{character}"))
    return safe


def grid(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def drawn(sheet: Sheet) -> str:
    """The table of ``sheet``, without its title."""
    rows = [[f"`{plain(text)}`" if place in sheet.code else cell(text) for place, text in enumerate(row)] for row in sheet.rows]
    return grid(sheet.columns, rows)


def section(sheet: Sheet) -> str:
    """The table of ``sheet`` under its title and over its note; nothing where it has no row."""
    if not sheet.rows:
        return ""
    return "\n\n".join(filter(None, [f"## {sheet.title}", drawn(sheet), sheet.note]))


def _head(findings: Findings, said: Say) -> str:
    one = findings.identity
    lines = [f"# {cell(one['model'])} {cell(one['dtype'])} · {cell(one['engine'])} · {cell(one.get('device_name') or one['device'])}",
             "", " · ".join([f"{said(say('Suite'))} {cell(findings.plan_name)}", cell(findings.created),
                             f"{said(say('Run'))} {findings.run_id}", cell(said(table.run_word(findings.status)))]),
             "", said(sheets.method(findings)), "", f"**{said(say('Verdict'))}{said(COLON)}{said(TRUST_WORDS[findings.trust])}**"]
    return "\n".join([*lines, "", *reasons(findings, said)])


def reasons(findings: Findings, said: Say) -> list[str]:
    """The three gravest verdicts, one line each."""
    lines = []
    for verdict in table.gravest(findings.verdicts, 3):
        where = f" ({cell(verdict.case)})" if verdict.case else ""
        cure = f" → {cell(said(verdict.cure))}" if verdict.cure else ""
        lines.append(f"* {said(STATUS_WORDS[verdict.status])}{where}{said(COLON)}{cell(said(verdict.message))}{cure}")
    return lines


def analysis(findings: Findings, said: Say) -> str:
    """What the cases show together."""
    if not findings.analysis:
        return ""
    lines = [f"* **{said(METRIC_WORDS[metric])}**{said(COLON)}{cell(said(sentence))}" for metric, sentence in findings.analysis]
    return f"## {said(say('Analysis'))}\n\n" + "\n".join(lines)


def _advice(findings: Findings, said: Say) -> str:
    lines = [f"* **{said(one.workload)}**{said(COLON)}{_with_evidence(one, said)}" for one in findings.advice]
    lines += [f"* {said(say('No advice'))}{said(COLON)}{cell(said(one))}" for one in findings.silent]
    return f"## {said(say('Deployment advice'))}\n\n" + "\n".join(lines) if lines else ""


def _with_evidence(one: Advice, said: Say) -> str:
    return said(say("{advice} (evidence: {cases})", advice=cell(said(one.text)), cases=cell(one.evidence)))


def _devices(findings: Findings, translate: Translate, lang: str) -> str:
    """Energy, heat and clocks of the devices, and how they were watched."""
    sheet, notes = sheets.devices(findings, translate, lang), sheets.device_notes(findings, translate, lang)
    if not notes and not sheet.rows:
        return ""
    parts = [f"## {sheet.title}", drawn(sheet) if sheet.rows else "", "\n".join(f"* {cell(note)}" for note in notes)]
    return "\n\n".join(part for part in parts if part)


def _texts(sheet: Sheet) -> str:
    """The texts under what has to be known of them first."""
    return "\n\n".join(filter(None, [f"## {sheet.title}", sheet.note, drawn(sheet)])) if sheet.rows else ""


def reproduction(findings: Findings, said: Say) -> str:
    """The commands that measure it again."""
    return f"## {said(say('Reproduce'))}\n\n```bash\n{sheets.commands(findings)}\n```"
